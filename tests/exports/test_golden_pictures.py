"""Golden vectors of a policy that sees pictures: few bytes, whatever the camera's noise."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from exports.samples import Samples, golden_vectors
from ilrobot.control.contract_golden import Golden, golden_from_json, golden_to_json
from ilrobot.control.drawing import Prediction
from ilrobot.spec import Feature, Spec

STATE, EYE = "observation.state", "observation.images.eye"
SPEC = Spec(
    (Feature(STATE, (2,)), Feature(EYE, (480, 640, 3), "uint8")), Feature("action", (2,)), 10.0
)
SHAPES = {"n_obs": 2, "horizon": 3, "noise_shape": None}


def scene(count, n_obs=2):
    """A camera's own pictures: something to see, and a sensor's noise, which does not compress."""
    rng = np.random.default_rng(0)
    down, across = np.mgrid[:480, :640]
    seen = (120 + 60 * np.sin(across / 90) + 40 * np.cos(down / 70)).astype(np.uint8)[..., None]
    return seen + rng.integers(0, 8, (count, n_obs, 480, 640, 3), np.uint8)


@pytest.fixture(scope="module")
def chosen():
    """Golden vectors of such pictures, and what the session was asked."""
    windows = {
        STATE: np.random.default_rng(1).normal(size=(6, 2, 2)).astype(np.float32),
        EYE: scene(6),
    }
    asked = []

    def predict(history, noise, guide):
        asked.append(history)
        return Prediction(np.full((3, 2), history[EYE].mean() / 255, np.float32), {})

    return golden_vectors(SimpleNamespace(predict=predict), Samples(windows)), asked, windows


def test_a_contract_of_noisy_pictures_stays_short_and_reads_back(chosen):
    golden, asked, _ = chosen
    text = json.dumps(golden_to_json(golden))
    assert len(text) < 8 * 8_000  # of eight pictures; the camera's own are 7 MB
    again = golden_from_json(json.loads(text), None, spec=SPEC, **SHAPES)
    for one, other, history in zip(golden, again, asked, strict=True):
        np.testing.assert_array_equal(one.observations[EYE], history[EYE])
        np.testing.assert_array_equal(one.observations[EYE], other.observations[EYE])
        np.testing.assert_array_equal(one.observations[STATE], other.observations[STATE])


def test_they_show_what_the_camera_saw_and_differ(chosen):
    golden, _, windows = chosen
    for one, real in zip(golden, windows[EYE][[0, 1, 3, 5]], strict=True):
        kept = one.observations[EYE]
        np.testing.assert_array_equal(kept[:, ::40, ::40], real[:, ::40, ::40])
        assert len(np.unique(kept)) > 50
    assert len({one.observations[EYE].tobytes() for one in golden}) == len(golden)


def test_the_cameras_own_pictures_in_older_files_still_read_back():
    pictures = scene(1)[0]
    old = Golden({STATE: np.zeros((2, 2), np.float32), EYE: pictures}, None, np.ones((3, 2), "f4"))
    data = json.loads(json.dumps(golden_to_json([old])))
    (again,) = golden_from_json(data, None, spec=SPEC, **SHAPES)
    np.testing.assert_array_equal(again.observations[EYE], pictures)

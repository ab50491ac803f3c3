"""Every gate of ``dagger`` beside a policy that sees pictures."""

from pathlib import Path

import numpy as np
import pytest
from gate_tester import FILMED, GATES, make_novice, run_gate

from ilrobot.cli import _main
from ilrobot.data.dataset import Dataset
from ilrobot.learners.interactive.own_successes import with_own_successes
from ilrobot.learners.interactive.risk_map import risk_map
from ilrobot.observed import ENVIRONMENT
from ilrobot.policies.loading import load_policy
from ilrobot.policies.tensor_file import load_tensors
from tests.exhaustive import thinned

CAMERA = "observation.images.wrist"


@pytest.fixture(scope="module")
def novice(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_novice(tmp_path_factory.mktemp("seeing"), 2, FILMED, ("wrist",))


@pytest.mark.parametrize("gate", thinned([g for g in GATES if g != "human"], ["safe", "thrifty"]))
def test_a_round_is_driven_fitted_and_leaves_as_a_file(gate, novice, tmp_path):
    run_gate(gate, *novice, tmp_path / "run", task=FILMED, rounds=1, episodes=1)
    assert load_policy(tmp_path / "run").spec.cameras
    learnt = list((tmp_path / "run").glob("gate-1/*.pt"))
    assert bool(learnt) == (gate in ("safe", "lazy", "thrifty", "benefit"))
    for network in learnt:
        told = {name: part for name, part in load_tensors(network).items() if name != "weights"}
        assert "observation.state" in str(told)
        assert ENVIRONMENT not in str(told)
    file = str(tmp_path / "policy.onnx")
    assert _main(["export", "--policy", str(tmp_path / "run"), "--output", file]) == 0


def test_what_went_well_alone_is_learnt_with_its_pictures(novice):
    data = Dataset.open(novice[0])
    lessons = with_own_successes(data, [novice[0]])
    assert lessons.num_episodes == data.num_episodes + lessons.besides > data.num_episodes
    last = next(lessons.video(lessons.num_episodes - 1, CAMERA))
    np.testing.assert_array_equal(last, next(data.video(data.num_episodes - 1, CAMERA)))


def test_a_map_of_doubt_has_axes_that_are_measured(novice):
    found = risk_map(load_policy(novice[1]), Dataset.open(novice[0]), most=20)
    assert found is not None
    assert all("ee_" in axis for axis in found.axes)

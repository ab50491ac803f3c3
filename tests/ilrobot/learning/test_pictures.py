"""Policies that see pictures, from a recorded film to the exported file."""

import contextlib
import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from exports.int8 import write_int8
from exports.runtime.session import OnnxPolicy
from ilrobot.actors import Actor, Decision, Event, Source
from ilrobot.cli import _main
from ilrobot.control.contract_parts import Quantized
from ilrobot.data.dataset import Dataset, DatasetRecorder
from ilrobot.data.pictures import shrink, small_pictures, small_shape
from ilrobot.data.windows import Windows
from ilrobot.env import make_env
from ilrobot.errors import UserError
from ilrobot.learners.config import PRESETS
from ilrobot.learners.split import split_windows
from ilrobot.learners.training import Training
from ilrobot.observed import ENVIRONMENT, seen_spec
from ilrobot.policies.loading import load_policy
from ilrobot.policies.pictures import shifted, spatial_softmax
from ilrobot.policies.policy import Policy
from ilrobot.rollout import rollout
from ilrobot.spec import Feature, Spec
from tests.exports.serving import serving_in_thread

TASK, CAMERA = "ilrobot/PushT-v0", "observation.images.top"
OPTIONS = {"cameras": "top", "render_size": 160, "max_episode_steps": 15}


class Circling(Actor):
    """Moves, so that pictures differ, and declares success."""

    def reset(self, seed=None):
        self.ticks = 0

    def act(self, observation, now):
        self.ticks += 1
        action = 256 + 150 * np.array([np.cos(self.ticks), np.sin(self.ticks)], np.float32)
        return Decision(action, Source.DEMO, event=Event.SUCCESS if self.ticks == 12 else None)


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    path = tmp_path_factory.mktemp("seen") / "pusht"
    env = make_env(TASK, OPTIONS)
    with DatasetRecorder(path, env.spec, state_size=env.state_size) as recorder:
        for seed in range(3):
            rollout(env, Circling(), seed=seed, recorder=recorder)
    return path


@pytest.fixture(scope="module")
def run(films, tmp_path_factory):
    output = tmp_path_factory.mktemp("seen") / "run"
    size = ["--width", "16", "--blocks", "1", "--batch-size", "4", "--steps", "3"]
    arguments = ["--policy", "flow", "--cameras", "top", "--output", str(output), *size]
    assert _main(["train", "--dataset", str(films), *arguments]) == 0
    return output


def test_small_pictures_are_means_of_whole_pixels():
    camera = Feature(CAMERA, (131, 260, 3), "uint8")
    picture = np.random.default_rng(0).integers(0, 256, camera.shape, np.uint8)
    assert small_shape(camera) == (43, 86, 3)
    small = shrink(torch.from_numpy(picture)[None], camera)[0].numpy()
    for row, column in ((0, 0), (42, 85), (7, 30)):
        block = picture[3 * row : 3 * row + 3, 3 * column : 3 * column + 3]
        wanted = np.round(block.reshape(9, 3).mean(axis=0))
        np.testing.assert_array_equal(small[:, row, column], wanted)
    again = shrink(torch.from_numpy(small.astype(np.uint8)).movedim(0, -1)[None], camera)
    np.testing.assert_array_equal(again[0].numpy(), small)


def test_a_point_is_where_its_map_is_greatest():
    maps = torch.zeros(1, 2, 5, 9)
    maps[0, 0, 1, 6] = 50.0
    maps[0, 1, 4, 0] = 50.0
    x_and_y = spatial_softmax(maps)[0].tolist()
    assert x_and_y == pytest.approx([0.5, -1.0, -0.5, 1.0], abs=1e-5)


def test_a_history_is_shifted_alike_and_never_out_of_sight():
    torch.manual_seed(0)
    ramp = torch.arange(20.0).expand(6, 1, 20, 20)
    moved = shifted(ramp, together=2, most=3)
    assert torch.equal(moved[0::2], moved[1::2])
    steps = {round(float(middle)) - 10 for middle in moved[:, 0, 10, 10]}
    assert len(steps) > 1
    assert max(map(abs, steps)) <= 3
    assert 0 <= moved.min() <= moved.max() <= 19


def test_windows_hold_what_the_camera_saw_at_their_ticks(films):
    dataset = Dataset.open(films)
    windows = Windows(dataset, n_obs=2, horizon=3, episodes=[1, 2], cameras=["top"])
    camera = dataset.spec.cameras[0]
    seen = small_pictures(dataset, camera, [1, 2])
    batch = windows.take(torch.tensor([0, 5, 12]))
    assert batch.observations[CAMERA].dtype == torch.uint8
    for history, ticks in zip(batch.observations[CAMERA], ([0, 0], [4, 5], [12, 12]), strict=True):
        assert torch.equal(history, seen[ticks])
    assert CAMERA not in windows.take(torch.tensor([0]), pictures=False).observations


@pytest.mark.parametrize("name", [*PRESETS, "members"])
def test_every_preset_learns_from_pictures(films, name):
    config, training = PRESETS["bc-chunk" if name == "members" else name]
    small = {"width": 16, "blocks": 1, "layers": 1, "attention_heads": 2, "channels": (8, 16)}
    members = 2 if name == "members" else 1
    config = replace(config, cameras=("top",), members=members, **small)
    training = replace(training, batch_size=2, held_out=0.0, patience=0)
    windows, _ = split_windows(Dataset.open(films), config, training)
    policy = Policy(windows.spec, config)
    policy.fit_normalizers(windows)
    before = [p.clone() for p in policy.encoder.pictures.parameters()]
    work = Training(policy, windows, None, training)
    work.advance()
    work.step = 1
    work.advance()
    after = policy.encoder.pictures.parameters()
    assert all(not torch.equal(one, other) for one, other in zip(before, after, strict=True))


def test_it_acts_by_what_it_sees_and_leaves_as_one_file(run, films, tmp_path, capsys):
    policy = load_policy(run)
    assert policy.spec.task_options["cameras"] == "top"
    env = make_env(TASK, dict(policy.spec.task_options))
    observation = env.reset(7)
    torch.manual_seed(0)
    noise = torch.randn(1, *policy.noise_shape)
    histories = {
        f.name: torch.from_numpy(np.stack([observation[f.name]] * 2))[None]
        for f in policy.spec.observations
    }
    with torch.no_grad():
        chunk = policy(histories, noise)
        histories[CAMERA] = 255 - histories[CAMERA]
        other = policy(histories, noise)
    assert not torch.equal(chunk, other)
    file = str(tmp_path / "seen.onnx")
    assert _main(["export", "--policy", str(run), "--output", file]) == 0
    assert _main(["verify", file]) == 0
    assert _main(["info", file]) == 0
    assert "160×160×3 bytes from 0 to 255" in capsys.readouterr().out
    assert _main(["eval", "--policy", file, "--episodes", "1"]) == 0


@pytest.mark.parametrize("where", ["here", "elsewhere"])
def test_it_drives_a_robot(run, tmp_path, capsys, where):
    file = tmp_path / "seen.onnx"
    assert _main(["export", "--policy", str(run), "--output", str(file)]) == 0
    with contextlib.ExitStack() as stack:
        policy = str(file)
        if where == "elsewhere":
            policy = stack.enter_context(serving_in_thread(OnnxPolicy(file)))
        assert _main(["deploy", "--policy", policy, "--json"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["ticks"] == 15
    assert result["inference"]["chunks"] > 0


def test_int8_rounds_no_point_of_a_picture(run, tmp_path):
    full, small = tmp_path / "full.onnx", tmp_path / "int8.onnx"
    assert _main(["export", "--policy", str(run), "--output", str(full)]) == 0
    write_int8(full, small, Quantized(8, TASK, 50, 300_000, 0.9, 0.9))
    loaded = OnnxPolicy(small)
    assert loaded.verify() <= loaded.contract.tolerance < 0.2


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--cameras", "wrist"], "--cameras wrist: there is no such camera in the dataset (it has"),
        (["--cameras", "top", "top"], "names a camera twice"),
        (["--cameras"], "--cameras names none"),
        (["--cameras", "top", "--frame", "agent:block"], "which a policy of --cameras is not told"),
    ],
)
def test_cameras_that_cannot_be_seen_are_refused(films, tmp_path, capsys, options, line):
    output = tmp_path / "run"
    arguments = ["--policy", "bc", "--output", str(output), *options]
    assert _main(["train", "--dataset", str(films), *arguments]) == 2
    assert line in capsys.readouterr().err
    assert not output.exists()


def test_what_learns_from_vectors_alone_refuses_it(run, tmp_path, capsys):
    arguments = ["--learner", "ppo", "--from", str(run), "--output", str(tmp_path / "ppo")]
    assert _main(["train", *arguments]) == 2
    assert "reads vectors alone" in capsys.readouterr().err


def test_where_things_are_is_not_told_beside_pictures():
    picture = Feature(CAMERA, (96, 96, 3), "uint8")
    own, things = Feature("observation.state", (2,)), Feature(ENVIRONMENT, (3,))
    spec = Spec((own, things, picture), Feature("action", (2,)), 10.0)
    assert seen_spec(spec).observations == (own, things)
    assert seen_spec(spec, ["top"]).observations == (own, picture)
    with pytest.raises(UserError, match="no vector observation"):
        seen_spec(Spec((things, picture), Feature("action", (2,)), 10.0), ["top"])

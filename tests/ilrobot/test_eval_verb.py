"""``ilrobot eval``: what it takes over from the training, and one line for what cannot be."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ilrobot.cli import _main
from ilrobot.cli.actors import PolicyOnTask
from ilrobot.env import make_env
from ilrobot.errors import WorkFailed
from ilrobot.policies.config import PolicyConfig
from ilrobot.policies.policy import Policy
from ilrobot.spec import Spec

TASK = "ilrobot/PointPath-v0"


ONE_ACTION = PolicyConfig(width=8, blocks=1)


def save(path: Path, spec: Spec, config: PolicyConfig = ONE_ACTION) -> Path:
    """A policy that was trained on nothing."""
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        policy = Policy(spec, config).eval()
    rng = np.random.default_rng(0)
    policy.encoder.fit({f.name: rng.normal(size=(9, *f.shape)) for f in spec.observations})
    policy.action_normalizer.fit(rng.normal(size=(9, spec.action.size)))
    policy.save(path)
    return path


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """It was trained on episodes of at most seven steps."""
    spec = make_env(TASK, {"max_episode_steps": 7}).spec
    return save(tmp_path_factory.mktemp("eval") / "policy.pt", spec)


def evaluate(policy: Path, *arguments: object) -> int:
    return _main(["eval", "--policy", str(policy), "--episodes", "2", *map(str, arguments)])


def test_task_and_options_are_those_of_the_training(policy, capsys):
    assert evaluate(policy) == 0
    out, err = capsys.readouterr()
    assert "length       7.0 steps" in out
    assert "options as in training: max_episode_steps=7" in err


def test_a_single_episode_has_no_interval_of_its_reward(policy, capsys):
    assert evaluate(policy, "--episodes", "1") == 0
    (line,) = [x for x in capsys.readouterr().out.splitlines() if x.startswith("max reward")]
    assert "[" not in line
    assert evaluate(policy) == 0
    (line,) = [x for x in capsys.readouterr().out.splitlines() if x.startswith("max reward")]
    assert line.endswith("]")


@pytest.mark.parametrize(
    ("word", "words"),
    [("average", "--chunks average is none of"), ("ensemble", "predicts one action at a time")],
)
def test_a_way_to_execute_that_does_not_fit_is_refused(policy, capsys, word, words):
    assert evaluate(policy, "--chunks", word) == 2
    assert words in capsys.readouterr().err


def test_chunks_are_executed_as_asked(tmp_path, capsys):
    chunked = PolicyConfig(width=8, blocks=1, horizon=4, execute=4)
    spec = make_env(TASK, {"max_episode_steps": 9}).spec
    policy = save(tmp_path / "policy.pt", spec, chunked)
    returns = []
    for chunks in ([], ["--chunks", "receding"], ["--chunks", "ensemble:0"]):
        assert evaluate(policy, "--json", *chunks) == 0
        returns.append(json.loads(capsys.readouterr().out.splitlines()[-1])["return_mean"])
    assert returns[0] == returns[1] != returns[2]


def test_options_that_are_given_go_before_those_of_the_training(policy, capsys):
    assert evaluate(policy, "--task", TASK, "--options", "max_episode_steps=3") == 0
    out, err = capsys.readouterr()
    assert "length       3.0 steps" in out
    assert "as in training" not in err


def test_another_task_gets_no_options_of_the_training():
    spec = make_env("ilrobot/PandaReach-v0", {"engine": "pybullet"}).spec
    from ilrobot.cli.actors import TaskForPolicy

    def engine(task, given):
        return TaskForPolicy.choose(spec, Path("p"), task, given).options.get("engine")

    assert engine("", {}) == engine("ilrobot/PandaReach-v0", {}) == "pybullet"
    assert engine("", {"engine": "mujoco"}) == "mujoco"
    assert engine("ilrobot/PandaLift-v0", {}) is None


def test_a_rate_that_the_recording_stated_is_kept_on_its_task_only(policy, tmp_path, capsys):
    spec = make_env(TASK, {"max_episode_steps": 7}, rate=4.0).spec
    relabelled = save(tmp_path / "policy.pt", spec)
    env, _ = PolicyOnTask(relabelled)()
    assert env.spec.rate == 4.0
    assert evaluate(relabelled) == 0
    assert "recorded at 4 Hz, while ilrobot/PointPath-v0 states 10 Hz" in capsys.readouterr().err
    assert evaluate(save(tmp_path / "other.pt", replace(spec, task="")), "--task", TASK) == 2
    error = capsys.readouterr().err
    assert "acts at 4 Hz but ilrobot/PointPath-v0 runs at 10 Hz" in error
    assert "import them again with --rate 10" in error


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--seed", -1), "--seed must be from 0"),
        (("--seed", 2**64), "--seed must be from 0"),
        (("--episodes", 0), "--episodes must be from 1"),
        (("--episodes", 10**9), "--episodes must be from 1"),
        (("--workers", 0), "--workers must be from 1"),
        (("--workers", 10**6), "--workers must be from 1"),
        (("--video", "{tmp}/file"), "cannot be written"),
        (("--video", "{tmp}/file/films"), "cannot be written"),
        (("--options", "engine=pybullet"), "has no option 'engine'"),
        (("--task", "ilrobot/Junction-v0"), "in the policy but"),
    ],
)
def test_what_cannot_be_evaluated_is_one_line(policy, tmp_path, capsys, arguments, words):
    (tmp_path / "file").touch()
    assert evaluate(policy, *(str(a).format(tmp=tmp_path) for a in arguments)) == 2
    error = capsys.readouterr().err
    assert words in error
    assert len(error.strip().splitlines()) == 1


def test_a_file_that_is_no_policy_is_told_which_may_be_given(tmp_path, capsys):
    (tmp_path / "README.md").write_text("hello")
    for name, said in (("README.md", "is no policy"), ("nowhere", "no policy at")):
        assert evaluate(tmp_path / name) == 2
        error = capsys.readouterr().err
        assert said in error
        assert "; give a run's folder or an .onnx file" in error


@pytest.mark.parametrize("workers", [1, 2])
def test_weights_of_nan_are_one_line(policy, tmp_path, capsys, workers):
    damaged = Policy.load(policy)
    with torch.no_grad():
        for weights in damaged.head.parameters():
            weights.fill_(float("nan"))
    damaged.save(tmp_path / "nan.pt")
    assert evaluate(tmp_path / "nan.pt", "--workers", workers) == 1
    assert "nan.pt are not finite" in capsys.readouterr().err


def test_an_action_of_nan_is_one_line_whoever_chose_it():
    env = make_env("ilrobot/PointPath-v0")
    env.reset(0)
    with pytest.raises(WorkFailed, match=r"of the action for ilrobot/PointPath-v0 is nan"):
        env.step(np.array([np.nan]))


def test_an_error_stands_alone_without_a_bar_above_it(policy, capsys, monkeypatch):
    from ilrobot import evaluate as module

    def fails(*_, **__):
        raise WorkFailed("a worker died")

    monkeypatch.setattr(module, "evaluate", fails)
    assert evaluate(policy, "--options", "max_episode_steps=7") == 1
    assert capsys.readouterr().err.strip() == "ilrobot: a worker died"


def test_a_disk_that_fills_up_while_filming_is_one_line(policy, tmp_path, capsys, monkeypatch):
    from ilrobot.report import video

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(video, "write_video", full)
    assert evaluate(policy, "--video", tmp_path / "films") == 1
    *_, error = capsys.readouterr().err.strip().splitlines()
    assert "seed-100000.mp4: No space left" in error


def test_what_cannot_be_drawn_is_one_line(policy, tmp_path, capsys, monkeypatch):
    from sims.small.point_path import PointPathEnv

    def broken(self):
        raise ModuleNotFoundError("no GL here")

    monkeypatch.setattr(PointPathEnv, "render", broken)
    assert evaluate(policy, "--video", tmp_path / "films") == 2
    error = capsys.readouterr().err
    assert "cannot be drawn: no GL here; ilrobot doctor" in error
    assert len(error.strip().splitlines()) == 1
    assert not (tmp_path / "films").exists()

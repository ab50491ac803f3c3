"""How a policy is cloned again that was cloned, tried for, or learnt otherwise."""

import shutil
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from ilrobot.actors import Actor, Decision, Observation, Source
from ilrobot.cli import _main
from ilrobot.data.dataset import Dataset
from ilrobot.data.recorder import DatasetRecorder
from ilrobot.env import make_env
from ilrobot.errors import UserError
from ilrobot.learners.config import PRESETS
from ilrobot.learners.interactive.dagger import describe_dagger
from ilrobot.learners.interactive.dart import held_out_episodes
from ilrobot.learners.refitting import cloned_with, refit_config
from ilrobot.rollout import rollout
from ilrobot.run import Run
from ilrobot.run_description import DaggerPlan
from tests.ilrobot.learning import line_world

TASK = line_world.TASK
STEPS = 30


class _Middle(Actor):
    """Goes to the middle."""

    def act(self, observation: Observation, now: float) -> Decision:
        return Decision(-2 * observation["observation.state"][:1], Source.DEMO)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Of cloning, and of what went on from there."""
    folder = tmp_path_factory.mktemp("runs")
    env = make_env(TASK)
    with DatasetRecorder(folder / "data", env.spec) as recorder:
        for seed in range(5):
            rollout(env, _Middle(), seed=seed, recorder=recorder)
    env.close()
    made = {name: folder / name for name in ("data", "bc", "raft", "ppo", "residual")}
    cloning = ["--dataset", str(made["data"]), "--policy", "bc", "--width", "16", "--blocks", "1"]
    tries = ["--rounds", "1", "--episodes", "2", "--workers", "1"]
    tried = ["--steps", "160", "--starts", "100", "--attempts", "0", "--copies", "2"]
    rollouts = ["--copies", "2", "--rollout", "128", "--steps", "512"]
    for name, options in (
        ("bc", [*cloning, "--steps", str(STEPS), "--ema", "0.5"]),
        ("raft", ["--learner", "raft", "--from", str(made["bc"]), *tries]),
        ("ppo", ["--learner", "ppo", "--from", str(made["bc"]), *rollouts]),
        ("residual", ["--learner", "residual", "--from", str(made["bc"]), *tried]),
    ):
        assert _main(["train", *options, "--device", "cpu", "--output", str(made[name])]) == 0
    return made


def _described(runs: dict[str, Path], name: str):
    with closing(make_env(TASK)) as env:
        return describe_dagger(env, runs["data"], runs[name], DaggerPlan(1, 1, 0), {})


def test_what_raft_made_is_cloned_as_in_its_last_round(runs: dict[str, Path], tmp_path: Path):
    counted = Run.read(runs["raft"]).description.config.train
    assert counted.steps == 2  # beginnings
    known = cloned_with(runs["bc"])
    assert known is not None
    assert (known.steps, known.ema) == (STEPS, 0.5)
    again = cloned_with(runs["raft"])
    assert again is not None
    assert replace(again, seed=known.seed, device=known.device) == known
    more = tmp_path / "raft"
    shutil.copytree(runs["raft"], more)
    for number in (2, 10):
        shutil.copytree(more / "round-1", more / f"round-{number}")
    last = Run.read(more / "round-10")
    last.update(config=replace(last.description.config, train=replace(known, steps=7)))
    assert refit_config(more).steps == 7


def test_dagger_and_raft_go_on_from_raft(runs: dict[str, Path], tmp_path: Path):
    for name in ("bc", "raft"):
        config = _described(runs, name).config.train
        assert (config.steps, config.ema) == (STEPS, 0.5)
    options = ["--rounds", "1", "--episodes", "2", "--workers", "1", "--seed", "30000"]
    arguments = ["train", "--learner", "raft", "--from", str(runs["raft"]), *options]
    assert _main([*arguments, "--output", str(tmp_path / "again")]) == 0
    config = Run.read(tmp_path / "again" / "round-1").description.config.train
    assert (config.steps, config.ema) == (STEPS, 0.5)


def test_what_was_learnt_otherwise_is_cloned_by_a_preset(runs: dict[str, Path]):
    assert cloned_with(runs["ppo"]) is None
    assert refit_config(runs["ppo"]) == PRESETS["bc"][1]
    assert _described(runs, "ppo").config.train.steps == PRESETS["bc"][1].steps


def test_only_what_a_cloning_held_out_counts_as_held_out(runs: dict[str, Path]):
    data = Dataset.open(runs["data"])
    assert len(held_out_episodes(data, runs["bc"])) == 1
    with pytest.raises(UserError, match="its errors on others are not known"):
        held_out_episodes(data, runs["ppo"])


def test_dagger_from_a_residual_is_refused_in_one_line(runs: dict[str, Path]):
    with pytest.raises(UserError, match="a residual is learnt by trying"):
        _described(runs, "residual")

"""``ilrobot train --learner td3-bc`` and its kin: learning more than was done, and misuse."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ilrobot.actors import Actor, Decision, Source
from ilrobot.cli import _main
from ilrobot.data.dataset import Dataset, DatasetRecorder
from ilrobot.data.episode import Episode, EpisodeInfo, Outcome
from ilrobot.data.memory import MemoryRecordings
from ilrobot.data.writing import write_episodes
from ilrobot.env import make_env
from ilrobot.errors import WorkFailed
from ilrobot.learners.offline import cql, iql, td3_bc
from ilrobot.learners.offline.cql import CqlMethod
from ilrobot.learners.offline.iql import IqlMethod
from ilrobot.learners.offline.td3_bc import Td3BcMethod
from ilrobot.learners.offline.train import offline_config, offline_policy, train_offline
from ilrobot.learners.offline.weighted_bc import FilteredBcMethod
from ilrobot.rollout import rollout
from ilrobot.run import Run, read_metrics
from ilrobot.run_description import TrainDescription
from ilrobot.spec import Feature, Spec
from tests.exhaustive import thinned
from tests.ilrobot.learner_tester import Case, check_kill, check_mistake, check_run
from tests.ilrobot.learning import line_world
from tests.ilrobot.policy_tester import assert_same_weights

LEARNERS = ("td3-bc", "iql", "cql", "filtered-bc", "weighted-bc")


class Wanderer(Actor):
    """Draws its actions evenly, and so ends where it began or falls."""

    def reset(self, seed=None):
        self._draw = np.random.default_rng(seed)

    def act(self, observation, now):
        return Decision(self._draw.uniform(-2, 2, 1).astype(np.float32), Source.POLICY)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """What a wanderer did on the line, as a policy's attempts."""
    path = tmp_path_factory.mktemp("line") / "data"
    env = make_env(line_world.TASK)
    with DatasetRecorder(path, env.spec) as recorder:
        for seed in range(20):
            rollout(env, Wanderer(), seed=seed, recorder=recorder)
    env.close()
    return path


def case(name: str, data: Path, *options: str) -> Case:
    small = ("--dataset", str(data), "--width", "16", "--batch-size", "32", *options)
    return Case(name, (*small, "--steps", "30"), (), line_world.TASK)


@pytest.mark.parametrize("name", LEARNERS)
def test_a_run_like_any_other(name, data, tmp_path, capsys, monkeypatch):
    for module in (td3_bc, iql, cql):
        monkeypatch.setattr(module, "HIDDEN", (16, 16))
    check_run(case(name, data), tmp_path, capsys)


@pytest.mark.exhaustive  # each goes on as if unbroken: see below
def test_a_kill_loses_nothing(data, tmp_path):
    options = ("--dataset", str(data), "--width", "16", "--batch-size", "32")
    steps = ("--steps", "900000")
    check_kill(Case("td3-bc", (*options, *steps), (), line_world.TASK), tmp_path)


@pytest.mark.parametrize("method", [Td3BcMethod(), IqlMethod(), CqlMethod(actions=2)])
def test_what_was_interrupted_ends_as_what_was_not(method, data, tmp_path, monkeypatch):
    for module in (td3_bc, iql, cql):
        monkeypatch.setattr(module, "HIDDEN", (16, 16))
    config = offline_config(steps=120, batch_size=16, device="cpu")
    dataset, policy = Dataset.open(data), offline_policy(method, width=8)
    whole = train_offline(dataset, method, policy, config, tmp_path / "whole")

    def stop(progress):
        if progress.step == 50:
            raise KeyboardInterrupt

    often = replace(config, checkpoint_seconds=1e-9)
    with pytest.raises(KeyboardInterrupt):
        train_offline(dataset, method, policy, often, tmp_path / "run", on_progress=stop)
    assert Run.read(tmp_path / "run").description.status == "running"
    resumed = train_offline(dataset, method, policy, config, tmp_path / "run", resume=True)
    assert_same_weights(resumed, whole)
    rows = [read_metrics(tmp_path / run / "metrics.jsonl") for run in ("whole", "run")]
    assert [row["step"] for row in rows[0]] == [row["step"] for row in rows[1]] == [50, 100, 120]
    assert [row["loss"] for row in rows[0]] == [row["loss"] for row in rows[1]]


def test_a_time_budget_ends_it(data, tmp_path):
    arguments = ["train", "--learner", "td3-bc", "--dataset", str(data), "--time-budget", "2s"]
    arguments += ["--width", "16", "--batch-size", "16", "--output", str(tmp_path / "run")]
    assert _main(arguments) == 0
    run = Run.read_as(tmp_path / "run", TrainDescription).description
    assert run.result is not None
    assert 10 <= run.result.steps == run.config.train.steps < 100_000
    assert _main([*arguments, "--resume"]) == 0


def test_a_critic_that_diverges_is_told_and_its_checkpoint_kept(data, tmp_path, monkeypatch):
    monkeypatch.setattr(td3_bc, "HIDDEN", (16, 16))
    method = Td3BcMethod()
    config = offline_config(
        steps=2_000, batch_size=32, learning_rate=30.0, checkpoint_seconds=1e-9, device="cpu"
    )
    dataset, policy = Dataset.open(data), offline_policy(method, width=8)
    with pytest.raises(WorkFailed, match=r"diverged.*the last checkpoint is kept"):
        train_offline(dataset, method, policy, config, tmp_path / "run")
    assert Run.read(tmp_path / "run").description.status == "running"
    kept = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)["training"]
    values = [v for n in kept["learner"]["networks"].values() for v in n.values()]
    assert all(value.isfinite().all() for value in values)


def test_mistakes_are_one_line(data, tmp_path, capsys):
    output = ["--output", str(tmp_path / "run")]
    start = ["train", "--learner", "iql", "--dataset", str(data)]
    check_mistake([*start, "--expectile", "0", *output], "--expectile must be at least 0.5", capsys)
    check_mistake([*start, "--steps", "0", *output], "--steps must be at least 1", capsys)
    both = ["--steps", "9", "--time-budget", "1s"]
    check_mistake([*start, *both, *output], "give one of them", capsys)
    check_mistake([*start, "--width", "0", *output], "--width must be at least 1", capsys)
    missing = ["train", "--learner", "iql", "--dataset", str(tmp_path / "none")]
    check_mistake([*missing, *output], "does not exist", capsys)


def test_data_that_no_offline_learner_can_use_are_one_line(tmp_path, capsys):
    spec = Spec((Feature("observation.state", (1,)),), Feature("action", (1,)), 10.0)
    state = np.arange(20, dtype=np.float32)[:, None]
    bare = {"observation.state": state, "action": state}
    last = np.arange(20) == 19
    success = {**bare, "next.reward": np.zeros(20), "next.success": last}
    alike = {**bare, "next.reward": np.ones(20)}
    late = {**alike, "next.reward": last.astype(np.float64)}
    good = {**alike, "next.reward": np.linspace(0, 1, 20)}
    few = {name: values[:5] for name, values in good.items()}
    chosen = replace(spec, action=Feature("action", (), "int64"), choices=4)
    sets = {
        "bare": (spec, bare, "has no rewards (in next.reward)"),
        "zero": (spec, success, "all 0; take --reward success"),
        "alike": (spec, alike, "every step brings the same reward (1)"),
        "late": (spec, late, "rewards come at the last steps alone"),
        "discrete": (chosen, {**alike, "action": np.arange(20) % 4}, "its actions are 4 choices"),
        "few": (spec, few, "4 steps of which it is known what followed remain, and at least 16"),
    }
    for name, (of, columns, said) in sets.items():
        typed = {
            key: value.astype(np.float32) if value.dtype == np.float64 else value
            for key, value in columns.items()
        }
        info = EpisodeInfo("toy", 10.0, Outcome.UNKNOWN)
        write_episodes(tmp_path / name, of, [Episode(info, typed)])
        arguments = ["train", "--learner", "td3-bc", "--dataset", str(tmp_path / name)]
        check_mistake([*arguments, "--output", str(tmp_path / "run")], said, capsys)
    arguments = ["train", "--learner", "iql", "--dataset", str(tmp_path / "zero"), "--json"]
    arguments += ["--reward", "success", "--steps", "3", "--output", str(tmp_path / "run")]
    assert _main(arguments) == 0
    kept = json.loads((tmp_path / "run" / "run.json").read_text())
    assert kept["settings"]["reward"] == "success"


# More than was done


def corridor(seed: int, episodes: int = 60, length: int = 12) -> MemoryRecordings:
    """A point in a plane, x' = x + 0.3 a, reward -|x'|; who steered it knew the way, or not.

    In every second episode it went away from the middle.
    """
    draw = np.random.default_rng(seed)
    spec = Spec(
        (Feature("observation.state", (2,)),),
        Feature("action", (2,), low=(-1.0, -1.0), high=(1.0, 1.0)),
        10.0,
    )
    made = []
    for number in range(episodes):
        at, rows = draw.uniform(-1, 1, 2), []
        for _ in range(length):
            way = 0.7 * np.sign(at) * (1 if number % 2 else -1)
            action = np.clip(way + draw.uniform(-0.6, 0.6, 2), -1, 1)
            after = at + 0.3 * action
            rows.append((at, action, -np.abs(after).sum()))
            at = after
        states, actions, rewards = (np.array(part, np.float32) for part in zip(*rows, strict=True))
        columns = {"observation.state": states, "action": actions, "next.reward": rewards}
        made.append(Episode(EpisodeInfo("corridor", 10.0, Outcome.TIMEOUT), columns))
    return MemoryRecordings(spec, made)


def achieved(policy, length: int = 12) -> float:
    """Mean return of a policy from 64 places, its actions limited as the task does."""
    at = torch.linspace(-1, 1, 8)
    at = torch.cartesian_prod(at, at)
    total = torch.zeros(())
    with torch.no_grad():
        for _ in range(length):
            at = at + 0.3 * policy({"observation.state": at[:, None]})[:, 0].clamp(-1, 1)
            total = total - at.abs().sum(dim=1).mean()
    return float(total)


#: Steps straight to the middle bring some -3, and staying where one is -12.
MARGIN = 4.0


@pytest.mark.parametrize("seed", thinned(range(3), [0]))
def test_what_learns_values_does_better_than_cloning_what_was_mixed(seed, tmp_path, monkeypatch):
    for module in (td3_bc, iql, cql):
        monkeypatch.setattr(module, "HIDDEN", (64, 64))
    data = corridor(seed)
    found = {}
    for method, steps in (
        (FilteredBcMethod(best=100.0), 200),
        (Td3BcMethod(discount=0.9), 300),
        (IqlMethod(discount=0.9, beta=10.0), 600),
        (CqlMethod(discount=0.9, alpha=1.0, actions=4), 600),
    ):
        config = offline_config(
            steps=steps, batch_size=64, learning_rate=1e-3, seed=seed, device="cpu"
        )
        policy = offline_policy(method, width=32)
        learnt = train_offline(data, method, policy, config, tmp_path / method.name)
        found[method.name] = achieved(learnt)
    for learner in ("td3-bc", "iql", "cql"):
        assert found[learner] > found["filtered-bc"] + MARGIN, found

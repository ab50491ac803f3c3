"""Collection in several processes: the dataset is the same however many, and after any kill."""

import os
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from dagger_rounds import (
    DEMONSTRATIONS,
    EPISODES,
    ROUNDS,
    SEED,
    Coin,
    clone,
    kill_when_sealed,
    learn,
    learn_slowly,
)

from ilrobot.actors import Actor, Decision, Event, Observation, Source
from ilrobot.data.dataset import Dataset
from ilrobot.data.episode import EpisodeInfo
from ilrobot.errors import UserError, WorkFailed
from ilrobot.learners.behavioral_cloning import train
from ilrobot.learners.interactive.collect import Collector, Round
from ilrobot.policies.loading import load_policy
from ilrobot.run import Run, policy_hash
from ilrobot.run_description import DaggerPlan
from ilrobot.task_env import TaskEnv
from tests.exhaustive import thinned
from tests.forked import Forked


@pytest.fixture(scope="module")
def cloned(tmp_path_factory) -> tuple[Path, Path]:
    return clone(tmp_path_factory.mktemp("cloned"), Coin())


@pytest.fixture(scope="module")
def unbroken(cloned, tmp_path_factory) -> Path:
    """A run in one process that nobody disturbed."""
    output = tmp_path_factory.mktemp("unbroken") / "run"
    learn(cloned, output, Coin())
    return output


def _files(run: Path) -> dict[str, bytes]:
    """All that was recorded, and the policies that it led to."""
    found = {p for p in run.rglob("*") if p.is_file() and "dataset" in p.relative_to(run).parts}
    found |= set(run.glob("**/policy.pt"))
    return {str(p.relative_to(run)): p.read_bytes() for p in found if p.suffix != ".lock"}


def _assert_same(run: Path, other: Path) -> None:
    one, two = _files(run), _files(other)
    assert one.keys() == two.keys()
    assert [name for name in one if one[name] != two[name]] == []


def test_a_dataset_does_not_depend_on_the_number_of_workers(cloned, unbroken, tmp_path):
    learn(cloned, tmp_path / "run", Coin(), workers=2)
    _assert_same(tmp_path / "run", unbroken)
    seeds = [info.seed for info in Dataset.open(tmp_path / "run" / "dataset").infos]
    assert seeds[DEMONSTRATIONS:] == list(range(SEED, SEED + ROUNDS * EPISODES))
    assert not (tmp_path / "run" / "dataset" / "journal").exists()


class _Discarding(Actor):
    """Discards whatever it is in; it will not do so for ever."""

    episodes = 0

    def reset(self, seed: int | None = None) -> None:
        self.episodes += 1
        assert self.episodes <= 4, "it is asked again and again"

    def act(self, observation: Observation, now: float) -> Decision:
        return Decision(np.full(2, 256.0, np.float32), Source.POLICY, event=Event.DISCARD)


class _Filmed(Coin):
    """Attempts before a camera."""

    @contextmanager
    def share_control(self, env: TaskEnv, policy_run: Path, number: int) -> Iterator[Actor]:
        yield _Discarding()


def test_attempts_with_cameras_that_are_all_discarded_end_where_nobody_watches(tmp_path):
    cast = _Filmed("ilrobot/PushT-v0", {"cameras": "top", "render_size": 64})
    env = cast.make_env()
    round_ = Round(1, range(2), tmp_path, EpisodeInfo(cast.task, env.spec.rate))
    with (
        closing(env),
        Collector(cast, env) as collector,
        pytest.raises(WorkFailed, match="every attempt of round 1 was discarded"),
    ):
        collector.collect(tmp_path / "data", round_, set(), lambda kept: None)
    assert Dataset.open(tmp_path / "data").num_episodes == 2


def test_an_episode_of_a_simulator_does_not_depend_on_what_its_process_ran_before(tmp_path):
    cast, plan = Coin("ilrobot/PandaPush-v0"), DaggerPlan(rounds=1, episodes=3, seed=SEED)
    both = clone(tmp_path, cast)
    learn(both, tmp_path / "one", cast, plan=plan)
    learn(both, tmp_path / "two", cast, plan=plan, workers=2)
    _assert_same(tmp_path / "two", tmp_path / "one")


@pytest.mark.parametrize("workers", thinned([1, 2], [2]))
def test_a_round_that_was_killed_goes_on_as_if_it_had_not_been(workers, cloned, unbroken, tmp_path):
    run = tmp_path / "run"
    process = Forked(learn_slowly, cloned, run, workers, errors=tmp_path / "errors")
    kill_when_sealed(process, run, DEMONSTRATIONS + 2)  # within the first round
    assert not (run / "round-1").exists()
    learn(cloned, run, Coin(), workers=3 - workers)
    _assert_same(run, unbroken)


def test_a_worker_that_dies_leaves_a_run_that_goes_on(cloned, unbroken, tmp_path):
    run = tmp_path / "run"
    with pytest.raises(WorkFailed, match=r"worker process.*died.*--resume") as caught:
        learn(cloned, run, Coin(dies_at=SEED + 3), workers=2)
    assert "\n" not in str(caught.value)
    learn(cloned, run, Coin())
    _assert_same(run, unbroken)


def test_a_warm_start_begins_with_the_policy_that_acted(cloned, unbroken, tmp_path):
    warm = tmp_path / "warm"
    learn(cloned, warm, Coin(), warm=True)
    assert policy_hash(warm / "round-1") != policy_hash(unbroken / "round-1")
    acted = load_policy(cloned[1]).encoder.state_dict()
    learnt = load_policy(warm / "round-2").encoder.state_dict()
    assert acted.keys() == learnt.keys()
    assert all((learnt[name] == acted[name]).all() for name in acted)  # its normalisation
    with pytest.raises(UserError, match="begun with warm start true, not false"):
        learn(cloned, warm, Coin())


def test_a_warm_start_that_was_cut_off_comes_to_the_same_bits(cloned, tmp_path):
    data, initial = Dataset.open(cloned[0]), load_policy(cloned[1])
    config = Run.read(cloned[1]).description.config
    longer = config.train.with_steps(120)

    def fit(run: Path, **given) -> None:
        train(data, config.policy, longer, run, resume=True, initial=initial, **given)

    def stop(progress) -> None:
        if progress.step == 100:
            os.kill(os.getpid(), signal.SIGINT)

    fit(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path / "run", on_progress=stop)
    assert (tmp_path / "run" / "checkpoint.pt").exists()
    fit(tmp_path / "run")
    assert policy_hash(tmp_path / "run") == policy_hash(tmp_path / "whole")
    with pytest.raises(UserError, match="begun with initial weights of hash"):
        train(data, config.policy, longer, tmp_path / "run", resume=True)


def test_a_warm_start_from_another_kind_of_policy_is_one_line(cloned, tmp_path):
    data, initial = Dataset.open(cloned[0]), load_policy(cloned[1])
    config = Run.read(cloned[1]).description.config
    wider = replace(config.policy, width=64)
    with pytest.raises(UserError, match="has width 32, not 64; train with its settings") as caught:
        train(data, wider, config.train, tmp_path / "run", initial=initial)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()

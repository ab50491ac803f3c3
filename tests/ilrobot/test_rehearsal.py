"""What the policy does alone before a round: nobody watches, and no seed is another attempt's."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dagger_rounds import Coin, clone

from ilrobot.data.dataset import Dataset
from ilrobot.learners.interactive.collect import Collector
from ilrobot.learners.interactive.rehearsal import rehearsal_folder, rehearse
from ilrobot.rollout import EpisodeResult
from ilrobot.run_description import DaggerPlan
from tests.exhaustive import thinned

COUNT = 3


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clone(tmp_path_factory.mktemp("cloned"), Coin())[1]


def shown(*arguments: Any, **named: Any) -> EpisodeResult:
    raise AssertionError("nobody is shown a rehearsal")


def rehearsed(
    run: Path, policy: Path, number: int = 1, seed: int = 0, watched: bool = False
) -> Dataset:
    cast = Coin()
    env = cast.make_env()
    with Collector(cast, env, run_episode=shown if watched else None) as collector:
        rehearse(collector, env, run, number, policy, DaggerPlan(2, 5, seed), COUNT)
    return Dataset.open(rehearsal_folder(run, number))


def test_the_policy_alone_acts_in_front_of_nobody(policy: Path, tmp_path: Path) -> None:
    alone = rehearsed(tmp_path / "one", policy)
    watched = rehearsed(tmp_path / "other", policy, watched=True)
    assert alone.num_episodes == COUNT
    assert set(alone.column("control.source")) == {"policy"}
    assert alone.infos == watched.infos
    assert np.array_equal(alone.column("action"), watched.column("action"))


def test_what_is_there_is_not_tried_again(policy: Path, tmp_path: Path) -> None:
    before = rehearsed(tmp_path, policy).content_hash
    assert rehearsed(tmp_path, policy).content_hash == before


@pytest.mark.parametrize("seed", thinned([0, 10_000, 2**31 - 11], [2**31 - 11]))
def test_no_seed_is_that_of_another_attempt(policy: Path, tmp_path: Path, seed: int) -> None:
    plan = DaggerPlan(2, 5, seed)
    seeds = [s for number in (1, 2) for s in plan.seeds(number)]
    for number in (1, 2):
        alone = rehearsed(tmp_path, policy, number, seed)
        seeds += [info.seed for info in alone.infos if info.seed is not None]
    assert len(set(seeds)) == 2 * (5 + COUNT)
    assert all(0 <= one < 2**31 for one in seeds)

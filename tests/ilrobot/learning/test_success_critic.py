"""The critic against tasks whose probability of success is known in closed form."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ilrobot.data.episode import Episode, EpisodeInfo, Outcome
from ilrobot.data.memory import MemoryRecordings
from ilrobot.errors import UserError
from ilrobot.learners.interactive.success_critic import SuccessCritic, fit_success_critic
from ilrobot.learners.interactive.transitions import Transitions
from ilrobot.spec import Feature, Spec

PLACE = "observation.state"
#: Fewer of them are enough for tasks of a few steps.
SWEEPS = "ilrobot.learners.interactive.success_critic._SWEEPS"
SPEC = Spec((Feature(PLACE, (1,)),), Feature("action", (1,), low=(-1.0,), high=(1.0,)), 10.0)


def episode(
    places: list[int], actions: list[float], outcome: Outcome, source: str = "policy"
) -> Episode:
    succeeds = np.zeros(len(places), dtype=bool)
    succeeds[-1] = outcome is Outcome.SUCCESS
    columns = {
        PLACE: np.array(places, np.float32)[:, None],
        "action": np.array(actions, np.float32)[:, None],
        "next.success": succeeds,
        "control.source": np.array([source] * len(places), dtype=object),
        "control.discarded": np.zeros(len(places), dtype=bool),
    }
    return Episode(EpisodeInfo("t", 10.0, outcome), columns)


def chain(length: int, slip: float, episodes: int, seed: int) -> MemoryRecordings:
    """One goes forward (1) to the end of a chain or, at times, back (-1), and may fall off it."""
    random, recorded = np.random.default_rng(seed), []
    for _ in range(episodes):
        place, places, actions, outcome = int(random.integers(length)), [], [], None
        while outcome is None:
            action = -1.0 if place > 0 and random.random() < 0.2 else 1.0
            places.append(place)
            actions.append(action)
            place += int(action)
            if random.random() < slip:
                outcome = Outcome.FAILURE
            elif place == length:
                outcome = Outcome.SUCCESS
        recorded.append(episode(places, actions, outcome))
    return MemoryRecordings(SPEC, recorded)


def forward(dataset: MemoryRecordings) -> NDArray[np.float32]:
    return np.ones((dataset.num_frames, 1), np.float32)


def values(critic: SuccessCritic, places: NDArray[np.int64], action: float) -> NDArray[np.float32]:
    columns = {PLACE: places[:, None].astype(np.float32)}
    return critic.values(columns, np.full((len(places), 1), action, np.float32))


def test_a_long_chain_gives_the_discount_to_the_power_of_the_steps_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(SWEEPS, 40)
    dataset, gamma, places = chain(40, 0.0, 100, seed=0), 0.98, np.arange(1, 40)
    critic = fit_success_critic(dataset, forward(dataset), 0, gamma)
    left = 39 - places
    assert values(critic, places, 1.0) == pytest.approx(gamma**left, abs=0.05)
    # A step back costs this one, and one to make up for it: the novice goes forward after it.
    assert values(critic, places, -1.0) == pytest.approx(gamma ** (left + 2), abs=0.05)
    assert critic.report is not None
    assert critic.report.bellman is not None
    assert critic.report.bellman < 0.02


def test_a_slippery_chain_gives_the_probability_of_not_falling_and_the_same_from_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SWEEPS, 30)
    dataset, gamma, places = chain(8, 0.1, 2500, seed=1), 0.95, np.arange(1, 8)
    critic = fit_success_critic(dataset, forward(dataset), 0, gamma)
    left = 7 - places
    # Of each 100 steps 10 fall: with successes drawn more often and not weighted, far fewer would.
    assert values(critic, places, 1.0) == pytest.approx(gamma**left * 0.9 ** (left + 1), abs=0.05)
    critic.save(tmp_path / "critic.pt")
    again = SuccessCritic.load(tmp_path / "critic.pt")
    assert again.report == critic.report
    assert np.array_equal(values(again, places, 1.0), values(critic, places, 1.0))
    one = again({PLACE: np.array([3.0], np.float32)}, np.array([1.0], np.float32))
    assert one == pytest.approx(values(critic, np.array([3]), 1.0)[0], abs=1e-6)
    assert again({PLACE: np.array([3.0], np.float32)}, np.array([np.nan])) == 0.0


@pytest.mark.exhaustive  # another chain whose values are known
def test_a_random_walk_gives_the_odds_of_the_gambler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SWEEPS, 30)
    random, up, length, recorded = np.random.default_rng(2), 0.45, 8, []
    for _ in range(1500):
        place, places = int(random.integers(1, length)), []
        while 0 < place < length:
            places.append(place)
            place += 1 if random.random() < up else -1
        outcome = Outcome.SUCCESS if place == length else Outcome.FAILURE
        recorded.append(episode(places, list(random.uniform(-1, 1, len(places))), outcome))
    dataset = MemoryRecordings(SPEC, recorded)
    critic = fit_success_critic(dataset, dataset.column("action"), 0, gamma=1.0)
    inside, odds = np.arange(1, length), (1 - up) / up
    ruin = (1 - odds**inside) / (1 - odds**length)
    assert values(critic, inside, 0.0) == pytest.approx(ruin, abs=0.06)
    report = critic.report
    assert report is not None
    assert report.brier is not None
    assert report.constant is not None
    assert report.episodes == 150
    assert report.brier < report.constant


def test_the_same_seed_gives_the_same_critic(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SWEEPS, 2)
    dataset = chain(5, 0.1, 30, seed=3)
    first, again, other = (
        fit_success_critic(dataset, forward(dataset), seed) for seed in (0, 0, 1)
    )
    places = np.arange(5)
    assert np.array_equal(values(first, places, 1.0), values(again, places, 1.0))
    assert not np.array_equal(values(first, places, 1.0), values(other, places, 1.0))


@pytest.mark.parametrize("outcome", [Outcome.TIMEOUT, Outcome.DISCARDED])
def test_without_a_success_there_is_nothing_to_foretell(outcome: Outcome) -> None:
    dataset = MemoryRecordings(SPEC, [episode([0, 1], [1.0, 1.0], outcome)])
    with pytest.raises(UserError, match="no episode succeeded"):
        fit_success_critic(dataset, forward(dataset), 0)


def test_successes_of_one_tick_alone_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SWEEPS, 20)
    dataset = MemoryRecordings(SPEC, [episode([0], [1.0], Outcome.SUCCESS)])
    critic = fit_success_critic(dataset, forward(dataset), 0)
    assert values(critic, np.array([0]), 1.0)[0] > 0.9
    assert critic.report is not None
    assert critic.report.bellman is None


@pytest.mark.parametrize(("failures", "validated"), [(0, 1), (1, 1), (2, 2)])
def test_of_two_successes_or_two_failures_one_validates(
    failures: int, validated: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SWEEPS, 1)
    outcomes = [Outcome.SUCCESS, Outcome.SUCCESS, *[Outcome.FAILURE] * failures]
    dataset = MemoryRecordings(SPEC, [episode([0, 1], [1.0, 1.0], each) for each in outcomes])
    critic = fit_success_critic(dataset, forward(dataset), 0)
    assert critic.report is not None
    assert critic.report.episodes == validated
    assert critic.report.bellman is not None


def test_running_out_of_time_ends_an_attempt_and_being_cut_off_does_not() -> None:
    recorded = [
        episode([0, 1, 2], [1.0] * 3, Outcome.SUCCESS),
        episode([3, 4], [1.0] * 2, Outcome.TIMEOUT),
        episode([5, 6], [1.0] * 2, Outcome.UNFINISHED),
        episode([7, 8], [1.0] * 2, Outcome.DISCARDED),
        episode([9], [1.0], Outcome.UNKNOWN, source="demo"),
    ]
    recorded[0].columns["control.discarded"][1] = True  # undone: from 0 it went to 2
    recorded[1].columns["control.source"][0] = "paused"
    dataset = MemoryRecordings(SPEC, recorded)
    known = Transitions.of(dataset)
    places = dataset.column(PLACE)[:, 0]
    assert places[known.frames].tolist() == [0, 2, 4, 5, 9]
    assert places[known.following].tolist() == [2, 2, 4, 6, 9]
    assert known.success.tolist() == [False, True, False, False, True]
    assert known.ended.tolist() == [False, True, True, False, True]
    alone, became = known.alone(dataset, 0.5)
    assert alone.tolist() == [True, True, True, False, True]
    assert became[alone].tolist() == [0.5, 1.0, 0.0, 1.0]

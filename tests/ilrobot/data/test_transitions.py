"""Recordings as transitions: what follows what, what is worth nothing, and what is refused."""

import numpy as np
import pytest

from ilrobot.data.episode import Episode, EpisodeInfo, Judge, Outcome
from ilrobot.data.memory import MemoryRecordings
from ilrobot.data.transitions import Transitions
from ilrobot.errors import UserError
from ilrobot.spec import Feature, Spec

SPEC = Spec(
    observations=(
        Feature("observation.state", (2,)),
        Feature("observation.images.top", (4, 4, 3), "uint8"),
        Feature("observation.goal", ()),
    ),
    action=Feature("action", (1,)),
    rate=10.0,
)


def episode(first, length, outcome=Outcome.UNKNOWN, judge=Judge.NOBODY, **columns):
    """An episode whose state counts from `first`, with the same number as its reward."""
    count = np.arange(first, first + length, dtype=np.float32)
    made = {
        "observation.state": np.stack([count, -count], axis=1),
        "observation.goal": np.full(length, 7.0),
        "action": count[:, None] / 100,
        "next.reward": count,
        "next.done": np.arange(length) == length - 1,
        **{name.replace("__", "."): np.asarray(values) for name, values in columns.items()},
    }
    return Episode(EpisodeInfo("toy", 10.0, outcome, judge), made)


def transitions(*episodes, rewards=True, **options):
    return Transitions.of(MemoryRecordings(SPEC, episodes), rewards=rewards, **options)


def test_each_step_is_followed_by_the_next_of_its_episode():
    found = transitions(
        episode(10, 3, Outcome.FAILURE, Judge.ENVIRONMENT),
        episode(20, 4, Outcome.TIMEOUT, Judge.ENVIRONMENT),
    )
    assert found.observations.tolist() == [[x, -x, 7] for x in (10, 11, 12, 20, 21, 22)]
    assert found.next_observations[:, 0].tolist() == [11, 12, 12, 21, 22, 23]
    assert found.rewards is not None
    assert found.rewards.tolist() == [10, 11, 12, 20, 21, 22]
    np.testing.assert_allclose(found.actions[:, 0], [0.1, 0.11, 0.12, 0.2, 0.21, 0.22], rtol=1e-6)
    assert found.terminal.tolist() == [False, False, True, False, False, False]
    assert found.timeout.tolist() == [False, False, False, False, False, True]
    assert found.episode.tolist() == [0, 0, 0, 1, 1, 1]


def test_where_nobody_judged_the_longest_episodes_were_cut_off():
    found = transitions(episode(10, 4), episode(20, 4), episode(30, 2))
    assert found.episode[found.terminal].tolist() == [2]
    assert found.episode[found.timeout].tolist() == [0, 1]


def test_what_the_recording_says_of_its_end_goes_before_its_length():
    ended, never = np.array([False, False, True]), np.zeros(2, dtype=bool)
    found = transitions(
        episode(10, 3, next__terminated=ended), episode(20, 2, next__terminated=never)
    )
    assert found.episode[found.terminal].tolist() == [0]
    assert found.episode[found.timeout].tolist() == [1]


def test_a_task_that_goes_on_after_a_success_is_cut_off_by_its_time_limit():
    never = np.zeros(4, dtype=bool)
    goes_on, ends = np.array([[False, True, False, True], [False, False, False, True]])
    found = transitions(
        episode(10, 4, Outcome.SUCCESS, Judge.ENVIRONMENT, next__success=goes_on),
        episode(20, 4, Outcome.SUCCESS, Judge.ENVIRONMENT, next__success=ends),
        episode(30, 4, Outcome.TIMEOUT, Judge.ENVIRONMENT, next__success=never),
    )
    assert found.episode[found.terminal].tolist() == [1]
    assert found.episode[found.timeout].tolist() == [0, 2]


def test_a_person_who_ends_an_episode_ends_its_value():
    never = np.zeros(3, dtype=bool)
    found = transitions(episode(10, 3, Outcome.FAILURE, Judge.PERSON, next__terminated=never))
    assert found.terminal.tolist() == [False, False, True]


def test_undone_held_and_discarded_steps_are_no_transitions():
    undone = np.array([False, True, True, False, False])
    source = np.array(["demo", "demo", "demo", "paused", "demo"], dtype=object)
    columns = {"control__discarded": undone, "control__source": source}
    live = {
        "control__discarded": np.zeros(3, dtype=bool),
        "control__source": np.full(3, "demo", dtype=object),
    }
    found = transitions(
        episode(10, 5, Outcome.SUCCESS, Judge.ENVIRONMENT, **columns),
        episode(20, 3, Outcome.DISCARDED, Judge.PERSON, **live),
    )
    assert found.observations[:, 0].tolist() == [10, 14]
    assert found.next_observations[:, 0].tolist() == [14, 14]


def test_whoever_acted_is_learnt_from_by_what_was_executed():
    source = np.array(["policy", "policy", "human", "blend", "policy"], dtype=object)
    wanted = np.full((5, 1), 9.0)
    found = transitions(
        episode(
            10,
            5,
            Outcome.SUCCESS,
            Judge.ENVIRONMENT,
            control__source=source,
            control__human_action=wanted,
            control__discarded=np.zeros(5, dtype=bool),
        )
    )
    np.testing.assert_allclose(found.actions[:, 0], [0.10, 0.11, 0.12, 0.13, 0.14], rtol=1e-6)
    assert found.rewards is not None
    assert found.rewards.tolist() == [10, 11, 12, 13, 14]


def test_success_as_reward_ends_the_episode_where_it_came():
    success = np.array([False, True, True, False])
    found = transitions(
        episode(10, 4, Outcome.SUCCESS, Judge.ENVIRONMENT, next__success=success),
        episode(20, 4, Outcome.TIMEOUT, Judge.ENVIRONMENT, next__success=np.zeros(4, dtype=bool)),
        episode(30, 2, Outcome.SUCCESS, Judge.PERSON, next__success=np.zeros(2, dtype=bool)),
        success=True,
    )
    assert found.rewards is not None
    assert found.rewards.tolist() == [0, 1, 0, 0, 0, 0, 1]
    assert found.terminal.tolist() == [False, True, False, False, False, False, True]
    assert found.returns()[1].tolist() == [1, 0, 1]


def test_the_return_of_what_was_cut_off_counts_its_last_step():
    """Which is no transition: of a task that pays at the end it would be the whole return."""
    rewards = np.array([0, 0, 0, 100], dtype=np.float32)
    found = transitions(
        episode(10, 4, Outcome.TIMEOUT, Judge.ENVIRONMENT, next__reward=rewards),
        episode(20, 4, Outcome.FAILURE, Judge.ENVIRONMENT, next__reward=rewards / 2),
    )
    assert len(found) == 3 + 4
    assert found.returns()[1].tolist() == [100, 50]
    assert found.where(found.episode == 0).returns()[1].tolist() == [100]


def test_what_a_person_called_a_failure_is_none_whatever_the_task_said():
    success = np.array([False, True, True, False])
    found = transitions(
        episode(10, 4, Outcome.FAILURE, Judge.PERSON, next__success=success),
        episode(20, 4, Outcome.SUCCESS, Judge.ENVIRONMENT, next__success=success),
        success=True,
    )
    assert found.returns()[1].tolist() == [0, 1]
    assert found.terminal.tolist() == [False] * 3 + [True, False, True]


def test_a_success_that_was_undone_is_none():
    success = np.array([False, True, False, False, False])
    undone = np.array([False, True, True, False, False])
    found = transitions(
        episode(
            10,
            5,
            Outcome.SUCCESS,
            Judge.PERSON,
            next__success=success,
            control__discarded=undone,
        ),
        success=True,
    )
    assert found.rewards is not None
    assert found.rewards.tolist() == [0, 0, 1]
    judged = transitions(
        episode(
            10,
            5,
            Outcome.SUCCESS,
            Judge.ENVIRONMENT,
            next__success=success | (np.arange(5) == 4),
            control__discarded=undone,
        )
    )
    assert judged.terminal.tolist() == [False, False, True]


def test_a_success_that_is_declared_while_the_robot_is_held_is_the_last_steps():
    source = np.array(["demo", "demo", "demo", "paused", "paused"], dtype=object)
    found = transitions(
        episode(10, 5, Outcome.SUCCESS, Judge.PERSON, control__source=source), success=True
    )
    assert found.rewards is not None
    assert found.rewards.tolist() == [0, 0, 1]
    assert found.terminal.tolist() == [False, False, True]


def test_rewards_are_asked_for_only_where_they_are_needed():
    bare, unknown = episode(10, 3), episode(10, 3, next__reward=np.full(3, np.nan))
    del bare.columns["next.reward"]
    for without in (bare, unknown):
        assert transitions(without, rewards=False).rewards is None
        with pytest.raises(UserError, match=r"no rewards \(in next.reward\)"):
            transitions(without)


def test_rewards_of_zero_alone_are_none_and_success_is_offered():
    nothing = {"next__reward": np.zeros(3), "next__success": np.array([False, False, True])}
    with pytest.raises(UserError, match="all 0; take --reward success"):
        transitions(episode(10, 3, Outcome.SUCCESS, Judge.ENVIRONMENT, **nothing))
    with pytest.raises(UserError, match="no episode succeeded"):
        transitions(episode(10, 3), success=True)


@pytest.mark.parametrize("column", ["observation.goal", "action", "next.reward"])
def test_a_number_that_is_none_is_named_by_its_place(column):
    bad = episode(20, 4)
    bad.columns[column] = bad.columns[column].copy()
    bad.columns[column][2] = np.nan
    with pytest.raises(UserError, match="episode 1, frame 2"):
        transitions(episode(10, 3), bad)


def test_single_steps_that_were_cut_off_are_refused():
    with pytest.raises(UserError, match="no step of which it is known what followed"):
        transitions(episode(10, 1, Outcome.TIMEOUT, Judge.ENVIRONMENT))


def test_parts_are_joined_and_chosen_from():
    one, two = transitions(episode(10, 3)), transitions(episode(20, 3))
    both = Transitions.joined([one, two])
    assert both.observations[:, 0].tolist() == [10, 11, 20, 21]
    assert both.where(both.timeout).observations[:, 0].tolist() == [11, 21]
    with pytest.raises(ValueError, match="all with rewards or all without"):
        Transitions.joined([one, transitions(episode(10, 3), rewards=False)])

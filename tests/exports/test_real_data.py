"""What an export takes from recordings."""

from dataclasses import replace

import numpy as np
import pytest

from exports.limits import derive_limits
from exports.real_data import executed_actions, taught_actions
from ilrobot.data.episode import Episode, Outcome
from ilrobot.data.memory import MemoryRecordings
from ilrobot.errors import UserError
from tests.ilrobot.policy_tester import CONTINUOUS, recordings


def _with_outcomes(*outcomes):
    data = recordings(CONTINUOUS, episodes=len(outcomes), length=4)
    data.infos = tuple(
        replace(info, outcome=outcome) for info, outcome in zip(data.infos, outcomes, strict=True)
    )
    return data


def _driven(sources, *, actions, branches=None):
    """One successful episode, driven by these; a person's wish is known where a person drove."""
    data = recordings(CONTINUOUS, episodes=1, length=len(sources))
    person = np.isin(sources, ("demo", "human"))
    action = np.repeat(np.float32(actions)[:, None], 2, axis=1)
    columns = {
        **{name: data.column(name) for name in CONTINUOUS.observation_names},
        "action": action,
        "intervention": np.isin(sources, ("human", "blend")),
        "control.source": np.array(sources, dtype=object),
        "control.human_action": np.where(person[:, None], action, np.float32(np.nan)),
        "control.branch": np.array(branches or [0] * len(sources)),
    }
    return MemoryRecordings(CONTINUOUS, [Episode(data.infos[0], columns)])


def test_what_was_discarded_or_failed_says_nothing_about_what_the_robot_may_do():
    data = _with_outcomes(Outcome.SUCCESS, Outcome.DISCARDED, Outcome.FAILURE, Outcome.UNKNOWN)
    kept = taught_actions(data)
    assert [actions.tolist() for actions in kept] == [
        data.column("action")[:4].tolist(),
        data.column("action")[12:].tolist(),
    ]


def test_no_takeover_and_no_handback_widens_the_limits():
    sources = ["policy"] * 3 + ["human"] * 3 + ["blend"] * 2 + ["policy"] * 3 + ["human"] * 3
    jumping = [0.9, -0.9, 0.9, 0.1, 0.2, 0.3, 0.6, 0.9, -0.9, 0.9, -0.9, 0.0, 0.1, 0.2]
    runs = taught_actions(_driven(sources, actions=jumping))
    assert [run[:, 0].tolist() for run in runs] == [
        pytest.approx([0.1, 0.2, 0.3]),
        pytest.approx([0.0, 0.1, 0.2]),
    ]
    smooth = _driven(["demo"] * 4, actions=[0.0, 0.1, 0.2, 0.3])
    demonstrated, corrected = (
        derive_limits(CONTINUOUS, actions) for actions in (taught_actions(smooth), runs)
    )
    np.testing.assert_allclose(corrected.velocity, demonstrated.velocity, rtol=1e-5)
    np.testing.assert_allclose(corrected.acceleration, demonstrated.acceleration, rtol=1e-5)


def test_whatever_was_executed_is_what_an_offline_learner_may_do():
    data = _driven(["policy"] * 2 + ["human"] * 2, actions=[0.9, 0.8, 0.1, 0.2])
    assert [run[:, 0].tolist() for run in executed_actions(data)] == [
        pytest.approx([0.9, 0.8]),
        pytest.approx([0.1, 0.2]),
    ]
    failed = _with_outcomes(Outcome.DISCARDED, Outcome.FAILURE)
    assert [len(run) for run in executed_actions(failed)] == [4]
    with pytest.raises(UserError, match="all of it was discarded"):
        executed_actions(_with_outcomes(Outcome.DISCARDED))


def test_a_rewind_ends_a_run():
    data = _driven(["demo"] * 4, actions=[0.0, 0.1, -0.9, -0.8], branches=[0, 0, 1, 1])
    assert [len(run) for run in taught_actions(data)] == [2, 2]


def test_a_dataset_that_teaches_nothing_is_one_line():
    with pytest.raises(UserError, match="nothing in it teaches") as caught:
        taught_actions(_with_outcomes(Outcome.DISCARDED, Outcome.FAILURE))
    assert "\n" not in str(caught.value)

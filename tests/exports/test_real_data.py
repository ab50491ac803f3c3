"""What an export takes from recordings."""

from dataclasses import replace

import pytest

from exports.real_data import executed_actions
from ilrobot.data.episode import Outcome
from ilrobot.errors import UserError
from tests.ilrobot.policy_tester import CONTINUOUS, recordings


def _with_outcomes(*outcomes):
    data = recordings(CONTINUOUS, episodes=len(outcomes), length=4)
    data.infos = tuple(
        replace(info, outcome=outcome) for info, outcome in zip(data.infos, outcomes, strict=True)
    )
    return data


def test_discarded_actions_say_nothing_about_what_the_robot_may_do():
    data = _with_outcomes(Outcome.SUCCESS, Outcome.DISCARDED, Outcome.FAILURE)
    kept = executed_actions(data)
    assert [actions.tolist() for actions in kept] == [
        data.column("action")[:4].tolist(),
        data.column("action")[8:].tolist(),
    ]


def test_a_dataset_of_discarded_episodes_is_one_line():
    with pytest.raises(UserError, match="every episode was discarded") as caught:
        executed_actions(_with_outcomes(Outcome.DISCARDED, Outcome.DISCARDED))
    assert "\n" not in str(caught.value)

"""From the person's hand back to the policy: blending, pauses, and answers that are not finite."""

from __future__ import annotations

import numpy as np
import pytest

from ilrobot.actors import Actor, Decision, Observation, Source
from ilrobot.blend import Blend
from ilrobot.env import make_env
from ilrobot.errors import WorkFailed
from ilrobot.gates.beta import BetaGate
from ilrobot.rollout import rollout
from ilrobot.shared_control import SharedControl
from ilrobot.spec import Feature, Spec
from tests.ilrobot.handing import SPEC, Novice, action_of, letters_of, shared


def test_motions_are_averaged_angles_go_the_short_way_and_grippers_switch() -> None:
    blend = Blend(SPEC)
    blend.begin(action_of(1.0, 3.0, 0.0))
    mixed = [blend.mix(action_of(-1.0, -3.0, 1.0)) for _ in range(5)]
    assert mixed[4] is None
    taken = np.array(mixed[:4])
    assert taken[:, 0] == pytest.approx([0.6, 0.2, -0.2, -0.6])
    step = (2 * np.pi - 6.0) / 5
    assert taken[:, 1] == pytest.approx([3.0 + k * step for k in range(1, 5)])
    assert taken[:, 2].tolist() == [1.0] * 4
    assert taken.dtype == np.float32


def test_a_target_far_away_is_met_step_by_step() -> None:
    blend = Blend(SPEC, most=np.array([0.25, np.inf, np.inf]))
    blend.begin(action_of(0.0, 0.0, 0.0))
    mixed = [blend.mix(action_of(2.0, 0.0, 1.0)) for _ in range(9)]
    assert [float(m[0]) for m in mixed[:7] if m is not None] == pytest.approx(
        [0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75]
    )
    assert mixed[7:] == [None, None]


def test_one_answer_that_is_not_finite_does_not_end_the_blending_for_good() -> None:
    blend = Blend(SPEC)
    blend.begin(action_of(1.0, 0.0, 0.0))
    goal = action_of(-1.0, 0.0, 0.0)
    first = blend.mix(goal)
    assert blend.mix(action_of(np.nan, 0.0, 0.0)) is None
    rest = [blend.mix(goal) for _ in range(4)]
    assert first is not None
    assert [None if m is None else round(float(m[0]), 6) for m in (first, *rest)] == [
        *(0.6, 0.2, -0.2, -0.6),
        None,
    ]


def test_choices_switch() -> None:
    blend = Blend(Spec((), Feature("action", (), "int64"), 20.0, choices=3))
    blend.begin(np.array(2))
    assert blend.mix(np.array(0)) is None


@pytest.mark.parametrize(("rate", "ticks"), [(20.0, 4), (10.0, 2), (50.0, 10), (2.0, 1)])
def test_it_takes_a_fifth_of_a_second(rate: float, ticks: int) -> None:
    blend = Blend(SPEC.with_rate(rate))
    blend.begin(action_of(0, 0, 0))
    assert sum(blend.mix(action_of(1, 1, 1)) is not None for _ in range(20)) == ticks


def test_a_handback_leads_over_and_its_steps_are_nobodys_word() -> None:
    actor, _ = shared("..hh........", Novice())
    letters, decisions = letters_of(actor, 12)
    # p is policy here: nobody pauses.
    assert letters == "pphhbbbbpppp"
    values = [float(d.action[0]) for d in decisions]
    assert values[3:9] == pytest.approx([1.0, 0.6, 0.2, -0.2, -0.6, -1.0])
    assert [d.human_action is not None for d in decisions] == [x == "h" for x in letters]


def test_a_takeover_ends_the_blending() -> None:
    actor, _ = shared(".hh.h.....", Novice())
    letters, decisions = letters_of(actor, 10)
    assert letters == "phhbhbbbbp"
    assert float(decisions[4].action[0]) == 1.0


def test_a_pause_holds_whoever_was_acting_and_the_policy_plans_anew_after_it() -> None:
    novice = Novice()
    actor, _ = shared(".hPP..", novice)
    _, decisions = letters_of(actor, 6)
    sources = [d.source for d in decisions]
    assert sources == [
        Source.POLICY, Source.HUMAN, Source.PAUSED, Source.PAUSED, Source.BLEND, Source.BLEND,
    ]  # fmt: skip
    assert [float(d.action[0]) for d in decisions[2:4]] == [0.0, 0.0]
    assert all(d.human_action is None for d in decisions[2:4])
    assert "".join(novice.seen).endswith("ofofaa")
    summary = actor.control_log()
    assert (summary.switches, summary.expert_steps) == (2, 1)


@pytest.mark.parametrize("hold", ["P", "nan"])
def test_after_every_hold_the_policy_begins_at_the_command_that_held(hold: str) -> None:
    actor, _ = shared(
        "..PP...." if hold == "P" else 8 * ".", Novice(*([2, 3] if hold != "P" else []))
    )
    _, decisions = letters_of(actor, 9)
    values = [float(d.action[0]) for d in decisions[2:]]
    assert values == pytest.approx([0.0, 0.0, -0.2, -0.4, -0.6, -0.8, -1.0])


def test_an_answer_that_is_not_finite_holds_the_robot_and_the_person_is_told() -> None:
    novice = Novice(2, 3)
    actor, person = shared("........", novice)
    _, decisions = letters_of(actor, 6)
    held = [d.source is Source.PAUSED for d in decisions]
    assert held == [False, False, True, True, False, False]
    assert all(np.isfinite(d.action).all() for d in decisions)
    assert person.told == 2 * ["the policy's action is not finite"]


def test_with_nobody_to_hold_the_robot_a_mad_policy_is_an_error() -> None:
    env = make_env("ilrobot/PandaReach-v0")

    class Mad(Actor):
        def act(self, observation: Observation, now: float) -> Decision:
            return Decision(np.full(7, np.nan, np.float32), Source.POLICY)

    class Expert(Actor):
        def act(self, observation: Observation, now: float) -> Decision:
            action = np.zeros(7, np.float32)
            return Decision(action, Source.DEMO, human_action=action)

    with pytest.raises(WorkFailed, match="finite"):
        rollout(env, SharedControl(Mad(), Expert(), BetaGate(0.0)), seed=0)

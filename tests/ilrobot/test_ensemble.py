import math

import numpy as np
import pytest

from ilrobot.actors import Actor, Decision, Observation, Source
from ilrobot.ensemble import EnsembleActor
from ilrobot.errors import UserError
from ilrobot.gates.discrepancy import Discrepancy
from ilrobot.gates.ensemble import EnsembleGate
from ilrobot.shared_control import SharedControl
from ilrobot.spec import Feature, Spec

SPEC = Spec((), Feature("action", (2,), low=(-1.0, -1.0), high=(1.0, 1.0)), rate=10.0)


class Gain(Actor):
    """Wants `gain` times what it sees."""

    def __init__(self, *gain: float) -> None:
        self._gain = np.array(gain, np.float32)
        self.seen = 0
        self.seed: int | None = None

    def reset(self, seed: int | None = None) -> None:
        self.seed = seed

    def observe(self, observation: Observation) -> None:
        self.seen += 1

    def act(self, observation: Observation, now: float) -> Decision:
        self.seen += 1
        action = self._gain * np.float32(observation["x"])
        return Decision(action, Source.POLICY, human_action=action)


def test_it_acts_with_the_mean_and_doubts_by_the_variance() -> None:
    ensemble = EnsembleActor([Gain(1.0, 2.0), Gain(3.0, 8.0)], SPEC)
    seen = {"x": np.array(0.5)}
    decision = ensemble.act(seen, 0.0)
    assert decision.action == pytest.approx([1.0, 2.5])
    assert decision.action.dtype == np.float32
    variances = [0.25 / 4, 2.25 / 4]  # 0.5 and 1.5 squared, by the range of 2 squared
    assert ensemble.doubt(seen) == pytest.approx(math.hypot(*variances))
    assert ensemble.novelty(seen) == pytest.approx(np.mean(variances))


def test_its_doubt_about_what_it_was_not_asked_is_not_known() -> None:
    ensemble = EnsembleActor([Gain(1.0, 2.0), Gain(3.0, 8.0)], SPEC)
    seen, other = {"x": np.array(0.5)}, {"x": np.array(0.5)}
    assert ensemble.novelty(seen) == math.inf
    ensemble.act(seen, 0.0)
    assert ensemble.doubt(other) == math.inf
    ensemble.reset(0)
    assert ensemble.doubt(seen) == math.inf


def test_members_that_agree_do_not_doubt_and_draw_of_their_own() -> None:
    members = [Gain(1.0, 2.0), Gain(1.0, 2.0)]
    ensemble = EnsembleActor(members, SPEC)
    ensemble.reset(5)
    seeds = [member.seed for member in members]
    assert seeds[0] != seeds[1]
    ensemble.reset(5)
    assert [member.seed for member in members] == seeds
    seen = {"x": np.array(0.5)}
    ensemble.act(seen, 0.0)
    assert ensemble.doubt(seen) == 0.0


def test_under_its_gate_the_expert_acts_where_the_members_part() -> None:
    ensemble = EnsembleActor([Gain(1.0, 1.0), Gain(3.0, 3.0)], SPEC)
    expert = Gain(2.0, 2.0)  # the mean of the members: no discrepancy at all
    actor = SharedControl(ensemble, expert, EnsembleGate(Discrepancy(2.0), ensemble.doubt, 0.125))
    actor.reset(0)
    sources = [actor.act({"x": np.array(x)}, 0.0).source for x in (0.1, 0.5, 0.9, 0.2)]
    assert sources == [Source.POLICY, Source.POLICY, Source.HUMAN, Source.POLICY]


def test_one_policy_is_no_ensemble_and_choices_have_no_mean() -> None:
    with pytest.raises(UserError, match="at least two policies"):
        EnsembleActor([Gain(1.0)], SPEC)
    choices = Spec((), Feature("action", (), dtype="int64"), rate=10.0, choices=4)
    with pytest.raises(UserError, match="choices"):
        EnsembleActor([Gain(1.0), Gain(1.0)], choices)

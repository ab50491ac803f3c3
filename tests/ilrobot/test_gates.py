"""Gates on scripted traces: who acts when, and what is counted."""

import json
import math
from collections.abc import Callable

import numpy as np
import pytest

from ilrobot.actors import Actor, Decision, Observation, Source
from ilrobot.errors import UserError
from ilrobot.gates.benefit import BenefitGate, BenefitThresholds
from ilrobot.gates.beta import BetaGate, exponential, indicator, linear
from ilrobot.gates.discrepancy import Discrepancy
from ilrobot.gates.ensemble import EnsembleGate
from ilrobot.gates.foresight import Foresight
from ilrobot.gates.gate import Gate, GateContext
from ilrobot.gates.human import HumanGate, risk_threshold
from ilrobot.gates.lazy import LazyGate
from ilrobot.gates.log import GateLog, total
from ilrobot.gates.safe import SafeGate
from ilrobot.gates.thrifty import Thresholds, ThriftyGate
from ilrobot.shared_control import SharedControl


class Trace(Actor):
    """Wants the number that the trace has for the tick, whoever acts."""

    def __init__(self, values: list[float], source: Source = Source.POLICY) -> None:
        self._values, self._source = values, source

    def act(self, observation: Observation, now: float) -> Decision:
        action = np.array([self._values[int(observation["tick"])]])
        return Decision(action, self._source, human_action=action)


def at_tick(values: list[float]) -> Callable[..., float]:
    return lambda observation, *_: values[int(observation["tick"])]


def share(gate: Gate, strays: list[float]) -> tuple[list[int], GateLog]:
    """The ticks at which the expert acts, where the novice strays that far from it."""
    expert = Trace([0.0] * len(strays), Source.DEMO)
    actor = SharedControl(Trace([math.sqrt(s) for s in strays]), expert, gate)
    actor.reset(0)
    sources = [actor.act({"tick": np.array(t)}, 0.1 * t).source for t in range(len(strays))]
    return [t for t, source in enumerate(sources) if source is Source.HUMAN], actor.control_log()


PLAIN = Discrepancy([1.0])
TRACE = [0.0, 0.9, 1.5, 0.9, 0.5, 0.2, 0.9, 1.2, 0.9]


def test_safe_dagger_acts_above_its_threshold_and_nowhere_else() -> None:
    acted, log = share(SafeGate(PLAIN, 1.0), TRACE)
    assert acted == [2, 7]
    assert (log.switches, log.takeovers, log.expert_steps, log.queries) == (4, 2, 2, 9)


def test_lazy_dagger_keeps_control_until_a_quarter_of_it_and_switches_less() -> None:
    acted, log = share(LazyGate(PLAIN, 1.0), TRACE)
    assert acted == [2, 3, 4, 7, 8]
    assert log.switches == 3
    trembling = [1.1, 0.9] * 10
    assert share(SafeGate(PLAIN, 1.0), trembling)[1].switches == 20
    assert share(LazyGate(PLAIN, 1.0), trembling)[1].switches == 1


def test_lazy_dagger_that_hands_back_at_once_is_safe_dagger() -> None:
    assert (
        share(LazyGate(PLAIN, 1.0, handback=1.0), TRACE)[0] == share(SafeGate(PLAIN, 1.0), TRACE)[0]
    )


def test_ensemble_dagger_acts_on_discrepancy_or_doubt() -> None:
    doubts = [0.0, 0.0, 0.0, 0.4, 0.0, 0.0, 0.0, 0.4, math.inf]
    acted, _ = share(EnsembleGate(PLAIN, at_tick(doubts), 0.3, 1.0), TRACE)
    assert acted == [2, 3, 7, 8]


def thrifty(
    novelty: list[float], success: list[float], budget: float = 0.1, agreement: float = 1.0
) -> ThriftyGate:
    start = Thresholds(novelty=0.5, success=0.48, recovery=0.495)
    return ThriftyGate(PLAIN, budget, at_tick(novelty), at_tick(success), start, agreement)


def test_thrifty_dagger_calls_at_novelty_or_risk_and_hands_back_at_neither() -> None:
    strays_ = [0.0, 2.0, 2.0, 0.5, 0.5, 0.5, 0.5, 0.5]
    novelty = [0.0, 0.9, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    success = [0.9, 0.9, 0.9, 0.49, 0.9, 0.4, 0.49, 0.9]
    acted, log = share(thrifty(novelty, success), strays_)
    # 1: novel; 2: strays; 3: not sure enough of success; 4: back. 5: risky; 6: not sure; 7: back.
    assert acted == [1, 2, 3, 5, 6]
    assert log.queries == 7  # the expert is asked while it acts and at the handbacks
    assert log.budget_spent == pytest.approx(2 / 5)


def test_a_novelty_that_is_not_a_number_calls() -> None:
    assert share(thrifty([math.nan], [0.9]), [0.0])[0] == [0]


def test_a_threshold_of_nothing_hands_back_where_both_want_the_same() -> None:
    assert share(LazyGate(PLAIN, 0.0), [1.0, 1.0, 0.0, 0.0])[0] == [0, 1]
    novelty, success = [9.0, 0.0, 0.0, 0.0], [0.9] * 4
    gate = thrifty(novelty, success, agreement=0.0)
    assert share(gate, [1.0, 1.0, 0.0, 0.0])[0] == [0, 1]


def foretold(values: list[float]) -> Foresight:
    return Foresight(at_tick(values))


def test_safe_dagger_that_foretells_asks_the_expert_only_while_it_acts() -> None:
    acted, log = share(SafeGate(foretold([0.1, 0.9, 0.3, 0.2, 0.1, 0.1])), [0.0] * 6)
    assert acted == [1, 2]
    assert log.queries == 3  # and once more at the tick of handback
    assert log.thresholds == {"probability of straying": 0.2}


def test_lazy_dagger_foretells_the_takeover_and_measures_the_handback() -> None:
    strays = [9.0, 9.0, 9.0, 0.5, 0.2, 9.0]
    gate = LazyGate(PLAIN, 1.0, foresight=foretold([0.2, 0.3, 0.0, 0.0, 0.0, 0.0]))
    acted, log = share(gate, strays)
    assert acted == [1, 2, 3]
    assert log.queries == 4
    assert set(log.thresholds) == {
        "discrepancy",
        "handback discrepancy",
        "probability of straying",
    }


def test_lazy_dagger_hands_nothing_back_where_it_would_take_over_at_once() -> None:
    foreseen = [0.9, 0.9, 0.9, 0.1, 0.1, 0.1]
    acted, log = share(LazyGate(PLAIN, 1.0, foresight=foretold(foreseen)), [0.1] * 6)
    assert acted == [0, 1, 2]
    assert log.takeovers == 1


def test_hg_dagger_notes_the_doubt_at_each_takeover_and_gates_by_the_person_alone() -> None:
    held = [False, True, True, False, True, False]
    gate = HumanGate(iter(held).__next__, trusted=0.3)
    doubts = at_tick([0.1, 0.2, 0.3, 0.4, math.inf, 0.6])
    expert = Trace([0.0] * 6, Source.DEMO)
    actor = SharedControl(Trace([0.0] * 6), expert, gate, doubt=doubts)
    decisions = [actor.act({"tick": np.array(tick)}, 0.0) for tick in range(6)]
    assert [tick for tick in range(6) if decisions[tick].source is Source.HUMAN] == [1, 2, 4]
    assert [decision.doubt for decision in decisions] == [0.1, 0.2, 0.3, 0.4, None, 0.6]
    log = actor.control_log()
    assert log.doubts == (0.2,)  # what is not known is not noted
    assert log.thresholds == {"doubt": 0.3}


def test_the_bound_of_risk_is_the_mean_of_the_last_quarter() -> None:
    assert risk_threshold([9.0, 9.0, 9.0, 9.0, 9.0, 9.0, 1.0, 2.0]) == 1.5
    assert risk_threshold([3.0]) == 3.0


def test_beta_falls_by_its_schedule() -> None:
    rounds = range(1, 6)
    assert [indicator()(i) for i in rounds] == [1, 0, 0, 0, 0]
    assert [linear(4)(i) for i in rounds] == [1, 0.75, 0.5, 0.25, 0]
    assert [linear(2)(i) for i in rounds] == [1, 0.5, 0, 0, 0]
    assert [exponential()(i) for i in rounds] == [1, 0.5, 0.25, 0.125, 0.0625]


def every_gate(size: int) -> dict[str, Gate]:
    low, high = [0.0] * size, [0.9] * size
    return {
        "human": HumanGate(lambda: False),
        "beta": BetaGate(0.5),
        "safe": SafeGate(PLAIN, 1.0),
        "lazy": LazyGate(PLAIN, 1.0),
        "ensemble": EnsembleGate(PLAIN, at_tick(low), 0.3, 1.0),
        "thrifty": thrifty(low, high),
        "benefit": BenefitGate(at_tick(low), BenefitThresholds(1.0, 0.0), patience=1),
    }


@pytest.mark.parametrize("name", every_gate(0))
def test_every_gate_logs_the_same(name: str) -> None:
    gate = every_gate(len(TRACE))[name]
    acted, log = share(gate, TRACE)
    data = json.loads(json.dumps(log.to_json()))
    assert list(data) == [
        *("steps", "expert_steps", "takeovers", "switches", "queries", "context_time"),
        *("thresholds", "budget", "doubts", "budget_spent"),
    ]
    assert GateLog.from_json(data) == log
    assert data["steps"] == len(TRACE)
    assert data["expert_steps"] == len(acted)
    assert all(math.isfinite(value) for value in data["thresholds"].values())
    assert total([log, log]).expert_steps == 2 * len(acted)
    assert share(gate, TRACE)[1].steps == len(TRACE)  # counted anew


def test_context_time_is_from_takeover_to_handback() -> None:
    _, log = share(LazyGate(PLAIN, 1.0), TRACE)
    assert log.context_time == pytest.approx(0.3 + 0.2)  # ticks 2 to 5, and 7 to the end of 8
    acted, log = share(BetaGate(1.0), [0.0] * 4)
    assert log.context_time == pytest.approx(0.1 * len(acted))


@pytest.mark.parametrize("gate", [SafeGate(PLAIN, 1.0), LazyGate(PLAIN, 1.0)], ids=["safe", "lazy"])
def test_an_action_that_is_not_finite_is_far_from_any(gate: Gate) -> None:
    context = GateContext({}, 0.0, False, np.array([math.nan]), np.zeros(1))
    assert gate.decide(context)


def test_an_expert_that_gives_no_action_is_told() -> None:
    context = GateContext({}, 0.0, False, np.zeros(1), None)
    with pytest.raises(UserError, match="the expert gave none"):
        SafeGate(PLAIN, 1.0).decide(context)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: thrifty([], [], budget=0.0), "the budget must be a share"),
        (lambda: thrifty([], [], budget=math.nan), "the budget must be a share"),
        (lambda: thrifty([], [], agreement=-1.0), "threshold of the agreement"),
        (lambda: SafeGate(PLAIN, math.inf), "threshold of the discrepancy"),
        (lambda: LazyGate(PLAIN, 1.0, handback=0.0), "at a share in"),
        (lambda: EnsembleGate(PLAIN, at_tick([]), math.nan), "threshold of the doubt"),
        (lambda: linear(0), "at least 1 round"),
        (lambda: exponential(1.0), "must be in"),
    ],
)
def test_a_setting_that_cannot_be_is_told(make: Callable[[], object], told: str) -> None:
    with pytest.raises(UserError, match=told) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_a_critic_that_gives_no_probability_is_told() -> None:
    with pytest.raises(UserError, match="probability of success"):
        share(thrifty([0.0], [1.5]), [0.0])


def test_a_critic_that_always_says_the_same_does_not_keep_control_for_ever() -> None:
    now = Thresholds.fit([0.0] * 60, [1.0] * 60, 0.1)
    gate = ThriftyGate(PLAIN, 0.1, at_tick([9.0, 0.0]), at_tick([1.0, 1.0]), now, 1.0)
    assert share(gate, [0.0, 0.0])[0] == [0]


class Foreseeing(Trace):
    """Remembers at which ticks it was asked and which it only saw."""

    def __init__(self, size: int) -> None:
        super().__init__([0.0] * size, Source.DEMO)
        self.asked: list[int] = []
        self.saw: list[int] = []

    def act(self, observation: Observation, now: float) -> Decision:
        self.asked.append(int(observation["tick"]))
        return super().act(observation, now)

    def observe(self, observation: Observation) -> None:
        self.saw.append(int(observation["tick"]))


def test_an_expert_is_asked_from_takeover_to_handback_and_sees_the_rest() -> None:
    expert = Foreseeing(6)
    gate = thrifty([0.0, 0.9, 0.0, 0.0, 0.0, 0.0], [0.9] * 6)
    actor = SharedControl(Trace([2.0, 2.0, 2.0, 0.5, 0.5, 0.5]), expert, gate)
    actor.reset(0)
    for tick in range(6):
        actor.act({"tick": np.array(tick)}, 0.1 * tick)
    assert expert.asked == [1, 2, 3]
    assert expert.saw == [0, 4, 5]


class Chunked(Trace):
    """As a policy decides: it names no human's action."""

    def act(self, observation: Observation, now: float) -> Decision:
        action = super().act(observation, now).action
        return Decision(action, Source.POLICY, policy_action=action)


@pytest.mark.parametrize("gate", [LazyGate(PLAIN, 1.0), BetaGate(0.0)], ids=["lazy", "beta"])
def test_a_stronger_policy_may_be_the_expert_and_labels_what_it_is_asked(gate: Gate) -> None:
    actor = SharedControl(Chunked([0.5] * 3), Chunked([0.1, 0.2, 0.3]), gate)
    actor.reset(0)
    decisions = [actor.act({"tick": np.array(tick)}, 0.0) for tick in range(3)]
    assert [float(d.human_action[0]) for d in decisions] == [0.1, 0.2, 0.3]
    assert {float(d.action[0]) for d in decisions} == {0.5}

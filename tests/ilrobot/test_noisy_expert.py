import math

import numpy as np
import pytest

from ilrobot.actors import Actor, Decision, Observation, Source
from ilrobot.errors import UserError
from ilrobot.gates.discrepancy import Discrepancy
from ilrobot.gates.lazy import LazyGate
from ilrobot.noisy_expert import NoisyExpert
from ilrobot.shared_control import SharedControl
from ilrobot.spec import Feature, Spec

SPEC = Spec((), Feature("action", (1,), low=(-1.0,), high=(1.0,)), rate=10.0)


class Still(Actor):
    def __init__(self, value: float, *, labels: bool = True) -> None:
        self._action = np.array([value], np.float32)
        self._labels = labels

    def act(self, observation: Observation, now: float) -> Decision:
        label = self._action if self._labels else None
        return Decision(self._action, Source.DEMO, human_action=label)


def acts(expert: NoisyExpert, seed: int, ticks: int = 2_000) -> list[Decision]:
    expert.reset(seed)
    return [expert.act({}, 0.0) for _ in range(ticks)]


@pytest.mark.parametrize("labels", [True, False])
def test_what_is_executed_is_disturbed_and_the_label_is_what_was_meant(labels: bool) -> None:
    decisions = acts(NoisyExpert(Still(0.2, labels=labels), SPEC, 0.1), 0)
    executed = np.array([d.action[0] for d in decisions])
    assert executed.mean() == pytest.approx(0.2, abs=0.01)
    assert executed.std() == pytest.approx(0.1, abs=0.01)
    assert {float(d.human_action[0]) for d in decisions} == {float(np.float32(0.2))}
    assert decisions[0].action.dtype == np.float32


def test_it_stays_within_limits_and_repeats_with_the_seed() -> None:
    expert = NoisyExpert(Still(0.9), SPEC, 0.5)
    first, again, other = acts(expert, 1, 50), acts(expert, 1, 50), acts(expert, 2, 50)
    assert max(float(d.action[0]) for d in first) == 1.0
    assert [d.action for d in first] == [d.action for d in again]
    assert [d.action for d in first] != [d.action for d in other]


def test_without_noise_it_is_the_expert_bit_for_bit() -> None:
    assert all(
        np.array_equal(d.action, Still(0.3).act({}, 0.0).action)
        for d in acts(NoisyExpert(Still(0.3), SPEC, 0.0), 0, 5)
    )


def test_a_gate_compares_with_what_was_meant() -> None:
    """Else the noise would keep control with the expert for ever."""
    actor = SharedControl(
        Still(0.0), NoisyExpert(Still(0.0), SPEC, 0.5), LazyGate(Discrepancy(2.0))
    )
    actor.reset(0)
    assert {actor.act({}, 0.0).source for _ in range(20)} == {Source.POLICY}


def test_noise_that_cannot_be_is_told() -> None:
    for std in (-1.0, math.nan, math.inf):
        with pytest.raises(UserError, match="noise on the expert"):
            NoisyExpert(Still(0.0), SPEC, std)
    choices = Spec((), Feature("action", (), dtype="int64"), rate=10.0, choices=4)
    with pytest.raises(UserError, match="choices"):
        NoisyExpert(Still(0.0), choices, 0.1)

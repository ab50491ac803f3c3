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
    decisions = acts(NoisyExpert.isotropic(Still(0.2, labels=labels), SPEC, 0.1), 0)
    executed = np.array([d.action[0] for d in decisions])
    assert executed.mean() == pytest.approx(0.2, abs=0.01)
    assert executed.std() == pytest.approx(0.1, abs=0.01)
    assert {float(np.asarray(d.human_action)[0]) for d in decisions} == {float(np.float32(0.2))}
    assert decisions[0].action.dtype == np.float32


def test_it_stays_within_limits_and_repeats_with_the_seed() -> None:
    expert = NoisyExpert.isotropic(Still(0.9), SPEC, 0.5)
    first, again, other = acts(expert, 1, 50), acts(expert, 1, 50), acts(expert, 2, 50)
    assert max(float(d.action[0]) for d in first) == 1.0
    assert [d.action for d in first] == [d.action for d in again]
    assert [d.action for d in first] != [d.action for d in other]


def test_without_noise_it_is_the_expert_bit_for_bit() -> None:
    assert all(
        np.array_equal(d.action, Still(0.3).act({}, 0.0).action)
        for d in acts(NoisyExpert.isotropic(Still(0.3), SPEC, 0.0), 0, 5)
    )


def test_a_gate_compares_with_what_was_meant() -> None:
    """Else the noise would keep control with the expert for ever."""
    actor = SharedControl(
        Still(0.0), NoisyExpert.isotropic(Still(0.0), SPEC, 0.5), LazyGate(Discrepancy(2.0))
    )
    actor.reset(0)
    assert {actor.act({}, 0.0).source for _ in range(20)} == {Source.POLICY}


class Plane(Actor):
    def act(self, observation: Observation, now: float) -> Decision:
        return Decision(np.array([1.0, -2.0, 0.5], np.float32), Source.DEMO)


FREE = Spec((), Feature("action", (3,)), rate=10.0)


def test_the_noise_has_the_given_covariance() -> None:
    wanted = np.array([[4.0, 1.0, 0.0], [1.0, 0.5, -0.2], [0.0, -0.2, 0.3]])
    executed = np.array([d.action for d in acts(NoisyExpert(Plane(), FREE, wanted), 0, 20_000)])
    assert executed.mean(axis=0) == pytest.approx([1.0, -2.0, 0.5], abs=0.05)
    assert np.cov(executed.T) == pytest.approx(wanted, abs=0.1)


def test_a_singular_covariance_disturbs_along_its_directions_only() -> None:
    direction = np.array([1.0, 2.0, 0.0])
    expert = NoisyExpert(Plane(), FREE, np.outer(direction, direction))
    executed = np.array([d.action for d in acts(expert, 0, 2_000)])
    noise = executed - [1.0, -2.0, 0.5]
    assert noise[:, 1] == pytest.approx(2 * noise[:, 0], abs=1e-5)
    assert np.abs(noise[:, 2]).max() < 1e-5
    assert noise[:, 0].std() == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize(
    ("covariance", "message"),
    [
        (np.eye(2), r"must be \(3, 3\)"),
        (np.diag([1.0, np.nan, 1.0]), "must be finite"),
        (np.array([[1.0, 2.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]), "must be symmetric"),
        (np.diag([1.0, -0.1, 1.0]), "negative variance"),
    ],
)
def test_what_is_no_covariance_is_told(covariance: np.ndarray, message: str) -> None:
    with pytest.raises(UserError, match=message):
        NoisyExpert(Plane(), FREE, covariance)


def test_a_persons_hand_is_never_disturbed() -> None:
    person = Still(0.0)
    person.attends = True
    with pytest.raises(UserError, match="a person's hand is not disturbed"):
        NoisyExpert.isotropic(person, SPEC, 0.1)


def test_noise_that_cannot_be_is_told() -> None:
    for std in (-1.0, math.nan, math.inf):
        with pytest.raises(UserError, match="noise on the expert"):
            NoisyExpert.isotropic(Still(0.0), SPEC, std)
    choices = Spec((), Feature("action", (), dtype="int64"), rate=10.0, choices=4)
    with pytest.raises(UserError, match="choices"):
        NoisyExpert.isotropic(Still(0.0), choices, 0.1)

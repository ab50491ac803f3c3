"""How far the members of a policy are apart, and the actor that says so while it acts."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ilrobot.actors import Actor, Decision, Observation, Source
from ilrobot.control.drawing import Prediction, Single
from ilrobot.control.execution import Receding
from ilrobot.control.turns import in_unit, quaternion
from ilrobot.ensemble import EnsembleActor, disagreement_scale, doubt, novelty, opinion, spread
from ilrobot.gates.discrepancy import Discrepancy
from ilrobot.gates.ensemble import EnsembleGate
from ilrobot.rotation_units import ROTATION_UNITS
from ilrobot.shared_control import SharedControl
from ilrobot.spec import Feature, Spec

SPEC = Spec(
    (Feature("x", (), "float32"),),
    Feature("action", (2,), low=(-1.0, -1.0), high=(1.0, 1.0)),
    rate=10.0,
)
CHOICES = Spec((), Feature("action", (), dtype="int64"), rate=10.0, choices=4)


def gains(*members: tuple[float, float], horizon: int = 1, execute: int = 1) -> EnsembleActor:
    """Each member wants its gain times the newest observation, twice as much a tick later."""

    def predict(
        history: Mapping[str, NDArray[Any]], noise: NDArray[np.float32] | None
    ) -> Prediction:
        ticks = 2.0 ** np.arange(horizon)
        wanted = np.einsum("me,h->mhe", np.array(members), ticks) * history["x"][-1]
        return opinion(wanted.mean(axis=0).astype(np.float32), wanted, SPEC, [2.0, 2.0])

    return EnsembleActor(
        predict,
        SPEC,
        history=1,
        execution=Receding(execute),
        draw=Single(None),
    )


def at(x: float) -> dict[str, NDArray[np.float32]]:
    return {"x": np.array(x, np.float32)}


class Twice(Actor):
    """Wants twice what it sees."""

    def act(self, observation: Observation, now: float) -> Decision:
        action = np.full(2, 2.0 * observation["x"])
        return Decision(action, Source.POLICY, human_action=action)


def test_it_acts_with_the_mean_and_doubts_by_the_variance() -> None:
    ensemble = gains((1.0, 2.0), (3.0, 8.0))
    seen = at(0.5)
    decision = ensemble.act(seen, 0.0)
    assert decision.action == pytest.approx([1.0, 2.5])
    variances = [0.25 / 4, 2.25 / 4]  # 0.5 and 1.5 squared, by the range of 2 squared
    assert ensemble.doubt(seen) == pytest.approx(math.hypot(*variances))
    assert decision.doubt == ensemble.doubt(seen)
    assert ensemble.novelty(seen) == pytest.approx(np.mean(variances))


def test_its_doubt_about_what_it_was_not_asked_is_not_known() -> None:
    ensemble = gains((1.0, 2.0), (3.0, 8.0))
    seen, other = at(0.5), at(0.5)
    assert ensemble.novelty(seen) == math.inf
    ensemble.act(seen, 0.0)
    assert ensemble.doubt(other) == math.inf
    ensemble.flush()  # control changes hands at this very tick: what it thought of it stays
    assert ensemble.doubt(seen) < math.inf
    ensemble.rewind([], None)
    assert ensemble.doubt(seen) == math.inf
    ensemble.act(seen, 0.0)
    ensemble.reset(0)
    assert ensemble.doubt(seen) == math.inf


def test_in_the_middle_of_a_chunk_it_doubts_the_element_that_it_executes() -> None:
    ensemble = gains((1.0, 1.0), (3.0, 3.0), horizon=3, execute=2)
    ticks = [at(x) for x in (0.5, 0.1, 0.1, 0.7)]
    doubts = []
    for tick in ticks[:3]:
        ensemble.act(tick, 0.0)
        doubts.append(ensemble.novelty(tick))
    # Half of what the two are apart, by the range, squared: of the first chunk's two, then anew.
    assert doubts == pytest.approx([0.25**2, 0.5**2, 0.05**2])
    ensemble.flush()
    ensemble.act(ticks[3], 0.0)
    assert ensemble.novelty(ticks[3]) == pytest.approx(0.35**2)


def test_under_its_gate_the_expert_acts_where_the_members_part() -> None:
    ensemble = gains((1.0, 1.0), (3.0, 3.0))
    expert = Twice()  # the mean of the members: no discrepancy at all
    actor = SharedControl(ensemble, expert, EnsembleGate(Discrepancy(2.0), ensemble.doubt, 0.125))
    actor.reset(0)
    sources = [actor.act(at(x), 0.0).source for x in (0.1, 0.5, 0.9, 0.2)]
    assert sources == [Source.POLICY, Source.POLICY, Source.HUMAN, Source.POLICY]


def test_of_many_situations_at_once() -> None:
    actions = np.random.default_rng(0).normal(size=(5, 7, 2))
    spreads = spread(actions, SPEC, [2.0, 4.0])
    variances = np.var(actions, axis=0) / [4.0, 16.0]
    assert doubt(spreads) == pytest.approx(np.hypot(*variances.T))
    assert novelty(spreads) == pytest.approx(variances.mean(axis=1))


@pytest.mark.parametrize("unit", ["rotvec", "quat_wxyz", "quat_xyzw"])
def test_members_that_say_the_same_rotation_in_other_words_agree(unit: str) -> None:
    size = ROTATION_UNITS[unit]
    action = Feature("action", (size + 1,), units=(*(unit,) * size, "m"))
    spec = Spec((), action, rate=10.0, semantics="absolute")
    turns = np.random.default_rng(0).normal(size=(20, 3))
    turns *= (np.pi + 0.01) / np.linalg.norm(turns, axis=1, keepdims=True)  # past half a turn
    said = [in_unit(quaternion(turn, "rotvec"), unit) for turn in turns.tolist()]
    others = [in_unit(tuple(-x for x in quaternion(t, "rotvec")), unit) for t in turns.tolist()]
    place = np.ones((20, 1))
    members = np.stack([np.hstack([said, place]), np.hstack([others, -place])])
    spreads = spread(members, spec, np.full(size + 1, 2.0))
    np.testing.assert_allclose(spreads[:, :size], 0.0, atol=1e-12)
    np.testing.assert_allclose(spreads[:, size], 0.25)


def test_members_that_say_the_same_angle_a_turn_apart_agree() -> None:
    action = Feature("action", (2,), units=("m", "rad"))
    members = np.array([[0.0, 3.14], [0.0, -3.14], [0.0, 3.14 - 4 * np.pi], [0.0, 3.14]])
    spreads = spread(members[:, None], Spec((), action, rate=10.0), [1.0, 2 * np.pi])
    assert spreads[0] == pytest.approx([0.0, 0.0], abs=1e-6)


def test_choices_differ_by_the_votes() -> None:
    votes = np.array([[0, 3], [0, 3], [1, 3], [1, 3]])  # four members in two situations
    spreads = spread(votes, CHOICES, 1.0)
    assert spreads == pytest.approx(np.array([[0.25, 0.25, 0, 0], [0, 0, 0, 0]]))
    assert doubt(spreads) == pytest.approx([math.hypot(0.25, 0.25), 0.0])


def test_an_element_without_limits_is_measured_by_the_training_data() -> None:
    trained = np.array([-1.0, 2.0, 5.0]), np.array([3.0, 2.5, 5.0])
    action = Feature("action", (3,), low=(-1.0, -np.inf, -np.inf), high=(1.0, np.inf, np.inf))
    scale = disagreement_scale(Spec((), action, rate=10.0), trained)
    assert scale.tolist() == [2.0, 0.5, 1.0]
    nominal = Feature("action", (3,), low=(-1.0, -1e6, -3.4e38), high=(1.0, 1e6, 3.4e38))
    assert disagreement_scale(Spec((), nominal, rate=10.0), trained).tolist() == [2.0, 0.5, 1.0]
    unlimited = Spec((), Feature("action", (3,)), rate=10.0)
    assert disagreement_scale(unlimited, trained).tolist() == [4.0, 0.5, 1.0]

"""A hand that tires: only when it is asked to, with time on task, and it recovers."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from ilrobot.actors import Actor, Decision, Observation, Source
from ilrobot.env import make_env
from ilrobot.task_env import TaskEnv
from teleop.actor import TeleopActor
from teleop.devices.gamepad import Gamepad
from teleop.devices.virtual_gamepad import VirtualGamepad
from teleop.fatigue import Fatigue
from teleop.mappings.making import make_mapping
from teleop.operator import Operator
from teleop.profile import Profile

PERIOD = 0.05
STEADY = Profile(tremor=0.0, wander=0.0, gain=(1.0, 1.0), stick_speed=1e9, reaction=(0.2, 0.2))
TIRING = replace(STEADY, fatigue=1.0, fatigue_time=10.0, recovery_time=20.0, pause=20.0)


def test_the_level_follows_its_equation_at_any_step() -> None:
    coarse, fine = Fatigue(1.0, 10.0, 5.0), Fatigue(1.0, 10.0, 5.0)
    coarse.work(10.0)
    for _ in range(1000):
        fine.work(0.01)
    assert coarse.level == pytest.approx(1.0 - np.exp(-1.0)) == fine.level
    coarse.rest(5.0)
    assert coarse.level == pytest.approx((1.0 - np.exp(-1.0)) / np.e)


def test_what_never_tires_multiplies_by_exactly_one() -> None:
    never = Fatigue(0.0, 1.0, 1.0)
    never.work(1e6)
    assert never.times(3.0) == 1.0


def test_half_the_strength_does_half() -> None:
    half = Fatigue(0.5, 1.0, 1.0)
    half.work(1e6)
    assert (half.times(3.0), half.times(0.7)) == (pytest.approx(2.0), pytest.approx(0.85))


@pytest.mark.parametrize("wrong", [{"fatigue": 1.1}, {"fatigue_time": 0.0}, {"pause": -1.0}])
def test_impossible_traits_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be"):
        Profile(**wrong)


class Pushes(Actor):
    """Wants a push forward for a second in every two."""

    def act(self, observation: Observation, now: float) -> Decision:
        push = 0.01 * (now % 2.0 >= 1.0 - 1e-9)
        return Decision(np.array([push, 0, 0, 0, 0, 0, 1.0], np.float32), Source.DEMO)


@pytest.fixture(scope="module")
def lift() -> Iterator[TaskEnv]:
    made = make_env("ilrobot/PandaLift-v0")
    yield made
    made.close()


@pytest.fixture
def perform(lift: TaskEnv):
    """Makes an operator and returns it with a function: episode of so many ticks → pushes."""

    def make(profile: Profile):
        mapping, pad = make_mapping(lift.spec), VirtualGamepad()
        person = Operator(Pushes(), pad, mapping, profile=profile)
        hand = TeleopActor(Gamepad(pad.name), mapping, operator=person)
        observation = lift.reset(0)

        def episode(ticks: int) -> np.ndarray:
            hand.reset(0)
            return np.array(
                [hand.act(observation, PERIOD * tick).action[0] for tick in range(ticks)]
            )

        return person, episode

    return make


def _delay(pushes: np.ndarray) -> float:
    """Seconds from the last time a push began to be wanted, a second before the end, to it."""
    return PERIOD * float(np.flatnonzero(pushes[-20:])[0])


def test_reactions_slow_down_with_time_on_task(perform) -> None:
    fresh, tired = perform(STEADY)[1](800), perform(TIRING)[1](800)
    assert np.array_equal(fresh[:25], tired[:25])
    assert _delay(fresh) == pytest.approx(0.2)
    assert _delay(tired) > 0.2
    # It never lets go while it gets slower: each push is one piece.
    assert np.sum(np.diff(tired > 0) != 0) == np.sum(np.diff(fresh > 0) != 0)


def test_it_takes_its_fatigue_along_and_recovers_between_episodes(perform) -> None:
    person, episode = perform(TIRING)
    episode(800)
    spent = person.fatigue.level
    assert spent > 0.3
    person.reset(0)
    assert person.fatigue.level == pytest.approx(spent / np.e)
    episode(2)
    assert 0.0 < person.fatigue.level < spent


def test_the_thumb_slows_and_the_tremor_grows(perform) -> None:
    shaky = replace(TIRING, tremor=0.01, wander=0.0, fatigue_time=1.0)
    pushes = perform(shaky)[1](800)
    still = perform(replace(shaky, fatigue=0.0))[1](800)
    assert pushes[pushes > 0].std() > 1.3 * still[still > 0].std()

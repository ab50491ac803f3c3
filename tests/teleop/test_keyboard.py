import numpy as np
import pygame
import pytest

from ilrobot.actors import Actor, Decision, Observation, Source
from ilrobot.gates.human import HumanGate
from ilrobot.shared_control import SharedControl
from ilrobot.spec import Feature, Spec
from teleop.actor import TeleopActor
from teleop.bindings import END_EFFECTOR
from teleop.devices.base import DeviceState
from teleop.devices.keyboard import Keyboard
from teleop.devices.scripted import Scripted
from teleop.devices.together import Together
from teleop.engagement import HoldToEngage
from teleop.mappings.making import make_mapping


def _post(kind: int, *keys: int) -> None:
    for key in keys:
        pygame.event.post(pygame.event.Event(kind, key=key, mod=0, unicode="", scancode=0))


@pytest.fixture
def keyboard() -> Keyboard:
    return Keyboard()


def test_held_keys_push_the_sticks_until_they_come_up(keyboard: Keyboard) -> None:
    _post(pygame.KEYDOWN, pygame.K_w, pygame.K_d)
    for _ in range(2):
        axes = keyboard.poll(0.0).axes
        assert (axes["leftx"], axes["lefty"]) == (1.0, -1.0)
    _post(pygame.KEYUP, pygame.K_w)
    axes = keyboard.poll(0.1).axes
    assert (axes["leftx"], axes["lefty"]) == (1.0, 0.0)


def test_opposite_keys_cancel_and_the_fine_key_slows(keyboard: Keyboard) -> None:
    _post(pygame.KEYDOWN, pygame.K_a, pygame.K_d, pygame.K_i, pygame.K_c)
    axes = keyboard.poll(0.0).axes
    assert axes["leftx"] == 0.0
    assert -1.0 < axes["righty"] < 0.0


def test_a_key_shorter_than_a_poll_counts_and_repeats_do_not(keyboard: Keyboard) -> None:
    _post(pygame.KEYDOWN, pygame.K_SPACE)
    _post(pygame.KEYUP, pygame.K_SPACE)
    _post(pygame.KEYDOWN, pygame.K_LSHIFT, pygame.K_LSHIFT, pygame.K_LSHIFT)
    state = keyboard.poll(0.0)
    assert state.pressed == ("a", "rightshoulder")
    assert END_EFFECTOR.command(state).engaged
    assert END_EFFECTOR.command(state).toggles == 1


def test_losing_the_focus_lets_go_of_everything(keyboard: Keyboard) -> None:
    _post(pygame.KEYDOWN, pygame.K_w, pygame.K_LSHIFT)
    keyboard.poll(0.0)
    pygame.event.post(pygame.event.Event(pygame.WINDOWFOCUSLOST))
    state = keyboard.poll(0.1)
    assert state.held == frozenset()
    assert set(state.axes.values()) == {0.0}
    assert not state.connected
    assert keyboard.poll(0.2).connected


def test_losing_the_focus_with_no_key_down_loses_nothing(keyboard: Keyboard) -> None:
    pygame.event.post(pygame.event.Event(pygame.WINDOWFOCUSLOST))
    assert keyboard.poll(0.0).connected


@pytest.mark.parametrize("beside_another", [False, True])
def test_losing_the_focus_hands_nothing_to_the_policy(
    keyboard: Keyboard, beside_another: bool
) -> None:
    class Policy(Actor):
        def act(self, observation: Observation, now: float) -> Decision:
            return Decision(np.ones(2, np.float32), Source.POLICY)

    action = Feature("action", (2,), low=(-1.0,) * 2, high=(1.0,) * 2)
    device = Together(Scripted([DeviceState()]), keyboard) if beside_another else keyboard
    hand = TeleopActor(device, make_mapping(Spec((), action, 20.0)), engagement=HoldToEngage())
    gate = HumanGate(lambda: hand.engaged)
    actor = SharedControl(Policy(), hand, gate, on_decision=hand.watch)
    actor.reset(0)
    sources = []
    for tick in range(10):
        if tick in (2, 7):
            _post(pygame.KEYDOWN, pygame.K_LSHIFT)
        elif tick == 4:
            pygame.event.post(pygame.event.Event(pygame.WINDOWFOCUSLOST))
        elif tick == 9:
            _post(pygame.KEYUP, pygame.K_LSHIFT)
        sources.append(str(actor.act({}, tick / 20).source))
    # From the keys that were torn away to the next takeover, which may end as any other.
    assert sources == [*["policy"] * 2, *["human"] * 2, *["paused"] * 3, *["human"] * 2, "policy"]

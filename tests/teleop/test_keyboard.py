import pygame
import pytest

from teleop.bindings import END_EFFECTOR
from teleop.devices.keyboard import Keyboard


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

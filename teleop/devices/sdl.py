"""SDL in this process: it has one event queue, which several devices and the window share."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import pygame
from pygame._sdl2 import controller

Listener = Callable[[Any], None]

#: SDL's video drivers that show nothing.
HEADLESS_DRIVERS = frozenset({"dummy", "offscreen"})

#: Instances of pads that somebody in this process reads, so that no pad has two readers.
taken_pads: set[int] = set()

_listeners: list[Listener] = []


def start() -> None:
    """Start what pads need; without a window that is open already, video stays a dummy.

    SDL delivers the events of pads through its video subsystem's queue, so that one has to run.
    """
    _leave_signals_alone()
    if not pygame.display.get_init():
        before = os.environ.get("SDL_VIDEODRIVER")
        os.environ["SDL_VIDEODRIVER"] = "dummy"
        try:
            pygame.display.init()
        finally:
            if before is None:
                del os.environ["SDL_VIDEODRIVER"]
            else:
                os.environ["SDL_VIDEODRIVER"] = before
    if not controller.get_init():
        controller.init()


def _leave_signals_alone() -> None:
    """SDL would turn SIGTERM into an event that nobody reads, so that a kill had no effect."""
    os.environ["SDL_NO_SIGNAL_HANDLERS"] = "1"


def start_display() -> bool:
    """Start SDL's video as this machine offers it; False where it has no display."""
    _leave_signals_alone()
    if pygame.display.get_init() and pygame.display.get_driver() in HEADLESS_DRIVERS:
        pygame.display.quit()
    if sys.platform == "linux" and not (
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    ):
        return False
    try:
        pygame.display.init()
    except pygame.error:
        return False
    if pygame.display.get_driver() in HEADLESS_DRIVERS:
        pygame.display.quit()
        return False
    return True


def stop() -> None:
    """Quit SDL and forget every listener; devices from before are of no use any more."""
    _listeners.clear()
    taken_pads.clear()
    controller.quit()
    pygame.quit()


def subscribe(listener: Listener) -> None:
    """Hand every event from now on to `listener`."""
    _listeners.append(listener)


def unsubscribe(listener: Listener) -> None:
    """Hand it no more events; nothing happens if it hears none already."""
    if listener in _listeners:
        _listeners.remove(listener)


def pump() -> None:
    """Take every event from the queue and hand it to each listener, in order."""
    while True:
        try:
            event = pygame.event.poll()
        except SystemError:
            # pygame 2.6.1 stumbles over the removal of a joystick that nobody had opened. That
            # event is of no use; taken one by one, the others are not lost with it.
            continue
        if event.type == pygame.NOEVENT:
            return
        for listener in tuple(_listeners):
            listener(event)

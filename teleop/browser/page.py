"""The page as a display, and what it is told of keys and buttons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from teleop.bindings import Bindings, Control
from teleop.browser.seat import SILENCE, Seat
from teleop.browser.server import Server
from teleop.devices import keys
from teleop.display import Display, Pictures
from teleop.help import NO_CHOICES
from teleop.hud import HudState
from teleop.web.access import LOOPBACK, Access

DEFAULT_PORT = 8765

#: Key as `teleop.devices.keys` names it to `KeyboardEvent.key` in lower case; letters are the same.
_KEYS = {
    "left": "arrowleft",
    "right": "arrowright",
    "up": "arrowup",
    "down": "arrowdown",
    "space": " ",
    "return": "enter",
    "lshift": "shift",
}


class Page(Display):
    """Serves the page while it is open.

    Args:
        seat: Whose messages steer.
        bindings: Of the hand that the page's sticks move.
        host: Address to listen on; anything but this machine's own needs the token in `url`.
        port: 0 for any that is free.
        choices: Button and what it chooses, where actions are choices.

    Raises:
        UserError: It cannot listen there.
    """

    def __init__(
        self,
        seat: Seat,
        bindings: Bindings,
        host: str = LOOPBACK,
        port: int = DEFAULT_PORT,
        *,
        choices: Mapping[str, str] = NO_CHOICES,
    ) -> None:
        self._seat = seat
        self._server = Server(seat, Access.for_host(host), port, hello(bindings, choices))

    @property
    def url(self) -> str:
        """What to open, with the token where one is needed."""
        return self._server.url

    def show(self, pictures: Pictures, state: HudState) -> None:
        """Hand it to the pages and return at once."""
        if not state.connected:
            state = replace(state, message=self._seat.trouble or state.message)
        self._server.publish(pictures, state)

    def close(self) -> None:
        """Tell the pages that the session has ended."""
        self._server.close()


def hello(bindings: Bindings, choices: Mapping[str, str] = NO_CHOICES) -> dict[str, Any]:
    """What a page must know to read keys, to label its buttons and to say what steers."""
    return {
        "type": "hello",
        "silence": SILENCE,
        "stick_keys": {_key(name): list(does) for name, does in keys.STICK_KEYS.items()},
        "button_keys": {_key(name): button for name, button in bindings.keys},
        "fine": [_key(keys.FINE_KEY), keys.FINE],
        "choices": dict(choices),
        "controls": {
            control.value: buttons[0]
            for control in Control
            if (buttons := bindings.buttons(control))
        },
    }


def _key(name: str) -> str:
    return _KEYS.get(name, name)

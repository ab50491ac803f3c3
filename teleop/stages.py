"""Where a person takes place: the hand that steers, and the window or page that they watch."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from ilrobot.required import require
from teleop.actor import TeleopActor
from teleop.devices.base import Device
from teleop.display import Display
from teleop.hands import DeviceKind


@contextlib.contextmanager
def take_place(
    device: DeviceKind,
    title: str,
    make: Callable[[DeviceKind | Device], TeleopActor],
    *,
    address: tuple[str, int],
    tell: Callable[[str], None],
) -> Iterator[tuple[TeleopActor, Display | None]]:
    """The hand and the display (None: nobody watches), both closed at the end.

    Args:
        device: What the person holds.
        title: Of the window.
        make: Makes the hand, e.g. by `teleop.hands.make_hand`.
        address: Host and port of the page, for ``browser``.
        tell: Told what to open, for ``browser``.

    Raises:
        UserError: There is no display, no such device, or the page cannot be served.
    """
    with contextlib.ExitStack() as stack:
        if device == "operator":
            hand = make(device)
            stack.callback(hand.close)
            yield hand, None
        elif device == "browser":
            require("--device browser", "aiohttp", "simplejpeg", extra="teleop")
            from teleop.browser.device import BrowserDevice
            from teleop.browser.page import Page
            from teleop.browser.seat import Seat

            seat = Seat()
            hand = make(BrowserDevice(seat))
            stack.callback(hand.close)
            mapping = hand.mapping
            page = Page(seat, mapping.bindings, *address, choices=mapping.choices)
            stack.callback(page.close)
            tell(page.url)
            yield hand, page
        else:
            from teleop.window import Window

            # Before the device: SDL gives keys, and takes its display, with the first window.
            window = Window(title, f"--device {device}")
            stack.callback(window.close)
            hand = make(device)
            stack.callback(hand.close)
            yield hand, window

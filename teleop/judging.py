"""Two clips side by side, and a person who says which is better: pad, keys or page."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ilrobot.data.comparisons import Answer
from ilrobot.errors import UserError
from ilrobot.required import require
from teleop.bindings import END_EFFECTOR
from teleop.devices.base import Device, DeviceState
from teleop.devices.gamepad import Gamepad
from teleop.devices.keyboard import Keyboard
from teleop.display import Display
from teleop.hands import with_keys
from teleop.hud import HudState

JudgingDevice = Literal["browser", "gamepad", "keyboard"]

#: A moving picture, (T, height, width, 3) uint8.
Film = Sequence[NDArray[np.uint8]]

#: SDL's names; the arrow keys are the directional pad.
_ANSWERS = {
    "dpleft": Answer.LEFT,
    "leftshoulder": Answer.LEFT,
    "dpright": Answer.RIGHT,
    "rightshoulder": Answer.RIGHT,
    "dpup": Answer.EQUAL,
    "dpdown": Answer.SKIP,
}
#: The left stick answers too, pushed so far, once it has been let go of to within so little.
_LEANS, _RESTS = 0.7, 0.3
_FINISH = "start"
_HELP = "left, right: that one   up: as good   down: skip   start (Enter): finish"
_GAP = 8
_POLL_SECONDS = 0.02
#: The last picture stays for so long before both clips begin again.
_PAUSE_SECONDS = 0.5


@dataclass(frozen=True)
class Judging:
    """Asks a person; make it by `judging`.

    Attributes:
        device: What they answer with.
        display: Where they look.
        task: Gymnasium id, for the page's title.
    """

    device: Device
    display: Display
    task: str = ""

    def ask(self, left: Film, right: Film, rate: float, number: int, wanted: int) -> Answer | None:
        """Show two clips over and over until the person answers (None: they have finished).

        Args:
            left, right: The clips.
            rate: Pictures per second.
            number: Which comparison, counted from 1.
            wanted: How many there shall be (0: as many as the person likes).

        Raises:
            KeyboardInterrupt: The person has closed the window.
        """
        self.device.poll(time.perf_counter())  # what was pressed before was no answer to this
        count = max(len(left), len(right))
        round_seconds = count / rate + _PAUSE_SECONDS
        began, shown, at_rest = time.perf_counter(), -1, False
        while True:
            now = time.perf_counter()
            state = self.device.poll(now)
            for button in state.pressed:
                if button == _FINISH:
                    return None
                if button in _ANSWERS:
                    return _ANSWERS[button]
            leans = state.axes.get("leftx", 0.0)
            if at_rest and abs(leans) > _LEANS:
                return Answer.LEFT if leans < 0 else Answer.RIGHT
            at_rest = at_rest or abs(leans) < _RESTS
            at = min(int((now - began) % round_seconds * rate), count - 1)
            if at != shown or not state.connected:
                shown = at
                self.display.show(
                    {"": side_by_side(left, right, at)}, self._hud(state, number, wanted)
                )
            time.sleep(_POLL_SECONDS)

    def _hud(self, state: DeviceState, number: int, wanted: int) -> HudState:
        return HudState(
            episode=number,
            episodes=wanted,
            connected=state.connected,
            device=self.device.name,
            help=_HELP,
            task=self.task,
            question="which is better, left or right?",
        )


@contextlib.contextmanager
def judging(
    device: JudgingDevice,
    title: str,
    *,
    address: tuple[str, int],
    tell: Callable[[str], None],
    task: str = "",
) -> Iterator[Judging]:
    """A person's place to judge from, closed at the end.

    Args:
        device: What they answer with; ``browser`` serves the page, the others open a window.
        title: Of the window.
        address: Host and port of the page.
        tell: Told what to open, for ``browser``.
        task: Gymnasium id.

    Raises:
        UserError: There is no display, no such device, or the page cannot be served.
    """
    with contextlib.ExitStack() as stack:
        if device == "browser":
            require("--device browser", "aiohttp", "simplejpeg", extra="teleop")
            from teleop.browser.device import BrowserDevice
            from teleop.browser.page import Page
            from teleop.browser.seat import Seat

            seat = Seat()
            page = Page(seat, END_EFFECTOR, *address)
            stack.callback(page.close)
            tell(page.url)
            yield Judging(BrowserDevice(seat), page, task)
            return
        from teleop.window import Window

        window = Window(title, f"--device {device}")
        stack.callback(window.close)
        held: Device
        if device == "keyboard":
            held = Keyboard()
        else:
            pad = Gamepad()
            stack.callback(pad.close)
            if not pad.connected:
                raise UserError("no gamepad is connected; plug one in, or take --device keyboard")
            held = with_keys(pad, END_EFFECTOR)
        yield Judging(held, window, task)


def side_by_side(left: Film, right: Film, at: int) -> NDArray[np.uint8]:
    """Picture `at` of both, or the last one of a clip that is over, with a gap between them."""
    one, other = left[min(at, len(left) - 1)], right[min(at, len(right) - 1)]
    height = max(len(one), len(other))
    gap = np.zeros((height, _GAP, 3), dtype=np.uint8)
    return np.concatenate([_padded(one, height), gap, _padded(other, height)], axis=1)


def _padded(picture: NDArray[np.uint8], height: int) -> NDArray[np.uint8]:
    return np.pad(picture, ((0, height - len(picture)), (0, 0), (0, 0)))

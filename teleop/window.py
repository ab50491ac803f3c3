"""The window: the task's pictures and the words of the HUD."""

from __future__ import annotations

from typing import Any

import numpy as np
import pygame
from numpy.typing import NDArray

from ilrobot.errors import UserError
from teleop.devices import sdl
from teleop.display import Pictures
from teleop.hud import HudState, hud_lines

_WIDTH, _PICTURE_HEIGHT, _LINE, _MARGIN = 800, 600, 26, 12
_BACKGROUND, _INK = (24, 26, 30), (235, 235, 235)
_LOST, _HELD, _ENGAGED, _WATCHED = (226, 86, 86), (226, 170, 70), (92, 200, 130), (96, 150, 230)
#: Share of the width that each further camera's picture takes.
_INSET = 0.26


class Window:
    """A pygame window; closing it counts as Ctrl-C.

    Args:
        title: Its title.
        why: What needs it, for the message where there is no display.

    Raises:
        UserError: This machine has no display.
    """

    def __init__(self, title: str, why: str) -> None:
        if not sdl.start_display():
            raise UserError(
                f"{why} needs a display, and there is none here; run it on a desktop, open a page "
                "with --device browser, or let the simulated person do it: --device operator"
            )
        pygame.font.init()
        size = (_WIDTH, _PICTURE_HEIGHT + 3 * _LINE + _MARGIN)
        self._screen = pygame.display.set_mode(size, pygame.RESIZABLE)
        pygame.display.set_caption(title)
        self._font = pygame.font.Font(None, 24)
        self._closed = False
        sdl.subscribe(self._hear)

    def show(self, pictures: Pictures, state: HudState) -> None:
        """Draw the first picture large, the others small in its corner, and three lines.

        Raises:
            KeyboardInterrupt: The person has closed the window.
        """
        sdl.pump()
        if self._closed:
            raise KeyboardInterrupt
        self._screen.fill(_BACKGROUND)
        width, height = self._screen.get_size()
        room = pygame.Rect(0, 0, width, max(height - 3 * _LINE - _MARGIN, 1))
        corner = room.right - 6
        for index, picture in enumerate(pictures.values()):
            if index == 0:
                self._draw(picture, room)
                continue
            inset = pygame.Rect(0, 6, int(_INSET * width), room.height)
            inset.right = corner
            corner = self._draw(picture, inset, top=True).left - 6
        pygame.draw.rect(self._screen, _colour(state), (0, room.bottom, width, 3))
        if state.recording:
            dot = (width - _MARGIN - 8, room.bottom + 10 + _LINE // 3)
            pygame.draw.circle(self._screen, _LOST, dot, 7)
        for row, line in enumerate(hud_lines(state)):
            words = self._font.render(line, True, _INK)
            self._screen.blit(words, (_MARGIN, room.bottom + 10 + row * _LINE))
        pygame.display.flip()

    def close(self) -> None:
        """Close it."""
        sdl.unsubscribe(self._hear)
        pygame.display.quit()

    def _draw(
        self, picture: NDArray[np.uint8], room: pygame.Rect, *, top: bool = False
    ) -> pygame.Rect:
        """As large as there is room; where it went."""
        surface = pygame.surfarray.make_surface(picture.swapaxes(0, 1))
        place = surface.get_rect().fit(room)
        if top:
            place.top = room.top
        self._screen.blit(pygame.transform.smoothscale(surface, place.size), place)
        return place

    def _hear(self, event: Any) -> None:
        self._closed = self._closed or event.type == pygame.QUIT


def _colour(state: HudState) -> tuple[int, int, int]:
    """Of the line below the picture, to be seen from the corner of the eye."""
    if not state.connected:
        return _LOST
    if state.paused or state.rewinding or state.source is None:
        return _HELD
    return _ENGAGED if state.engaged else _WATCHED

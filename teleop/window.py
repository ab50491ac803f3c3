"""The window: the task's picture and the words of the HUD."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pygame
from numpy.typing import NDArray

from ilrobot.errors import UserError
from teleop.devices import sdl

_WIDTH, _PICTURE_HEIGHT, _LINE = 800, 600, 26
_BACKGROUND, _INK = (24, 26, 30), (235, 235, 235)


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
                f"{why} needs a display, and there is none here; run it on a desktop, or let the "
                "simulated person do it: --device operator"
            )
        pygame.font.init()
        size = (_WIDTH, _PICTURE_HEIGHT + 3 * _LINE + 12)
        self._screen = pygame.display.set_mode(size, pygame.RESIZABLE)
        pygame.display.set_caption(title)
        self._font = pygame.font.Font(None, 24)
        self._closed = False
        sdl.subscribe(self._hear)

    def show(self, picture: NDArray[np.uint8] | None, lines: Sequence[str]) -> None:
        """Draw a picture (height, width, 3) and up to three lines.

        Raises:
            KeyboardInterrupt: The person has closed the window.
        """
        sdl.pump()
        if self._closed:
            raise KeyboardInterrupt
        self._screen.fill(_BACKGROUND)
        width, height = self._screen.get_size()
        room = max(height - 3 * _LINE - 12, 1)
        if picture is not None:
            surface = pygame.surfarray.make_surface(picture.swapaxes(0, 1))
            scale = min(width / picture.shape[1], room / picture.shape[0])
            fitted = (int(picture.shape[1] * scale), int(picture.shape[0] * scale))
            surface = pygame.transform.smoothscale(surface, fitted)
            self._screen.blit(surface, ((width - fitted[0]) // 2, (room - fitted[1]) // 2))
        for row, line in enumerate(lines):
            words = self._font.render(line, True, _INK)
            self._screen.blit(words, (12, room + 6 + row * _LINE))
        pygame.display.flip()

    def close(self) -> None:
        """Close it."""
        sdl.unsubscribe(self._hear)
        pygame.display.quit()

    def _hear(self, event: Any) -> None:
        self._closed = self._closed or event.type == pygame.QUIT

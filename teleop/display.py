"""Where a person sees the task: a window on this machine, or a page in a browser."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from teleop.hud import HudState

#: Camera to its picture, (height, width, 3) uint8; the one to be shown large comes first.
Pictures = Mapping[str, NDArray[np.uint8]]


class Display(Protocol):
    """Shows pictures and the HUD, and never makes the control loop wait."""

    def show(self, pictures: Pictures, state: HudState) -> None:
        """Show this now.

        Raises:
            KeyboardInterrupt: The person has closed it.
        """

    def close(self) -> None:
        """Close it."""

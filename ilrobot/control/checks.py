"""Comparisons of a whole array, and whether one of them failed, in 50 ns."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class Checks:
    """Truth values that a vector operation writes, over bytes that can be searched.

    Asking numpy whether all of a few dozen are true costs more than comparing them did.

    Args:
        shape: Of the array.

    Attributes:
        array: Written to by whoever compares, as ``out``.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._bytes = bytearray(int(np.prod(shape)))
        self.array: NDArray[np.bool_] = np.frombuffer(self._bytes, np.bool_).reshape(shape)

    @property
    def any_fails(self) -> bool:
        """Whether one of them is false."""
        return 0 in self._bytes

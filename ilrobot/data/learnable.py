"""What cannot be learnt from: numbers that are none, and choices that there are not."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ilrobot.data.recordings import Recordings
from ilrobot.errors import UserError


def require_finite(
    dataset: Recordings, name: str, column: NDArray[Any], needed: NDArray[np.bool_]
) -> None:
    """Refuse a column, (num_frames, size), that is not finite at frames that are needed.

    In float32, which is what networks compute in.

    Raises:
        UserError: It is not; the first such frame.
    """
    with np.errstate(over="ignore"):
        held = np.isfinite(column.astype(np.float32))
    bad = np.flatnonzero(needed & ~held.all(axis=1))
    if bad.size:
        what = "not finite" if not np.isfinite(column[bad[0]]).all() else "too large for float32"
        raise UserError(
            f"{dataset.path}: '{name}' is {what} at {_place(dataset, int(bad[0]))} "
            f"({bad.size} such frames in all); mend or discard those episodes"
        )


def require_choices(dataset: Recordings, values: NDArray[Any], frames: NDArray[np.int64]) -> None:
    """Refuse actions at these frames that are none of the task's choices.

    Raises:
        UserError: One is none; the first such frame.
    """
    choices = dataset.spec.choices
    if choices is None:
        return
    bad = frames[(values[frames] < 0) | (values[frames] >= choices)]
    if bad.size:
        raise UserError(
            f"{dataset.path}: action {values[bad[0]]} at {_place(dataset, int(bad[0]))} is none of "
            f"the {choices} choices 0 to {choices - 1}"
        )


def _place(dataset: Recordings, frame: int) -> str:
    episode = int(np.searchsorted(dataset.starts, frame, side="right")) - 1
    return f"episode {episode}, frame {frame - int(dataset.starts[episode])}"

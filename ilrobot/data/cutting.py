"""Where windows begin, and which of a chunk's labels count.

Frames that teach (`ilrobot.data.labels`) come in runs; within a run a chunk's labels are those of
its frames. A chunk that begins before a takeover, or reaches beyond a handback, a blend or the end
of the episode, is labelled by one of three rules:

- ``cut``: chunks begin at frames that teach; what lies beyond the run's end does not count.
- ``padded``: the same, but beyond the run's end its last label is repeated, and counts.
- ``completed``: every label within the chunk's span counts, wherever the chunk begins. One that
  begins up to horizon - 1 ticks before a takeover is taught what was done from the takeover on;
  one that runs past a handback goes on with the next takeover of its episode. Ticks between do
  not count.

Diffusion Policy (Chi et al. 2023, arXiv:2303.04137) pads so at the end of an episode, ACT (Zhao et
al. 2023, arXiv:2304.13705) cuts; neither meets interventions.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Chunks:
    """How chunks are cut from frames.

    Attributes:
        source: Frame of each row of the padded matrix.
        counts: Whether that row's label counts.
        rows: Row at which each chunk begins.
        begins: Frame at which each chunk begins, ascending.
        taught: Frame of each chunk's first label.
    """

    source: NDArray[np.int64]
    counts: NDArray[np.bool_]
    rows: NDArray[np.int64]
    begins: NDArray[np.int64]
    taught: NDArray[np.int64]


def histories(
    starts: NDArray[np.int64], frames: NDArray[np.int64], n_obs: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Frames in the order of the padded matrix, and the row at which each history begins."""
    episodes = np.unique(np.searchsorted(starts, frames, side="right") - 1)
    pieces, rows, offset = [], np.empty_like(frames), 0
    for episode in episodes:
        start, end = starts[episode], starts[episode + 1]
        pieces += [np.full(n_obs - 1, start), np.arange(start, end)]
        first, last = np.searchsorted(frames, (start, end))
        rows[first:last] = frames[first:last] - start + offset
        offset += int(end - start) + n_obs - 1
    return np.concatenate(pieces), rows


def one_after_another(begins: NDArray[np.int64], starts: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many windows before each begin in the ticks just before it, without a gap."""
    goes_on = np.diff(begins, prepend=-2) == 1
    goes_on &= ~np.isin(begins, starts)
    places = np.arange(len(begins))
    return places - np.maximum.accumulate(np.where(goes_on, 0, places))


def within_runs(
    starts: NDArray[np.int64], teaches: NDArray[np.bool_], horizon: int, *, counted: bool
) -> Chunks:
    """A chunk at each frame that teaches; `counted`: whether what follows a run counts."""
    breaks = np.zeros(len(teaches) + 1, dtype=bool)
    breaks[starts] = True
    first = teaches & (breaks[:-1] | ~np.concatenate([[False], teaches[:-1]]))
    last = teaches & (breaks[1:] | ~np.concatenate([teaches[1:], [False]]))
    pieces, counts, rows, offset = [], [], [], 0
    for start, end in zip(np.flatnonzero(first), np.flatnonzero(last), strict=True):
        length = int(end - start) + 1
        pieces += [np.arange(start, end + 1), np.full(horizon - 1, end)]
        counts += [np.ones(length, dtype=bool), np.full(horizon - 1, counted)]
        rows.append(np.arange(offset, offset + length))
        offset += length + horizon - 1
    frames = np.flatnonzero(teaches)
    return Chunks(
        np.concatenate(pieces), np.concatenate(counts), np.concatenate(rows), frames, frames
    )


def across(starts: NDArray[np.int64], teaches: NDArray[np.bool_], horizon: int) -> Chunks:
    """A chunk at each frame from which a label of its episode is less than `horizon` ticks off."""
    pieces, counts, rows, begins, taught, offset = [], [], [], [], [], 0
    for start, end in itertools.pairwise(starts):
        labelled = start + np.flatnonzero(teaches[start:end])
        if not labelled.size:
            continue
        frames = np.arange(start, labelled[-1] + 1)
        following = labelled[np.searchsorted(labelled, frames)]
        near = following - frames < horizon
        pieces += [np.arange(start, end), np.full(horizon - 1, end - 1)]
        counts += [teaches[start:end], np.zeros(horizon - 1, dtype=bool)]
        begins.append(frames[near])
        taught.append(following[near])
        rows.append(frames[near] - start + offset)
        offset += int(end - start) + horizon - 1
    return Chunks(*map(np.concatenate, (pieces, counts, rows, begins, taught)))

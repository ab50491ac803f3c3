"""Frames of a dataset as points: what was seen, and what was done from there on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ilrobot.data.labels import labels
from ilrobot.data.recordings import Recordings, lives
from ilrobot.observed import vector_spec
from ilrobot.turning import Turning

#: Actions in a chunk: as many as the preset `flow` executes before it looks again.
CHUNK = 8

#: Least spread of an element that counts as moving, as a share of its largest value.
_STILL = 1e-6


@dataclass(frozen=True)
class Frames:
    """The frames that teach, or all that are left where none does, with a whole chunk each.

    Attributes:
        observations: Seen at each, (N, D): every element with mean 0 and standard deviation 1;
            an angle is its sine and cosine, a rotation the first two columns of its matrix;
            elements that never change are left out.
        chunks: The next `CHUNK` actions from each on, (N, CHUNK · A), likewise scaled, and of
            rotations that are aimed at likewise told; elements of two values, such as a gripper's
            open and closed, or of one are left out where there are others.
        episode: Of each, (N,), from 0 on without gaps.
        progress: How far its episode had come, (N,), 0 at its first frame and 1 at its last.
        next_row: Row of the frame one tick later, (N,); -1 where that is not among these.
        switched: Names of the elements of the action that were left out as having two values.
        frozen: Names of those that were as having one.
    """

    observations: NDArray[np.float64]
    chunks: NDArray[np.float64]
    episode: NDArray[np.int64]
    progress: NDArray[np.float64]
    next_row: NDArray[np.int64]
    switched: tuple[str, ...]
    frozen: tuple[str, ...]

    @classmethod
    def of(cls, dataset: Recordings) -> Frames:
        """From recordings of continuous actions; frames with NaN or infinities are left out.

        Raises:
            UserError: There are no frames, or no vector observation.
        """
        spec = vector_spec(dataset.spec)
        teaches, values = labels(dataset)
        left = teaches if teaches.any() else lives(dataset)
        columns = [dataset.column(f.name) for f in spec.observations]
        raw = np.concatenate([c.reshape(len(c), -1).astype(np.float64) for c in columns], axis=1)
        observed = Turning.of(spec.observations)
        seen = np.concatenate([raw[:, observed.plain], _turned(raw, observed)], axis=1)
        done = values.reshape(len(values), -1).astype(np.float64)
        left = left & np.isfinite(seen).all(axis=1) & np.isfinite(done).all(axis=1)

        kept = np.flatnonzero(left)
        moving = _spread(seen[kept]) > 0
        seen = _scaled(seen[:, moving], kept)
        counts = np.array([len(np.unique(column)) for column in done[kept].T])
        names = np.array(spec.action.element_names)
        left_out = (counts <= 2) & (counts > 2).any()
        commanded = Turning(spec.action.size, (), spec.target_rotations)
        straight = [i for i in commanded.plain if not left_out[i]]
        done = np.concatenate([done[:, straight], _turned(done, commanded)], axis=1)
        done = _scaled(done, kept)

        episode = np.repeat(np.arange(dataset.num_episodes), dataset.lengths)
        rows = np.flatnonzero(_whole(left, episode))
        chunks = np.concatenate([done[rows + k] for k in range(CHUNK)], axis=1)
        ticks = rows - dataset.starts[episode[rows]]
        place = np.full(dataset.num_frames + 1, -1)
        place[rows] = np.arange(len(rows))
        return cls(
            observations=seen[rows],
            chunks=chunks,
            episode=np.unique(episode[rows], return_inverse=True)[1].astype(np.int64),
            progress=ticks / np.maximum(dataset.lengths[episode[rows]] - 1, 1),
            next_row=place[rows + 1],
            switched=tuple(str(name) for name in names[left_out & (counts == 2)]),
            frozen=tuple(str(name) for name in names[counts == 1]),
        )

    def __len__(self) -> int:
        return len(self.episode)

    @property
    def episodes(self) -> int:
        """How many episodes they are of."""
        return int(self.episode[-1]) + 1 if len(self) else 0


def _turned(rows: NDArray[np.float64], turning: Turning) -> NDArray[np.float64]:
    """What turns in rows (N, elements), in numbers that never jump: those of its angles first."""
    angles = rows[:, turning.angles]
    with np.errstate(invalid="ignore"):
        rotations = [_two_columns(rows[:, r.part], r.unit) for r in turning.rotations]
        return np.concatenate([np.sin(angles), np.cos(angles), *rotations], axis=1)


def _two_columns(values: NDArray[np.float64], unit: str) -> NDArray[np.float64]:
    """Of matrices of rotations, (N, 3) or (N, 4) to (N, 6); see `ilrobot.policies.rotations`."""
    if unit == "rotvec":
        half = np.linalg.norm(values, axis=1, keepdims=True) / 2
        values = np.concatenate([np.cos(half), values * np.sinc(half / np.pi) / 2], axis=1)
    elif unit == "quat_xyzw":
        values = values[:, [3, 0, 1, 2]]
    length = np.linalg.norm(values, axis=1, keepdims=True)
    w, x, y, z = (values / np.where(length > 0, length, 1.0)).T
    first = 1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y)
    second = 2 * (x * y - w * z), 1 - 2 * (x * x + z * z), 2 * (y * z + w * x)
    return np.stack([*first, *second], axis=1)


def _spread(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standard deviation of each column, (D,); 0 where that is rounding."""
    if not len(values):
        return np.zeros(values.shape[1])
    spread = values.std(axis=0)
    spread[spread <= _STILL * np.abs(values).max(axis=0)] = 0.0
    return spread


def _scaled(values: NDArray[np.float64], by: NDArray[np.int64]) -> NDArray[np.float64]:
    """Every column with mean 0 and standard deviation 1 over the rows `by`."""
    if not len(by):
        return values
    spread = _spread(values[by])
    return np.asarray((values - values[by].mean(axis=0)) / np.where(spread > 0, spread, 1.0))


def _whole(left: NDArray[np.bool_], episode: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Where this tick and the next ones of a chunk are all left, and of one episode, (N,)."""
    whole = np.zeros(len(left), dtype=bool)
    ends = len(left) - CHUNK + 1
    if ends > 0:
        whole[:ends] = episode[:ends] == episode[CHUNK - 1 :]
        for k in range(CHUNK):
            whole[:ends] &= left[k : k + ends]
    return whole

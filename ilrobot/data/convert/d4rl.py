"""D4RL's HDF5: long arrays ``observations``, ``actions``, ``rewards``, ``terminals``, ``timeouts``.

Fu et al. 2020, "D4RL: datasets for deep data-driven reinforcement learning", arXiv:2004.07219.
Where a step is ``terminal`` the task ended the episode, where it is a ``timeout`` its time limit.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ilrobot.data.convert import Source, arrays
from ilrobot.data.convert.hdf5 import load, opened, root_names
from ilrobot.data.episode import EpisodeInfo, Outcome
from ilrobot.errors import UserError
from ilrobot.spec import Spec

_READ = ("observations", "actions", "rewards", "terminals", "timeouts")


def detect(path: Path) -> bool:
    """Whether it is an HDF5 file with these arrays at its root."""
    return {"observations", "actions", "terminals"} <= root_names(path)


def read(path: Path, rate: float | None = None) -> Source:
    """Load it.

    Raises:
        UserError: It is damaged, lacks an array, the arrays disagree, or nothing says where
            episodes end.
    """
    with opened(path) as file:
        names = set(file)
        for wanted in ("observations", "actions", "rewards", "terminals"):
            arrays.require(path, names, wanted)
        loaded = {name: load(path, file, name) for name in _READ if name in names}
    columns = {
        "observation.state": arrays.vector(path, "observations", loaded["observations"]),
        "action": arrays.vector(path, "actions", loaded["actions"]),
        "next.reward": arrays.scalar(path, "rewards", loaded["rewards"]).astype(np.float32),
        "next.terminated": arrays.scalar(path, "terminals", loaded["terminals"]).astype(bool),
    }
    frames = arrays.check_lengths(path, columns)
    cut = np.zeros(frames, dtype=bool)
    if "timeouts" in loaded:
        cut = arrays.scalar(path, "timeouts", loaded["timeouts"]).astype(bool)
        arrays.check_lengths(path, {**columns, "timeouts": cut})
    columns["next.done"] = columns["next.terminated"] | cut
    ends = _ends(path, columns["next.done"])
    rate, remarks = arrays.stated_rate(path, rate, None)
    spec = Spec(
        observations=(arrays.plain_feature("observation.state", columns["observation.state"]),),
        action=arrays.plain_feature("action", columns["action"]),
        rate=rate,
    )
    if "timeouts" not in loaded:
        remarks += ("no timeouts are stated: episodes were cut at terminals alone",)
    if left_out := sorted(names - set(_READ)):
        remarks += (f"left out: {', '.join(left_out)}",)
    remarks += arrays.float64_remark((*spec.observations, spec.action))
    info = EpisodeInfo(path.stem, rate, outcome=Outcome.UNKNOWN)
    return Source("d4rl", spec, arrays.cut(path, columns, ends, info), len(ends), remarks)


def _ends(path: Path, done: NDArray[Any]) -> NDArray[np.int64]:
    """Exclusive ends; what follows the last one is an episode that was cut off."""
    ends = np.flatnonzero(done) + 1
    if not len(ends):
        raise UserError(
            f"{path}: no step is terminal and none a timeout, so that nothing says where episodes "
            "end; save it again with 'timeouts'"
        )
    return np.unique(np.append(ends, len(done))).astype(np.int64)

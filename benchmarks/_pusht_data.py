"""The 206 human demonstrations of Push-T (Chi et al. 2023), for several benchmarks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._pusht_geometry import described, with_geometry
from benchmarks._shared_data import find
from ilrobot.data.convert import open_source
from ilrobot.data.episode import Episode
from ilrobot.data.memory import MemoryRecordings

NAME = "pusht_human/pusht_cchi_v7_replay.zarr"

#: Width of Push-T's world in pixels.
_WIDTH = 512.0


def load(
    path: Path | None = None, *, mirrored: bool = False, geometry: bool = False
) -> MemoryRecordings:
    """All demonstrations, in any format that can be imported.

    Args:
        path: Where they are (None: see `benchmarks._shared_data.find`).
        mirrored: Add each demonstration's mirror image, see `mirror`.
        geometry: Tell what follows of the state, see `benchmarks._pusht_geometry`.
    """
    source = open_source(path or find(NAME), rate=10.0)
    state, action = source.spec.observations[0], source.spec.action
    spec = replace(
        source.spec,
        observations=(replace(state, units=("px", "px", "px", "px", "rad")),),
        action=replace(action, units=("px", "px")),
    )
    episodes = list(source.episodes)
    if mirrored:
        episodes += [mirror(episode) for episode in episodes]
    if geometry:
        spec = replace(spec, observations=(described(spec.observations[0]),))
        for episode in episodes:
            told = with_geometry(episode.columns["observation.state"])
            episode.columns["observation.state"] = told
    return MemoryRecordings(spec, episodes, "Push-T demonstrations")


def mirror(episode: Episode) -> Episode:
    """The episode reflected in the goal's axis of symmetry.

    The T is symmetric about its stem, which at the goal lies on the diagonal of the square world:
    (x, y) → (512 - y, 512 - x) and θ → π/2 - θ leave the task and its dynamics as they are.
    """
    columns: dict[str, Any] = {name: value.copy() for name, value in episode.columns.items()}
    state = columns["observation.state"]
    for values, first in ((state, 0), (state, 2), (columns["action"], 0)):
        values[:, first : first + 2] = _WIDTH - values[:, [first + 1, first]]
    state[:, 4] = np.mod(np.pi / 2 - state[:, 4], 2 * np.pi)
    return Episode(episode.info, columns)

"""The zarr replay buffer of Diffusion Policy (Chi et al. 2023), e.g. its Push-T demonstrations.

A group with ``data/state`` (N, D), ``data/action`` (N, A) and ``meta/episode_ends`` (E,). Arrays
of ``data`` with uint8 pictures (N, H, W, 3) become films; those of ``img`` and ``camera_*`` may be
floats from 0 to 255. Others (key points, contact counts) are left out.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ilrobot.data.convert import Source, arrays, pictures
from ilrobot.data.episode import EpisodeInfo, Outcome
from ilrobot.data.known_tasks import PUSHT
from ilrobot.errors import UserError
from ilrobot.spec import Spec

#: How arrays are named whose pictures may be floats.
_FLOATS = ("img", "camera_")


def detect(path: Path) -> bool:
    """Whether it is a zarr group with a ``data`` group."""
    return path.is_dir() and any(
        (path / name).exists() for name in (".zgroup", "zarr.json", "data/.zgroup")
    )


def read(path: Path, rate: float | None = None) -> Source:
    """Open it; all arrays that are kept are loaded, but for pictures.

    Raises:
        UserError: It is no zarr group, an array is missing, or the arrays disagree.
    """
    import zarr

    try:
        group: Any = zarr.open_group(str(path), mode="r")
        names = [f"{part}/{key}" for part in group for key in group[part]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: cannot be read as zarr ({error}); check the path") from error
    present = {name.removeprefix("data/") for name in names if name.startswith("data/")}
    if "state" not in present:
        raise UserError(
            f"{path}: has no 'data/state' (it has {', '.join(sorted(names)) or 'nothing'}); only "
            "replay buffers with states are read, not images alone"
        )
    arrays.require(path, present, "action")
    arrays.require(path, [n.removeprefix("meta/") for n in names], "episode_ends")

    def load(name: str) -> Any:
        if not isinstance(group[name], zarr.Array):
            raise UserError(f"{path}/{name}: is a group, not an array; check the path")
        try:
            return np.asarray(group[name][...])
        except (OSError, ValueError, RuntimeError) as error:
            raise UserError(f"{path}/{name}: damaged ({error}); copy it again") from error

    columns = {
        "observation.state": arrays.vector(path, "data/state", load("data/state")),
        "action": arrays.vector(path, "data/action", load("data/action")),
    }
    seen = {name: group[f"data/{name}"] for name in sorted(present - {"state", "action"})}
    shown = {n: a for n, a in seen.items() if isinstance(a, zarr.Array) and a.ndim == 4}
    found = {n: pictures.camera(n, a, floats=n.startswith(_FLOATS)) for n, a in shown.items()}
    cameras, unfilmed = pictures.filmable(found)
    films = {
        feature.name: partial(pictures.ticks, path / "data" / name, shown[name])
        for name, feature in cameras.items()
    }
    filmed = {name: shown[name] for name in cameras}
    frames = arrays.check_lengths(path, {**columns, **filmed})
    ends = arrays.check_ends(path, load("meta/episode_ends"), frames)
    pusht = columns["observation.state"].shape[1] == 5 and "keypoint" in present
    rate, guesses = arrays.stated_rate(path, rate, PUSHT.rate if pusht else None)
    state, action = (PUSHT.state, PUSHT.action) if pusht else ({}, {})
    spec = Spec(
        observations=(
            arrays.plain_feature("observation.state", columns["observation.state"], **state),
            *cameras.values(),
        ),
        action=arrays.plain_feature("action", columns["action"], **action),
        rate=rate,
        semantics="absolute" if pusht else "unknown",
    )
    remarks = guesses + arrays.float64_remark((*spec.observations, spec.action))
    if left_out := [name for name in seen if name not in shown]:
        remarks += (f"left out: {', '.join(left_out)}",)
    remarks += unfilmed
    info = EpisodeInfo(PUSHT.instruction if pusht else path.stem, rate, outcome=Outcome.UNKNOWN)
    return Source("zarr", spec, arrays.cut(path, columns, ends, info, films), len(ends), remarks)

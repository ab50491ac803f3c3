"""What ``meta/episodes`` and ``meta/stats.json`` say of a piece of an episode."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ilrobot.actors import Source
from ilrobot.data.editing.pieces import Original, Piece, whole
from ilrobot.data.episode import Judge, Outcome
from ilrobot.data.episode_table import control_columns
from ilrobot.data.layout import STATS
from ilrobot.data.stats import NAMES, PooledStats, feature_stats
from ilrobot.data.video.film import film_stats
from ilrobot.errors import UserError
from ilrobot.gates.log import GateLog


def judged(piece: Piece) -> tuple[Outcome, Judge]:
    """How a piece ended, and who said so.

    A new word of a person counts first. What keeps its end keeps its outcome; what was discarded
    stays so. What lost its end succeeded if the environment says so of one of its ticks. Else of a
    success nobody knows any more how far it came (``unknown``, which teaches as the whole did), and
    anything else was cut off before it ended (``unfinished``, which does not).
    """
    info = piece.original.dataset.infos[piece.episode]
    if piece.outcome is not None:
        return piece.outcome, Judge.PERSON
    if not piece.lacks_end or info.outcome in (Outcome.DISCARDED, Outcome.UNKNOWN):
        return info.outcome, info.judge
    if info.outcome is not Outcome.SUCCESS:
        return Outcome.UNFINISHED, Judge.NOBODY
    if piece.has("next.success") and piece.column("next.success")[piece.surviving].any():
        return Outcome.SUCCESS, Judge.ENVIRONMENT
    return Outcome.UNKNOWN, Judge.NOBODY


def control(piece: Piece) -> GateLog | None:
    """How control was shared over a piece (None: it was not, or nobody kept count).

    Doubts stand by takeover without a tick of their own: they go with the piece only where each
    takeover of the episode has one.
    """
    kept = piece.original.dataset.infos[piece.episode].control
    needed = ("intervention", "control.human_action", "control.source")
    if kept is None or piece.is_whole or not all(map(piece.has, needed)):
        return kept if piece.is_whole else None
    acts = piece.column("intervention").astype(bool)
    asked = np.isfinite(piece.column("control.human_action")).reshape(len(piece), -1).all(axis=1)
    held = piece.column("control.source") == Source.PAUSED.value
    # An episode begins with the novice in control; a piece of it with whoever was.
    before = acts[0] if piece.start else False
    changes = np.diff(acts.astype(np.int8), prepend=np.int8(before))
    return GateLog(
        steps=int((~held).sum()),
        expert_steps=int(acts.sum()),
        takeovers=int(np.count_nonzero(changes > 0)),
        switches=int(np.count_nonzero(changes)),
        queries=int(asked.sum()),
        context_time=float(acts.sum()) / piece.original.fps,
        thresholds=kept.thresholds,
        budget=kept.budget,
        doubts=_doubts(piece, kept),
    )


def _doubts(piece: Piece, kept: GateLog) -> tuple[float, ...]:
    """Those at the takeovers of a piece."""
    acts = whole(piece.original, piece.episode).column("intervention").astype(np.int8)
    takeovers = np.flatnonzero(np.diff(acts, prepend=np.int8(0)) > 0)
    if len(takeovers) != len(kept.doubts):
        return ()
    first = piece.start + 1 if piece.start else 0  # nobody hands over before the first tick
    within = (takeovers >= first) & (takeovers < piece.end)
    return tuple(doubt for doubt, here in zip(kept.doubts, within, strict=True) if here)


def new_row(
    piece: Piece, index: int, first: int, changed: Mapping[str, NDArray[Any]]
) -> dict[str, Any]:
    """The row of a piece, but for the places of its files.

    Args:
        piece: The piece.
        index: Its number among the new episodes.
        first: The number of its first tick among all new ones.
        changed: From `pieces.renewed`.
    """
    old = piece.original.row(piece.episode)
    new = old | {
        "episode_index": index,
        "tasks": old["tasks"] if piece.is_whole and piece.task is None else piece.tasks,
        "length": len(piece),
        "dataset_from_index": first,
        "dataset_to_index": first + len(piece),
    }
    if piece.outcome is not None or (piece.lacks_end and "outcome" in old):
        outcome, judge = judged(piece)
        new |= {"outcome": outcome.value, "judge": judge.value}
    if piece.start and "seed" in old:
        new["seed"] = None  # its first tick is not what a reset from that seed gives
    if not piece.is_whole:
        shared = control(piece)
        new |= {name: value for name, value in control_columns(shared).items() if name in old}
    for key in piece.original.video_keys:
        film = piece.video_place(key)
        new |= {f"videos/{key}/from_timestamp": film.start, f"videos/{key}/to_timestamp": film.end}
    return new | _statistics(piece, old, changed)


def _statistics(
    piece: Piece, old: Mapping[str, Any], changed: Mapping[str, NDArray[Any]]
) -> dict[str, Any]:
    """Those of the columns that changed, of a shortened piece those of all.

    Those of pictures inside the data files stay what they were over the whole episode.
    """
    found: dict[str, Any] = {}
    for feature, described in piece.original.features.items():
        is_film = described["dtype"] == "video"
        if f"stats/{feature}/min" not in old or described["dtype"] == "image":
            continue
        if piece.is_whole and feature not in changed:
            continue
        if is_film:
            values = film_stats(piece.video_place(feature))
        else:
            values = feature_stats(changed.get(feature, piece.column(feature)))
        for name, numbers in values.items():
            place = f"stats/{feature}/{name}"
            if place in old:
                nested = name != "count" and isinstance(next(iter(old[place] or []), None), list)
                shape = (3, 1, 1) if is_film else described["shape"]
                found[place] = np.reshape(numbers, shape).tolist() if nested else numbers
    return found


def check_statistics(original: Original) -> None:
    """Refuse a dataset that keeps statistics over all episodes, but not those of each.

    Raises:
        UserError: It does; what is left could not be summed up again.
    """
    try:
        stated = json.loads((original.path / STATS).read_bytes())
    except FileNotFoundError:
        return
    except ValueError as error:
        raise UserError(f"{original.path / STATS}: is not JSON ({error}); copy it again") from error
    for feature in stated:
        if f"stats/{feature}/count" not in original.rows.column_names:
            raise UserError(
                f"{original.path}: meta/episodes lacks the statistics of '{feature}' of each "
                f"episode; import it first: ilrobot import {original.path} --output DIR"
            )


def pooled(where: object, rows: Any) -> dict[str, Any]:
    """``meta/stats.json`` for these rows, of all features that they have statistics of.

    Args:
        where: Named in messages.
        rows: The table ``meta/episodes``.

    Raises:
        UserError: Those of a feature are not of one shape.
    """
    features = [
        name.removeprefix("stats/").removesuffix("/count")
        for name in rows.column_names
        if name.startswith("stats/") and name.endswith("/count")
    ]
    shapes: dict[str, tuple[int, ...]] = {}
    columns: dict[str, Any] = {}
    present: dict[str, list[str]] = {}
    for feature in features:
        known = next((one for one in rows[f"stats/{feature}/min"].to_pylist() if one), None)
        if known is None:  # nothing finite in any episode
            continue
        shapes[feature] = np.shape(known)
        present[feature] = [n for n in NAMES if f"stats/{feature}/{n}" in rows.column_names]
        for name in NAMES:  # older versions know no quantiles: what stands in is not written
            source = name if name in present[feature] else "mean"
            columns[f"stats/{feature}/{name}"] = _flat(rows[f"stats/{feature}/{source}"])
    sizes = {feature: int(np.prod(shape)) for feature, shape in shapes.items()}
    pool = PooledStats(sizes)
    pool.add_table(where, pa.table(columns))
    found: dict[str, Any] = {}
    for feature, numbers in pool.to_json().items():
        shape = shapes[feature]
        found[feature] = {
            name: np.reshape(numbers[name], shape).tolist() if name != "count" else numbers[name]
            for name in present[feature]
        }
    return found


def new_schema(originals: Sequence[Original], rows: Sequence[Mapping[str, Any]]) -> Any:
    """The columns of ``meta/episodes``: as they were, with an outcome where one was given."""
    schema = pa.unify_schemas([o.rows.schema for o in originals], promote_options="permissive")
    for name in ("outcome", "judge"):
        if name not in schema.names and any(name in row for row in rows):
            schema = schema.append(pa.field(name, pa.string()))
    return schema


def _flat(column: Any) -> Any:
    """A column of lists of numbers; lists in lists become one."""
    lists = [np.ravel(one).tolist() if one is not None else [] for one in column.to_pylist()]
    return pa.array(lists, pa.list_(pa.float64()))

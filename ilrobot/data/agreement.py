"""Whether episodes of a task may be added to a recording that is there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from itertools import zip_longest
from typing import Any

from ilrobot.data.episode import Column, frame_columns
from ilrobot.spec import Feature, Spec


def difference(recorded: Spec, state_size: int, wanted: Spec, wanted_state_size: int) -> str | None:
    """What keeps a task's episodes out of a recording (None: nothing does).

    What one of them does not state is not compared, nor is the precision of floating point: an
    episode is kept in the recording's.

    Args:
        recorded: Of the recording.
        state_size: Length of the simulator's states in it (0: it has none).
        wanted: Of the task.
        wanted_state_size: Length of the task's states (0: it has none).

    Returns:
        What differs and both sides of it, to follow "was recorded with another".
    """
    columns = frame_columns(recorded, state_size)
    wanted_columns = frame_columns(wanted, wanted_state_size)
    compared: list[tuple[str, object, object]] = [
        ("task", recorded.task, wanted.task),
        ("control rate in Hz", recorded.rate, wanted.rate),
        ("number of choices", recorded.choices, wanted.choices),
        ("controller", recorded.controller, wanted.controller),
        ("frame of the task", ":".join(recorded.task_frame), ":".join(wanted.task_frame)),
    ]
    if recorded.task and wanted.task:
        before, now = (_as_typed(s.task_options) for s in (recorded, wanted))
        compared.append(("value of --options", before, now))
    if "unknown" not in (recorded.semantics, wanted.semantics):
        compared.append(("kind of action", recorded.semantics, wanted.semantics))
    different = [
        ("column", _words(old), _words(new))
        for old, new in zip_longest(columns, wanted_columns)
        if not _alike(old, new)
    ]
    compared += different
    for old_camera, new_camera in zip_longest(recorded.cameras, wanted.cameras):
        compared.append(("camera", _seen(old_camera), _seen(new_camera)))
    if not different:
        for old in (*recorded.observations, recorded.action):
            if not old.is_image:
                compared += _described(old, wanted.feature(old.name))
        compared.append(("range of 'action'", limits(recorded), limits(wanted)))
    for what, was, would_be in compared:
        if was != would_be and was not in ("", ()) and would_be not in ("", ()):
            return f"{what} ({was}, now {would_be})"
    return None


def limits(spec: Spec) -> tuple[tuple[float, ...], ...]:
    """Least and greatest of each element of the action (empty: they are not stated)."""
    low, high = spec.action.low, spec.action.high
    return () if low is None or high is None else (low, high)


def _described(old: Feature, new: Feature) -> list[tuple[str, object, object]]:
    return [
        (f"elements of '{old.name}'", old.names, new.names),
        (f"units of '{old.name}'", old.units, new.units),
        (f"frame of '{old.name}'", old.frame, new.frame),
    ]


def _alike(old: Column | None, new: Column | None) -> bool:
    if old is None or new is None:
        return old == new
    both_floats = old.dtype.startswith("float") and new.dtype.startswith("float")
    return (old.name, old.shape) == (new.name, new.shape) and (
        both_floats or old.dtype == new.dtype
    )


def _seen(camera: Feature | None) -> str:
    return "none" if camera is None else f"'{camera.name}' {list(camera.shape)}"


def _as_typed(options: Mapping[str, Any]) -> str:
    """Keyword arguments of an environment as ``--options`` takes them, in the order of the names.

    A tuple among them comes back as a list from where they are kept, and reads as one.
    """
    return " ".join(f"{key}={_value(options[key])}" for key in sorted(options)) or "none"


def _value(value: Any) -> str:
    """A text stands for itself where it would not be read as something else."""
    if isinstance(value, str):
        with suppress(ValueError):
            json.loads(value)
            return json.dumps(value)
        return value
    return json.dumps(value)


def _words(column: Column | None) -> str:
    return "none" if column is None else f"'{column.name}' {column.dtype}{list(column.shape)}"

"""Data from elsewhere, made complete: what it does not say is written as "not known"."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ilrobot.actors import Source
from ilrobot.data.episode import Column, Episode
from ilrobot.errors import UserError
from ilrobot.spec import Spec


def complete(episode: Episode, columns: tuple[Column, ...], spec: Spec) -> dict[str, NDArray[Any]]:
    """All columns of a recording for an episode that may hold only observations and actions.

    Missing rewards, actions of the policy or a person, and times are NaN; the episode is done at
    its last tick; all of it counts as demonstrated by whoever recorded it.

    Raises:
        UserError: An observation or the action is missing, or of another length.
    """
    length = len(episode)
    known: dict[str, Any] = {
        "next.done": np.arange(length) == length - 1,
        "next.success": False,
        "intervention": False,
        "control.source": Source.DEMO.value,
        "control.intervention_id": -1,
        "time.missed_deadline": False,
    }
    required = (*spec.observation_names, spec.action.name)
    filled = {}
    for column in columns:
        values = episode.columns.get(column.name)
        if values is None:
            if column.name in required:
                raise UserError(f"an episode has no '{column.name}'; it cannot be kept")
            dtype: Any = object if column.dtype == "string" else column.dtype
            shape = (length, *column.shape)
            values = np.empty(shape, dtype)
            values[...] = known.get(column.name, np.nan)
        elif len(values) != length:
            raise UserError(
                f"'{column.name}' has {len(values)} ticks in an episode of {length}; they must be "
                "equally long"
            )
        filled[column.name] = values
    return filled

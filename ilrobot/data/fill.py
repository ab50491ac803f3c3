"""Data from elsewhere, made complete: what it does not say is written as "not known"."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ilrobot.actors import Source
from ilrobot.data.episode import REPEATED, Column, Episode
from ilrobot.errors import UserError
from ilrobot.spec import Spec


def complete(
    index: int, episode: Episode, columns: tuple[Column, ...], spec: Spec
) -> dict[str, NDArray[Any]]:
    """All columns of a recording for an episode that may hold only observations and actions.

    Missing rewards, actions of the policy or a person, and times are NaN; the episode is done at
    its last tick, whatever ended it; all of it counts as demonstrated by whoever recorded it.

    Args:
        index: Number of the episode, for messages.
        episode: What is known.
        columns: What a recording has.
        spec: Its observations and action.

    Raises:
        UserError: An observation or the action is missing, or of another length or shape.
    """
    length = len(episode)
    known: dict[str, Any] = {
        "next.done": np.arange(length) == length - 1,
        "next.success": False,
        "next.terminated": False,
        "intervention": False,
        "control.source": Source.DEMO.value,
        "control.intervention_id": -1,
        "control.branch": 0,
        "control.discarded": False,
        "time.missed_deadline": False,
        REPEATED: False,
    }
    required = (*spec.observation_names, spec.action.name)
    filled = {}
    for column in columns:
        values = episode.columns.get(column.name)
        if values is None:
            if column.name in required:
                raise UserError(
                    f"episode {index} has no '{column.name}', which the others have; mend or drop "
                    "it in the source"
                )
            dtype: Any = object if column.dtype == "string" else column.dtype
            shape = (length, *column.shape)
            values = np.empty(shape, dtype)
            values[...] = known.get(column.name, np.nan)
        elif values.shape != (length, *column.shape):
            raise UserError(
                f"'{column.name}' of episode {index} has shape {list(values.shape)}, not "
                f"{[length, *column.shape]}; mend or drop that episode in the source"
            )
        filled[column.name] = values
    return filled

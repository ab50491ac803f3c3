"""Columns of LeRobot's parquet files as numpy arrays."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ilrobot.errors import UserError

#: Greatest deviation of an episode's mean tick from 1 / fps, as a fraction of it.
_SPACING = 0.05


def column_values(
    where: Path, table: Any, name: str, shape: tuple[int, ...], dtype: str
) -> NDArray[Any]:
    """One column of a table, (rows, *shape), contiguous; strings as an object array.

    Like LeRobot it goes by the dtype that ``info.json`` states, where that is of the same kind.

    Raises:
        UserError: It is missing, has gaps, is of another kind than stated, or holds another number
            of values per tick.
    """
    if name not in table.column_names:
        raise UserError(
            f"{where}: info.json lists '{name}', but the data files lack it; copy it again from "
            "its source"
        )
    values = table[name].combine_chunks()
    text = pa.types.is_string(values.type) or pa.types.is_large_string(values.type)
    if text and dtype == "string" and not values.null_count:
        return np.array(values.to_pylist(), dtype=object)
    missing = values.null_count
    while isinstance(values.type, pa.ListType | pa.FixedSizeListType | pa.LargeListType):
        values = values.flatten()
        missing += values.null_count
    if missing or len(values) != table.num_rows * math.prod(shape):
        raise UserError(
            f"{where}: '{name}' does not hold {list(shape) or 'one number'} at each tick; copy the "
            "dataset again from its source"
        )
    flat = values.to_numpy(zero_copy_only=False)
    if dtype == "string" or not np.can_cast(flat.dtype, dtype, "same_kind"):
        raise UserError(
            f"{where}: '{name}' is {dtype} by info.json, but {values.type} in the data files; copy "
            "the dataset again from its source"
        )
    flat = flat.astype(dtype, copy=False)
    return np.ascontiguousarray(flat).reshape(table.num_rows, *shape)


def check_spacing(where: Path, episode: int, timestamps: NDArray[Any], fps: float) -> None:
    """Refuse an episode whose time stamps were taken at another rate than the dataset states.

    Raises:
        UserError: They were; the line names both rates.
    """
    if len(timestamps) > 1:
        spacing = (float(timestamps[-1]) - float(timestamps[0])) / (len(timestamps) - 1)
        if abs(spacing * fps - 1) > _SPACING:
            raise UserError(
                f"{where}: mixes control rates: {fps:g} Hz is stated, but the time stamps of "
                f"episode {episode} are {spacing:.4g} s apart; keep each rate in its own dataset"
            )

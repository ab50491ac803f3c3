"""Parquet files with a checksum on every page: written in memory, read or refused."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ilrobot.data.episode import Column
from ilrobot.errors import UserError


def parquet_bytes(table: Any) -> bytes:
    """A table as the content of a parquet file."""
    buffer = io.BytesIO()
    # Hardly a number repeats, so dictionaries of them would cost time and save no room.
    pq.write_table(table, buffer, use_dictionary=False, write_page_checksum=True)
    return buffer.getvalue()


def read_parquet(path: Path, columns: Sequence[str] | None = None, metadata: Any = None) -> Any:
    """The table in a file, its checksums verified.

    Args:
        path: The file.
        columns: Only these are read and decoded, as far as it has them (None: all).
        metadata: From `read_footer`, which saves reading it again.

    Raises:
        UserError: It is missing or damaged.
    """
    with (
        _named(path),
        pq.ParquetFile(path, metadata=metadata, page_checksum_verification=True) as file,
    ):
        return file.read(columns=None if columns is None else list(columns))


def read_footer(path: Path) -> Any:
    """What a file says of its rows and columns.

    Raises:
        UserError: It is missing, damaged or cut off.
    """
    with _named(path), pq.ParquetFile(path) as file:
        return file.metadata


def to_arrow(values: NDArray[Any], column: Column) -> Any:
    """A column as LeRobot keeps it: plain for a scalar and for shape [1], else lists of fixed size.

    Raises:
        ValueError: The values have another shape.
    """
    if column.dtype == "string":
        return pa.array(values.tolist(), pa.string())
    expected = (len(values), *column.shape)
    if values.shape != expected:
        raise ValueError(f"'{column.name}' has shape {values.shape}, not {expected}")
    flat = pa.array(np.ascontiguousarray(values, dtype=column.dtype).reshape(-1))
    width = int(np.prod(column.shape, dtype=int))
    return flat if width == 1 else pa.FixedSizeListArray.from_arrays(flat, width)


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    """Say in one line which file is missing or damaged."""
    try:
        yield
    except FileNotFoundError as error:
        raise UserError(f"{path}: missing; copy the dataset again from its source") from error
    except PermissionError as error:
        raise UserError(f"{path}: cannot be read; give yourself the right to read it") from error
    except (pa.ArrowException, OSError, ValueError) as error:
        raise UserError(
            f"{path}: damaged or cut off ({first_line(error)}); copy it again from its source"
        ) from error


def first_line(error: Exception) -> str:
    """Of what pyarrow says, for a message of one line."""
    return str(error).splitlines()[0] if str(error) else type(error).__name__

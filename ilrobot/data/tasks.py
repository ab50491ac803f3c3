"""``meta/tasks.parquet``: the instructions, in the form in which pandas writes them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from ilrobot.atomic import write_bytes
from ilrobot.data.layout import TASKS
from ilrobot.data.parquet import parquet_bytes, read_parquet
from ilrobot.errors import UserError


def read_tasks(root: Path) -> list[str]:
    """Task strings in the order of their `task_index`.

    Raises:
        UserError: The file is missing, damaged, or holds no task strings.
    """
    table = read_parquet(root / TASKS)
    text = next((n for n in table.column_names if n != "task_index"), None)
    if text is None or "task_index" not in table.column_names:
        raise UserError(f"{root / TASKS}: has no task strings; copy it again from its source")
    pairs = zip(table["task_index"].to_pylist(), table[text].to_pylist(), strict=True)
    return [task for _, task in sorted(pairs)]


def write_tasks(root: Path, tasks: Sequence[str]) -> None:
    """Replace the file by what pandas writes for a frame whose index is the task string.

    Raises:
        OSError: The disk is full, the folder cannot be written.
    """
    table = pa.table(
        {
            "task_index": pa.array(range(len(tasks)), pa.int64()),
            "__index_level_0__": pa.array(tasks, pa.string()),
        }
    )
    described = {
        "index_columns": ["__index_level_0__"],
        "column_indexes": [],
        "columns": [
            _pandas_column("task_index", "task_index", "int64"),
            _pandas_column(None, "__index_level_0__", "unicode"),
        ],
        "pandas_version": "2.0.0",
    }
    table = table.replace_schema_metadata({"pandas": json.dumps(described)})
    write_bytes(root / TASKS, parquet_bytes(table))


def _pandas_column(name: str | None, field: str, kind: str) -> dict[str, Any]:
    return {
        "name": name,
        "field_name": field,
        "pandas_type": kind,
        "numpy_type": "object" if kind == "unicode" else kind,
        "metadata": None,
    }

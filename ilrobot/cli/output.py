"""What verbs print: progress and words on stderr, results on stdout, JSON as the last line."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

#: Progress, remarks and warnings; kept apart from results so that stdout can be piped.
console = Console(stderr=True, highlight=False)


class _Bars(Progress):
    """Bars that leave the terminal to the line that says what went wrong, or had nothing to do."""

    def __exit__(self, kind: type[BaseException] | None, *error: Any) -> None:
        idle = not any(task.completed for task in self.tasks)
        if idle or (kind is not None and issubclass(kind, Exception)):
            self.live.transient = True
            self.live.stop()
        else:
            super().__exit__(kind, *error)


def progress_bar() -> Progress:
    """The one progress bar of every verb; on a pipe it prints nothing until it is done."""
    return _Bars(
        TextColumn("[bold]{task.description}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=console,
    )


def print_json(result: Mapping[str, Any]) -> None:
    """One JSON object as one line of stdout; NaN and infinities become null."""
    print(json.dumps(_plain(result), allow_nan=False), flush=True)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value

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
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

#: Progress, remarks and warnings; kept apart from results so that stdout can be piped.
console = Console(stderr=True, highlight=False)

#: For so long, in seconds, no line tells of progress on a pipe; what goes wrong mostly does so at
#: once, and nothing shall stand above the line that says it.
QUIET = 5.0


class _Bars(Progress):
    """Bars that leave the terminal to the line that says what went wrong, or had nothing to do.

    On a pipe, where no bar can move, a line tells of every tenth of what is not done at once.
    """

    def __init__(self, *columns: ProgressColumn) -> None:
        super().__init__(*columns, console=console, disable=not console.is_terminal)
        self._told: dict[TaskID, int] = {}

    def advance(self, task_id: TaskID, advance: float = 1) -> None:
        """See `Progress`."""
        super().advance(task_id, advance)
        self._tell(task_id)

    def update(self, task_id: TaskID, **changes: Any) -> None:
        """See `Progress`."""
        super().update(task_id, **changes)
        self._tell(task_id)

    def _tell(self, task_id: TaskID) -> None:
        task = self._tasks[task_id]
        if not self.disable or (task.elapsed or 0) < QUIET or not task.total or not task.completed:
            return
        tenth = int(10 * task.completed / task.total)
        if tenth == self._told.get(task_id):
            return
        self._told[task_id] = tenth
        note = f", {task.fields['note']}" if task.fields["note"] else ""
        said = f"{task.description} {task.completed:.0f}/{task.total:.0f}"
        console.print(f"{said}, {task.elapsed or 0:.0f} s{note}", markup=False, soft_wrap=True)

    def __exit__(self, kind: type[BaseException] | None, *error: Any) -> None:
        idle = not any(task.completed for task in self.tasks)
        if idle or (kind is not None and issubclass(kind, Exception)):
            self.live.transient = True
            self.live.stop()
        else:
            super().__exit__(kind, *error)


def progress_bar() -> Progress:
    """The one progress bar of every verb; on a pipe a line for every tenth of longer work."""
    return _Bars(
        TextColumn("[bold]{task.description}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )


def counted(number: int, noun: str) -> str:
    """So many of something, as one says it: ``1 episode``, ``2 episodes``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


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

"""What ``ilrobot train`` shows while it trains: a bar, and the validation curve in lines."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import rich.progress

    from ilrobot.learners.training import Progress


class TrainingProgress:
    """Follows a training by a line for every tenth of it, above the bar where there is one.

    Args:
        bars: Where its bar is drawn; without a terminal it writes such lines by itself.
        steps: Steps in all, as far as they are known.
        counted: What these steps are.
    """

    def __init__(self, bars: rich.progress.Progress, steps: int, counted: str = "steps") -> None:
        self._bars, self._counted = bars, counted
        self._bar = bars.add_task("training", total=steps, note="")
        self._tenth = 0

    def __call__(self, progress: Progress) -> None:
        """Show how far it is."""
        note = _note(progress, self._counted)
        self._bars.update(self._bar, total=progress.steps, completed=progress.step, note=note)
        tenth = 10 * progress.step // progress.steps
        if tenth > self._tenth and not self._bars.disable:
            counted = self._counted.removesuffix("s")
            line = f"{counted} {progress.step:,} of {progress.steps:,}, {note}"
            self._bars.console.print(line, markup=False, soft_wrap=True)
        self._tenth = tenth


def _note(progress: Progress, counted: str) -> str:
    words = [] if progress.loss is None else [f"loss {progress.loss:.4f}"]
    if progress.validation_loss is not None:
        words.append(f"held out {progress.validation_loss:.4f}")
    if progress.sampling_error is not None:
        words.append(f"sampling error {progress.sampling_error:.4f}")
    words += [f"{name.replace('_', ' ')} {value:.4g}" for name, value in progress.details.items()]
    words.append(pace(progress.rate, counted))
    if progress.step < progress.steps and math.isfinite(progress.eta):
        words.append(f"ends by {_end(progress.eta)}")
    return ", ".join(words)


def pace(rate: float, counted: str = "steps") -> str:
    """How many a second, to two digits where there are few."""
    return f"{rate:.0f} {counted}/s" if rate >= 10 else f"{rate:.2g} {counted}/s"


def _end(seconds: float) -> str:
    now = datetime.now().astimezone()
    end = now + timedelta(seconds=seconds)
    return f"{end:%H:%M:%S}" if end.date() == now.date() else f"{end:%d %b %H:%M}"

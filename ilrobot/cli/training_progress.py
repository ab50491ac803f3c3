"""What ``ilrobot train`` shows while it trains: a bar, and a line every twentieth of the steps."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import rich.progress

    from ilrobot.learners.training import Progress

_LINES = 20


class TrainingProgress:
    """Follows a training; the lines are its validation curve, and all that a pipe sees.

    Args:
        bars: Where its bar is drawn.
        steps: Steps in all, as far as they are known.
    """

    def __init__(self, bars: rich.progress.Progress, steps: int) -> None:
        self._bars = bars
        self._bar = bars.add_task("training", total=steps, note="")
        self._part = 0

    def __call__(self, progress: Progress) -> None:
        """Show how far it is."""
        words = _words(progress)
        self._bars.update(
            self._bar, total=progress.steps, completed=progress.step, note=", ".join(words)
        )
        part = _LINES * progress.step // progress.steps
        if part > self._part and progress.step < progress.steps:
            width = len(f"{progress.steps:,}")
            line = f"step {progress.step:{width},} of {progress.steps:,}: {', '.join(words)}, "
            self._bars.console.print(
                f"{line}ends by {_end(progress.eta)}", markup=False, soft_wrap=True
            )
        self._part = part


def _words(progress: Progress) -> list[str]:
    words = [f"loss {progress.loss:.4f}"]
    if progress.validation_loss is not None:
        words.append(f"held out {progress.validation_loss:.4f}")
    if progress.sampling_error is not None:
        words.append(f"sampling error {progress.sampling_error:.4f}")
    return [*words, f"{progress.rate:.0f} steps/s"]


def _end(seconds: float) -> str:
    now = datetime.now().astimezone()
    end = now + timedelta(seconds=seconds)
    return f"{end:%H:%M:%S}" if end.date() == now.date() else f"{end:%d %b %H:%M}"

"""What ``ilrobot dagger`` shows of a round's fits: that of its gate and that of its policy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from ilrobot.data.recordings import Recordings
    from ilrobot.policies.policy import Policy
    from ilrobot.run_description import Config


class GateBars:
    """A bar for the gate of each round that has a network to fit.

    Args:
        bars: Where they are drawn.
    """

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._of_round: dict[int, TaskID] = {}

    def __call__(self, number: int, done: int, steps: int) -> None:
        """So many steps of the fit for round `number` are done."""
        if number not in self._of_round:
            gate = self._bars.add_task(f"gate-{number}", total=steps, note="fitting")
            self._of_round[number] = gate
        self._bars.update(self._of_round[number], completed=done)


def fit_policy(
    config: Config, data: Recordings, run: Path, initial: Policy | None, bars: Progress
) -> Policy:
    """Train as the first policy was trained, on all there is now.

    Args:
        config: Of the first policy.
        data: All that was recorded.
        run: Folder of the fit, which is gone on with where it was cut off.
        initial: Policy to begin with (None: from scratch).
        bars: Where its progress is drawn.
    """
    from ilrobot.learners.behavioral_cloning import train

    bar = bars.add_task(run.name, total=config.train.steps, note="fitting")
    policy = train(
        data,
        config.policy,
        config.train,
        run,
        resume=True,
        initial=initial,
        on_progress=lambda progress: bars.update(
            bar, total=progress.steps, completed=progress.step
        ),
    )
    bars.update(bar, completed=bars.tasks[bar].total)
    return policy

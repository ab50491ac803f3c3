"""Which episode of a run of dagger belongs to which round, and what its gate did there."""

from __future__ import annotations

from pathlib import Path

from ilrobot.data.dataset import Dataset
from ilrobot.report.plots import Strip
from ilrobot.round_attempts import round_attempts
from ilrobot.run_description import DaggerDescription

GATE_HEADERS = (
    "",
    "switches",
    "takeovers",
    "steps by the expert",
    "in the expert's hands",
    "actions asked for",
    "decided by",
    "budget spent",
)


def recordings_of(path: Path, run: DaggerDescription) -> Dataset | None:
    """What a run began with and added (None: it is gone).

    Args:
        path: The run's folder.
        run: What its ``run.json`` holds.
    """
    folder = run.recordings(path)
    return Dataset.open(folder) if folder.is_dir() else None


def gate_rows(run: DaggerDescription) -> list[list[str]]:
    """What the gate logged, the same columns for every gate: `GATE_HEADERS`.

    Args:
        run: What its ``run.json`` holds.

    Returns:
        A row for each round that has a log.
    """
    rows = []
    for row in run.rounds:
        if row.log is None:
            continue
        log = row.log
        spent = "" if log.budget is None else f"{log.budget_spent:.1%} of {log.budget:.1%}"
        rows.append(
            [
                f"Round {row.round}",
                str(log.switches),
                str(log.takeovers),
                f"{log.expert_steps} of {log.steps}",
                f"{log.context_time:.1f} s",
                str(log.queries),
                ", ".join(f"{name} {value:.3g}" for name, value in log.thresholds.items()),
                spent,
            ]
        )
    return rows


def round_strips(path: Path, run: DaggerDescription) -> list[Strip]:
    """A strip per episode that was tried and kept, in the order of recording.

    The place in the dataset does not say the round: an episode that was discarded or cut off stands
    there too, before the one that repeats it.

    Args:
        path: The run's folder.
        run: What its ``run.json`` holds.
    """
    data = recordings_of(path, run)
    if data is None:
        return []
    numbers = {
        index: number
        for number in range(1, run.plan.rounds + 1)
        for index, _ in round_attempts(path, run, number, data)
    }
    return [Strip.of(data.episode(index), numbers[index]) for index in sorted(numbers)]

"""What the gate of a round of DAgger is fitted to, and how."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from ilrobot.data.dataset import Dataset
from ilrobot.errors import UserError
from ilrobot.learners.interactive.gate_fits import (
    fit_benefit,
    fit_dart,
    fit_ensemble,
    fit_human,
    fit_safety,
    fit_thrifty,
)
from ilrobot.learners.interactive.gate_material import Material
from ilrobot.learners.interactive.gate_network import OnSteps, unwatched
from ilrobot.learners.interactive.gate_values import GateFit, read_values
from ilrobot.learners.interactive.rehearsal import rehearsal_folder
from ilrobot.round_attempts import round_attempts
from ilrobot.run import Run
from ilrobot.run_description import DaggerDescription


def gate_folder(run: Path, number: int) -> Path:
    """What the gate of a round, counted from 1, was fitted to."""
    return run / f"gate-{number}"


def gate_fit(gate: str, run: Path, number: int, budget: float) -> GateFit | None:
    """How the gate of that name is fitted for a round (None: it is not).

    Args:
        gate: As the command line calls it.
        run: The run's folder.
        number: Of the round, from 1.
        budget: Of ``thrifty`` or ``benefit``.

    Raises:
        UserError: What the first round's gate was fitted to cannot be read.
    """
    if gate in ("safe", "lazy"):
        return partial(fit_safety, threshold=None if number == 1 else _first_threshold(run))
    if gate == "thrifty":
        return partial(fit_thrifty, budget=budget)
    if gate == "benefit":
        return partial(fit_benefit, budget=budget)
    return {"human": fit_human, "ensemble": fit_ensemble, "dart": fit_dart}.get(gate)


def _first_threshold(run: Path) -> float:
    """τ of the first round, which stays."""
    folder = gate_folder(run, 1)
    if not folder.exists():
        raise UserError(
            f"{folder} is missing, which says by what threshold every round labels; put it back, "
            f"or begin a new run with what was recorded: --dataset {run / 'dataset'} --aggregate"
        )
    return float(read_values(folder)["discrepancy"])


def gate_material(
    run: Path, number: int, dataset: Dataset, policy: Path, seed: int, on_steps: OnSteps = unwatched
) -> Material:
    """What there is to fit the gate of a round to.

    Args:
        run: The run's folder.
        number: Of the round, from 1.
        dataset: All that was recorded before it.
        policy: Run of the policy that acts in it.
        seed: Of all draws.
        on_steps: Follows the fit.
    """
    latest: tuple[int, ...] = ()
    if number > 1:
        described = Run.read_as(run, DaggerDescription).description
        attempts = round_attempts(run, described, number - 1, dataset)
        latest = tuple(index for index, _ in attempts)
    alone = rehearsal_folder(run, number)
    rehearsal = Dataset.open(alone) if alone.exists() else None
    return Material(dataset, policy, seed, latest, rehearsal, on_steps)

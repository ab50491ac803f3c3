"""From which doubt on a policy that learnt by DAgger calls for help, where nobody gates it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ilrobot.data.dataset import Dataset
from ilrobot.learners.interactive.gate_fits import GateFit, Material, fit_ensemble, fit_human
from ilrobot.run import RUN_FILE, Run
from ilrobot.run_description import DaggerDescription

#: Gates that know a threshold of doubt, and how it is fitted.
_FITS: Mapping[str, GateFit] = {"human": fit_human, "ensemble": fit_ensemble}


def calling_doubt(policy_run: Path, dataset: Dataset) -> float | None:
    """The threshold that the gate of the run's next round would have for its latest policy.

    Under the gate ``human`` that is HG-DAgger's τ (`ilrobot.gates.human.risk_threshold`), under
    ``ensemble`` EnsembleDAgger's χ.

    Args:
        policy_run: Folder of the run.
        dataset: What it was trained on last.

    Returns:
        None where the run is none of dagger, its policy is a single net, its gate is another, or
        nobody ever took over.

    Raises:
        UserError: Nothing is held out any more that χ could be fitted to.
    """
    if not (policy_run / RUN_FILE).exists():
        return None
    described = Run.read(policy_run).description
    if not isinstance(described, DaggerDescription) or described.config.policy.members < 2:
        return None
    fit = _FITS.get(str(described.setting.get("gate")))
    if fit is None:
        return None
    threshold = fit(Material(dataset, policy_run, described.plan.seed), policy_run).get("doubt")
    return None if threshold is None else float(threshold)

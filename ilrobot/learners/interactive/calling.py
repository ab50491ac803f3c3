"""When a policy that learnt by DAgger calls for help, where nobody gates it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ilrobot.control.signals import DOUBT, NOVELTY, RISK, UNSAFE
from ilrobot.data.dataset import Dataset
from ilrobot.gates import foresight
from ilrobot.learners.interactive.gate_network import GateNetwork
from ilrobot.learners.interactive.gate_values import CLASSIFIER, CRITIC, Values
from ilrobot.learners.interactive.round_gates import gate_fit, gate_material
from ilrobot.learners.interactive.safety_classifier import SafetyClassifier
from ilrobot.learners.interactive.success_critic import SuccessCritic
from ilrobot.run import RUN_FILE, Run
from ilrobot.run_description import DaggerDescription


@dataclass(frozen=True)
class Calling:
    """When a policy calls for help.

    Attributes:
        thresholds: Signals (`ilrobot.control.signals`) above which it does.
        critics: The networks that give those signals that it does not give itself.
    """

    thresholds: Mapping[str, float] = field(default_factory=dict)
    critics: Mapping[str, GateNetwork[Any]] = field(default_factory=dict)


NEVER_CALLS = Calling()


def calling_of(policy_run: Path, dataset: Dataset) -> Calling:
    """When the gate of the run's next round would have its latest policy call.

    Under the gate ``human`` above HG-DAgger's τ (`ilrobot.gates.human.risk_threshold`), under
    ``ensemble`` above EnsembleDAgger's χ of doubt; under ``thrifty`` where novel or risky
    (`ilrobot.gates.thrifty`), under ``safe`` and ``lazy`` where straying is foretold
    (`ilrobot.gates.foresight`). The critics are fitted anew, to the latest policy.

    Args:
        policy_run: Folder of the run.
        dataset: What it was trained on last.

    Returns:
        Never, where the run is none of dagger, its gate is another or knows the doubt of an
        ensemble only and its policy is a single net, or nobody ever took over.

    Raises:
        UserError: Nothing is held out any more that a gate could be fitted to.
    """
    if not (policy_run / RUN_FILE).exists():
        return NEVER_CALLS
    run = Run.read(policy_run).description
    if not isinstance(run, DaggerDescription):
        return NEVER_CALLS
    gate, number = str(run.setting.get("gate")), len(run.rounds) + 1
    single = run.config.policy.members < 2
    reads = None if single and gate in ("human", "ensemble") else _READS.get(gate)
    fit = gate_fit(gate, policy_run, number, run.setting.get("budget", 0.0))
    if reads is None or fit is None:
        return NEVER_CALLS
    material = gate_material(policy_run, number, dataset, policy_run, run.plan.seed)
    with TemporaryDirectory() as folder:
        return reads(fit(material, Path(folder)), Path(folder))


def _doubtful(values: Values, folder: Path) -> Calling:
    return Calling({DOUBT: float(values["doubt"])} if "doubt" in values else {})


def _thrifty(values: Values, folder: Path) -> Calling:
    above = {NOVELTY: float(values["novelty"]), RISK: 1.0 - float(values["success"])}
    return Calling(above, {RISK: SuccessCritic.load(folder / CRITIC)})


def _straying(values: Values, folder: Path) -> Calling:
    above = {UNSAFE: foresight.UNSAFE}
    return Calling(above, {UNSAFE: SafetyClassifier.load(folder / CLASSIFIER)})


#: What each gate's fit says, and wrote into its folder.
_READS: Mapping[str, Callable[[Values, Path], Calling]] = {
    "human": _doubtful,
    "ensemble": _doubtful,
    "thrifty": _thrifty,
    "safe": _straying,
    "lazy": _straying,
}

"""A trained policy as one .onnx file that promises what it does, or no file at all."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import exports
import ilrobot
from exports.graph import trace
from exports.limits import derive_limits
from exports.parity import TOLERANCE, Parity, measure_parity
from exports.runtime.session import BoundSession, OnnxPolicy
from exports.samples import Samples, draw_samples, golden_vectors
from ilrobot.atomic import replacing
from ilrobot.control.chunking import RECEDING, Chunking
from ilrobot.control.contract import Contract
from ilrobot.control.contract_check import ACTION
from ilrobot.control.contract_joints import Joints
from ilrobot.control.contract_parts import Limits, PolicyFrame, Provenance, Range
from ilrobot.control.contract_signals import CriticScale, DoubtScale
from ilrobot.control.model_file import seal
from ilrobot.control.signals import DOUBT, NOVELTY
from ilrobot.errors import UserError, WorkFailed, explained
from ilrobot.learners.interactive.calling import NEVER_CALLS, Calling
from ilrobot.learners.stop import stop_signals
from ilrobot.policies.policy import Policy

#: An observation may miss this many periods before it counts as stale.
STALE_PERIODS = 3.0
#: Of the real observations this share has a signal of no more than what is usual.
USUAL = 0.95


@dataclass(frozen=True)
class Export:
    """What came of an export.

    Attributes:
        contract: What the file promises.
        parity: How close it is to the trained module, as it is run.
        plain_parity: The same without ONNX Runtime's optimisation of the graph.
        size: Bytes of the file.
    """

    contract: Contract
    parity: Parity
    plain_parity: Parity
    size: int


def export_policy(
    policy: Policy,
    path: Path,
    *,
    windows: Mapping[str, NDArray[np.float32]],
    actions: Sequence[NDArray[Any]],
    data_hash: str,
    limits_hash: str = "",
    checkpoint_hash: str = "",
    chunking: Chunking = RECEDING,
    unrolled: bool = False,
    calling: Calling = NEVER_CALLS,
    joints: Joints | None = None,
    modes: Sequence[str] | None = None,
    guards: Callable[[Contract], Contract] = lambda contract: contract,
) -> Export:
    """Write a policy as one .onnx file with its contract.

    Everything is checked before the file appears under its name: parity with the module on real
    observations, with and without ONNX Runtime's optimisation of the graph, and the finished file
    by loading it and replaying its golden vectors.
    Ctrl-C and SIGTERM wait for the graph to be made, since torch's exporter swallows what is raised
    within it; then they end the export, and no file is left.

    Args:
        policy: The trained policy, on the CPU.
        path: Where to write; an existing file is replaced.
        windows: Real observations: name to shape (N, n_obs, *shape), physical units.
        actions: Demonstrated actions, in runs of shape (T, *action shape), physical units; they
            set the limits (see `derive_limits`).
        data_hash: Content hash of the training data (empty: not known).
        limits_hash: Content hash of the data that `actions` come from (empty: the training data).
        checkpoint_hash: SHA-256 of the checkpoint's file.
        chunking: How whoever runs the file shall execute its chunks.
        unrolled: Write the sampler's steps one after the other instead of as a loop.
        calling: When it calls for help, by the gate of its own DAgger run.
        joints: Of the arm behind the task's controller (None: not stated).
        modes: What each element of the action is, as a person says (None: as the spec does).
        guards: Exchanges what the data say of the guards, see `exports.stated_guards`.

    Raises:
        UserError: The place cannot be written to, or the guards do not fit.
        WorkFailed: The graph cannot be made or differs from the module; no file is left.
    """
    if path.suffix != ".onnx":
        raise UserError(f"--output must end in .onnx, not '{path.name}'")
    policy.eval()
    contract = _promise(
        policy,
        derive_limits(policy.spec, actions, modes),
        chunking,
        Provenance(
            data=data_hash,
            checkpoint=checkpoint_hash,
            code=code_hash(),
            version=ilrobot.__version__,
            limits="" if policy.spec.choices is not None else limits_hash or data_hash,
        ),
    )
    contract = guards(replace(contract, joints=joints, **_signals(policy, calling)))
    with stop_signals() as stop:
        model = trace(policy, calling.critics, led=chunking.leads, unrolled=unrolled)
    stop.check()
    try:
        session = BoundSession(model, contract)
        plain = BoundSession(model, contract, optimized=False)
    except UserError as error:
        raise WorkFailed(f"the exported graph does not run: {error}") from error
    samples = draw_samples(contract, windows)
    parity = _checked(policy, session, contract, samples, calling)
    plain_parity = _checked(policy, plain, contract, samples, calling, " as it is written")
    contract = _with_usual(contract, session, samples)
    tolerance = max(contract.tolerance, parity.tolerance, plain_parity.tolerance)
    contract = replace(contract, golden=golden_vectors(session, samples), tolerance=tolerance)
    content = seal(model, contract)
    _write_verified(path, content)
    return Export(contract, parity, plain_parity, len(content))


def code_hash() -> str:
    """SHA-256 over the sources of `ilrobot` and `exports`, names and contents in sorted order."""
    digest = hashlib.sha256()
    for package in (ilrobot, exports):
        root = Path(str(package.__file__)).parent
        for file in sorted(root.rglob("*.py")):
            digest.update(f"{root.name}/{file.relative_to(root).as_posix()}\0".encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()


def _promise(
    policy: Policy, limits: Limits | None, chunking: Chunking, provenance: Provenance
) -> Contract:
    """The contract without what only the finished graph can tell."""
    config, spec = policy.config, policy.spec
    return Contract(
        spec=spec,
        n_obs=config.n_obs,
        horizon=config.horizon,
        execute=config.execute,
        noise_shape=policy.noise_shape,
        limits=limits,
        training_range={
            name: Range(tuple(low.tolist()), tuple(high.tolist()))
            for name, (low, high) in policy.training_range.items()
            if limits is not None or name != ACTION
        },
        stale_after=STALE_PERIODS / spec.rate,
        fallback="hold",
        provenance=provenance,
        golden=(),
        tolerance=0.0 if limits is None else TOLERANCE,
        chunking=chunking,
        sampler_steps=policy.sampler_steps if chunking.leads else None,
        policy_frame=_policy_frame(policy),
    )


def _policy_frame(policy: Policy) -> PolicyFrame | None:
    if policy.framed is None:
        return None
    origin, goal = policy.config.frame
    names = policy.spec.action.element_names
    return PolicyFrame(origin, goal, tuple(names[index] for index in policy.framed.elements))


def _signals(policy: Policy, calling: Calling) -> dict[str, Any]:
    """What the contract says of them, but what is usual."""
    above, doubt = calling.thresholds, None
    if policy.config.members > 1:
        discrete = policy.spec.choices is not None
        scale = None if discrete else tuple(policy.disagreement_scale.tolist())
        doubt = DoubtScale(scale, 0.0, above.get(DOUBT), above.get(NOVELTY))
    critics = {name: CriticScale(0.0, above.get(name)) for name in calling.critics}
    return {"doubt": doubt, "critics": critics}


def _with_usual(contract: Contract, session: BoundSession, samples: Samples) -> Contract:
    """The contract with what each signal usually is."""
    if not contract.signals:
        return contract
    told = [session.predict(*asked).signals for asked in samples.free().each()]
    usual = {
        name: float(np.quantile(np.array([signals[name][0] for signals in told], float), USUAL))
        for name in contract.signals
    }
    return replace(
        contract,
        doubt=contract.doubt and replace(contract.doubt, usual=usual[DOUBT]),
        critics={
            name: replace(critic, usual=usual[name]) for name, critic in contract.critics.items()
        },
    )


def _checked(
    policy: Policy,
    session: BoundSession,
    contract: Contract,
    samples: Samples,
    calling: Calling,
    how: str = "",
) -> Parity:
    """The worse parity of the two ways to ask the graph: free and led.

    Raises:
        WorkFailed: It does not hold.
    """
    asked = [samples.free(), *([samples] if samples.guides is not None else [])]
    parities = [
        measure_parity(policy, session.predict, each, contract.scale, calling.critics)
        for each in asked
    ]
    for parity in parities:
        if not parity.holds:
            raise WorkFailed(
                f"the exported graph{how} differs from the trained policy: {parity}; nothing was "
                "written"
            )
    return max(parities, key=lambda parity: parity.relative)


def _write_verified(path: Path, content: bytes) -> None:
    """Write beside the target, load that and replay its golden vectors, then rename."""
    with explained(path, "nothing was written", "export again"), replacing(path) as part:
        part.write_bytes(content)
        try:
            finished = OnnxPolicy(part)
        except UserError as error:
            reason = str(error).removeprefix(f"{part}: ")
            raise WorkFailed(
                f"the finished file cannot be read back: {reason}; nothing was written"
            ) from error
        worst, allowed = finished.golden_error(), finished.contract.tolerance
        if not worst <= allowed:
            raise WorkFailed(
                f"the finished file gives other actions than its graph did before ({worst:.2g} of "
                f"the command range, at most {allowed:.2g} is allowed); nothing was written"
            )

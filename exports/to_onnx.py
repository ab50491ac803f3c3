"""A trained policy as one .onnx file that promises what it does, or no file at all."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
from ilrobot.atomic import replacing
from ilrobot.control.chunking import RECEDING, Chunking
from ilrobot.control.contract import Contract
from ilrobot.control.contract_parts import Golden, Provenance, Range
from ilrobot.control.drawing import Guide
from ilrobot.control.model_file import seal
from ilrobot.errors import UserError, WorkFailed, explained
from ilrobot.learners.stop import stop_signals
from ilrobot.policies.policy import Policy

#: An observation may miss this many periods before it counts as stale.
STALE_PERIODS = 3.0
#: Golden vectors in the contract.
GOLDEN = 4

_NOISE_SEED = 0


@dataclass(frozen=True)
class Export:
    """What came of an export.

    Attributes:
        contract: What the file promises.
        parity: How close it is to the trained module.
        size: Bytes of the file.
    """

    contract: Contract
    parity: Parity
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
) -> Export:
    """Write a policy as one .onnx file with its contract.

    Everything is checked before the file appears under its name: parity with the module on real
    observations, and the finished file by loading it and replaying its golden vectors.
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

    Raises:
        UserError: The place cannot be written to.
        WorkFailed: The graph cannot be made or differs from the module; no file is left.
    """
    if path.suffix != ".onnx":
        raise UserError(f"--output must end in .onnx, not '{path.name}'")
    policy.eval()
    with stop_signals() as stop:
        model = trace(policy, led=chunking.leads)
    stop.check()
    config, spec = policy.config, policy.spec
    sampler_steps = policy.sampler_steps if chunking.leads else None
    try:
        session = BoundSession(
            model,
            spec,
            n_obs=config.n_obs,
            horizon=config.horizon,
            noise_shape=policy.noise_shape,
            sampler_steps=sampler_steps,
        )
    except UserError as error:
        raise WorkFailed(f"the exported graph does not run: {error}") from error

    count = len(next(iter(windows.values())))
    noise = None
    generator = np.random.default_rng(_NOISE_SEED)
    if policy.noise_shape is not None:
        noise = generator.standard_normal((count, *policy.noise_shape), dtype=np.float32)
    limits = derive_limits(spec, actions)
    scale = None if limits is None else limits.scale
    parity = measure_parity(policy, session, windows, noise, scale)
    if sampler_steps is not None and parity.holds:
        guides = _guides(policy, generator, count, sampler_steps)
        parity = max(
            parity,
            measure_parity(policy, session, windows, noise, scale, guides),
            key=lambda measured: measured.relative,
        )
    if not parity.holds:
        raise WorkFailed(
            f"the exported graph differs from the trained policy: {parity}; nothing was written"
        )
    ranges = policy.training_range
    contract = Contract(
        spec=spec,
        n_obs=config.n_obs,
        horizon=config.horizon,
        execute=config.execute,
        noise_shape=policy.noise_shape,
        limits=limits,
        training_range={
            f.name: Range(tuple(ranges[f.name][0].tolist()), tuple(ranges[f.name][1].tolist()))
            for f in spec.observations
        },
        stale_after=STALE_PERIODS / spec.rate,
        fallback="hold",
        provenance=Provenance(
            data=data_hash,
            checkpoint=checkpoint_hash,
            code=code_hash(),
            version=ilrobot.__version__,
            limits="" if limits is None else limits_hash or data_hash,
        ),
        golden=_golden(session, windows, noise),
        tolerance=0.0 if limits is None else TOLERANCE,
        chunking=chunking,
        sampler_steps=sampler_steps,
    )
    content = seal(model, contract)
    _write_verified(path, content)
    return Export(contract, parity, len(content))


def code_hash() -> str:
    """SHA-256 over the sources of `ilrobot` and `exports`, names and contents in sorted order."""
    digest = hashlib.sha256()
    for package in (ilrobot, exports):
        root = Path(str(package.__file__)).parent
        for file in sorted(root.rglob("*.py")):
            digest.update(f"{root.name}/{file.relative_to(root).as_posix()}\0".encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()


def _guides(policy: Policy, generator: np.random.Generator, count: int, steps: int) -> list[Guide]:
    """Where samplers are led that are compared: anywhere within the training data's actions."""
    shape = (policy.config.horizon, *policy.spec.action.shape)
    low, high = (side.reshape(policy.spec.action.shape) for side in policy.training_range["action"])
    return [
        Guide(
            generator.uniform(low, high, shape).astype(np.float32),
            generator.random((steps, shape[0]), dtype=np.float32),
        )
        for _ in range(count)
    ]


def _golden(
    session: BoundSession,
    windows: Mapping[str, NDArray[np.float32]],
    noise: NDArray[np.float32] | None,
) -> tuple[Golden, ...]:
    count = len(next(iter(windows.values())))
    golden = []
    for i in np.unique(np.linspace(0, count - 1, GOLDEN).astype(int)):
        observations = {name: window[i] for name, window in windows.items()}
        drawn = None if noise is None else noise[i]
        golden.append(Golden(observations, drawn, session(observations, drawn)))
    return tuple(golden)


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

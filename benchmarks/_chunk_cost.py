"""What a chunk of an exported policy costs on one core."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exports.real_data import observation_windows, taught_actions
from exports.runtime.process import quiet_collector
from exports.runtime.session import OnnxPolicy
from exports.to_onnx import export_policy
from ilrobot.data.recordings import Recordings
from ilrobot.policies.policy import Policy

WINDOWS = 20
CHUNKS = 300


def predictor(path: Path) -> Callable[[], Any]:
    """A call that predicts a chunk by an exported file, from observations of zeros."""
    exported = OnnxPolicy(path)
    contract = exported.contract
    history: dict[str, NDArray[Any]] = {
        f.name: np.zeros((contract.n_obs, *f.shape), np.float32) for f in contract.spec.observations
    }
    shape = contract.noise_shape
    noise = None if shape is None else np.zeros(shape, np.float32)
    return lambda: exported(history, noise)


def chunk_cost(policy: Policy, data: Recordings) -> dict[str, float]:
    """Calls of the network and milliseconds that a chunk takes, exported, batch 1, one thread.

    Args:
        policy: The trained policy, on the CPU.
        data: What it learnt from, on which the export is checked.
    """
    with tempfile.TemporaryDirectory() as folder, quiet_collector():
        file = Path(folder) / "policy.onnx"
        export_policy(
            policy,
            file,
            windows=observation_windows(data, policy.spec, policy.config.n_obs, WINDOWS),
            actions=taught_actions(data),
            data_hash=data.content_hash,
        )
        chunk = predictor(file)
        chunk()
        spent = []
        for _ in range(CHUNKS):
            began = time.perf_counter()
            chunk()
            spent.append(time.perf_counter() - began)
    return {
        "calls_per_chunk": policy.sampler_steps or 1,
        "milliseconds_per_chunk": 1e3 * float(np.median(spent)),
    }

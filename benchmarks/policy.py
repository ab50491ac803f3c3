"""What a chunk costs on one core: policies of several kinds, exported, batch 1, in turns.

Push-T's sizes: five numbers observed, two commanded, chunks of 16 from two observations. The first
two rows are the network that meets Push-T's goal of quality; the other MLPs are smaller. The
reference of each row is torch eager of the same policy, whose U-Net is what LeRobot's also is;
`benchmarks/peers/chunk_latency.py` puts LeRobot itself beside these files.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import row
from benchmarks._chunk_cost import predictor
from exports.int8 import write_int8
from exports.runtime.process import quiet_collector
from exports.to_onnx import export_policy
from ilrobot.learners.config import PRESETS
from ilrobot.policies.config import PolicyConfig
from ilrobot.policies.policy import Policy
from ilrobot.spec import Feature, Spec

STATE, ACTION, HISTORY, HORIZON = 5, 2, 2, 16
SPEC = Spec(
    observations=(Feature("observation.state", (STATE,)),),
    action=Feature("action", (ACTION,), low=(-1.0,) * ACTION, high=(1.0,) * ACTION),
    rate=10.0,
    semantics="absolute",
)


def _chunks(head: Any, network: Any = "mlp", **sizes: Any) -> PolicyConfig:
    return PolicyConfig(
        head=head, network=network, n_obs=HISTORY, horizon=HORIZON, execute=8, **sizes
    )


#: The network of `benchmarks.pusht --method flow`.
_PUSHT = PRESETS["flow"][0]

#: What is measured, and its goal in ms per chunk.
POLICIES: Mapping[str, tuple[PolicyConfig, float | None]] = {
    "flow of Push-T's goal, 2 calls": (replace(_PUSHT, sampler_steps=2), 1.0),
    "flow of Push-T's goal, 10 calls": (_PUSHT, 1.0),
    "flow, MLP, 10 calls": (_chunks("flow"), 1.0),
    "diffusion, MLP, DDIM 10": (_chunks("diffusion"), 1.0),
    "mip, MLP, 2 calls": (_chunks("mip"), 1.0),
    "mixture, RNN, 1 call": (_chunks("mixture", "rnn"), 1.0),
    "cvae, transformer, 1 call": (_chunks("cvae", "transformer"), None),
    "diffusion, U-Net, DDIM 10": (_chunks("diffusion", "unet"), 12.0),
}
#: The part of LeRobot's ACT that acts (22 of its 40 M parameters), with weights of 8 bits.
INT8 = "ACT of LeRobot's size, 8 bits, 1 call"
ACT = _chunks("cvae", "transformer", width=512, layers=3, attention_heads=8)
ROUNDS, SECONDS_A_TURN = 8, 0.1


def run() -> list[dict[str, Any]]:
    """A row for each policy: ONNX Runtime against torch eager."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with tempfile.TemporaryDirectory() as folder, quiet_collector():
            made = {name: _both(config, Path(folder)) for name, (config, _) in POLICIES.items()}
            made[INT8] = _both(ACT, Path(folder), int8=True)
            spent = _in_turns([call for _, *calls in made.values() for call in calls])
    finally:
        torch.set_num_threads(threads)
    rows = []
    for name, (parameters, *_) in made.items():
        ours, eager = 1e3 * spent.pop(0), 1e3 * spent.pop(0)
        what = f"{name}, {parameters / 1e6:.2g} M parameters (reference: torch eager)"
        if name == INT8:
            rows.append(row(what, ours, "ms", reference=eager, at_most=0.25, of="ratio"))
        else:
            rows.append(row(what, ours, "ms", reference=eager, at_most=POLICIES[name][1]))
    return rows


def export(config: PolicyConfig, path: Path) -> Policy:
    """Write a policy of random weights; the normalisation of standard normal data."""
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        policy = Policy(SPEC, config).eval()
    rng = np.random.default_rng(0)
    policy.encoder.fit({"observation.state": rng.standard_normal((1000, STATE), np.float32)})
    actions = rng.uniform(-1, 1, (1000, ACTION))
    policy.action_normalizer.fit(actions)
    windows = rng.standard_normal((10, config.n_obs, STATE), np.float32)
    export_policy(
        policy, path, windows={"observation.state": windows}, actions=[actions], data_hash=""
    )
    return policy


def _both(
    config: PolicyConfig, folder: Path, *, int8: bool = False
) -> tuple[int, Callable[[], Any], Callable[[], Any]]:
    """Parameters that act, and a chunk by the exported file and by torch."""
    file = folder / "policy.onnx"
    policy = export(config, file)
    if int8:
        write_int8(file, file)
    observation = {"observation.state": torch.zeros(1, config.n_obs, STATE)}
    shape = policy.noise_shape
    noise = None if shape is None else torch.zeros(1, *shape)

    @torch.inference_mode()
    def eager() -> None:
        policy(observation, noise)

    acting = [p for name, p in policy.named_parameters() if ".posterior." not in name]
    return sum(parameter.numel() for parameter in acting), predictor(file), eager


def _in_turns(calls: list[Callable[[], Any]]) -> list[float]:
    """Median seconds of each, a tenth of a second at a time."""
    spent: list[list[float]] = [[] for _ in calls]
    for _ in range(ROUNDS):
        for call, times in zip(calls, spent, strict=True):
            call()
            until = time.perf_counter() + SECONDS_A_TURN
            while time.perf_counter() < until:
                began = time.perf_counter()
                call()
                times.append(time.perf_counter() - began)
    return [float(np.median(times)) for times in spent]


if __name__ == "__main__":
    for measured in run():
        print(", ".join(f"{key}: {value}" for key, value in measured.items()))

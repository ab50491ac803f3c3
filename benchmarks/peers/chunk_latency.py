"""Milliseconds per chunk on one core: LeRobot 0.4.4's diffusion and ACT, and our exported files.

    .venv-peers/bin/python benchmarks/peers/chunk_latency.py FILE [FILE ...]

Each FILE is a policy that `ilrobot export` wrote. LeRobot's are for Push-T: two numbers of the
agent, three of the block, chunks of 16 actions; its U-Net as small as ours, and ACT as it comes.
Batch 1, one thread, random weights. Two processes take turns, so that a busy machine slows both
sides; the median of each counts.
"""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import lerobot_import  # noqa: F401  (before lerobot)
import torch
from lerobot.configs.types import FeatureType, PolicyFeature
from lerobot.policies.act.configuration_act import ACTConfig
from lerobot.policies.act.modeling_act import ACTPolicy
from lerobot.policies.diffusion.configuration_diffusion import DiffusionConfig
from lerobot.policies.diffusion.modeling_diffusion import DiffusionPolicy

ROOT = Path(__file__).parents[2]
CHUNK, ROUNDS, CALLS = 16, 6, 10

#: Waits for a line, predicts some chunks, and answers with their seconds.
OURS = """
import sys, time
import numpy as np
from exports.runtime.session import OnnxPolicy
policy = OnnxPolicy(sys.argv[1])
contract = policy.contract
history = {
    f.name: np.zeros((contract.n_obs, *f.shape), np.float32) for f in policy.spec.observations
}
noise = None if contract.noise_shape is None else np.zeros(contract.noise_shape, np.float32)
for line in sys.stdin:
    policy(history, noise)
    for _ in range(int(line)):
        began = time.perf_counter()
        policy(history, noise)
        print(time.perf_counter() - began, end=" ")
    print(flush=True)
"""

FEATURES = {
    "input_features": {
        "observation.state": PolicyFeature(FeatureType.STATE, (2,)),
        "observation.environment_state": PolicyFeature(FeatureType.ENV, (3,)),
    },
    "output_features": {"action": PolicyFeature(FeatureType.ACTION, (2,))},
    "device": "cpu",
    "push_to_hub": False,
}


def diffusion() -> tuple[int, Callable[[], object]]:
    """Parameters of its U-Net of our size, and a chunk by ten steps of DDIM."""
    policy = DiffusionPolicy(
        DiffusionConfig(
            horizon=CHUNK,
            down_dims=(64, 128, 256),
            noise_scheduler_type="DDIM",
            num_inference_steps=10,
            **FEATURES,
        )
    ).eval()
    batch = {
        "observation.state": torch.zeros(1, 2, 2),
        "observation.environment_state": torch.zeros(1, 2, 3),
    }
    return _size(policy), lambda: policy.diffusion.generate_actions(batch)


def act() -> tuple[int, Callable[[], object]]:
    """Parameters of ACT, and its chunk."""
    policy = ACTPolicy(ACTConfig(chunk_size=CHUNK, n_action_steps=CHUNK, **FEATURES)).eval()
    batch = {
        "observation.state": torch.zeros(1, 2),
        "observation.environment_state": torch.zeros(1, 3),
    }
    return _size(policy), lambda: policy.model(batch)


def _size(policy: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in policy.parameters())


def _spent(call: Callable[[], object]) -> list[float]:
    call()
    times = []
    for _ in range(CALLS):
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return times


class Exported:
    """One of our files, run in our own environment when it is asked to."""

    def __init__(self, path: Path) -> None:
        self._process = subprocess.Popen(
            [ROOT / ".venv/bin/python", "-c", OURS, path.resolve()],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def spent(self) -> list[float]:
        """Seconds of some chunks."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(CALLS, file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        if not answer:
            raise SystemExit("our side ended; its own message is above")
        return [float(word) for word in answer.split()]

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def main() -> None:
    """Measure all in turns; print the median of each and how often it fits into LeRobot's U-Net."""
    torch.set_num_threads(1)
    sides: dict[str, Callable[[], list[float]]] = {}
    for name, (size, call) in (("LeRobot diffusion, DDIM 10", diffusion()), ("LeRobot ACT", act())):
        sides[f"{name}, {size / 1e6:.1f} M"] = lambda call=call: _spent(call)
    files = [(name, Exported(Path(name))) for name in sys.argv[1:]]
    sides |= {name: exported.spent for name, exported in files}
    spent: dict[str, list[float]] = {name: [] for name in sides}
    try:
        with torch.inference_mode():
            for _ in range(ROUNDS):
                for name, turn in sides.items():
                    spent[name] += turn()
    finally:
        for _, exported in files:
            exported.close()
    medians = {name: statistics.median(times) for name, times in spent.items()}
    reference = next(iter(medians.values()))
    for name, median in medians.items():
        print(f"{name:50s} {1e3 * median:9.3f} ms   {reference / median:7.1f}")


if __name__ == "__main__":
    main()

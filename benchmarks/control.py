"""The exported policy in the control loop: one tick, one chunk, and the loop's rate.

Everything that is compared runs in turns in this one process, so that a busy machine slows both
sides. Torch appears only as the reference.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks import row
from exports.runtime.process import quiet_collector
from exports.runtime.realtime import real_time
from exports.runtime.session import OnnxPolicy
from exports.to_onnx import export_policy
from ilrobot.control.clock import RealTimeClock
from ilrobot.control.guard import Guard
from ilrobot.policies.config import PolicyConfig
from ilrobot.policies.policy import Policy
from ilrobot.spec import Feature, Spec

STATE, ACTION = 20, 7
SPEC = Spec(
    observations=(Feature("observation.state", (STATE,)),),
    action=Feature("action", (ACTION,), low=(-1.0,) * ACTION, high=(1.0,) * ACTION),
    rate=500.0,
    semantics="absolute",
)
#: What `ilrobot train --policy bc` makes, 0.5 M parameters, and one of 0.07 M.
BC = {
    "BC": PolicyConfig(head="mse", network="mlp", width=256, blocks=2),
    "small BC": PolicyConfig(head="mse", network="mlp", width=128, blocks=1),
}
DIFFUSION = PolicyConfig(
    head="diffusion", network="mlp", n_obs=2, horizon=16, execute=8, width=256, blocks=2
)
RATE = 500.0
LOOP_SECONDS = 4.0
ROUNDS, TICKS, CHUNKS = 20, 500, 20


def run() -> list[dict[str, Any]]:
    """Rows of the ticks, of a chunk, and of the loop's rate."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with tempfile.TemporaryDirectory() as folder, quiet_collector():
            ticks = [made for name in BC for made in _tick(name, Path(folder))]
            return [*ticks, *_chunk(Path(folder)), *_loop()]
    finally:
        torch.set_num_threads(threads)


def _tick(name: str, folder: Path) -> list[dict[str, Any]]:
    """Observation to guarded command through the actor, against the bare torch module."""
    policy = _policy(BC[name])
    exported = _export(policy, folder / "bc.onnx")
    actor, guard = exported.actor(), Guard(exported.contract)
    frame = {"observation.state": np.zeros(STATE, np.float32)}
    actor.reset(0)
    guard.reset(np.zeros(ACTION))

    def guarded() -> None:
        guard.admit(frame, 0.0)
        guard.limit(actor.act(frame, 0.0).action)

    action = actor.act(frame, 0.0).action

    def guards() -> None:
        guard.admit(frame, 0.0)
        guard.limit(action)

    history = {"observation.state": np.zeros((1, STATE), np.float32)}
    observation = {"observation.state": torch.zeros(1, 1, STATE)}

    @torch.inference_mode()
    def eager() -> None:
        policy(observation)

    ours, bare, guard_time, torch_time = _in_turns(
        TICKS, guarded, lambda: exported(history, None), guards, eager
    )
    return [
        row(
            f"{name} tick: history, ONNX Runtime, all guards (reference: torch eager)",
            1e6 * ours,
            "µs",
            reference=1e6 * torch_time,
            at_most=0.5,
            of="ratio",
        ),
        row(
            f"{name} in ONNX Runtime alone (reference: torch eager)",
            1e6 * bare,
            "µs",
            reference=1e6 * torch_time,
        ),
        row(
            f"{name}: all guards alone (reference: the whole tick)",
            1e6 * guard_time,
            "µs",
            reference=1e6 * ours,
        ),
    ]


def _chunk(folder: Path) -> list[dict[str, Any]]:
    """A chunk of 16 actions by 10 steps of DDIM."""
    policy = _policy(DIFFUSION)
    exported = _export(policy, folder / "diffusion.onnx")
    history = {"observation.state": np.zeros((2, STATE), np.float32)}
    observation = {"observation.state": torch.zeros(1, 2, STATE)}
    noise = np.zeros((16, ACTION), np.float32)

    @torch.inference_mode()
    def eager() -> None:
        policy(observation, torch.from_numpy(noise[None]))

    ours, reference = _in_turns(CHUNKS, lambda: exported(history, noise), eager)
    return [
        row(
            "diffusion chunk 16 × 7, DDIM 10, MLP (reference: torch eager)",
            1e6 * ours,
            "µs",
            reference=1e6 * reference,
        )
    ]


def _loop() -> list[dict[str, Any]]:
    """Period error of a loop with some work in it, by absolute deadlines and by sleeping."""
    period, ticks = 1.0 / RATE, int(LOOP_SECONDS * RATE / 2)

    def absolute() -> NDArray[np.float64]:
        clock = RealTimeClock(RATE)
        starts = np.empty(ticks)
        clock.start()
        for tick in range(ticks):
            clock.wait()
            starts[tick] = clock.now()
            _work()
        return np.diff(starts)

    def relative() -> NDArray[np.float64]:
        starts = np.empty(ticks)
        for tick in range(ticks):
            time.sleep(period)
            starts[tick] = time.perf_counter()
            _work()
        return np.diff(starts)

    ours, others = [], []
    for _ in range(2):
        with real_time():  # as deploy sets itself up
            ours.append(absolute())
        others.append(relative())
    deadline, sleep = np.concatenate(ours), np.concatenate(others)
    rate_error = abs(float(deadline.mean()) / period - 1)
    sleep_error = abs(float(sleep.mean()) / period - 1)
    p99 = float(np.percentile(np.abs(deadline - period), 99)) / period
    sleep_p99 = float(np.percentile(np.abs(sleep - period), 99)) / period
    what = f"{RATE:g} Hz loop by absolute deadlines"
    return [
        row(
            f"{what}: error of the rate (reference: by sleeping a period)",
            100 * rate_error,
            "%",
            reference=100 * sleep_error,
            at_most=0.01,
        ),
        row(
            f"{what}: p99 of the period's error (reference: by sleeping a period)",
            100 * p99,
            "%",
            reference=100 * sleep_p99,
            at_most=2.0,
        ),
    ]


def _work() -> None:
    """About as long as a policy's tick."""
    until = time.perf_counter() + 20e-6
    while time.perf_counter() < until:
        pass


def _in_turns(calls: int, *functions: Callable[[], Any]) -> list[float]:
    """Median seconds of a call of each function, measured in turns."""
    spent: list[list[float]] = [[] for _ in functions]
    for _ in range(ROUNDS):
        for function, times in zip(functions, spent, strict=True):
            for _ in range(5):
                function()
            for _ in range(calls):
                began = time.perf_counter()
                function()
                times.append(time.perf_counter() - began)
    return [float(np.median(times)) for times in spent]


def _policy(config: PolicyConfig) -> Policy:
    """Random weights; the normalisation of standard normal data."""
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        policy = Policy(SPEC, config).eval()
    rng = np.random.default_rng(0)
    policy.encoder.fit({"observation.state": rng.standard_normal((1000, STATE), np.float32)})
    policy.action_normalizer.fit(_actions())
    return policy


def _actions() -> NDArray[np.float64]:
    return np.random.default_rng(1).uniform(-1, 1, (1000, ACTION))


def _export(policy: Policy, path: Path) -> OnnxPolicy:
    rng = np.random.default_rng(2)
    shape = (20, policy.config.n_obs, STATE)
    export_policy(
        policy,
        path,
        windows={"observation.state": rng.standard_normal(shape, np.float32)},
        actions=[_actions()],
        data_hash="",
    )
    return OnnxPolicy(path)


if __name__ == "__main__":
    for measured in run():
        print(", ".join(f"{key}: {value}" for key, value in measured.items()))

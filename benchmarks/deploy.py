"""The exported policy on a robot: ticks in Python and in C++, the loop's rate, memory, seams.

What is compared runs in turns in this one process, so that a busy machine slows both sides; the C++
controller has a process of its own. Torch appears only as the reference.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks import _footprint, _seams, row
from benchmarks._footprint import median_tick_in_cpp
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
#: What `ilrobot train --policy bc` makes, 0.5 M parameters, one of 0.07 M, and one of 0.01 M.
BC = {
    "BC": PolicyConfig(head="mse", network="mlp", width=256, blocks=2),
    "small BC": PolicyConfig(head="mse", network="mlp", width=128, blocks=1),
    "tiny BC": PolicyConfig(head="mse", network="mlp", width=48, blocks=1),
}
DIFFUSION = PolicyConfig(
    head="diffusion", network="mlp", n_obs=2, horizon=16, execute=8, width=256, blocks=2
)
RATE = 500.0
LOOP_SECONDS = 4.0
ROUNDS, TICKS, CHUNKS = 20, 500, 20
#: Of which policy the goal in µs is taken to speak, which names none.
LEAST = "tiny BC"


def run() -> list[dict[str, Any]]:
    """Rows of all of it."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with tempfile.TemporaryDirectory() as folder, quiet_collector():
            path = Path(folder)
            ticks = [made for name in BC for made in _tick(name, path)]
            rows = [*ticks, *_chunk(path), *_loop(), *_lasting(path)]
        with tempfile.TemporaryDirectory() as folder:
            return [*rows, *_seams.run(Path(folder))]
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
    rows = [
        row(
            f"{name} tick: history, ONNX Runtime, all guards (reference: torch eager)",
            1e6 * ours,
            "µs",
            reference=1e6 * torch_time,
            at_most=0.5,
            of="ratio",
        ),
        row(f"{name}: the same tick", 1e6 * ours, "µs", at_most=12.0 if name == LEAST else None),
        row(
            f"{name}: ONNX Runtime alone (reference: the tick)",
            1e6 * bare,
            "µs",
            reference=1e6 * ours,
        ),
        row(
            f"{name}: all guards alone (reference: the tick)",
            1e6 * guard_time,
            "µs",
            reference=1e6 * ours,
        ),
    ]
    if (seconds := median_tick_in_cpp(folder / "bc.onnx", ROUNDS * TICKS)) is not None:
        rows.append(
            row(
                f"{name} tick in C++ (reference: that in Python)",
                1e6 * seconds,
                "µs",
                reference=1e6 * ours,
                at_most=6.0 if name == LEAST else None,
            )
        )
    return rows


def _lasting(folder: Path) -> list[dict[str, Any]]:
    """What a million ticks leave behind, and what loading costs."""
    files = {"single actions": folder / "single.onnx", "chunks": folder / "chunks.onnx"}
    configs = BC[LEAST], replace(BC[LEAST], horizon=16, execute=8)
    for config, path in zip(configs, files.values(), strict=True):
        _export(_policy(config), path)
    return [*_footprint.million_ticks(files), _footprint.importing()]


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
    """Period error of a loop with some work in it: as deploy runs it, and by sleeping a period."""
    ways = {"sleep": _relative, "deploy": _absolute, "deploy --realtime": _with_priority}
    periods: dict[str, list[NDArray[np.float64]]] = {name: [] for name in ways}
    for _ in range(2):
        for name, way in ways.items():
            periods[name].append(way(int(LOOP_SECONDS * RATE / 2)))
    found = {name: np.concatenate(parts) * RATE for name, parts in periods.items()}
    rows = []
    for name in ("deploy", "deploy --realtime"):
        what = f"{RATE:g} Hz loop of {name}"
        for of, goal, measure in (
            ("error of the rate", 0.01, _rate_error),
            ("p99 of the period's error", 2.0, _p99_error),
        ):
            rows.append(
                row(
                    f"{what}: {of} (reference: sleeping a period)",
                    100 * measure(found[name]),
                    "%",
                    reference=100 * measure(found["sleep"]),
                    at_most=goal,
                )
            )
    return rows


def _rate_error(periods: NDArray[np.float64]) -> float:
    return abs(float(periods.mean()) - 1)


def _p99_error(periods: NDArray[np.float64]) -> float:
    return float(np.percentile(np.abs(periods - 1), 99))


def _absolute(ticks: int) -> NDArray[np.float64]:
    with real_time():
        return _paced(RealTimeClock(RATE), ticks)


def _with_priority(ticks: int) -> NDArray[np.float64]:
    """Without spinning, which would starve what else runs on this core."""
    with real_time(priority=True):
        return _paced(RealTimeClock(RATE, spin=0.0), ticks)


def _paced(clock: RealTimeClock, ticks: int) -> NDArray[np.float64]:
    starts = np.empty(ticks)
    clock.start()
    for tick in range(ticks):
        clock.wait()
        starts[tick] = clock.now()
        _work()
    return np.diff(starts)


def _relative(ticks: int) -> NDArray[np.float64]:
    starts = np.empty(ticks)
    for tick in range(ticks):
        time.sleep(1.0 / RATE)
        starts[tick] = time.perf_counter()
        _work()
    return np.diff(starts)


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

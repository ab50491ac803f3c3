"""What running a policy costs beside time: memory over a million ticks, and loading."""

from __future__ import annotations

import gc
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import row
from exports.cpp.building import BUILD, what_is_missing
from exports.runtime.session import OnnxPolicy
from ilrobot.control.guard import Guard

MILLION = 1_000_000
#: What a robot loads to run a policy.
ON_A_ROBOT = "import exports.runtime.loop, exports.runtime.session, ilrobot.control.guard"
_PROCESSES = 5
_IMPORTS = 10


def measure_in_cpp(policy: Path, ticks: int) -> dict[str, Any] | None:
    """What exports/cpp/examples/measure.cpp says (None: it cannot be built here)."""
    if what_is_missing():
        return None
    command = [str(BUILD / "measure"), str(policy), str(ticks)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    measured: dict[str, Any] = json.loads(ran.stdout)
    return measured


def median_tick_in_cpp(policy: Path, ticks: int) -> float | None:
    """Seconds of a tick: the median over processes, for not every core is as fast at all times."""
    medians = []
    for _ in range(_PROCESSES):
        if (measured := measure_in_cpp(policy, ticks)) is None:
            return None
        medians.append(float(measured["p50"]))
    return statistics.median(medians)


def million_ticks(files: Mapping[str, Path]) -> list[dict[str, Any]]:
    """What they leave in memory; the first tenth of them, which warms up, is not counted.

    Args:
        files: Exported policies of one observation, by what they predict.
    """
    rows = []
    for what, path in files.items():
        grown = _in_python(path) / 1024
        name = f"a million ticks, {what}"
        rows.append(row(f"{name}, Python: memory grown", grown, "KiB", at_most=64))
        if (measured := measure_in_cpp(path, MILLION)) is not None:
            grown, made = measured["heap_grown"] / 1024, measured["allocations"] / measured["ticks"]
            rows.append(row(f"{name}, C++: heap grown", grown, "KiB", at_most=64))
            rows.append(row(f"{name}, C++: allocations of the tick", made, "times", at_most=0))
            ours = max(0.0, made - measured["graph_allocations"])
            of_ours = f"{name}, C++: those that are not ONNX Runtime's for the graph"
            rows.append(row(of_ours, ours, "times", at_most=0))
    return rows


def importing() -> dict[str, Any]:
    """The least of several processes, beyond an interpreter that does nothing."""
    seconds: dict[str, list[float]] = {"pass": [], ON_A_ROBOT: []}
    for _ in range(_IMPORTS):
        for code, times in seconds.items():
            began = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True)
            times.append(time.perf_counter() - began)
    nothing, loaded = (min(times) for times in seconds.values())
    return row("import of what a robot runs", loaded - nothing, "s", at_most=0.3)


def _in_python(path: Path) -> int:
    """By how many bytes this process has grown."""
    exported = OnnxPolicy(path)
    actor, guard = exported.actor(), Guard(exported.contract)
    (feature,) = exported.spec.observations
    frame = {feature.name: np.zeros(feature.shape, np.float32)}
    actor.reset(0)
    guard.reset(np.zeros(exported.spec.action.size))
    before = 0
    for tick in range(MILLION):
        if tick == MILLION // 10:
            gc.collect()
            before = _resident()
        frame[feature.name][0] = 1e-3 * (tick % 7)
        guard.admit(frame, 0.0)
        guard.limit(actor.act(frame, 0.0).action)
    gc.collect()
    return _resident() - before


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()

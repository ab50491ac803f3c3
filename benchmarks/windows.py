"""How fast training windows are drawn from memory, beside a DataLoader over the same windows."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from benchmarks import row
from benchmarks._pusht_data import load
from ilrobot.data.windows import Windows

HISTORY, HORIZON, BATCH = 2, 16, 256
SECONDS = 3.0
#: 500 times what LeRobot 0.4.4's loader gives with two workers, some 1,300 windows/s.
GOAL = 650_000


class PerSample(Dataset[dict[str, Tensor]]):
    """The same windows, one `__getitem__` each, as a map-style dataset gives them."""

    def __init__(self, state: Tensor, action: Tensor, starts: list[int]) -> None:
        self._state, self._action = state, action
        self._bounds = [
            bounds for bounds in itertools.pairwise(starts) for _ in range(bounds[1] - bounds[0])
        ]

    def __len__(self) -> int:
        return len(self._bounds)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        first, end = self._bounds[index]
        history = torch.arange(index - HISTORY + 1, index + 1).clamp(min=first)
        chunk = torch.arange(index, index + HORIZON)
        return {
            "state": self._state[history],
            "action": self._action[chunk.clamp(max=end - 1)],
            "mask": chunk < end,
        }


def run() -> list[dict[str, Any]]:
    """Rows of drawing batches of windows."""
    data = load()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        windows = Windows(data, n_obs=HISTORY, horizon=HORIZON)
        generator = torch.Generator().manual_seed(0)
        ours = _rate(lambda: windows.sample(BATCH, generator))
        per_sample = PerSample(
            torch.from_numpy(data.column("observation.state")),
            torch.from_numpy(data.column("action")),
            data.starts.tolist(),
        )
        batches = iter(DataLoader(per_sample, BATCH, shuffle=True))
        loader = _rate(lambda: next(batches))
    finally:
        torch.set_num_threads(threads)
    what = f"windows from memory (history {HISTORY}, chunk {HORIZON}, batch {BATCH}, 1 thread)"
    return [row(what, ours, "windows/s", reference=loader, at_least=GOAL)]


def _rate(draw: Callable[[], object]) -> float:
    draw()
    began, count = time.perf_counter(), 0
    while time.perf_counter() - began < SECONDS:
        try:
            draw()
        except StopIteration:
            break
        count += 1
    return count * BATCH / (time.perf_counter() - began)

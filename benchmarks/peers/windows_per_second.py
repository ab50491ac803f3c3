"""Training windows per second: LeRobot 0.4.4's DataLoader against our sampler, same data, one run.

    .venv-peers/bin/python benchmarks/peers/windows_per_second.py [PUSHT_ZARR]

Push-T's human demonstrations, history 2, chunk 16, batch 256; one thread for each process.
"""

import logging
import sys
import tempfile
import time
from pathlib import Path

import lerobot_import  # noqa: F401  (before lerobot)
import torch
from lerobot.datasets.lerobot_dataset import LeRobotDataset
from pusht_data import PUSHT, make_datasets, run_ours
from torch.utils.data import DataLoader

HISTORY, CHUNK, BATCH = 2, 16, 256
SECONDS = 10.0

OURS = f"""
import sys, time, torch
from ilrobot.data.dataset import Dataset
from ilrobot.data.windows import Windows
torch.set_num_threads(1)
windows = Windows(Dataset.open(sys.argv[1]), n_obs={HISTORY}, horizon={CHUNK})
generator = torch.Generator().manual_seed(0)
windows.sample({BATCH}, generator)
began, count = time.perf_counter(), 0
while time.perf_counter() - began < {SECONDS}:
    windows.sample({BATCH}, generator)
    count += 1
print(count * {BATCH} / (time.perf_counter() - began))
"""


def lerobot_rate(dataset: LeRobotDataset, workers: int) -> float:
    """Windows per second of a DataLoader, counted from its first batch on."""
    loader = DataLoader(dataset, BATCH, shuffle=True, num_workers=workers)
    batches = iter(loader)
    next(batches)
    began, count = time.perf_counter(), 0
    while time.perf_counter() - began < SECONDS:
        count += len(next(batches)["action"])
    return count / (time.perf_counter() - began)


def main() -> None:
    """Measure both sides, and print their windows per second and the ratios."""
    torch.set_num_threads(1)
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(sys.argv[1]) if len(sys.argv) > 1 else PUSHT
        full, slim = make_datasets(source, Path(folder))
        fps = 10
        dataset = LeRobotDataset(
            "local/pusht",
            root=slim,
            delta_timestamps={
                "observation.state": [tick / fps for tick in range(1 - HISTORY, 1)],
                "action": [tick / fps for tick in range(CHUNK)],
            },
        )
        (ours,) = run_ours(OURS, full)
        print(f"ours                  {ours:12,.0f} windows/s")
        for workers in (0, 2):
            rate = lerobot_rate(dataset, workers)
            print(
                f"LeRobot, {workers} workers    {rate:12,.0f} windows/s   ours {ours / rate:,.0f} x"
            )


if __name__ == "__main__":
    main()

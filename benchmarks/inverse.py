"""How long MaxEnt IRL takes, beside the MCE-IRL of `imitation` 1.0.1 on the same worlds.

    python -m benchmarks.inverse --sides 5 10 --patience 600

Grids of N × N cells with slip 0.1 and a random reward in each cell, horizon 3 N, expectations of
the soft expert exactly known, a feature for each cell; both stop where no state's visits differ by
more than 1e-3. `imitation` runs in an environment of its own, which
``benchmarks/peers/setup_imitation.sh`` makes, with its default learning rate (0.01) and a greater
one; without it only our side is measured. Seconds are the processor's, of one thread. The last
line is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from ilrobot.learners.inverse.demonstrations import feature_expectations, one_hot
from ilrobot.learners.inverse.gridworld import gridworld
from ilrobot.learners.inverse.maxent import maxent_irl
from ilrobot.learners.inverse.planning import occupancies, plan
from ilrobot.learners.inverse.world import Array, World

PEER = Path(__file__).parent / "peers" / "mce_irl.py"
PYTHON = Path(__file__).parents[1] / ".venv-imitation" / "bin" / "python"
LEARNING_RATES = (0.01, 0.1)
SLIP = 0.1


def main(arguments: list[str] | None = None) -> None:
    """Measure both sides."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sides", type=int, nargs="+", default=[5, 10, 20, 50])
    parser.add_argument("--patience", type=float, default=600, help="seconds for each peer's run")
    chosen = parser.parse_args(arguments)
    found = [measure(side, chosen.patience) for side in chosen.sides]
    print(json.dumps(found))


def measure(side: int, patience: float) -> dict[str, Any]:
    """One world on both sides, printed as it comes."""
    world = gridworld(side, slip=SLIP).world
    true = np.random.default_rng(side).normal(size=world.states)
    row: dict[str, Any] = {"side": side, "ours": ours(world, true)}
    print(f"{side} × {side}: ours {said(row['ours'])}", flush=True)
    if not PYTHON.exists():
        print("  imitation: not there; benchmarks/peers/setup_imitation.sh makes its environment")
        return row
    row["imitation"] = {}
    for rate in LEARNING_RATES:
        measured = theirs(world, true, rate, patience)
        row["imitation"][str(rate)] = measured
        print(f"  imitation, learning rate {rate:g}: {said(measured)}", flush=True)
    best = min((m["seconds"] for m in row["imitation"].values() if m), default=None)
    # A run that was stopped took longer than its patience; of the processor, at most as long.
    row["faster"] = None if best is None else best / row["ours"]["seconds"]
    if best is not None:
        print(f"  ours is {row['faster']:.0f} times as fast as the fastest of them", flush=True)
    return row


def ours(world: World, true: Array) -> dict[str, float]:
    """Seconds, gap and correlation of `maxent_irl`."""
    features = one_hot(world)
    visits = occupancies(world, plan(world, true).policy)
    expert = feature_expectations(world, visits, features)
    began = time.process_time()
    found = maxent_irl(world, expert, features)
    seconds = time.process_time() - began
    likeness = float(np.corrcoef(found.reward, true)[0, 1])
    return {"seconds": seconds, "gap": found.gap, "correlation": likeness}


def theirs(world: World, true: Array, rate: float, patience: float) -> dict[str, float] | None:
    """The same of `imitation`; None where it did not end in time."""
    dense = world.transitions.toarray().reshape(world.actions, world.states, world.states)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "world.npz"
        np.savez(
            file,
            transitions=dense.transpose(1, 0, 2),
            reward=true,
            start=world.start,
            horizon=world.horizon,
        )
        try:
            done = subprocess.run(
                [str(PYTHON), str(PEER), str(file), str(rate)],
                capture_output=True,
                text=True,
                timeout=patience,
                env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            )
        except subprocess.TimeoutExpired:
            return None
    if done.returncode:
        sys.exit(f"{PEER.name} failed: {done.stderr.strip().splitlines()[-1]}")
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return measured


def said(measured: dict[str, float] | None) -> str:
    """In words."""
    if measured is None:
        return "did not end in time"
    return (
        f"{measured['seconds']:.3f} s, gap {measured['gap']:.1e}, correlation "
        f"{measured['correlation']:.3f}"
    )


if __name__ == "__main__":
    main()

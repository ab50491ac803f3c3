"""What the demo does: how much of everything, from which seeds, and the policies it compares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TASK = "ilrobot/PandaLift-v0"

#: Each purpose has seeds of its own, counted up from here; the demonstrations begin at --seed.
DAGGER_SEED = 10_000
SELECTION_SEED = 50_000
EVALUATION_SEED = 100_000
DEPLOYMENT_SEED = 200_000


@dataclass(frozen=True)
class Scale:
    """How much of everything.

    Attributes:
        demonstrations: Episodes recorded.
        rounds: Rounds of HG-DAgger.
        episodes_per_round: Episodes in each.
        selections: Episodes on which the policy that leaves is chosen.
        evaluations: Fresh episodes on which every policy is reported.
        deployments: Episodes on the other engine.
    """

    demonstrations: int
    rounds: int
    episodes_per_round: int
    selections: int
    evaluations: int
    deployments: int


#: So few demonstrations that a clone of them fails more often than not: what corrections are for.
FULL = Scale(8, 3, 10, 20, 50, 5)
FAST = Scale(8, 3, 5, 5, 10, 1)


@dataclass(frozen=True)
class Method:
    """One policy of the comparison.

    Attributes:
        name: For a person.
        run: Its run.
        selection: Where its measure on the selection seeds is kept.
        evaluation: Where its measure on the fresh seeds is kept.
    """

    name: str
    run: Path
    selection: Path
    evaluation: Path


def methods(output: Path, rounds: int) -> list[Method]:
    """Every policy that the demo in this folder trains, in the order of training."""
    runs = {
        "BC": output / "bc",
        "diffusion": output / "diffusion",
        **{
            f"BC, HG-DAgger round {n}": output / "dagger" / f"round-{n}"
            for n in range(1, rounds + 1)
        },
        "diffusion, retrained": output / "diffusion-retrained",
    }
    return [
        Method(
            name, run, *(output / what / f"{run.name}.json" for what in ("selection", "evaluation"))
        )
        for name, run in runs.items()
    ]


def choose(results: Sequence[dict[str, Any]]) -> int:
    """Which of these is the best: most successes, among equals the shortest episodes.

    Args:
        results: What `ilrobot eval --json` said of each, on the selection seeds.

    Returns:
        Its index.
    """
    merits = [(result["success_rate"], -result["length_mean"]) for result in results]
    return merits.index(max(merits))


def seed_range(first: int, count: int) -> str:
    """``100,000 to 100,049``."""
    return f"{first:,} to {first + count - 1:,}"

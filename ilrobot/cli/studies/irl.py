"""The study `irl`: rewards recovered from what experts do on grids and in Gymnasium's worlds."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

from ilrobot.cli.output import progress_bar
from ilrobot.cli.studies.page import print_row, write_page
from ilrobot.learners.inverse.apprenticeship import apprenticeship
from ilrobot.learners.inverse.demonstrations import (
    Features,
    demonstrated,
    feature_expectations,
    one_hot,
)
from ilrobot.learners.inverse.gridworld import gridworld
from ilrobot.learners.inverse.maxent import maxent_irl
from ilrobot.learners.inverse.planning import occupancies, plan, sample
from ilrobot.learners.inverse.recovered import Recovered
from ilrobot.learners.inverse.toy_text import toy_text
from ilrobot.learners.inverse.world import Array, World
from ilrobot.report.irl import HEADERS, Recoveries, Row, irl_report

Method = Callable[[World, Array, Features], Recovered]

METHODS: dict[str, Method] = {
    "MaxEnt": maxent_irl,
    "projection": partial(apprenticeship, method="projection"),
    "max-margin": partial(apprenticeship, method="max-margin"),
}
#: From demonstrations, which no policy matches exactly where the dynamics are random.
SAMPLED = METHODS | {"MaxEnt": partial(maxent_irl, l2=1e-3)}
SLIP = 0.1
#: Of the experts: the goal is worth five times the noise of a choice.
_TEMPERATURE = 0.2
#: Environment → horizon and the temperature of its expert.
TASKS = {"FrozenLake-v1": (100, 0.01), "CliffWalking-v1": (40, 1.0), "Taxi-v4": (30, 1.0)}


@dataclass(frozen=True)
class Plan:
    """How much: sides of the grids with random rewards, and demonstrations of the first grid."""

    sides: tuple[int, ...] = (5, 10, 20, 50)
    episodes: int = 100


PLAN = Plan()


def run(file: Path) -> dict[str, Any]:
    """Run it, write its page to `file`, print its table and return its JSON."""
    known = [task for task in TASKS if task in gymnasium.registry]
    with progress_bar() as bars:
        total = 2 * len(METHODS) + len(PLAN.sides) + len(known)
        bar = bars.add_task("rewards", total=total, note="")

        def noted(row: Row) -> Row:
            bars.advance(bar)
            return row

        grid = gridworld(5, slip=SLIP)
        expert = plan(grid.world, grid.reward, _TEMPERATURE).policy
        exact = occupancies(grid.world, expert)
        shown = sample(grid.world, expert, PLAN.episodes, seed=0)
        seen = demonstrated(grid.world, list(shown))
        found = Recoveries(
            true=grid.reward.reshape(5, 5),
            methods=[
                noted(recover(name, method, grid.world, grid.reward, exact))
                for name, method in METHODS.items()
            ],
            sampled=[
                noted(recover(name, method, grid.world, grid.reward, seen))
                for name, method in SAMPLED.items()
            ],
            episodes=PLAN.episodes,
            sizes=[noted(_of_side(side)) for side in PLAN.sides],
            tasks=[noted(_of_task(task)) for task in known],
        )
    write_page(file, irl_report(found))
    for title, rows in found.tables().items():
        print(title)
        print_row(*HEADERS)
        for row in rows:
            print_row(*row.cells())
        print()
    return {
        title: [asdict(row) | {"reward": row.reward.tolist()} for row in rows]
        for title, rows in found.tables().items()
    }


def recover(name: str, method: Method, world: World, true: Array, visits: Array) -> Row:
    """Recover a reward with a feature for each state, and judge it.

    Args:
        name: Of the row.
        method: Recovers it.
        world: Where.
        true: (S,) or (S, A).
        visits: (T, S), the expert's.
    """
    features = one_hot(world)
    expert = feature_expectations(world, visits, features)
    began = time.process_time()
    found = method(world, expert, features)
    seconds = time.process_time() - began
    likeness = float(np.corrcoef(found.reward, true)[0, 1]) if true.ndim == 1 else None
    return Row(
        name=name,
        reward=found.reward,
        iterations=len(found.history),
        gap=found.gap,
        correlation=likeness,
        score=score(world, true, plan(world, found.reward, temperature=0).policy),
        seconds=seconds,
    )


def score(world: World, true: Array, policy: Array) -> float:
    """The return of a policy (T, S, A): 1 is the best, 0 that of random actions."""
    by_action = true if true.ndim == 2 else true[:, None]

    def collected(policy: Array) -> float:
        each = (policy * by_action).sum(axis=2)
        return float(world.discounts @ (occupancies(world, policy) * each).sum(axis=1))

    lowest = collected(np.full_like(policy, 1 / world.actions))
    best = collected(plan(world, true, temperature=0).policy)
    return (collected(policy) - lowest) / (best - lowest)


def _of_side(side: int) -> Row:
    world = gridworld(side, slip=SLIP).world
    true = np.random.default_rng(side).normal(size=world.states)
    visits = occupancies(world, plan(world, true).policy)
    return recover(f"{side} × {side} cells", maxent_irl, world, true, visits)


def _of_task(task: str) -> Row:
    horizon, temperature = TASKS[task]
    env = gymnasium.make(task)
    known = toy_text(env, horizon)
    env.close()
    visits = occupancies(known.world, plan(known.world, known.reward, temperature).policy)
    return recover(task, maxent_irl, known.world, known.reward, visits)

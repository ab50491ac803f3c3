"""The page `irl`: a person's path on a grid, and the reward that explains it.

The true reward is 1 in the goal and 0 elsewhere; the learner sees the paths alone. Each cell has a
feature of its own, so that any reward can be recovered.
"""

from __future__ import annotations

import importlib
import time
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal, get_args

from ilrobot.errors import UserError
from ilrobot.typed_json import parse_fields
from teleop.explorer.exploration import Exploration, Step

Method = Literal["maxent", "projection", "max-margin"]

LEAST_SIDE, GREATEST_SIDE = 2, 20
MOST_PATHS = 50
#: Cells of one path; who needs more walks in circles.
LONGEST_PATH = 4 * GREATEST_SIDE
#: Steps of an episode in sides of the grid: time to cross it, and to stay at the goal.
_HORIZON_SIDES = 3
#: λ of MaxEnt's penalty on the reward. Without one the reward of cells that a path passes by, or of
#: a path that no policy can follow where steps slip, falls or grows without end.
_L2 = 0.03


@dataclass(frozen=True)
class GridQuestion:
    """What the person has set.

    Attributes:
        side: N of the N × N cells.
        slip: Probability that a step goes into a random direction.
        goal: Row and column of the goal, row 0 at the top (None: none was set).
        paths: The expert's, each a list of cells as row and column.
        method: How the reward is recovered.
    """

    side: int
    slip: float
    goal: tuple[int, ...] | None
    paths: tuple[tuple[tuple[int, ...], ...], ...]
    method: Method

    def check(self) -> None:
        """Refuse what cannot be worked out.

        Raises:
            UserError: The line says what is wrong, and what to do.
        """
        if not LEAST_SIDE <= self.side <= GREATEST_SIDE:
            raise UserError(
                f"a grid of {self.side} × {self.side} cells: choose "
                f"{LEAST_SIDE} to {GREATEST_SIDE} cells a side"
            )
        if not 0 <= self.slip <= 1:
            raise UserError(f"a slip of {self.slip:g}: choose 0 to 1")
        if self.goal is None:
            raise UserError("there is no goal: choose 'goal' and a cell")
        self._check_cell(self.goal, "the goal")
        if not self.paths:
            raise UserError("there is no path: choose 'path' and click the expert's cells in turn")
        if len(self.paths) > MOST_PATHS:
            raise UserError(f"{len(self.paths)} paths: at most {MOST_PATHS} are read")
        for number, path in enumerate(self.paths, start=1):
            self._check_path(path, f"path {number}")

    def _check_path(self, path: tuple[tuple[int, ...], ...], name: str) -> None:
        if not path:
            raise UserError(f"{name} is empty: click its cells, or remove it")
        if len(path) > LONGEST_PATH:
            raise UserError(f"{name} has {len(path)} cells: at most {LONGEST_PATH} are read")
        for cell in path:
            self._check_cell(cell, name)
        for before, after in pairwise(path):
            if abs(before[0] - after[0]) + abs(before[1] - after[1]) > 1:
                raise UserError(
                    f"{name} has a gap between {_name(before)} and {_name(after)}: "
                    "each cell must touch the one before"
                )

    def _check_cell(self, cell: tuple[int, ...], name: str) -> None:
        if len(cell) != 2:
            raise ValueError(f"{name}: a cell is a row and a column")
        if not all(0 <= index < self.side for index in cell):
            raise UserError(
                f"{name} has a cell outside the {self.side} × {self.side} grid: {_name(cell)}"
            )


def _name(cell: tuple[int, ...]) -> str:
    return f"row {cell[0] + 1}, column {cell[1] + 1}"


def begin(settings: dict[str, Any]) -> GridQuestion:
    """A question from the page's settings."""
    question = parse_fields(GridQuestion, settings)
    question.check()
    return question


def load() -> None:
    """Import what `recover` needs."""
    for method in ("apprenticeship", "maxent"):
        importlib.import_module(f"ilrobot.learners.inverse.{method}")


def recover(_: None, question: GridQuestion) -> Step[GridQuestion]:
    """The recovered reward, what the learner does by it, and where it is beside the expert."""
    import numpy as np

    from ilrobot.learners.inverse.apprenticeship import apprenticeship
    from ilrobot.learners.inverse.demonstrations import (
        demonstrated,
        feature_expectations,
        one_hot,
    )
    from ilrobot.learners.inverse.gridworld import MOVES, gridworld
    from ilrobot.learners.inverse.maxent import maxent_irl

    assert question.goal is not None
    began = time.perf_counter()
    longest = max(len(path) for path in question.paths)
    grid = gridworld(
        question.side,
        (question.goal[0], question.goal[1]),
        slip=question.slip,
        horizon=max(_HORIZON_SIDES * question.side, longest),
    )
    paths = [np.array([grid.state(*cell) for cell in path]) for path in question.paths]
    start = np.bincount([path[0] for path in paths], minlength=grid.world.states) / len(paths)
    world = replace(grid.world, start=start)
    visits = demonstrated(world, paths)
    features = one_hot(world)
    expert = feature_expectations(world, visits, features)
    if question.method == "maxent":
        found = maxent_irl(world, expert, features, l2=_L2)
    else:
        found = apprenticeship(world, expert, features, method=question.method)
    varied = np.ptp(found.reward) > 0
    correlation = float(np.corrcoef(found.reward, grid.reward)[0, 1]) if varied else None
    answer = {
        "side": question.side,
        "true": grid.reward.tolist(),
        "recovered": found.reward.tolist(),
        "moves": list(MOVES),
        # Of the first step: later ones have less time left to reach anything.
        "policy": found.policy[0].round(4).tolist(),
        "expert": visits.mean(axis=0).tolist(),
        "learner": found.occupancies.mean(axis=0).tolist(),
        "iterations": len(found.history),
        "gap": found.gap,
        "history": list(found.history),
        "converged": found.converged,
        "correlation": correlation,
        "horizon": world.horizon,
        "seconds": time.perf_counter() - began,
        "remark": _remark(question, found.converged),
    }
    return answer, None


def _remark(question: GridQuestion, converged: bool) -> str:
    """What a person might take for a mistake of the method."""
    remarks = []
    elsewhere = sum(path[-1] != question.goal for path in question.paths)
    if elsewhere:
        remarks.append(
            f"{elsewhere} of {len(question.paths)} paths do not end in the goal: the learner "
            "believes what it is shown."
        )
    if question.slip:
        remarks.append(
            "Where steps go astray no policy can keep to a drawn path: a gap remains, and the "
            "reward grows to make up for it."
        )
    elif not converged:
        remarks.append("It stopped before it came as close to the expert as it was asked to.")
    return " ".join(remarks)


EXPLORATION = Exploration(
    page="irl.html",
    hello={
        "side": [LEAST_SIDE, GREATEST_SIDE],
        "paths": MOST_PATHS,
        "longest": LONGEST_PATH,
        "methods": list(get_args(Method)),
    },
    begin=begin,
    load=load,
    step=recover,
)

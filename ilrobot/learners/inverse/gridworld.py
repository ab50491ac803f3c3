"""A square of cells with a goal: the field's first example of inverse reinforcement learning."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from ilrobot.learners.inverse.world import Array, World

#: Row and column steps of each action.
MOVES = {"up": (-1, 0), "right": (0, 1), "down": (1, 0), "left": (0, -1), "stay": (0, 0)}


@dataclass(frozen=True)
class Gridworld:
    """N × N cells; state row·N + column, row 0 at the top.

    Attributes:
        side: N.
        goal: Row and column.
        world: Its dynamics; actions in the order of `MOVES`.
        reward: (N²,), the true reward: 1 in the goal, where one can stay, and 0 elsewhere.
    """

    side: int
    goal: tuple[int, int]
    world: World
    reward: Array

    def state(self, row: int, column: int) -> int:
        """The state of a cell."""
        return row * self.side + column


def gridworld(
    side: int,
    goal: tuple[int, int] | None = None,
    *,
    start: tuple[int, int] | None = None,
    slip: float = 0.0,
    horizon: int | None = None,
    discount: float = 1.0,
) -> Gridworld:
    """Make one.

    Args:
        side: N, at least 2.
        goal: Row and column (None: the last cell, bottom right).
        start: Where episodes begin (None: anywhere, all cells being equally likely).
        slip: In [0, 1], the probability that a step goes into one of the four directions, each as
            likely, whatever the action. Into a wall is to stay.
        horizon: T (None: 3 N).
        discount: γ in (0, 1].

    Raises:
        ValueError: One of them is out of range.
    """
    if side < 2:
        raise ValueError(f"a grid of {side} × {side} cells; at least 2 × 2")
    if not 0 <= slip <= 1:
        raise ValueError(f"a slip of {slip}; it must be in [0, 1]")
    goal = (side - 1, side - 1) if goal is None else goal
    for name, cell in (("goal", goal), ("start", start or goal)):
        if not all(0 <= index < side for index in cell):
            raise ValueError(f"the {name} {cell} lies outside the {side} × {side} grid")

    row, column = np.divmod(np.arange(side**2), side)
    leads_to = {
        name: np.clip(row + down, 0, side - 1) * side + np.clip(column + right, 0, side - 1)
        for name, (down, right) in MOVES.items()
    }
    steps = {name: _to_each(cells) for name, cells in leads_to.items()}
    slipped = (steps["up"] + steps["right"] + steps["down"] + steps["left"]) / 4
    by_action = [(1 - slip) * step + slip * slipped for step in steps.values()]
    transitions = sparse.csr_array(sparse.vstack(by_action, format="csr"))
    transitions.eliminate_zeros()

    begin = np.full(side**2, 1 / side**2)
    if start is not None:
        begin = np.eye(1, side**2, start[0] * side + start[1])[0]
    reward = np.eye(1, side**2, goal[0] * side + goal[1])[0]
    world = World(transitions, begin, 3 * side if horizon is None else horizon, discount)
    return Gridworld(side, goal, world, reward)


def _to_each(cells: np.ndarray) -> sparse.csr_array:
    """(S, S) of zeros, with a one in each row at the column that `cells` (S,) says."""
    count = len(cells)
    # Narrow indexes make products with vectors faster.
    columns, rows = cells.astype(np.int32), np.arange(count + 1, dtype=np.int32)
    return sparse.csr_array((np.ones(count), columns, rows), shape=(count, count))

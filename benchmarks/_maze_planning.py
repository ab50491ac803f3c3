"""The best that can be made of a reward in PointMaze, by planning instead of by trying.

Whoever optimises a reward by trying may fail at it, and then the return says little about the
reward. PointMaze has two numbers of state and no chance, so that value iteration on a grid
(Sutton and Barto 2018, section 4.4) finds what a reward leads to, the same each time:

    V(s) = max_a r(s, a, s') + γ V(s'),   s' after a at s, V between the places of the grid linear.

The maze itself says what follows; nothing about its walls is known here but that y = 0 parts them.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from ilrobot.data.transitions import Transitions
from ilrobot.learners.reinforcement.rollouts import RewardFunction
from sims.experts.small import PointMazeExpert
from sims.small.point_maze import EDGE, SPEED, PointMazeEnv

#: Steps of an episode, see `sims`.
STEPS = 50
_DISCOUNT = 0.99
#: Sweeps over the grid: what is 300 steps ahead counts 0.05.
_SWEEPS = 300
#: Speeds along each axis that are considered.
_SPEEDS = np.linspace(-SPEED, SPEED, 9)
_ACTIONS = np.stack(np.meshgrid(_SPEEDS, _SPEEDS, indexing="ij"), axis=-1).reshape(-1, 2)

Array = NDArray[np.float64]


class Grid:
    """Places of the square, and how a value lies between them.

    No place is on y = 0, and no value is taken from the other side of it, where the wall may be.

    Attributes:
        places: Shape (P, 2), x and y in metres.

    Args:
        columns: Places along x, and about as many along y.
    """

    def __init__(self, columns: int = 41) -> None:
        self._columns, self._half = columns, columns // 2
        self._near = EDGE / (4 * self._half)
        upper = np.linspace(self._near, EDGE, self._half)
        rows = np.concatenate([-upper[::-1], upper])
        x, y = np.meshgrid(np.linspace(-EDGE, EDGE, columns), rows, indexing="ij")
        self.places = np.stack([x.ravel(), y.ravel()], axis=1)

    def between(self, points: Array) -> tuple[NDArray[np.int64], Array]:
        """The four places about each point and their weights, (N, 2) to (4, N) each."""
        half, rows = self._half, 2 * self._half
        x = (points[:, 0] + EDGE) / (2 * EDGE) * (self._columns - 1)
        left = np.clip(x.astype(np.int64), 0, self._columns - 2)
        away = (np.abs(points[:, 1]) - self._near) / (EDGE - self._near) * (half - 1)
        away = np.clip(away, 0, half - 1)
        inner = np.clip(away.astype(np.int64), 0, half - 2)
        above = points[:, 1] > 0
        first = np.where(above, half + inner, half - 1 - inner)
        second = np.where(above, first + 1, first - 1)
        right, out = x - left, away - inner
        places = np.stack([left * rows + first, left * rows + second])
        weights = np.stack([1 - out, out])
        return (
            np.concatenate([places, places + rows]),
            np.concatenate([weights * (1 - right), weights * right]),
        )


def planned_return(
    reward: RewardFunction, maze: PointMazeEnv, seeds: Iterable[int], grid: Grid | None = None
) -> float:
    """Mean true return of whoever knows the maze and wants nothing but this reward.

    Args:
        reward: Learnt or the task's own.
        maze: Where it is optimised.
        seeds: Of the episodes.
        grid: See `Grid`.
    """
    grid = grid or Grid()
    steps = _tried(maze, grid.places)
    gain = np.asarray(reward(steps), dtype=np.float64).reshape(-1, len(_ACTIONS))
    places, weights = grid.between(steps.next_observations.astype(np.float64))
    values = np.zeros(len(grid.places))
    for _ in range(_SWEEPS):
        ahead = (weights * values[places]).sum(axis=0).reshape(gain.shape)
        values = (gain + _DISCOUNT * ahead).max(axis=1)
    returns = []
    for seed in seeds:
        maze.reset(seed=seed)
        total = 0.0
        for _ in range(STEPS):
            here = maze.get_state()
            tried = _tried(maze, here[None])
            places, weights = grid.between(tried.next_observations.astype(np.float64))
            ahead = (weights * values[places]).sum(axis=0)
            best = int(np.argmax(np.asarray(reward(tried)) + _DISCOUNT * ahead))
            maze.set_state(here)
            total += maze.step(_ACTIONS[best].astype(np.float32))[1]
        returns.append(total)
    return float(np.mean(returns))


def expert_return(expert: PointMazeExpert, maze: PointMazeEnv, seeds: Iterable[int]) -> float:
    """Mean true return of an expert, which may be that of another maze.

    Args:
        expert: Acts.
        maze: Where.
        seeds: Of the episodes.
    """
    returns = []
    for seed in seeds:
        observation, _ = maze.reset(seed=seed)
        total = 0.0
        for _ in range(STEPS):
            observation, reward, *_ = maze.step(expert.act(observation))
            total += reward
        returns.append(total)
    return float(np.mean(returns))


def _tried(maze: PointMazeEnv, places: Array) -> Transitions:
    """Every action at every place, place by place."""
    after = np.empty((len(places), len(_ACTIONS), 2), dtype=np.float32)
    for number, place in enumerate(places):
        for index, action in enumerate(_ACTIONS):
            maze.set_state(place)
            after[number, index] = maze.step(action.astype(np.float32))[0]["state"]
    count = len(places) * len(_ACTIONS)
    never = np.zeros(count, dtype=bool)
    return Transitions(
        observations=np.repeat(places, len(_ACTIONS), axis=0).astype(np.float32),
        actions=np.tile(_ACTIONS, (len(places), 1)).astype(np.float32),
        rewards=None,
        next_observations=after.reshape(count, 2),
        terminal=never,
        timeout=never,
        episode=np.zeros(count, dtype=np.int64),
    )

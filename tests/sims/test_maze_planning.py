"""Planning in PointMaze: what a reward leads to, the wall in between included."""

import numpy as np
import pytest

from benchmarks._maze_planning import STEPS, Grid, expert_return, planned_return
from benchmarks.transfer import own_reward
from ilrobot.data.transitions import Transitions
from sims.experts.small import PointMazeExpert
from sims.small.point_maze import PointMazeEnv
from tests.exhaustive import thinned

COARSE = Grid(17)
SEEDS = range(2)


@pytest.mark.parametrize("gap", thinned(["left", "right"], ["left"]))
def test_planned_for_its_own_reward_it_is_better_than_the_expert(gap):
    maze = PointMazeEnv(gap)
    expert = expert_return(PointMazeExpert(maze), maze, SEEDS)
    assert planned_return(own_reward, maze, SEEDS, COARSE) > expert


def test_another_reward_leads_elsewhere():
    place = np.array([0.5, -0.5])

    def reward(steps: Transitions) -> np.ndarray:
        return -np.linalg.norm(steps.next_observations - place, axis=1)

    found = planned_return(reward, PointMazeEnv("left"), SEEDS, COARSE)
    there = -STEPS * np.hypot(0.5, 1.3)
    assert found == pytest.approx(there, rel=0.05)


def test_between_places_a_value_is_linear():
    grid = Grid()
    points = np.random.default_rng(0).uniform(-1, 1, (500, 2))
    points = points[np.abs(points[:, 1]) > 0.025]
    places, weights = grid.between(points)
    slope = np.array([2.0, -3.0])
    assert (weights * (grid.places @ slope)[places]).sum(axis=0) == pytest.approx(points @ slope)
    assert weights.min() >= 0


@pytest.mark.parametrize("y", [-1.0, -0.3, -0.01, 0.01, 0.3, 1.0])
def test_no_value_comes_from_behind_the_wall(y):
    grid = Grid()
    x = np.linspace(-1, 1, 33)
    places, weights = grid.between(np.stack([x, np.full(33, y)], axis=1))
    side = (weights * np.sign(grid.places[:, 1])[places]).sum(axis=0)
    assert side == pytest.approx(np.full(33, np.sign(y)))

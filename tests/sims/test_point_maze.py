"""PointMaze: the contract of an environment, the wall, and what moving it does to a policy."""

from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from sims.experts import make_expert
from sims.small.point_maze import PointMazeEnv
from tests.exhaustive import thinned

ID = "ilrobot/PointMaze-v0"
GAPS = ["left", "right"]


def outcome(env: gymnasium.Env[Any, Any], expert: Any, seed: int) -> tuple[bool, int]:
    """Whether it ends in success, and the first step that does."""
    observation, _ = env.reset(seed=seed)
    expert.reset(seed=seed)
    reached = []
    while True:
        observation, _, terminated, truncated, info = env.step(expert.act(observation))
        reached.append(bool(info["is_success"]))
        assert not terminated
        if truncated:
            return reached[-1], reached.index(True) if any(reached) else -1


@pytest.mark.parametrize("gap", GAPS)
def test_gymnasium_accepts_it(gap: str):
    env = gymnasium.make(ID, gap=gap, render_mode="rgb_array").unwrapped
    check_env(env)
    for key, space in (("state", env.observation_space["state"]), ("action", env.action_space)):  # type: ignore[index]
        assert len(env.feature_metadata[key]["names"]) == space.shape[0]  # type: ignore[attr-defined]


@pytest.mark.parametrize("seeds", thinned([range(40), range(40, 200)], [range(40)]))
@pytest.mark.parametrize("gap", GAPS)
def test_the_expert_finds_the_gap(gap: str, seeds: range):
    env = gymnasium.make(ID, gap=gap)
    expert = make_expert(env)
    for seed in seeds:
        done, steps = outcome(env, expert, seed)
        assert done
        assert steps < 35


def test_who_learnt_the_old_gap_is_stopped_by_the_moved_wall():
    moved = gymnasium.make(ID, gap="right")
    old = make_expert(gymnasium.make(ID, gap="left"))
    assert not any(outcome(moved, old, seed)[0] for seed in range(20))


@pytest.mark.parametrize("below", [True, False])
@pytest.mark.parametrize(
    ("gap", "x", "passes"),
    [("left", 0.0, False), ("left", -0.7, True), ("right", 0.0, False), ("right", 0.7, True)],
)
def test_the_wall_stops_from_both_sides_and_lets_slide(gap, x, passes, below):
    env = PointMazeEnv(gap=gap)
    env.reset(seed=0)
    side = -1.0 if below else 1.0
    for start in (0.05, 0.0) if below else (0.05,):
        env.set_state(np.array([x, side * start]))
        env.step(np.array([0.2, -side], dtype=np.float32))
        after, y = env.get_state()
        assert after == pytest.approx(x + 0.02)
        assert (np.sign(y) != side) == passes


def test_the_edge_stops_too():
    env = PointMazeEnv()
    env.reset(seed=0)
    for _ in range(30):
        observation, *_ = env.step(np.array([-1.0, -1.0], dtype=np.float32))
    assert observation["state"].tolist() == [-1.0, -1.0]


def test_a_restored_state_continues_identically_and_pictures_show_it():
    env, other = (PointMazeEnv(render_mode="rgb_array") for _ in range(2))
    env.reset(seed=1)
    other.reset(seed=2)
    before = env.render()
    for _ in range(5):
        env.step(np.array([0.3, 0.4], dtype=np.float32))
    assert (env.render() != before).any()
    other.set_state(env.get_state())
    np.testing.assert_array_equal(env.render(), other.render())
    with pytest.raises(ValueError, match="shape"):
        env.set_state(np.zeros(3))


@pytest.mark.parametrize("arguments", [{"gap": "top"}, {"render_mode": "human"}])
def test_what_cannot_be_is_refused(arguments: dict[str, Any]):
    with pytest.raises(ValueError, match="must be"):
        PointMazeEnv(**arguments)

"""PointPath and Junction: the contract of an environment, and the lesson each must teach."""

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from sims.experts import make_expert
from sims.experts.small import JunctionExpert
from sims.small import point_path
from sims.small.junction import JunctionEnv
from sims.small.point_path import PointPathEnv

IDS = ["ilrobot/PointPath-v0", "ilrobot/Junction-v0"]


def run(
    env: gymnasium.Env[Any, Any], act: Callable[[Any], Any], seed: int
) -> tuple[list[float], dict[str, Any]]:
    observation, info = env.reset(seed=seed)
    rewards: list[float] = []
    done = False
    while not done:
        observation, reward, terminated, truncated, info = env.step(act(observation))
        rewards.append(float(reward))
        done = terminated or truncated
    return rewards, info


@pytest.mark.parametrize("environment_id", IDS)
@pytest.mark.filterwarnings("ignore:.*infinity.*")
def test_gymnasium_accepts_the_environment(environment_id: str) -> None:
    check_env(gymnasium.make(environment_id, render_mode="rgb_array").unwrapped)


@pytest.mark.parametrize("environment_id", IDS)
def test_the_metadata_names_every_number(environment_id: str) -> None:
    env = gymnasium.make(environment_id).unwrapped
    for key, space in env.observation_space.spaces.items():  # type: ignore[attr-defined]
        assert len(env.feature_metadata[key]["names"]) == space.shape[0]  # type: ignore[attr-defined]
        assert len(env.feature_metadata[key]["units"]) == space.shape[0]  # type: ignore[attr-defined]
        assert space.dtype == np.float32
    assert len(env.feature_metadata["action"]["names"]) == 1  # type: ignore[attr-defined]


@pytest.mark.parametrize("environment_id", IDS)
def test_a_seed_gives_the_same_episode_bit_for_bit(environment_id: str) -> None:
    def trace() -> bytes:
        env = gymnasium.make(environment_id)
        env.action_space.seed(5)
        env.reset(seed=11)
        states = [env.unwrapped.get_state().tobytes()]  # type: ignore[attr-defined]
        for _ in range(20):
            env.step(env.action_space.sample())
            states.append(env.unwrapped.get_state().tobytes())  # type: ignore[attr-defined]
        return b"".join(states)

    assert trace() == trace()


@pytest.mark.parametrize("environment_id", IDS)
def test_a_restored_state_continues_identically(environment_id: str) -> None:
    env = gymnasium.make(environment_id).unwrapped
    other = gymnasium.make(environment_id).unwrapped
    env.reset(seed=1)
    other.reset(seed=2)
    action = np.array([0.3], dtype=np.float32)
    for _ in range(7):
        env.step(action)
    other.set_state(env.get_state())  # type: ignore[attr-defined]
    for _ in range(7):
        observation, reward, *_ = env.step(action)
        restored, restored_reward, *_ = other.step(action)
        assert all((observation[key] == restored[key]).all() for key in observation)
        assert reward == restored_reward
    with pytest.raises(ValueError, match="shape"):
        env.set_state(np.zeros(9))  # type: ignore[attr-defined]


@pytest.mark.parametrize("environment_id", IDS)
def test_the_expert_succeeds(environment_id: str) -> None:
    env = gymnasium.make(environment_id)
    expert = make_expert(env)
    for seed in range(100):
        expert.reset(seed=seed)
        _, info = run(env, expert.act, seed)
        assert info["is_success"] is True


@pytest.mark.parametrize("environment_id", IDS)
def test_pictures_show_the_point_moving(environment_id: str) -> None:
    env = gymnasium.make(environment_id, render_mode="rgb_array")
    env.reset(seed=0)
    first = env.render()
    for _ in range(8):
        env.step(np.array([1.0], dtype=np.float32))
    second = env.render()
    assert isinstance(first, np.ndarray)
    assert isinstance(second, np.ndarray)
    assert first.shape == second.shape == (120, 240, 3)
    assert (first != second).any()


def test_a_constant_error_costs_the_square_of_the_horizon() -> None:
    """Off the ridge, an action off by ε deviates by ε t²/2: four times as far in twice the time."""

    def final_deviation(horizon: int, error: float) -> float:
        env = PointPathEnv(horizon=horizon, instability=0.0)

        def open_loop(observation: dict[str, Any]) -> np.ndarray:
            middle = float(observation["state"][0]) + 0.5 * point_path.SPEED * point_path.DT
            curvature = -4.0 * point_path.SPEED**2 * np.sin(2.0 * middle)
            return np.array([curvature + error], dtype=np.float32)

        return float(run(env, open_loop, seed=3)[1]["deviation"])

    def growth(horizon: int) -> float:
        return final_deviation(horizon, 0.004) - final_deviation(horizon, 0.0)

    assert growth(50) == pytest.approx(0.5 * 0.004 * 5.0**2, rel=1e-3)
    assert growth(100) == pytest.approx(4.0 * growth(50), rel=1e-3)


def test_on_the_ridge_deviations_grow_exponentially_up_to_the_kerb() -> None:
    env = PointPathEnv(horizon=200)

    def feed_forward(observation: dict[str, Any]) -> np.ndarray:
        middle = float(observation["state"][0]) + 0.5 * point_path.SPEED * point_path.DT
        return np.array([-4.0 * point_path.SPEED**2 * np.sin(2.0 * middle)], dtype=np.float32)

    observation, info = env.reset(seed=2)
    deviations = [info["deviation"]]
    for _ in range(200):
        observation, reward, *_, info = env.step(feed_forward(observation))
        assert reward == pytest.approx(-abs(info["deviation"]))
        deviations.append(info["deviation"])
    assert np.abs(deviations).max() == pytest.approx(point_path.KERB)
    straying = np.abs(deviations)[10:25]
    rate = np.log(straying[-1] / straying[0]) / ((len(straying) - 1) * point_path.DT)
    assert rate == pytest.approx(np.sqrt(env.instability), rel=0.3)


def test_the_expert_rejects_process_noise_that_no_open_loop_survives() -> None:
    env = PointPathEnv(process_noise=0.5)
    expert = make_expert(gymnasium.make("ilrobot/PointPath-v0"))
    assert all(run(env, expert.act, seed)[1]["is_success"] for seed in range(20))
    rewards, info = run(env, lambda _: np.zeros(1, dtype=np.float32), seed=0)
    assert info["is_success"] is False
    assert len(rewards) == 100


@pytest.mark.parametrize(
    "arguments",
    [{"horizon": 0}, {"process_noise": -1.0}, {"instability": 5.0}, {"render_mode": "human"}],
)
def test_point_path_refuses_bad_arguments(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(arguments))):
        PointPathEnv(**arguments)


def test_demonstrations_take_both_sides_and_their_mean_crashes() -> None:
    env, left, right = JunctionEnv(), JunctionExpert(), JunctionExpert()
    left.side, right.side = 1.0, -1.0
    for seed in range(20):
        assert run(env, left.act, seed)[1]["is_success"]
        assert run(env, right.act, seed)[1]["is_success"]
        _, info = run(env, lambda seen: (left.act(seen) + right.act(seen)) / 2.0, seed)
        assert info["crashed"] is True
        assert info["is_success"] is False


def test_the_side_is_balanced_and_hidden_until_the_swerve() -> None:
    env, expert = JunctionEnv(), JunctionExpert()
    sides, starts = [], []
    for seed in range(400):
        observation, _ = env.reset(seed=seed)
        expert.reset(seed=seed)  # the same seed for both must not tie one to the other
        sides.append(expert.side)
        starts.append([observation["state"][1], observation["environment_state"][0]])
        assert expert.act(observation) == 0.0
    assert abs(np.mean(sides)) < 0.15
    for column in np.array(starts).T:
        assert abs(np.corrcoef(column, sides)[0, 1]) < 0.15


def test_an_environment_without_expert_is_named() -> None:
    with pytest.raises(ValueError, match=r"CartPole-v1.*PointPath-v0"):
        make_expert(gymnasium.make("CartPole-v1"))

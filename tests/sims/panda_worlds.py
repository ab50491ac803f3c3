"""The Panda's tasks on both engines, and the expert in them."""

from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

import sims  # noqa: F401  registers the environments
from sims.experts import make_expert

IDS = [
    "ilrobot/PandaReach-v0",
    "ilrobot/PandaPush-v0",
    "ilrobot/PandaLift-v0",
    "ilrobot/PandaStack-v0",
    "ilrobot/PandaDrawer-v0",
    "ilrobot/PandaPegInsert-v0",
]
ENGINES = ["mujoco", "pybullet"]
WORLDS = [(task, engine) for task in IDS for engine in ENGINES]
STILL = np.array([0, 0, 0, 0, 0, 0, 1], dtype=np.float32)
#: To be closed after the test.
MADE: list[Any] = []
COMMANDED_POSITION = slice(4, 7)


def make(environment_id: str, engine: str = "mujoco") -> Any:
    MADE.append(gymnasium.make(environment_id, engine=engine).unwrapped)
    return MADE[-1]


def demonstrate(env: Any, seed: int, ticks: int) -> tuple[list[Any], list[Any], list[Any]]:
    """Actions, observations and states of the expert's first ticks."""
    expert = make_expert(env)
    expert.reset(seed)
    observation, _ = env.reset(seed=seed)
    actions, observations, states = [], [observation], [env.get_state()]
    for _ in range(ticks):
        actions.append(expert.act(observation))
        observation = env.step(actions[-1])[0]
        observations.append(observation)
        states.append(env.get_state())
    return actions, observations, states


def assert_same(left: dict[str, NDArray[Any]], right: dict[str, NDArray[Any]]) -> None:
    for key in left:
        np.testing.assert_array_equal(left[key], right[key])

"""``env.step`` of PandaLift against the bare ``mj_step`` calls inside it.

Both run the same states and controls: an expert's episodes are recorded once, then stepped as
the environment does it and as a loop around ``mj_step`` alone, in turns, so that a busy machine
slows both. The environment is the one that ``gymnasium.make`` gives, wrappers included.
"""

import time
from typing import Any

import gymnasium
import mujoco
import numpy as np

import sims  # noqa: F401  registers the environments
from benchmarks import row
from sims.experts import make_expert
from sims.panda.model import CHUNKS, SUBSTEPS

EPISODES = 20
ROUNDS = 15
GOAL = 1.25


def run() -> list[dict[str, Any]]:
    """Rows of what, value, unit, reference, ratio, goal, met."""
    env = gymnasium.make("ilrobot/PandaLift-v0")
    inner: Any = env.unwrapped
    model, data = inner.engine.model, inner.engine.data
    episodes = [_record(env, seed) for seed in range(EPISODES)]
    ticks = sum(len(actions) for _, actions, _ in episodes)

    def step_environment(episode: int) -> float:
        state, actions, _ = episodes[episode]
        env.reset(seed=0)
        inner.set_state(state)
        began = time.perf_counter()
        for action in actions:
            env.step(action)
        return time.perf_counter() - began

    def step_physics(episode: int) -> float:
        state, _, controls = episodes[episode]
        inner.set_state(state)
        ctrl = data.ctrl
        began = time.perf_counter()
        for control in controls:
            ctrl[:] = control
            mujoco.mj_step(model, data, SUBSTEPS)
        return time.perf_counter() - began

    spent = np.array(
        [[(step_environment(i), step_physics(i)) for i in range(EPISODES)] for _ in range(ROUNDS)]
    )
    # The best of the rounds is what the machine does when nothing else disturbs it.
    step, physics = 1e6 * spent.min(axis=0).sum(axis=0) / ticks
    return [
        row(
            f"env.step of PandaLift (reference: its {CHUNKS * SUBSTEPS} bare physics steps)",
            float(step),
            "µs",
            reference=float(physics),
            at_most=GOAL,
            of="ratio",
        )
    ]


def _record(env: Any, seed: int) -> tuple[Any, list[Any], list[Any]]:
    """The expert's episode: first state, actions, and the controls of every chunk."""
    inner, expert = env.unwrapped, make_expert(env)
    observation, _ = env.reset(seed=seed)
    expert.reset(seed)
    state, actions, controls = inner.get_state(), [], []
    done = False
    while not done:
        before = inner.joint_targets.copy()
        actions.append(expert.act(observation))
        observation, _, terminated, truncated, _ = env.step(actions[-1])
        part = (inner.joint_targets - before) / CHUNKS
        controls += [before + (i + 1) * part for i in range(CHUNKS)]
        done = terminated or truncated
    return state, actions, controls


if __name__ == "__main__":
    for measured in run():
        print(measured)

"""Does what was learnt serve where the wall was moved? GAIL and AIRL on PointMaze.

    python -m benchmarks.transfer --seeds 0 1 2 --steps 200000 --output runs/transfer

After Fu, Luo and Levine 2018, section 7.2. An expert with noisy hands demonstrates with the gap on
the left. GAIL learns a policy, AIRL a reward of the state and one of state and action. With the gap
on the right GAIL's policy is used as it is, and both rewards are optimised again: exactly, by
planning, which tells what the reward is worth, and with --tried by PPO from scratch, too, which may
fail at a good one. The task's own reward is the most that can be hoped for. Each run lies in
--output and goes on where it was stopped; the last line is JSON of these seeds.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks._maze_planning import expert_return, planned_return
from benchmarks._transfer_runs import World, show
from ilrobot.cli.people import scripted_expert
from ilrobot.data.dataset import DatasetRecorder
from ilrobot.data.transitions import Transitions
from ilrobot.noisy_expert import NoisyExpert
from ilrobot.rewards.model import REWARD_FILE, RewardModel
from ilrobot.rollout import rollout
from sims.experts.small import PointMazeExpert
from sims.small.point_maze import GOAL, PointMazeEnv

OLD, NEW = (World("ilrobot/PointMaze-v0", {"gap": gap}) for gap in ("left", "right"))
DEMONSTRATIONS = 20
#: Of the demonstrating hand, m/s.
NOISE = 0.2
JUDGED = range(900_000, 900_050)
#: Of the maze, stepped together while GAIL and AIRL learn.
COPIES = 64
#: Learner and its options, in the old maze.
LEARNT = {
    "gail": ("gail",),
    "airl, state": ("airl", "--inputs", "state"),
    "airl, state-action": ("airl", "--inputs", "state-action"),
}


def main(arguments: list[str] | None = None) -> int:
    """Measure the seeds that are asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--steps", type=int, default=200_000, help="environment steps of each run")
    parser.add_argument("--tried", action="store_true", help="optimise rewards by PPO, too")
    parser.add_argument("--output", type=Path, default=Path("runs/transfer"))
    chosen = parser.parse_args(arguments)
    found = {}
    for seed in chosen.seeds:
        found[seed] = measure(seed, chosen.steps, chosen.output)
        if chosen.tried:
            found[seed] |= tried(seed, chosen.steps, chosen.output)
    show(found)
    print(json.dumps(found))
    return 0


def measure(seed: int, steps: int, output: Path) -> dict[str, float]:
    """True returns of one seed: where they learnt, and where the wall was moved."""
    data = output / f"demonstrations-{seed}"
    if not (data / "meta" / "info.json").exists():
        demonstrate(data, seed)
    new, found = PointMazeEnv("right"), {}
    for name, (learner, *options) in LEARNT.items():
        run = output / f"{name.replace(', ', '-')}-{seed}"
        given = ["--dataset", str(data), "--copies", str(COPIES), *options]
        OLD.learn(learner, run, seed=seed, steps=steps, given=given)
        found[f"{name}: old maze"] = OLD.returned(run, JUDGED)
        found[f"{name}: policy in the new maze"] = NEW.returned(run, JUDGED)
        if learner == "airl":
            reward = RewardModel.load(run / REWARD_FILE).of
            found[f"{name}: reward planned for"] = planned_return(reward, new, JUDGED)
    found["the task's own reward planned for"] = planned_return(own_reward, new, JUDGED)
    expert = PointMazeExpert(PointMazeEnv("left"))
    found["the expert of the old maze in the new maze"] = expert_return(expert, new, JUDGED)
    return found


def tried(seed: int, steps: int, output: Path) -> dict[str, float]:
    """True returns in the new maze of PPO on the rewards that `measure` left."""
    found = {}
    for name, (learner, *_) in LEARNT.items():
        if learner == "airl":
            run = output / f"{name.replace(', ', '-')}-{seed}"
            again = run.with_name(f"{run.name}-again")
            NEW.learn("ppo", again, seed=seed, steps=steps, given=["--reward", str(run)])
            found[f"{name}: reward tried for"] = NEW.returned(again, JUDGED)
    own = NEW.learn("ppo", output / f"own-{seed}", seed=seed, steps=steps, given=[])
    found["the task's own reward tried for"] = NEW.returned(own, JUDGED)
    return found


def own_reward(steps: Transitions) -> NDArray[np.float32]:
    """PointMaze's reward of each step, (N,)."""
    goal = np.array(GOAL, dtype=np.float32)
    away: NDArray[np.float32] = np.linalg.norm(steps.next_observations - goal, axis=1)
    return -away


def demonstrate(folder: Path, seed: int) -> None:
    """Record the expert with the gap on the left."""
    env = OLD.make()
    size = env.spec.action.size
    expert = NoisyExpert(scripted_expert(env), env.spec, NOISE**2 * np.eye(size), seed)
    with DatasetRecorder(folder, env.spec, state_size=env.state_size) as recorder:
        for episode in range(DEMONSTRATIONS):
            rollout(env, expert, seed=1_000 * seed + episode, recorder=recorder)
    env.close()


if __name__ == "__main__":
    sys.exit(main())

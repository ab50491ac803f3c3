"""Environment steps per second of GAIL: `imitation` 1.0.1's against ours, in one run.

    .venv-imitation/bin/python benchmarks/peers/adversarial_steps.py

Hopper-v4 in eight copies, with the same settings of PPO and of the discriminator on both sides:
rollouts of 4,096 steps, ten passes in minibatches of 256, two layers of 64; sixteen steps of a
discriminator of two layers of 100 after each rollout. Collection, discriminator and policy are
counted. Both run on one thread, take turns, and the median of each side's rounds counts, by the
clock and by the processor's time, which other work on the machine stretches less.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import gymnasium as gym
import numpy as np
import torch
from imitation.algorithms.adversarial.gail import GAIL
from imitation.data.types import Transitions
from imitation.rewards.reward_nets import BasicRewardNet
from imitation.util import logger
from imitation.util.networks import RunningNorm
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv

TASK, COPIES, ROLLOUT, BATCH, EPOCHS = "Hopper-v4", 8, 4096, 256, 10
UPDATES, JUDGED, WIDTH = 16, 256, 100
PAIRS, ROUNDS = 400, 3
#: Rollouts of each side in a round, after one that does not count.
ROLLOUTS = 2

OURS = """
import sys, time, json, torch, numpy as np
from dataclasses import replace
torch.set_num_threads(1)
from ilrobot.data.transitions import Transitions
from ilrobot.env import make_env
from ilrobot.learners.adversarial.making import DEFAULTS, make_contest
from ilrobot.learners.reinforcement.config import INITIAL_LOG_STD, SCRATCH, PpoConfig
from ilrobot.learners.reinforcement.vector_env import TaskVectorEnv
from ilrobot.policies.density import new_policy
task, copies, rollout, batch, epochs, updates, judged, width, pairs, rollouts = (
    kind(x) for kind, x in zip([str] + [int] * 9, sys.argv[1:])
)
env = TaskVectorEnv(lambda: make_env(task), copies, 0)
size, actions = env.observation_space.shape[0], env.action_space.shape[0]
draw, never = np.random.default_rng(0), np.zeros(pairs, bool)
seen = draw.normal(size=(pairs, size)).astype(np.float32)
acted = draw.uniform(-1, 1, (pairs, actions)).astype(np.float32)
expert = Transitions(seen, acted, None, seen, never, never, np.zeros(pairs, np.int64))
config = DEFAULTS["gail"]
config = replace(
    config,
    ppo=PpoConfig(rollout=rollout, batch_size=batch, epochs=epochs),
    discriminator=replace(
        config.discriminator, updates=updates, batch_size=judged, regularizer="none"
    ),
    reward=replace(config.reward, width=width, termination_bias="survive"),
)
contest = make_contest(config, new_policy(env.task, SCRATCH, INITIAL_LOG_STD), env, expert, seed=0)
contest.improve()
wall, cpu, before = time.perf_counter(), time.process_time(), contest.steps
for _ in range(rollouts):
    contest.improve()
steps = contest.steps - before
print(json.dumps([steps / (time.perf_counter() - wall), steps / (time.process_time() - cpu)]))
"""


def our_rates() -> tuple[float, float]:
    """Steps per second of ours, by the clock and by the processor's time."""
    root = Path(__file__).resolve().parents[2]
    numbers = (COPIES, ROLLOUT, BATCH, EPOCHS, UPDATES, JUDGED, WIDTH, PAIRS, ROLLOUTS)
    done = subprocess.run(
        [str(root / ".venv/bin/python"), "-c", OURS, TASK, *map(str, numbers)],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    wall, cpu = json.loads(done.stdout.splitlines()[-1])
    return wall, cpu


def their_rates(folder: str) -> tuple[float, float]:
    """The same of `imitation`, which wants a folder for what it logs, of which nothing is."""
    torch.set_num_threads(1)
    env = DummyVecEnv([lambda: gym.make(TASK)] * COPIES)
    size, actions = env.observation_space.shape[0], env.action_space.shape[0]
    draw = np.random.default_rng(0)
    seen = draw.normal(size=(PAIRS, size))
    expert = Transitions(
        obs=seen,
        acts=draw.uniform(-1, 1, (PAIRS, actions)).astype(np.float32),
        infos=np.array([{}] * PAIRS),
        next_obs=seen,
        dones=np.zeros(PAIRS, bool),
    )
    policy = PPO(
        "MlpPolicy",
        env,
        n_steps=ROLLOUT // COPIES,
        batch_size=BATCH,
        n_epochs=EPOCHS,
        policy_kwargs={"net_arch": [64, 64]},
        device="cpu",
        seed=0,
    )
    reward = BasicRewardNet(
        env.observation_space,
        env.action_space,
        normalize_input_layer=RunningNorm,
        hid_sizes=(WIDTH, WIDTH),
    )
    trainer = GAIL(
        demonstrations=expert,
        demo_batch_size=JUDGED,
        gen_replay_buffer_capacity=ROLLOUT,
        n_disc_updates_per_round=UPDATES,
        venv=env,
        gen_algo=policy,
        reward_net=reward,
        allow_variable_horizon=True,  # Hopper falls
        custom_logger=logger.configure(folder, format_strs=()),
    )
    trainer.train(ROLLOUT)
    wall, cpu = time.perf_counter(), time.process_time()
    trainer.train(ROLLOUT * ROLLOUTS)
    steps = ROLLOUT * ROLLOUTS
    return steps / (time.perf_counter() - wall), steps / (time.process_time() - cpu)


def main() -> None:
    """Measure both in turns; print one JSON line."""
    rounds = []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            rounds.append((our_rates(), their_rates(folder)))
        print(rounds[-1], file=sys.stderr, flush=True)
    clock, processor = ([(ours[i], theirs[i]) for ours, theirs in rounds] for i in (0, 1))
    print(
        json.dumps(
            {
                "task": TASK,
                "copies": COPIES,
                "ours": median(ours for ours, _ in processor),
                "imitation": median(theirs for _, theirs in processor),
                "times": median(ours / theirs for ours, theirs in processor),
                "times_by_the_clock": median(ours / theirs for ours, theirs in clock),
                "rounds": rounds,
            }
        )
    )


if __name__ == "__main__":
    main()

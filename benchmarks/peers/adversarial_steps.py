"""Environment steps per second of GAIL: `imitation` 1.0.1's against ours, in one run.

    .venv-imitation/bin/python benchmarks/peers/adversarial_steps.py

Hopper-v4 in eight copies, with the same settings of PPO and of the discriminator on both sides:
rollouts of 4,096 steps, ten passes in minibatches of 256, two layers of 64; sixteen steps of a
discriminator of two layers of 100 after each rollout. Collection, discriminator and policy are
counted, and networks compute on one thread.

By the clock each side steps its copies in one process and in several: ours in as many as there are
cores, `imitation` in one for each copy, as its own `make_vec_env` does; the faster of the two
counts. By the processor's time, which other work on the machine stretches less, both have one
process. The sides take turns, and the median of the rounds counts.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from functools import partial
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
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv

TASK, COPIES, ROLLOUT, BATCH, EPOCHS = "Hopper-v4", 8, 4096, 256, 10
UPDATES, JUDGED, WIDTH = 16, 256, 100
PAIRS, ROUNDS = 400, 3
#: Steps per second by the clock, and by the processor's time.
Rates = tuple[float, float]
#: Rollouts of each side in a round, after one that does not count.
ROLLOUTS = 2

OURS = """
import sys, time, json, torch, numpy as np
from dataclasses import replace
from functools import partial
torch.set_num_threads(1)
from ilrobot.data.transitions import Transitions
from ilrobot.env import make_env
from ilrobot.learners.adversarial.making import DEFAULTS, make_contest
from ilrobot.learners.reinforcement.config import INITIAL_LOG_STD, SCRATCH, PpoConfig
from ilrobot.learners.reinforcement.vector_env import TaskVectorEnv
from ilrobot.policies.density import new_policy
task, copies, rollout, batch, epochs, updates, judged, width, pairs, rollouts, processes = (
    kind(x) for kind, x in zip([str] + [int] * 10, sys.argv[1:])
)
env = TaskVectorEnv(partial(make_env, task), copies, 0, processes=processes)
size, actions = env.observation_space.shape[0], env.task.action.size
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
env.close()
"""


def our_rates(processes: int) -> Rates:
    """Steps per second of ours, by the clock and by the processor's time of the first process."""
    root = Path(__file__).resolve().parents[2]
    numbers = (COPIES, ROLLOUT, BATCH, EPOCHS, UPDATES, JUDGED, WIDTH, PAIRS, ROLLOUTS, processes)
    done = subprocess.run(
        [str(root / ".venv/bin/python"), "-c", OURS, TASK, *map(str, numbers)],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    wall, cpu = json.loads(done.stdout.splitlines()[-1])
    return wall, cpu


def their_rates(folder: str, *, parallel: bool) -> Rates:
    """The same of `imitation`, which wants a folder for what it logs, of which nothing is."""
    torch.set_num_threads(1)
    makers = [partial(gym.make, TASK)] * COPIES
    env = SubprocVecEnv(makers) if parallel else DummyVecEnv(makers)
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
    rates = steps / (time.perf_counter() - wall), steps / (time.process_time() - cpu)
    env.close()
    return rates


def main() -> None:
    """Measure both in turns; print one JSON line."""
    processes = min(COPIES, len(os.sched_getaffinity(0)))
    rounds = []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            rounds.append(
                {
                    "ours": [our_rates(1), our_rates(processes)],
                    "imitation": [their_rates(folder, parallel=p) for p in (False, True)],
                }
            )
        print(rounds[-1], file=sys.stderr, flush=True)
    clock = {name: [max(one[0], all_[0]) for one, all_ in _of(rounds, name)] for name in rounds[0]}
    processor = {name: [one[1] for one, _ in _of(rounds, name)] for name in rounds[0]}
    print(
        json.dumps(
            {
                "task": TASK,
                "copies": COPIES,
                "processes": processes,
                "by_the_clock": _compared(clock),
                "by_processor_time": _compared(processor),
                "rounds": rounds,
            }
        )
    )


def _of(rounds: list[dict[str, list[Rates]]], name: str) -> list[list[Rates]]:
    return [both[name] for both in rounds]


def _compared(rates: dict[str, list[float]]) -> dict[str, float]:
    """Median of each side, and of ours by theirs."""
    pairs = zip(rates["ours"], rates["imitation"], strict=True)
    times = [ours / theirs for ours, theirs in pairs]
    return {**{name: median(found) for name, found in rates.items()}, "times": median(times)}


if __name__ == "__main__":
    main()

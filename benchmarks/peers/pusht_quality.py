"""LeRobot 0.4.4's own diffusion policy and ACT on Push-T, for the same time on the same data.

    .venv-peers/bin/python benchmarks/peers/pusht_quality.py --policy diffusion --seconds 1080
    .venv-peers/bin/python benchmarks/peers/pusht_quality.py --policy act --seconds 1080

They are given what our `benchmarks.pusht --symmetry` is: the 206 demonstrations and their mirror
images, the state with the geometry of the T. Their losses, optimisers, schedules and ways to act
are LeRobot's; sizes are what a CPU can train (the U-Net of 4.5 M parameters, ACT of width 256 with
chunks of 16). The rate of the first steps says how many steps the time allows. One JSON line is
the result.
"""

import argparse
import json
import logging
import subprocess
import tempfile
import time
from pathlib import Path

import gym_pusht  # noqa: F401
import gymnasium as gym
import lerobot_import  # noqa: F401  (before lerobot)
import numpy as np
import torch
from lerobot.configs.types import FeatureType, PolicyFeature
from lerobot.policies.act.configuration_act import ACTConfig
from lerobot.policies.act.modeling_act import ACTPolicy
from lerobot.policies.diffusion.configuration_diffusion import DiffusionConfig
from lerobot.policies.diffusion.modeling_diffusion import DiffusionPolicy
from pusht_data import OURS, ROOT

HORIZON, EXECUTE, AGENT = 16, 8, 2
RATE_STEPS = 20

ARRAYS = """
import sys, numpy as np
from benchmarks._pusht_data import load
data = load(mirrored=True, geometry=True)
np.savez(sys.argv[1], state=data.column("observation.state"), action=data.column("action"),
         lengths=data.lengths)
"""
GEOMETRY = """
import sys, numpy as np
from benchmarks._pusht_geometry import with_geometry
while line := sys.stdin.readline():
    print(*np.asarray(with_geometry(np.array(eval(line)))).ravel().tolist(), flush=True)
"""


def make_policy(kind: str, size: int) -> DiffusionPolicy | ACTPolicy:
    """One of the two, for so many observed numbers, of which the first two are the pusher's."""
    features = {
        "input_features": {
            "observation.state": PolicyFeature(FeatureType.STATE, (AGENT,)),
            "observation.environment_state": PolicyFeature(FeatureType.ENV, (size - AGENT,)),
        },
        "output_features": {"action": PolicyFeature(FeatureType.ACTION, (2,))},
        "device": "cpu",
        "push_to_hub": False,
    }
    if kind == "act":
        return ACTPolicy(
            ACTConfig(chunk_size=HORIZON, n_action_steps=EXECUTE, dim_model=256, **features)
        )
    return DiffusionPolicy(
        DiffusionConfig(
            horizon=HORIZON,
            n_action_steps=EXECUTE,
            down_dims=(64, 128, 256),
            noise_scheduler_type="DDIM",
            num_inference_steps=10,
            **features,
        )
    )


class Normalizer:
    """Least and greatest to -1 and 1 for diffusion, mean 0 and deviation 1 for ACT, as theirs."""

    def __init__(self, values: np.ndarray, kind: str) -> None:
        low, high = values.min(0), values.max(0)
        self.offset, self.scale = (low + high) / 2, (high - low) / 2
        if kind == "act":
            self.offset, self.scale = values.mean(0), values.std(0)

    def __call__(self, values: np.ndarray) -> torch.Tensor:
        """Physical to normalised."""
        return torch.from_numpy(((values - self.offset) / self.scale).astype(np.float32))


def windows(lengths: np.ndarray, ticks: range) -> tuple[np.ndarray, np.ndarray]:
    """Indexes of the frames around each frame, and whether they are beyond its episode."""
    ends = np.cumsum(lengths)
    first, last = np.repeat(ends - lengths, lengths), np.repeat(ends - 1, lengths)
    wanted = np.arange(ends[-1])[:, None] + np.array(ticks)
    clipped = np.clip(wanted, first[:, None], last[:, None])
    return clipped, clipped != wanted


def main() -> None:
    """Train for a time, evaluate, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--policy", choices=("diffusion", "act"), required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=200_000, help="seed of the first episode")
    parser.add_argument("--episodes", type=int, default=100)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(asked.seed)
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "arrays.npz"
        subprocess.run([OURS, "-c", ARRAYS, file], cwd=ROOT, check=True)
        arrays = dict(np.load(file))
    policy = make_policy(asked.policy, arrays["state"].shape[1])
    of_state = Normalizer(arrays["state"], asked.policy)
    of_action = Normalizer(arrays["action"], asked.policy)
    began = time.perf_counter()
    steps = train(policy, asked, arrays, of_state, of_action)
    spent = time.perf_counter() - began
    rewards, done = evaluate(policy, asked, of_state, of_action)
    half = 1.96 * rewards.std(ddof=1) / len(rewards) ** 0.5
    result = {
        "policy": asked.policy,
        "parameters": sum(p.numel() for p in policy.parameters()),
        "mean_max_reward": rewards.mean(),
        "interval": [rewards.mean() - half, rewards.mean() + half],
        "success_rate": done.mean(),
        "steps": steps,
        "seconds_train": spent,
    }
    print(json.dumps(result))


def train(policy, asked, arrays, of_state, of_action) -> int:
    """By LeRobot's loss, optimiser and schedule, for as many steps as fit."""
    act = asked.policy == "act"
    seen, _ = windows(arrays["lengths"], range(1) if act else range(-1, 1))
    ahead, padded = windows(arrays["lengths"], range(HORIZON) if act else range(-1, HORIZON - 1))
    state, action = of_state(arrays["state"]), of_action(arrays["action"])
    optimizer = policy.config.get_optimizer_preset().build(policy.get_optim_params())
    scheduler, steps, step, batch_size = None, RATE_STEPS, 0, 8 if act else 64
    began = time.perf_counter()
    policy.train()
    while step < steps:
        index = torch.randint(len(seen), (batch_size,))
        shown = state[seen[index]]
        shown = shown[:, 0] if act else shown
        batch = {
            "observation.state": shown[..., :AGENT],
            "observation.environment_state": shown[..., AGENT:],
            "action": action[ahead[index]],
            "action_is_pad": torch.from_numpy(padded[index]),
        }
        loss, _ = policy.forward(batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(policy.parameters(), 10.0)
        optimizer.step()
        optimizer.zero_grad()
        if scheduler is not None:
            scheduler.step()
        step += 1
        if step == RATE_STEPS:
            steps = int(asked.seconds / (time.perf_counter() - began) * RATE_STEPS)
            if (preset := policy.config.get_scheduler_preset()) is not None:
                scheduler = preset.build(optimizer, steps)
        if time.perf_counter() - began > asked.seconds:
            break
    return step


def evaluate(policy, asked, of_state, of_action) -> tuple[np.ndarray, np.ndarray]:
    """Greatest reward of each episode, and whether it succeeded; all in step with one another."""
    policy.eval()
    policy.reset()
    worlds = [gym.make("gym_pusht/PushT-v0", obs_type="state") for _ in range(asked.episodes)]
    seen = [w.reset(seed=asked.first + n)[0] for n, w in enumerate(worlds)]
    best, done = np.zeros(len(worlds)), np.zeros(len(worlds), bool)
    tell = subprocess.Popen(
        [OURS, "-c", GEOMETRY], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert tell.stdin is not None
    assert tell.stdout is not None
    for _ in range(300):
        tell.stdin.write(json.dumps(np.array(seen).tolist()) + "\n")
        tell.stdin.flush()
        told = np.array(tell.stdout.readline().split(), float).reshape(len(worlds), -1)
        state = of_state(told)
        batch = {
            "observation.state": state[:, :AGENT],
            "observation.environment_state": state[:, AGENT:],
        }
        with torch.no_grad():
            action = policy.select_action(batch).numpy() * of_action.scale + of_action.offset
        for n, world in enumerate(worlds):
            if done[n]:
                continue
            seen[n], reward, over, _, _ = world.step(np.clip(action[n], 0, 512).astype(np.float32))
            best[n], done[n] = max(best[n], reward), over
    tell.stdin.close()
    tell.wait()
    return best, done


if __name__ == "__main__":
    main()

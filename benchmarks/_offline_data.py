"""Data of four qualities from Hopper-v5 and HalfCheetah-v5, for offline reinforcement learning.

Made here, as D4RL's are (Fu et al. 2020, arXiv:2004.07219, section 5), but by PPO in place of soft
actor-critic, and a twentieth as large; so scores are not comparable number by number.

- ``expert``: the 25 recorded episodes of the shared expert.
- ``medium``: PPO from scratch, stopped where it earns a third of the expert's return, acting by its
  Gaussian.
- ``replay``: ten policies on PPO's way there, evenly spaced, as many steps of each.
- ``mixed``: the medium data and the expert's, two to one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks._shared_data import find
from ilrobot.actors import Action, Actor, Decision, Observation, Source
from ilrobot.atomic import write_json
from ilrobot.data.dataset import Dataset
from ilrobot.data.editing.operations import merge
from ilrobot.data.episode import Episode, EpisodeInfo, MemoryRecorder, Outcome
from ilrobot.data.writing import write_episodes
from ilrobot.env import TaskEnv, make_env
from ilrobot.learners.reinforcement.config import INITIAL_LOG_STD, SCRATCH, PpoConfig
from ilrobot.learners.reinforcement.ppo import PpoReinforcer
from ilrobot.learners.reinforcement.vector_env import TaskVectorEnv
from ilrobot.policies.density import PolicyDensity, new_policy
from ilrobot.policies.policy import Policy
from ilrobot.policies.tensor_file import load_tensors, save_tensors
from ilrobot.rollout import rollout
from ilrobot.spec import Spec

TASKS = {"hopper": "Hopper-v5", "halfcheetah": "HalfCheetah-v5"}
SETS = ("mixed", "replay", "medium", "expert")
#: Of ``medium`` and of ``replay``.
STEPS = 50_000
#: Share of the expert's return that is medium.
MEDIUM = 1 / 3
#: PPO's policy is kept so often, in environment steps, up to so many in all.
_KEPT, _MOST = 20_480, 2_000_000
_STAGES, _COPIES, _RANDOM = 10, 8, 20


def make_sets(name: str, folder: Path) -> dict[str, float]:
    """Make what is not there yet, and say what it is worth.

    Args:
        name: One of `TASKS`.
        folder: A dataset for each of `SETS` lies below it, and what PPO left behind.

    Returns:
        Mean return of each set and of acting at random.
    """
    known = folder / "returns.json"
    if known.exists():
        found: dict[str, float] = json.loads(known.read_text())
        return found
    make = partial(make_env, TASKS[name])
    env = make()
    places = {which: folder / which for which in SETS}
    if not _there(places["expert"]):
        write_episodes(places["expert"], env.spec, _recorded(name, env.spec))
    goal = MEDIUM * _mean_return(places["expert"])
    stages = _learnt(make, env.spec, goal, folder / "ppo")
    chosen = np.linspace(0, len(stages) - 1, min(_STAGES, len(stages))).round().astype(int)
    for which, policies in (
        ("medium", stages[-1:]),
        ("replay", [stages[number] for number in chosen]),
    ):
        if not _there(places[which]):
            write_episodes(places[which], env.spec, _attempts(env, policies))
    if not _there(places["mixed"]):
        merge([places["medium"], places["expert"]], places["mixed"])
    found = {which: _mean_return(place) for which, place in places.items()}
    at_random = [rollout(env, Random(env.spec), seed=10**6 + n) for n in range(_RANDOM)]
    found["random"] = float(np.mean([result.total_reward for result in at_random]))
    env.close()
    write_json(known, found)
    return found


class Random(Actor):
    """Draws its actions evenly within their limits."""

    def __init__(self, spec: Spec) -> None:
        self._low, self._high = np.array(spec.action.low), np.array(spec.action.high)

    def reset(self, seed: int | None = None) -> None:
        """Draw by this seed."""
        self._draw = np.random.default_rng(seed)

    def act(self, observation: Observation, now: float) -> Decision:
        """One draw."""
        action: Action = self._draw.uniform(self._low, self._high).astype(np.float32)
        return Decision(action, Source.POLICY)


class Drawing(Actor):
    """Draws its actions from a policy's Gaussian, cut off at their limits."""

    def __init__(self, policy: Policy) -> None:
        self._density, self._spec = PolicyDensity(policy), policy.spec

    def reset(self, seed: int | None = None) -> None:
        """Draw by this seed."""
        self._generator = torch.Generator().manual_seed(seed or 0)

    @torch.no_grad()
    def act(self, observation: Observation, now: float) -> Decision:
        """One draw."""
        seen = [np.reshape(observation[name], -1) for name in self._spec.observation_names]
        state = torch.from_numpy(np.concatenate(seen).astype(np.float32))[None]
        mean, log_std = self._density.distribution(state)
        noise = torch.randn(mean.shape, generator=self._generator)
        action = self._density.physical(mean + log_std.exp() * noise, state)[0].numpy()
        limits = np.array(self._spec.action.low), np.array(self._spec.action.high)
        limited: Action = np.clip(action, *limits).astype(np.float32)
        return Decision(limited, Source.POLICY)


def _learnt(make: Callable[[], TaskEnv], spec: Spec, goal: float, folder: Path) -> list[Policy]:
    """PPO's policies on its way to this return; a second call goes on where the first ended."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    policy = new_policy(spec, SCRATCH, INITIAL_LOG_STD)
    envs = TaskVectorEnv(make, _COPIES, 0)
    reinforcer = PpoReinforcer(policy, envs, PpoConfig(), 0)
    state, earned = folder / "state.pt", -np.inf
    if state.exists():
        kept = load_tensors(state)
        reinforcer.load_state(kept["reinforcer"])
        earned = kept["earned"]
    while earned < goal and reinforcer.steps < _MOST:
        returns = reinforcer.learn(_KEPT).returns
        earned = float(np.mean(returns)) if len(returns) else earned
        policy.save(folder / f"{reinforcer.steps:08d}.pt")
        save_tensors(state, {"reinforcer": reinforcer.state(), "earned": earned})
        print(f"PPO, {reinforcer.steps:,} steps: {earned:.0f} of {goal:.0f}", flush=True)
    envs.close()
    return [Policy.load(file) for file in sorted(folder.glob("0*.pt"))]


def _attempts(env: TaskEnv, policies: Sequence[Policy]) -> Iterator[Episode]:
    """Episodes of each policy until there are as many steps of it as its share."""
    for number, policy in enumerate(policies):
        steps, episode = 0, 0
        while steps < STEPS // len(policies):
            recorder = MemoryRecorder(env.spec)
            seed = 10**4 * number + episode
            steps += rollout(env, Drawing(policy), seed=seed, recorder=recorder).length
            episode += 1
            yield recorder.episodes[0]


def _recorded(name: str, spec: Spec) -> Iterator[Episode]:
    with np.load(find(f"gym_experts/{name}_v5_rollouts.npz")) as file:
        known = {key: file[key] for key in file.files}
    feature, start = spec.observations[0], 0
    for end in known["episode_ends"].tolist():
        part = slice(start, end)
        columns: dict[str, NDArray[Any]] = {
            feature.name: known["observation"][part].astype(feature.dtype),
            "action": known["action"][part].astype(spec.action.dtype),
            "next.reward": known["reward"][part].astype(np.float32),
        }
        yield Episode(EpisodeInfo(spec.task, spec.rate, Outcome.UNKNOWN), columns)
        start = end


def _there(path: Path) -> bool:
    return (path / "meta" / "info.json").exists()


def _mean_return(path: Path) -> float:
    data = Dataset.open(path)
    rewards = data.column("next.reward")
    return float(np.mean([part.sum() for part in np.split(rewards, data.starts[1:-1])]))

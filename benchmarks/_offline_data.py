"""Data of four qualities from Hopper-v5 and HalfCheetah-v5, for offline reinforcement learning.

Made here, as D4RL's are (Fu et al. 2020, arXiv:2004.07219, section 5), but by PPO in place of soft
actor-critic, and a twentieth as large; so scores are not comparable number by number.

- ``expert``: the shared expert, acting with Gaussian noise of 0.1 of the limits, as D4RL's experts
  draw their actions, too. Without it all its episodes are one path, beside which nothing is known.
- ``medium``: PPO from scratch, stopped where it earns a third of the expert's return, acting by its
  Gaussian.
- ``replay``: ten policies on PPO's way there, evenly spaced, as many steps of each.
- ``mixed``: as many steps of the medium policy as of the expert, as D4RL's medium-expert.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
import torch

from benchmarks._shared_data import find
from benchmarks.gym_experts import TASKS, TanhExpert
from ilrobot.actors import Action, Actor, Decision, Observation, Source
from ilrobot.atomic import write_json
from ilrobot.data.dataset import Dataset
from ilrobot.data.episode import Episode, MemoryRecorder
from ilrobot.data.writing import write_episodes
from ilrobot.env import make_env
from ilrobot.learners.reinforcement.config import INITIAL_LOG_STD, SCRATCH, PpoConfig
from ilrobot.learners.reinforcement.ppo import PpoReinforcer
from ilrobot.learners.reinforcement.vector_env import TaskVectorEnv
from ilrobot.policies.density import PolicyDensity, new_policy
from ilrobot.policies.policy import Policy
from ilrobot.policies.tensor_file import load_tensors, save_tensors
from ilrobot.rollout import rollout
from ilrobot.spec import Spec
from ilrobot.task_env import TaskEnv

SETS = ("mixed", "replay", "medium", "expert")
#: Of each set, and of both halves of ``mixed``.
STEPS = 50_000
#: Deviation of the expert's noise.
NOISE = 0.1
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
        Mean return of each set, of acting at random and of the expert without noise (``best``).
    """
    known = folder / "returns.json"
    if known.exists():
        found: dict[str, float] = json.loads(known.read_text())
        return found
    make = partial(make_env, TASKS[name])
    env = make()
    places = {which: folder / which for which in SETS}
    best = _recorded_return(name)
    stages = _learnt(make, env.spec, MEDIUM * best, folder / "ppo")
    chosen = np.linspace(0, len(stages) - 1, min(_STAGES, len(stages))).round().astype(int)
    expert: list[Actor] = [Noisy(TanhExpert(find(f"gym_experts/{name}_policy.npz")))]
    medium: list[Actor] = [Drawing(stages[-1])]
    made: dict[str, list[list[Actor]]] = {
        "expert": [expert],
        "medium": [medium],
        "replay": [[Drawing(stages[number]) for number in chosen]],
        "mixed": [medium, expert],
    }
    for which, parts in made.items():
        if not _there(places[which]):
            episodes = chain.from_iterable(_attempts(env, actors) for actors in parts)
            write_episodes(places[which], env.spec, episodes)
    found = {which: _mean_return(place) for which, place in places.items()}
    at_random = [rollout(env, Random(env.spec), seed=10**6 + n) for n in range(_RANDOM)]
    found["best"] = best
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


class Noisy(Actor):
    """Acts as another does, with Gaussian noise on it."""

    def __init__(self, actor: Actor) -> None:
        self._actor = actor

    def reset(self, seed: int | None = None) -> None:
        """Draw by this seed."""
        self._actor.reset(seed)
        self._draw = np.random.default_rng(seed)

    def act(self, observation: Observation, now: float) -> Decision:
        """What the other does, and noise, within the limits of -1 and 1."""
        action = self._actor.act(observation, now).action
        noisy: Action = action + NOISE * self._draw.normal(size=action.shape)
        return Decision(noisy.clip(-1, 1).astype(np.float32), Source.POLICY)


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


def _attempts(env: TaskEnv, actors: Sequence[Actor]) -> Iterator[Episode]:
    """Episodes of each actor until there are as many steps of it as its share."""
    for number, actor in enumerate(actors):
        steps, episode = 0, 0
        while steps < STEPS // len(actors):
            recorder = MemoryRecorder(env.spec)
            seed = 10**4 * number + episode
            steps += rollout(env, actor, seed=seed, recorder=recorder).length
            episode += 1
            yield recorder.episodes[0]


def _recorded_return(name: str) -> float:
    """Mean return of the shared expert's recorded episodes."""
    with np.load(find(f"gym_experts/{name}_v5_rollouts.npz")) as file:
        return float(file["reward"].sum() / len(file["episode_ends"]))


def _there(path: Path) -> bool:
    return (path / "meta" / "info.json").exists()


def _mean_return(path: Path) -> float:
    data = Dataset.open(path)
    rewards = data.column("next.reward")
    return float(np.mean([part.sum() for part in np.split(rewards, data.starts[1:-1])]))

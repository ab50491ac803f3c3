"""Data of four qualities from Hopper-v5 and HalfCheetah-v5, for offline reinforcement learning.

Made here from the shared experts, and so not D4RL's: those are of soft actor-critic on its way up.

- ``expert``: the 25 recorded episodes of the expert.
- ``medium``: one policy of middling return: the expert's network with noise on its weights, and
  with noise on its actions.
- ``replay``: ten such policies, from the worst up to the medium one, as many steps of each: what a
  learner leaves behind on its way.
- ``mixed``: the medium data and the expert's, two to one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from benchmarks._shared_data import find
from ilrobot.atomic import write_json
from ilrobot.data.dataset import Dataset
from ilrobot.data.editing.operations import merge
from ilrobot.data.episode import Episode, EpisodeInfo, Outcome
from ilrobot.data.writing import write_episodes
from ilrobot.env import make_env
from ilrobot.spec import Spec

TASKS = {"hopper": "Hopper-v5", "halfcheetah": "HalfCheetah-v5"}
SETS = ("mixed", "replay", "medium", "expert")
STEPS = 50_000
#: Share of the expert's return that is medium; of the policies tried the nearest is.
MEDIUM = 0.4
#: Noise on the actions of all but the expert.
ACTION_NOISE = 0.2
_SPREADS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0)
_DRAWS, _TRIES, _STAGES = 3, 4, 10

Weights = dict[str, NDArray[Any]]


def make_sets(name: str, folder: Path) -> dict[str, Any]:
    """Make what is not there yet, and say what it is worth.

    Args:
        name: One of `TASKS`.
        folder: A dataset for each of `SETS` lies below it.

    Returns:
        Mean return of a random policy and of the expert, and of each set.
    """
    task, known = TASKS[name], folder / "returns.json"
    if known.exists():
        returns: dict[str, Any] = json.loads(known.read_text())
        return returns
    env = make_env(task)
    spec = env.spec
    env.close()
    expert = _load(name)
    places = {which: folder / which for which in SETS}
    policies: list[Weights] = []
    for which in ("expert", "medium", "replay"):
        if (places[which] / "meta/info.json").exists():
            continue
        if which == "expert":
            write_episodes(places[which], spec, _recorded(name, spec))
            continue
        policies = policies or _ladder(task, expert)
        acting = policies[-1:] if which == "medium" else policies
        write_episodes(places[which], spec, _attempts(task, spec, acting, seed=len(which)))
    if not (places["mixed"] / "meta/info.json").exists():
        merge([places["medium"], places["expert"]], places["mixed"])
    found = {which: _mean_return(place) for which, place in places.items()}
    random = np.mean([_episode(task, None, seed)[1].sum() for seed in range(900_100, 900_120)])
    found["random"] = float(random)
    write_json(known, found)
    return found


def _load(name: str) -> Weights:
    with np.load(find(f"gym_experts/{name}_policy.npz")) as file:
        return {key: file[key] for key in file.files}


def _perturbed(weights: Weights, spread: float, draw: int) -> Weights:
    """With noise of this share of each layer's own spread on its weights."""
    noise = np.random.default_rng(draw)
    return {
        key: value + noise.normal(0, spread * value.std(), value.shape)
        if key.endswith("weight")
        else value
        for key, value in weights.items()
    }


def _ladder(task: str, expert: Weights) -> list[Weights]:
    """Policies from the worst up to the medium one, evenly by rank."""
    seeds = range(900_000, 900_000 + _TRIES)

    def worth(weights: Weights, noise: float = ACTION_NOISE) -> float:
        return float(np.mean([_episode(task, weights, seed, noise)[1].sum() for seed in seeds]))

    tried = [_perturbed(expert, spread, draw) for spread in _SPREADS for draw in range(_DRAWS)]
    returns = np.array([worth(made) for made in tried])
    medium = int(np.argmin(np.abs(returns - MEDIUM * worth(expert, 0.0))))
    below = [number for number in np.argsort(returns) if returns[number] <= returns[medium]]
    chosen = np.linspace(0, len(below) - 1, min(_STAGES, len(below))).round().astype(int)
    return [tried[below[place]] for place in chosen]


def _attempts(task: str, spec: Spec, policies: list[Weights], seed: int) -> Iterator[Episode]:
    """Episodes of each policy until there are as many steps of it as its share."""
    for number, weights in enumerate(policies):
        steps, episode = 0, 0
        while steps < STEPS // len(policies):
            columns, rewards, terminated = _episode(
                task, weights, seed * 10**6 + number * 10**4 + episode
            )
            steps += len(rewards)
            episode += 1
            yield _made(spec, columns, rewards, terminated)


def _episode(
    task: str, weights: Weights | None, seed: int, noise: float = ACTION_NOISE
) -> tuple[tuple[NDArray[Any], NDArray[Any]], NDArray[Any], bool]:
    """Observations and actions, rewards, and whether it ended by itself; None acts at random."""
    env = _environment(task)
    draw = np.random.default_rng(seed)
    observation, _ = env.reset(seed=seed)
    seen, done, brought = [], [], []
    terminated = truncated = False
    while not (terminated or truncated):
        if weights is None:
            action = draw.uniform(-1, 1, env.action_space.shape)
        else:
            action = _act(weights, observation) + draw.normal(0, noise, env.action_space.shape)
        action = np.clip(action, -1, 1).astype(np.float32)
        seen.append(observation)
        done.append(action)
        observation, reward, terminated, truncated, _ = env.step(action)
        brought.append(reward)
    return (np.array(seen), np.array(done)), np.array(brought), bool(terminated)


def _act(weights: Weights, observation: NDArray[Any]) -> NDArray[Any]:
    hidden = (observation - weights["obs_mean"]) / (weights["obs_std"] + 1e-6)
    for layer in ("hidden0", "hidden1"):
        hidden = np.tanh(hidden @ weights[f"{layer}_weight"] + weights[f"{layer}_bias"])
    output: NDArray[Any] = hidden @ weights["out_weight"] + weights["out_bias"]
    return output.reshape(-1)


_ENVIRONMENTS: dict[str, Any] = {}


def _environment(task: str) -> Any:
    if task not in _ENVIRONMENTS:
        _ENVIRONMENTS[task] = gym.make(task)
    return _ENVIRONMENTS[task]


def _recorded(name: str, spec: Spec) -> Iterator[Episode]:
    with np.load(find(f"gym_experts/{name}_v5_rollouts.npz")) as file:
        known = {key: file[key] for key in file.files}
    start = 0
    for end in known["episode_ends"]:
        part = slice(start, int(end))
        yield _made(
            spec,
            (known["observation"][part], known["action"][part]),
            known["reward"][part],
            terminated=False,
        )
        start = int(end)


def _made(
    spec: Spec,
    columns: tuple[NDArray[Any], NDArray[Any]],
    rewards: NDArray[Any],
    terminated: bool,
) -> Episode:
    ends = np.zeros(len(rewards), dtype=bool)
    ends[-1] = terminated
    feature = spec.observations[0]
    return Episode(
        EpisodeInfo(spec.task, spec.rate, Outcome.UNKNOWN, operator="benchmark"),
        {
            feature.name: columns[0].astype(feature.dtype),
            "action": columns[1].astype(spec.action.dtype),
            "next.reward": rewards.astype(np.float32),
            "next.terminated": ends,
        },
    )


def _mean_return(path: Path) -> float:
    data = Dataset.open(path)
    rewards = data.column("next.reward")
    return float(np.mean([p.sum() for p in np.split(rewards, data.starts[1:-1])]))

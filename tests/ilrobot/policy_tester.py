"""What every policy must do, whatever its head and network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ilrobot.control.drawing import noise_generator
from ilrobot.data.episode import Episode, EpisodeInfo, Outcome
from ilrobot.data.memory import MemoryRecordings
from ilrobot.data.recordings import Recordings
from ilrobot.learners.behavioral_cloning import train
from ilrobot.learners.config import TrainConfig
from ilrobot.policies.config import PolicyConfig
from ilrobot.policies.loading import load_policy
from ilrobot.policies.policy import Policy
from ilrobot.spec import Feature, Spec

CONTINUOUS = Spec(
    observations=(
        Feature("observation.state", (3,), units=("m", "m", "rad")),
        Feature("observation.target", (1,), units=("m",)),
    ),
    action=Feature("action", (2,), units=("m", "m")),
    rate=10.0,
)
DISCRETE = replace(CONTINUOUS, action=Feature("action", (), "int64"), choices=3)
#: A policy that is made in no time, with any network.
SMALL = PolicyConfig(
    n_obs=2, horizon=4, execute=2, width=16, blocks=1, layers=1, channels=(8,), sampler_steps=2
)


def recordings(spec: Spec, *, episodes: int = 6, length: int = 20, seed: int = 0) -> Recordings:
    """Demonstrations of an action that is a function of the observation."""
    rng = np.random.default_rng(seed)
    info = EpisodeInfo("test", spec.rate, outcome=Outcome.SUCCESS)
    made = []
    for _ in range(episodes):
        state = rng.uniform(-1, 1, (length, 3)).astype(np.float32)
        target = rng.uniform(-1, 1, (length, 1)).astype(np.float32)
        action: Any = np.stack([state[:, 0] + target[:, 0], 0.1 * state[:, 1]], axis=1)
        if spec.choices is not None:
            action = np.digitize(state[:, 0], [-0.3, 0.3]).astype(np.int64)
        columns = {"observation.state": state, "observation.target": target, "action": action}
        made.append(Episode(info, columns))
    return MemoryRecordings(spec, made)


def two_ways(*, episodes: int = 40, length: int = 20) -> Recordings:
    """Half of the demonstrations go left (-1), half right (1), whatever is observed."""
    rng = np.random.default_rng(0)
    spec = Spec((Feature("observation.state", (1,)),), Feature("action", (1,)), 10.0)
    info = EpisodeInfo("test", spec.rate, outcome=Outcome.SUCCESS)
    made = []
    for episode in range(episodes):
        state = rng.uniform(-1, 1, (length, 1)).astype(np.float32)
        action = np.full((length, 1), (-1.0, 1.0)[episode % 2], np.float32)
        made.append(Episode(info, {"observation.state": state, "action": action}))
    return MemoryRecordings(spec, made)


def check_policy(
    policy_config: PolicyConfig, spec: Spec, folder: Path, data: Recordings | None = None
) -> None:
    """Put one combination of head and network through everything."""
    data = data or recordings(spec)
    train_config = TrainConfig(
        steps=6, batch_size=8, warmup=2, validate_every=3, learning_rate=1e-3, device="cpu"
    )
    policy = train(data, policy_config, train_config, folder / "run")

    observations, noise = example(policy, batch=3)
    with torch.no_grad():
        chunk = policy(observations, noise)
    _check_chunk(policy, chunk, 3)

    loaded = load_policy(folder / "run")
    assert (loaded.spec, loaded.config) == (policy.spec, policy.config)
    with torch.no_grad():
        assert torch.equal(loaded(observations, noise), chunk)

    _check_actor(loaded, data)
    _check_traces(loaded)
    again = train(data, policy_config, train_config, folder / "run", resume=True)
    assert_same_weights(again, policy)


def example(policy: Policy, *, batch: int = 1, seed: int = 0) -> tuple[dict[str, Tensor], Any]:
    """Observations and noise of the right shapes."""
    generator = torch.Generator().manual_seed(seed)
    observations = {
        f.name: torch.rand(batch, policy.config.n_obs, *f.shape, generator=generator)
        for f in policy.spec.observations
    }
    noise = None
    if policy.noise_shape is not None:
        noise = torch.randn(batch, *policy.noise_shape, generator=generator)
    return observations, noise


def assert_same_weights(one: nn.Module, other: nn.Module) -> None:
    """Bit by bit, buffers included."""
    left, right = one.state_dict(), other.state_dict()
    assert left.keys() == right.keys()
    differing = [name for name in left if not torch.equal(left[name], right[name])]
    assert not differing, differing


def _check_chunk(policy: Policy, chunk: Tensor, batch: int) -> None:
    shape = policy.spec.action.shape
    assert chunk.shape == (batch, policy.config.horizon, *shape)
    if policy.spec.choices is None:
        assert chunk.dtype == torch.float32
        assert chunk.isfinite().all()
    else:
        assert chunk.dtype == torch.int64
        assert ((chunk >= 0) & (chunk < policy.spec.choices)).all()


def _check_actor(policy: Policy, data: Recordings) -> None:
    """Acting step by step gives the executed parts of the chunks that `forward` predicts."""
    actor, execute = policy.actor(), policy.config.execute
    ticks = 2 * execute
    names = policy.spec.observation_names
    frames = [{name: data.column(name)[t] for name in names} for t in range(ticks)]
    plays = []
    for _ in range(2):
        actor.reset(5)
        plays.append(np.stack([actor.act(frame, 0.1 * t).action for t, frame in enumerate(frames)]))
    np.testing.assert_array_equal(plays[0], plays[1])

    rng = noise_generator(5)
    for first in (0, execute):
        ticks_seen = np.maximum(np.arange(first - policy.config.n_obs + 1, first + 1), 0)
        history = {name: torch.from_numpy(data.column(name)[ticks_seen][None]) for name in names}
        noise = None
        if policy.noise_shape is not None:
            drawn = rng.standard_normal(policy.noise_shape, dtype=np.float32)
            noise = torch.from_numpy(drawn[None])
        with torch.no_grad():
            chunk = policy(history, noise)[0, :execute].numpy()
        np.testing.assert_array_equal(plays[0][first : first + execute], chunk)


class _Positional(nn.Module):
    """The policy with tensors for arguments, as an exporter calls it."""

    def __init__(self, policy: Policy) -> None:
        super().__init__()
        self.policy = policy

    def forward(self, *inputs: Tensor) -> Tensor:
        names = self.policy.spec.observation_names
        noise = inputs[len(names)] if self.policy.noise_shape is not None else None
        chunk: Tensor = self.policy(dict(zip(names, inputs, strict=False)), noise)
        return chunk


def _check_traces(policy: Policy) -> None:
    """A graph captured from one input, without control flow on data, computes another."""
    observations, noise = example(policy, seed=1)
    inputs = (*observations.values(), *([] if noise is None else [noise]))
    program = torch.export.export(_Positional(policy), inputs, strict=False)
    observations, noise = example(policy, seed=2)
    inputs = (*observations.values(), *([] if noise is None else [noise]))
    with torch.no_grad():
        expected = policy(observations, noise)
        torch.testing.assert_close(program.module()(*inputs), expected, rtol=1e-5, atol=1e-6)

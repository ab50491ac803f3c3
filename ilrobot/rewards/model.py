"""A reward as a network: what adversarial and inverse learning and preferences leave."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from ilrobot.observed import vector_spec
from ilrobot.policies.module_file import load_module, save_module
from ilrobot.rewards.config import RewardConfig, TerminationBias
from ilrobot.rewards.encoding import Encoding
from ilrobot.rewards.running_norm import RunningNorm
from ilrobot.spec import Spec
from ilrobot.turning import Turning

if TYPE_CHECKING:
    from ilrobot.data.transitions import Transitions

#: Its file in a run's folder.
REWARD_FILE = "reward.pt"

_ROWS = 65_536


class RewardModel(nn.Module):
    """r(s), r(s, a) or r(s, a, s') of flat vectors in physical units; its normalisation is inside.

    Angles are seen as sine and cosine, rotations as six numbers (`ilrobot.policies.rotations`),
    discrete actions as one-hot vectors.

    Attributes:
        spec: Whose observations and action it reads; vector observations only.
        config: What it is made of.
        state_size: Size of `state`, the last element of which says that the episode is over where
            the configuration has absorbing states.

    Args:
        spec: The task's or dataset's; images are left out.
        config: What it shall be made of.
    """

    def __init__(self, spec: Spec, config: RewardConfig) -> None:
        super().__init__()
        self.spec, self.config = vector_spec(spec), config
        observed = Turning.of(self.spec.observations)
        self._observation_size = observed.size
        self._encode = Encoding(observed)
        self.observation_norm = RunningNorm(self._encode.size)
        self.state_size = self._encode.size + config.absorbing
        action = self.spec.action
        self._encode_action = Encoding(Turning(action.size, (), self.spec.target_rotations))
        self._action_size = self.spec.choices or self._encode_action.size
        self.action_norm = RunningNorm(self._action_size)
        sizes = self.state_size * (1 + config.reads_next) + self._action_size * config.reads_action
        self.network = perceptron(sizes, config.width, config.layers)

    def fit_normalizers(self, observations: Tensor, actions: Tensor) -> None:
        """Take rows into the running normalisation.

        Args:
            observations: Shape (N, O), physical units.
            actions: Shape (N, A), physical units; (N,) or (N, 1) of choices, which are left as
                they are.
        """
        self.observation_norm.update(self._encode(observations))
        if self.spec.choices is None:
            self.action_norm.update(self._encode_action(actions))

    def state(self, observations: Tensor, absorbing: Tensor | None = None) -> Tensor:
        """Observations as the network reads them, shape (N, state_size).

        Args:
            observations: Shape (N, O), physical units.
            absorbing: Shape (N,), 1 where the episode is over and no observation counts.
        """
        encoded: Tensor = self.observation_norm(self._encode(observations))
        if not self.config.absorbing:
            return encoded
        over = torch.zeros_like(encoded[:, 0]) if absorbing is None else absorbing.to(encoded.dtype)
        return torch.cat([encoded * (1 - over)[:, None], over[:, None]], dim=1)

    def inputs(
        self,
        observations: Tensor,
        actions: Tensor,
        next_observations: Tensor,
        absorbing: Tensor | None = None,
        next_absorbing: Tensor | None = None,
    ) -> Tensor:
        """Everything that the network reads, in one row each, shape (N, its input size)."""
        parts = [self.state(observations, absorbing)]
        if self.config.reads_action:
            if self.spec.choices is not None:
                chosen = actions.flatten().long()
                action = functional.one_hot(chosen, self._action_size).to(parts[0].dtype)
            else:
                action = self.action_norm(self._encode_action(actions))
            if absorbing is not None:
                action = action * (1 - absorbing.to(action.dtype))[:, None]
            parts.append(action)
        if self.config.reads_next:
            parts.append(self.state(next_observations, next_absorbing))
        return torch.cat(parts, dim=1)

    def score(self, inputs: Tensor) -> Tensor:
        """What the network says of `inputs`, shape (N,)."""
        said: Tensor = self.network(inputs)
        score, limit = said[:, 0], self.config.limit
        return score if limit is None else score.clamp(-limit, limit)

    def forward(
        self,
        observations: Tensor,
        actions: Tensor,
        next_observations: Tensor,
        absorbing: Tensor | None = None,
        next_absorbing: Tensor | None = None,
    ) -> Tensor:
        """The reward of each transition, shape (N,); see `inputs`."""
        inputs = self.inputs(observations, actions, next_observations, absorbing, next_absorbing)
        return biased(self.score(inputs), self.config.termination_bias)

    @property
    def absorbing_reward(self) -> float | None:
        """What each step in the absorbing state is worth (None: it knows of none)."""
        if not self.config.absorbing:
            return None
        blank = torch.zeros(1, self._observation_size, device=self.observation_norm.mean.device)
        still = torch.zeros(1, self.spec.action.size).to(blank)
        over = torch.ones(1).to(blank)
        with torch.inference_mode():
            return float(self(blank, still, blank, over, over))

    def of(self, transitions: Transitions, discount: float | None = None) -> NDArray[np.float32]:
        """The reward of each recorded transition, shape (N,).

        A reward of the next state sees of an end by itself what it was taught: the absorbing state,
        or, without one, the state that the end came in.

        Args:
            transitions: Recorded.
            discount: γ below 1 of a learner that optimises it: an end by itself is followed by
                γ / (1 - γ) times `absorbing_reward`, what staying over for ever comes to (Kostrikov
                et al. 2019, "Discriminator-Actor-Critic", section 4.2). None: of the steps alone.
        """
        found = []
        after = transitions.next_as_recorded
        with torch.inference_mode():
            for start in range(0, len(transitions.observations), _ROWS):
                part = slice(start, start + _ROWS)
                rows = transitions.observations[part], transitions.actions[part], after[part]
                over = self.tensor(transitions.terminal[part])
                made = self(*(self.tensor(row) for row in rows), next_absorbing=over)
                found.append(made.cpu().numpy())
        rewards = np.concatenate(found) if found else np.zeros(0, np.float32)
        staying = None if discount is None else self.absorbing_reward
        if discount is not None and staying is not None:
            rewards[transitions.terminal] += staying * discount / (1 - discount)
        return rewards

    def tensor(self, rows: NDArray[np.generic]) -> Tensor:
        """An array as float32 where the weights are."""
        return torch.as_tensor(rows, dtype=torch.float32, device=self.observation_norm.mean.device)

    def save(self, path: Path) -> None:
        """Write weights, configuration and spec to one file, atomically."""
        save_module(path, self, self.spec, self.config)

    @classmethod
    def load(cls, path: Path) -> RewardModel:
        """Inverse of `save`; the model is on the CPU and in evaluation mode.

        Raises:
            UserError: The file is missing, damaged or of another format.
            WorkFailed: The weights are not finite.
        """
        return load_module(path, "reward", lambda s, c: cls(s, RewardConfig.from_json(c)))


def perceptron(inputs: int, width: int, layers: int) -> nn.Sequential:
    """Hidden layers of tanh and one output, as GAIL's discriminator (Ho and Ermon 2016)."""
    parts: list[nn.Module] = []
    for size in [inputs, *[width] * (layers - 1)]:
        parts += [nn.Linear(size, width), nn.Tanh()]
    return nn.Sequential(*parts, nn.Linear(width, 1))


def biased(score: Tensor, bias: TerminationBias) -> Tensor:
    """A score as a reward; see `RewardConfig`.

    Of a discriminator's logit z = log D - log(1 - D): -log(1 - D), log D, or z.
    """
    if bias == "survive":
        return functional.softplus(score)
    if bias == "finish":
        return -functional.softplus(-score)
    return score

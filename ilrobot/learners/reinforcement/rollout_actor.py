"""A policy that tries for a whole rollout, beside the copies of the task in their process.

A copy of the policy travels there once a rollout and nothing is waited for between its ticks; the
noise travels with it, so that a run does not depend on how many processes there are.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ilrobot.learners.machine import acting
from ilrobot.learners.reinforcement.explicit_density import ExplicitDensity
from ilrobot.learners.reinforcement.explicit_layers import Array
from ilrobot.learners.reinforcement.played import Played
from ilrobot.learners.reinforcement.task_copies import Ended, TaskCopies
from ilrobot.policies.config import PolicyConfig
from ilrobot.policies.density import PolicyDensity
from ilrobot.policies.policy import Policy
from ilrobot.spec import Spec


class ActionsDiverged(Exception):
    """An action is no longer finite."""


class RolloutActor:
    """Acts by what is drawn from a policy's density, many rows at a time.

    Pickled, it keeps the policy's weights as they are then.

    Args:
        policy: In evaluation mode, on the CPU, see `ilrobot.policies.density.check_density`.
        limits: Least and greatest physical action, (A,) each.
        at_random: Whether what is drawn is the normalised action itself, whatever the policy means;
            else it is about the policy's mean, in its deviations.
    """

    def __init__(self, policy: Policy, limits: tuple[Array, Array], *, at_random: bool) -> None:
        self._policy, self._limits, self._at_random = policy, limits, at_random
        self._density, self._explicit = PolicyDensity(policy), ExplicitDensity(policy)
        encoder, actions = policy.encoder, policy.action_normalizer
        self._affine = encoder.affine and policy.relative is None
        normalizer = encoder.normalizer
        self._offset, self._scale = normalizer.offset.numpy(), normalizer.scale.numpy()
        self._middle, self._spread = actions.offset.numpy(), actions.spread.numpy()
        low, high = limits
        if policy.config.clip_actions:
            action = policy.spec.action
            low = low if action.low is None else np.maximum(low, np.array(action.low, np.float32))
            high = (
                high if action.high is None else np.minimum(high, np.array(action.high, np.float32))
            )
        self._low, self._high = low, high

    def __reduce__(self) -> tuple[Any, ...]:
        policy = self._policy
        weights = {name: value.numpy() for name, value in policy.state_dict().items()}
        return _rebuilt, (policy.spec, policy.config, weights, self._limits, self._at_random)

    def play(
        self,
        copies: TaskCopies,
        part: slice,
        now: Array,
        noise: Array,
    ) -> Played:
        """Step some copies of a task through a rollout.

        Each process computes the rows of all copies, for how they are rounded depends on how many
        there are.

        Args:
            copies: Some of all copies.
            part: Which of all.
            now: Where these copies are, (n, O).
            noise: What is drawn for all copies, (ticks, N, A).

        Raises:
            ActionsDiverged: An action is no longer finite.
        """
        made = Played.empty(len(noise), now, noise.shape[2])
        rows = np.zeros((noise.shape[1], now.shape[1]), dtype=np.float32)
        ended: list[tuple[int, Ended]] = []
        with acting(), torch.inference_mode(), np.errstate(all="ignore"):
            for tick, drawn in enumerate(noise):
                rows[part] = made.observations[tick] = now
                if not self._at_random:
                    mean, log_std = self._explicit.given(self._encoded(rows))
                    drawn = mean + np.exp(log_std) * drawn
                made.drawn[tick] = drawn[part]
                command = self._physical(drawn[part], now)
                command = np.minimum(np.maximum(command, self._low), self._high)
                made.executed[tick] = command
                if not np.isfinite(command).all():
                    raise ActionsDiverged
                step = copies.advance(command)
                now = step.observations
                made.after[tick], made.rewards[tick] = step.after, step.rewards
                made.terminal[tick], made.timeout[tick] = step.terminal, step.timeout
                ended += [(tick, end) for end in step.ended]
        return replace(made, now=now, ended=tuple(ended))

    def _encoded(self, rows: Array) -> Array:
        """As the network reads them, (N, O) to (N, C)."""
        if self._affine:
            return (rows - self._offset) / self._scale
        encoded: Array = self._density.encode(torch.from_numpy(rows)).numpy()
        return encoded

    def _physical(self, normalized: Array, now: Array) -> Array:
        """Physical actions, (n, A)."""
        if self._affine:
            return normalized * self._spread + self._middle
        there = torch.from_numpy(normalized), torch.from_numpy(now)
        physical: Array = self._density.physical(*there).numpy()
        return physical


def _rebuilt(
    spec: Spec,
    config: PolicyConfig,
    weights: dict[str, NDArray[np.generic]],
    limits: tuple[Array, Array],
    at_random: bool,
) -> RolloutActor:
    policy = Policy(spec, config)
    policy.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
    return RolloutActor(policy.eval(), limits, at_random=at_random)

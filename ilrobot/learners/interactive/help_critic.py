"""What help is worth: how likely an expert succeeds from here, less how likely the novice does.

    Q(o, a) = E[γ^k · success],    k ticks after this one, the novice acting from the next tick on
    V(o)    = E[γ^k · success],    the expert acting from this tick on

Both by the targets of `ilrobot.learners.interactive.success_critic`, Q from all that was recorded,
V from the ticks that an expert drove, demonstrations included, and from the last tick of whatever
ended without success: there nobody can help any more.

γ is 0.99, so that a success counts half as much 70 ticks later, where ThriftyDAgger's 0.9999 hardly
tells when it comes. A robot that is stuck has no value of its own then, whatever the network
supposes of a state that leads to itself. And help is worth most where it bears fruit at once:
between a call on the way to the hole and one beside it, the latter costs the expert fewer steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ilrobot.actors import Action, Observation
from ilrobot.data.memory import Recordings
from ilrobot.errors import UserError
from ilrobot.gates.discrepancy import action_ranges
from ilrobot.learners.interactive.critic_samples import Samples
from ilrobot.learners.interactive.gate_network import GateNetwork, Validation
from ilrobot.learners.interactive.piecewise import PiecewiseLinear
from ilrobot.learners.interactive.success_critic import fit_twins, split_episodes
from ilrobot.learners.interactive.transitions import Transitions
from ilrobot.learners.interactive.twins import Twins
from ilrobot.learners.machine import numerics
from ilrobot.policies.normalize import Normalizer, kinds
from ilrobot.spec import Spec

GAMMA = 0.99

#: See `success_critic`; values reach less far, so that fewer renewals do.
_SWEEPS = 40


@dataclass(frozen=True)
class HelpFit(Validation):
    """How well both hold on episodes that they were not fitted to; None: there are none.

    Attributes:
        episodes: How many were held out.
        novice: Root of the mean square of Q's temporal difference.
        expert: The same of V.
    """

    episodes: int
    novice: float | None
    expert: float | None


class HelpCritic(GateNetwork[HelpFit]):
    """V - Q of an observation and the action that the novice wants; `fit_help_critic` makes one.

    Args:
        spec: The task's; images are left out.
    """

    kind = "help critic"
    signal = "benefit"
    report_type = HelpFit

    def __init__(self, spec: Spec) -> None:
        action_ranges(spec)  # says why a choice cannot be taken
        super().__init__(spec)
        self.action_normalizer = Normalizer(kinds((spec.action,)), "standardize")
        self.seen = PiecewiseLinear(self.encoder.size)
        self.done = PiecewiseLinear(spec.action.size)
        self.expert = Twins(self.seen.size)
        self.novice = Twins(self.seen.size + self.done.size)

    def __call__(self, observation: Observation, action: Action) -> float:
        """V - Q in [-1, 1] at one tick; V where the action is not finite.

        Args:
            observation: Name to array of its feature's shape, physical units.
            action: In the action's shape and units.
        """
        return float(self.values(self.one(observation), np.asarray(action)[None])[0])

    @torch.inference_mode()
    def values(
        self, observations: Mapping[str, NDArray[Any]], actions: NDArray[Any]
    ) -> NDArray[np.float32]:
        """V - Q of many, shape (N,), from arrays of shape (N, *shape)."""
        finite = np.isfinite(actions.reshape(len(actions), -1)).all(axis=1)
        novice = self.novice.lesser(self.encode(observations, actions)).numpy()
        expert = self.expert.lesser(self.encode_seen(observations, actions)).numpy()
        return expert - np.where(finite, novice, np.float32(0.0))

    def encode(self, observations: Mapping[str, NDArray[Any]], actions: NDArray[Any]) -> Tensor:
        """What Q reads, shape (N, C)."""
        wanted = torch.tensor(actions, dtype=torch.float32).reshape(len(actions), -1)
        return torch.cat(
            [self.encode_seen(observations, actions), self.done(self.action_normalizer(wanted))],
            dim=1,
        )

    def encode_seen(
        self, observations: Mapping[str, NDArray[Any]], actions: NDArray[Any]
    ) -> Tensor:
        """What V reads, which is no action, shape (N, C)."""
        encoded: Tensor = self.seen(self.encode_observations(observations))
        return encoded


def fit_help_critic(dataset: Recordings, actions: NDArray[np.float32], seed: int) -> HelpCritic:
    """Fit both values to all episodes but a tenth, which are held out to validate them.

    The same data and seed give the same critic on the same machine.

    Args:
        dataset: Demonstrations and what was recorded under shared control.
        actions: What the novice would do at each tick, `novice.novice_actions`.
        seed: Of the first weights, the draws and the split.

    Raises:
        UserError: No episode succeeded by the expert, or the action is a choice or has no limits.
    """
    known = Transitions.of(dataset)
    if not (known.success & known.helped(dataset)).any():
        raise UserError(
            f"{dataset.path}: no episode succeeded by an expert's hand, so that nothing tells what "
            "help is worth; record successful demonstrations first"
        )
    with numerics(torch.device("cpu"), "mlp"):
        torch.manual_seed(seed)
        critic = HelpCritic(dataset.spec)
        train, held_out = split_episodes(known, seed)
        _fit_encoding(critic, dataset, train.frames)
        for twins, samples in _lessons(critic, dataset, actions, train):
            fit_twins(twins, samples, _SWEEPS)
        errors: list[float | None] = [None, None]
        if len(held_out):
            errors = [
                float(samples.errors(twins)[1].square().mean().sqrt()) if len(samples) else None
                for twins, samples in _lessons(critic, dataset, actions, held_out)
            ]
        critic.report = HelpFit(len(np.unique(held_out.episode)), *errors)
    return critic


def _lessons(
    critic: HelpCritic, dataset: Recordings, actions: NDArray[np.float32], known: Transitions
) -> tuple[tuple[Twins, Samples], tuple[Twins, Samples]]:
    """What Q is fitted to, and what V is."""
    return (
        (critic.novice, Samples.of(critic.encode, dataset, actions, known, GAMMA)),
        (critic.expert, Samples.of_expert(critic.encode_seen, dataset, known, GAMMA)),
    )


def _fit_encoding(critic: HelpCritic, dataset: Recordings, frames: NDArray[np.int64]) -> None:
    columns = {f.name: dataset.column(f.name)[frames] for f in critic.spec.observations}
    done = dataset.column("action")[frames].reshape(len(frames), -1)
    critic.fit_encoder(columns)
    critic.action_normalizer.fit(done)
    with torch.no_grad():
        critic.seen.fit(critic.encode_observations(columns).numpy())
        critic.done.fit(critic.action_normalizer(torch.tensor(done)).numpy())

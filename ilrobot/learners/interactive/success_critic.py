"""ThriftyDAgger's risk: how likely the novice is to succeed if it goes on from here.

    Q(o, a) = E[γ^k · success],    k ticks after this one, the novice acting from the next tick on
    δ_t     = r_t + γ (1 - d_t) min_i Q̄_i(o_{t+1}, π(o_{t+1})) - min_i Q̄_i(o_t, a_t)
    y_t     = min_i Q̄_i(o_t, a_t) + Σ_n (γλ)^n δ_{t+n},    r = 1 at success, which ends the episode

Hoque, Balakrishna, Novoseller, Wilcox, Brown and Goldberg 2021, "ThriftyDAgger: Budget-aware
novelty and risk gating for interactive imitation learning", arXiv:2109.08273. Two networks that end
in a sigmoid, targets from older copies of both, the lesser value of the two, γ = 0.9999 and a tenth
of successes in each batch are their program's. Five things are done otherwise:

- With λ = 0 the targets are theirs. They reach one tick further back each time that they are
  renewed; the sum reaches on while what was executed is near what the novice would have done, and
  has the same solution (Harutyunyan, Bellemare, Stepleton and Munos 2016, "Q(λ) with off-policy
  corrections", arXiv:1602.04951).
- Successes are drawn more often than they occur, and weighted down by as much. Unweighted, an
  action that succeeds now and then would seem to succeed more often than it does.
- The loss is the cross-entropy, which has the squared error's minimum and does not stall where the
  sigmoid is flat.
- Both networks begin near 0. The probability of ever succeeding is the least solution of the
  equation; of a robot that goes round in circles any value is one.
- The targets are renewed from the networks that are trained. In their program the networks are made
  anew with each round's policy, and the targets go on following those of the first.

Validation is on whole episodes that were held out: how well the equation holds there, and how far Q
is from what became of those ticks from which the policies themselves went on to the end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ilrobot.control.signals import RISK
from ilrobot.data.labels import held_out_places
from ilrobot.data.recordings import Recordings
from ilrobot.errors import UserError
from ilrobot.learners.interactive.action_critic import ActionCritic, are_finite
from ilrobot.learners.interactive.critic_samples import Samples
from ilrobot.learners.interactive.gate_network import OnSteps, Validation, unwatched
from ilrobot.learners.interactive.transitions import Transitions
from ilrobot.learners.interactive.twins import Twins
from ilrobot.learners.machine import numerics
from ilrobot.spec import Spec

GAMMA = 0.9999

#: The targets are renewed so many times, and each time fitted to for so many steps. A renewal
#: reaches some 1 / (1 - λ) = 20 ticks back, so that all reach over episodes of 1,000 and more.
_SWEEPS, SWEEP_STEPS, _LEARNING_RATE = 80, 50, 1e-3
_HELD_OUT = 0.1


@dataclass(frozen=True)
class CriticFit(Validation):
    """How well a critic does on episodes that it was not fitted to; None: there is only one.

    Attributes:
        episodes: How many were held out.
        bellman: Root of the mean square of Q(o, a) - (r + γ (1 - d) Q(o', π(o'))).
        brier: Mean square of Q less γ^k · success, over the ticks from which the novice alone went
            on to the end.
        constant: The same of the one best constant in place of Q; a critic that knows something is
            below it.
    """

    episodes: int
    bellman: float | None
    brier: float | None
    constant: float | None


class SuccessCritic(ActionCritic[CriticFit]):
    """Q of an observation and an action; `fit_success_critic` makes one.

    Args:
        spec: The task's; images are left out.
    """

    kind = "critic"
    signal = RISK
    report_type = CriticFit

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self.twins = Twins(self.encoder.size + spec.action.size)

    @torch.inference_mode()
    def values(
        self, observations: Mapping[str, NDArray[Any]], actions: NDArray[Any]
    ) -> NDArray[np.float32]:
        """Q in [0, 1] of many, shape (N,), from arrays of shape (N, *shape).

        0 where the action is not finite.
        """
        values = self.twins.lesser(self.encode(observations, actions)).numpy()
        return np.where(are_finite(actions), values, np.float32(0.0))

    def judge(self, observations: Mapping[str, Tensor], action: Tensor) -> Tensor:
        """1 - Q; see `GateNetwork`."""
        wanted = self.action_normalizer(action.flatten(1))
        seen = self.encode_tensors(observations)
        return 1.0 - self.twins.lesser(torch.cat([seen, wanted], dim=1))

    def encode(self, observations: Mapping[str, NDArray[Any]], actions: NDArray[Any]) -> Tensor:
        """What the networks read, shape (N, C)."""
        seen = self.encode_observations(observations)
        return torch.cat([seen, self.encode_actions(actions)], dim=1)


def fit_success_critic(
    dataset: Recordings,
    actions: NDArray[np.float32],
    seed: int,
    gamma: float = GAMMA,
    on_steps: OnSteps = unwatched,
) -> SuccessCritic:
    """Fit a critic to all episodes but a tenth, which are held out to validate it.

    Of two or more successful ones at least one is, and of the others likewise. The same data and
    seed give the same critic on the same machine.

    Args:
        dataset: Demonstrations and what was recorded under shared control.
        actions: What the novice would do at each tick, `novice.novice_actions`.
        seed: Of the first weights, the draws and the split.
        gamma: γ per tick, in (0, 1].
        on_steps: Follows the fit.

    Raises:
        UserError: No episode succeeded, or the action is a choice or has no limits.
    """
    known = Transitions.of(dataset)
    if not known.success.any():
        raise UserError(
            f"{dataset.path}: no episode succeeded, so that nothing tells how likely success is; "
            "record successful demonstrations first"
        )
    with numerics(torch.device("cpu"), "mlp"):
        torch.manual_seed(seed)
        critic = SuccessCritic(dataset.spec)
        train, held_out = split_episodes(known, seed)
        critic.fit_reading(dataset, train.frames)
        samples = Samples.of(critic.encode, dataset, actions, train, gamma)
        fit_twins(critic.twins, samples, _SWEEPS, on_steps)
        critic.report = _validate(critic, dataset, actions, held_out, gamma)
    return critic


def fit_twins(twins: Twins, samples: Samples, sweeps: int, on_steps: OnSteps = unwatched) -> None:
    """Fit two networks to samples whose targets are renewed so many times."""
    optimizer = torch.optim.Adam(twins.parameters(), lr=_LEARNING_RATE, fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, sweeps)
    for sweep in range(1, sweeps + 1):
        targets = samples.returns(twins)
        for index in samples.draw(SWEEP_STEPS):
            loss = functional.binary_cross_entropy_with_logits(
                twins(samples.here[index]),
                targets[index].expand(2, -1),
                samples.weight[index].expand(2, -1),
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        schedule.step()
        on_steps(sweep * SWEEP_STEPS, sweeps * SWEEP_STEPS)


def split_episodes(known: Transitions, seed: int) -> tuple[Transitions, Transitions]:
    """To train on and to validate on: a tenth of the successful episodes and of the others."""
    successful = np.unique(known.episode[known.success])
    others = np.setdiff1d(known.episode, successful)
    held_out = np.concatenate(
        [group[held_out_places(len(group), _HELD_OUT, (seed, 0))] for group in (successful, others)]
    )
    return known.of_episodes(np.setdiff1d(known.episode, held_out)), known.of_episodes(held_out)


@torch.no_grad()
def _validate(
    critic: SuccessCritic,
    dataset: Recordings,
    actions: NDArray[np.float32],
    held_out: Transitions,
    gamma: float,
) -> CriticFit:
    episodes = len(np.unique(held_out.episode))
    if not len(held_out):
        return CriticFit(episodes, None, None, None)
    samples = Samples.of(critic.encode, dataset, actions, held_out, gamma)
    values, errors = samples.errors(critic.twins)
    brier = constant = None
    alone, became = held_out.alone(dataset, gamma)
    if alone.any():
        brier = float(np.mean((values.numpy()[alone] - became[alone]) ** 2))
        constant = float(np.var(became[alone]))
    return CriticFit(episodes, float(errors.square().mean().sqrt()), brier, constant)

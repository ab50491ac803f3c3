"""What help is worth: how likely an expert succeeds from here, less how likely the novice does.

    Q(o, a) = E[γ^k · success],    k ticks after this one, the novice acting to the end
    V(o)    = E[γ^k · success],    the expert acting from this tick on

Q is fitted to what became of the novice's rehearsals (`rehearsal.py`), by the cross-entropy with
γ^k · success as the probability. They are of the very policy that will act and cost nobody's time,
so that there are enough to do without the temporal differences of `success_critic.py`: a robot that
is stuck has failed, and no value has to come back to it over the ticks for which it stayed. Each of
two networks sees one half of the rehearsals, and their mean is believed; what each says of the
other half is untaught, and is what thresholds and validation go by.

V is by the targets of `success_critic.py`, from the ticks that an expert drove, demonstrations
included, and from the last tick of what failed: there nobody can help any more. That a novice alone
ran out of time says nothing of an expert, who would have gone on from where it stood.

γ is 0.99, so that a success counts half as much 70 ticks later, where ThriftyDAgger's 0.9999 hardly
tells when it comes. So help is worth most where it bears fruit at once: between a call on the way
to the hole and one beside it, the latter costs the expert fewer steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ilrobot.data.recordings import Recordings
from ilrobot.errors import UserError
from ilrobot.learners.interactive.action_critic import ActionCritic, are_finite
from ilrobot.learners.interactive.critic_samples import Samples
from ilrobot.learners.interactive.gate_network import OnSteps, Validation, unwatched
from ilrobot.learners.interactive.piecewise import PiecewiseLinear
from ilrobot.learners.interactive.success_critic import SWEEP_STEPS, fit_twins
from ilrobot.learners.interactive.transitions import Transitions
from ilrobot.learners.interactive.twins import Twins
from ilrobot.learners.machine import numerics
from ilrobot.observed import vector_spec
from ilrobot.spec import Spec

GAMMA = 0.99

#: Of V, see `success_critic`; values reach less far, so that fewer renewals do.
_SWEEPS = 40
#: Of Q.
_STEPS, _BATCH, _LEARNING_RATE = 2_000, 128, 1e-3


@dataclass(frozen=True)
class HelpFit(Validation):
    """How well Q foretells the rehearsals that it was not fitted to.

    Attributes:
        rehearsals: How many there were.
        successes: How many of them succeeded.
        brier: Mean square of Q less γ^k · success over their ticks.
        constant: The same of the one best constant in place of Q; a critic that knows something is
            below it.
    """

    rehearsals: int
    successes: int
    brier: float
    constant: float


class HelpCritic(ActionCritic[HelpFit]):
    """V - Q of an observation and the action that the novice wants; `fit_help_critic` makes one.

    Args:
        spec: The task's; images are left out.
    """

    kind = "help critic"
    signal = "benefit"
    report_type = HelpFit

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self.seen = PiecewiseLinear(self.encoder.size)
        self.done = PiecewiseLinear(spec.action.size)
        self.expert = Twins(self.seen.size)
        self.novice = Twins(self.seen.size + self.done.size)

    @torch.inference_mode()
    def values(
        self, observations: Mapping[str, NDArray[Any]], actions: NDArray[Any]
    ) -> NDArray[np.float32]:
        """V - Q in [-1, 1] of many, shape (N,), from arrays of shape (N, *shape).

        V where the action is not finite.
        """
        novice = self.novice(self.encode(observations, actions)).sigmoid().mean(dim=0).numpy()
        expert = self.expert.lesser(self.encode_seen(observations, actions)).numpy()
        return expert - np.where(are_finite(actions), novice, np.float32(0.0))

    def encode(self, observations: Mapping[str, NDArray[Any]], actions: NDArray[Any]) -> Tensor:
        """What Q reads, shape (N, C)."""
        seen = self.encode_seen(observations, actions)
        return torch.cat([seen, self.done(self.encode_actions(actions))], dim=1)

    def encode_seen(
        self, observations: Mapping[str, NDArray[Any]], actions: NDArray[Any]
    ) -> Tensor:
        """What V reads, which is no action, shape (N, C)."""
        encoded: Tensor = self.seen(self.encode_observations(observations))
        return encoded


@dataclass(frozen=True)
class Rehearsed:
    """What became of a novice alone, tick for tick.

    Attributes:
        columns: What it saw, name to (N, *shape).
        actions: What it did there, (N, *shape): in the midst of a chunk, or where it samples, it
            would do something else if it were asked anew.
        attempt: Number of each tick's attempt, (N,).
        became: γ^k · success, (N,).
        first: Whether the tick is in the half that the first network learns from, (N,).
    """

    columns: Mapping[str, NDArray[Any]]
    actions: NDArray[np.float32]
    attempt: NDArray[np.int64]
    became: NDArray[np.float64]
    first: NDArray[np.bool_]

    @classmethod
    def of(cls, rehearsals: Recordings) -> Rehearsed:
        """Those ticks of some recordings whose end is known.

        Raises:
            UserError: There are none.
        """
        known = Transitions.of(rehearsals)
        alone, became = known.alone(rehearsals, GAMMA)
        if not alone.any():
            raise UserError(
                f"{rehearsals.path}: it is not known how any of these attempts ended, so that "
                "nothing tells what becomes of the policy alone; take a task that says whether it "
                "is done"
            )
        known = known.where(alone)
        names = vector_spec(rehearsals.spec).observation_names
        # Every other one of those that succeeded, and of those that did not.
        successful = np.unique(known.episode[known.success])
        others = np.setdiff1d(known.episode, successful)
        first = np.concatenate([successful[::2], others[::2]])
        return cls(
            {n: rehearsals.column(n)[known.frames] for n in names},
            rehearsals.column("action")[known.frames].astype(np.float32),
            known.episode,
            became[alone],
            np.isin(known.episode, first),
        )

    @torch.inference_mode()
    def foretold(self, critic: HelpCritic) -> NDArray[np.float32]:
        """Q at each tick by the network that did not learn from it, (N,)."""
        first, second = critic.novice(critic.encode(self.columns, self.actions)).sigmoid().numpy()
        return np.where(self.first, second, first)

    @torch.inference_mode()
    def benefit(self, critic: HelpCritic) -> NDArray[np.float32]:
        """V - Q at each tick, Q being `foretold`, (N,)."""
        expert = critic.expert.lesser(critic.encode_seen(self.columns, self.actions)).numpy()
        worth: NDArray[np.float32] = expert - self.foretold(critic)
        return worth


def fit_help_critic(
    dataset: Recordings, rehearsed: Rehearsed, seed: int, on_steps: OnSteps = unwatched
) -> HelpCritic:
    """Fit both values. The same data and seed give the same critic on the same machine.

    Args:
        dataset: Demonstrations, what was recorded under shared control, and the rehearsals.
        rehearsed: What became of the novice in the rehearsals.
        seed: Of the first weights and the draws.
        on_steps: Follows the fit.

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
        _fit_encoding(critic, dataset, known.frames)
        most = _STEPS + _SWEEPS * SWEEP_STEPS
        _fit_halves(critic, rehearsed, lambda done: on_steps(done, most))
        shown = Samples.of_expert(critic.encode_seen, dataset, known, GAMMA)
        fit_twins(critic.expert, shown, _SWEEPS, lambda done, _: on_steps(_STEPS + done, most))
    critic.report = _validate(critic, rehearsed)
    return critic


def _fit_halves(critic: HelpCritic, rehearsed: Rehearsed, on_step: Callable[[int], None]) -> None:
    """Fit each of the two networks of Q to its half."""
    read = critic.encode(rehearsed.columns, rehearsed.actions)
    became = torch.tensor(rehearsed.became, dtype=torch.float32)
    sees = torch.from_numpy(np.stack([rehearsed.first, ~rehearsed.first]).astype(np.float32))
    optimizer = torch.optim.Adam(critic.novice.parameters(), lr=_LEARNING_RATE, fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, _STEPS)
    for step in range(1, _STEPS + 1):
        index = torch.randint(len(read), (_BATCH,))
        loss = functional.binary_cross_entropy_with_logits(
            critic.novice(read[index]), became[index].expand(2, -1), sees[:, index]
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        on_step(step)


def _validate(critic: HelpCritic, rehearsed: Rehearsed) -> HelpFit:
    attempts, last = np.unique(rehearsed.attempt[::-1], return_index=True)
    return HelpFit(
        len(attempts),
        int(np.count_nonzero(rehearsed.became[::-1][last])),
        float(np.mean((rehearsed.foretold(critic) - rehearsed.became) ** 2)),
        float(np.var(rehearsed.became)),
    )


def _fit_encoding(critic: HelpCritic, dataset: Recordings, frames: NDArray[np.int64]) -> None:
    columns, done = critic.fit_reading(dataset, frames)
    with torch.no_grad():
        critic.seen.fit(critic.encode_observations(columns).numpy())
        critic.done.fit(critic.encode_actions(done).numpy())

"""What a critic is fitted to: batches that hold successes, and targets that reach far back.

See `ilrobot.learners.interactive.success_critic` for the equations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ilrobot.data.episode import Outcome
from ilrobot.data.recordings import Recordings
from ilrobot.gates.discrepancy import THRESHOLD
from ilrobot.learners.interactive.transitions import Transitions
from ilrobot.learners.interactive.twins import Twins
from ilrobot.observed import vector_spec

#: Observations, name to (N, *shape), and actions to what the networks read.
Encode = Callable[[Mapping[str, NDArray[Any]], NDArray[Any]], Tensor]

#: Such that a tenth are a dozen successes.
_BATCH = 128
#: Share of a batch that are successes.
_SUCCESSES = 0.1
#: Of the targets' sum: it reaches some 1 / (1 - λ) = 20 ticks on.
_LAMBDA = 0.95


@dataclass(frozen=True)
class Samples:
    """Transitions as the networks read them: one row each, in the order of time.

    Attributes:
        here: Observation and executed action, (N, C).
        there: Those at the tick after it, the action being the novice's, (N, C).
        reward: 1 at success, else 0, (N,).
        discount: γ, or 0 where nothing follows, (N,).
        trace: γλ where the sum of the targets goes on to the next row, else 0, (N,).
    """

    here: Tensor
    there: Tensor
    reward: Tensor
    discount: Tensor
    trace: Tensor

    @classmethod
    def of(
        cls,
        encode: Encode,
        dataset: Recordings,
        actions: NDArray[np.float32],
        known: Transitions,
        gamma: float,
    ) -> Samples:
        """Those of some transitions of a dataset.

        Args:
            encode: The critic's.
            dataset: The recordings.
            actions: Of the novice, at each tick of the dataset.
            known: The transitions.
            gamma: γ.
        """
        columns = {n: dataset.column(n) for n in vector_spec(dataset.spec).observation_names}

        def encoded(frames: NDArray[np.int64], done: NDArray[Any]) -> Tensor:
            return encode({n: c[frames] for n, c in columns.items()}, done[frames])

        # As near as LazyDAgger, by its authors' threshold, has the novice act.
        near = known.agreement(dataset, actions) <= THRESHOLD
        onward = np.append(near[1:], False)
        goes_on = np.append(known.following[:-1] == known.frames[1:], False)
        return cls(
            here=encoded(known.frames, dataset.column("action")),
            there=encoded(known.following, actions),
            reward=torch.tensor(known.success, dtype=torch.float32),
            discount=gamma * torch.tensor(~known.ended, dtype=torch.float32),
            trace=gamma * _LAMBDA * torch.tensor(goes_on & onward, dtype=torch.float32),
        )

    @classmethod
    def of_expert(
        cls, encode: Encode, dataset: Recordings, known: Transitions, gamma: float
    ) -> Samples:
        """Those that tell what comes of the expert's going on.

        They are the ticks that an expert drove, and the last one of what failed, whoever drove:
        there nobody could have helped any more. A novice that ran out of time alone tells nothing:
        it may have stood where an expert would have gone on.

        Args:
            encode: The critic's, which reads no action.
            dataset: The recordings.
            known: Their transitions.
            gamma: γ.
        """
        failed = np.array([info.outcome is Outcome.FAILURE for info in dataset.infos], dtype=bool)
        lost = known.ended & failed[known.episode]
        known = known.where(known.helped(dataset) | lost)
        columns = {n: dataset.column(n) for n in vector_spec(dataset.spec).observation_names}
        done = dataset.column("action")

        def encoded(frames: NDArray[np.int64]) -> Tensor:
            return encode({n: c[frames] for n, c in columns.items()}, done[frames])

        goes_on = np.append(known.following[:-1] == known.frames[1:], False)[: len(known)]
        return cls(
            here=encoded(known.frames),
            there=encoded(known.following),
            reward=torch.tensor(known.success, dtype=torch.float32),
            discount=gamma * torch.tensor(~known.ended, dtype=torch.float32),
            trace=gamma * _LAMBDA * torch.tensor(goes_on & ~known.ended, dtype=torch.float32),
        )

    def __len__(self) -> int:
        return len(self.reward)

    def draw(self, steps: int) -> Tensor:
        """Indexes of so many batches, shape (steps, B): successes first in each."""
        successes, others = self.reward.nonzero()[:, 0], (self.reward == 0).nonzero()[:, 0]
        count = self.successes
        return torch.cat(
            [
                successes[torch.randint(max(1, len(successes)), (steps, count))],
                others[torch.randint(max(1, len(others)), (steps, _BATCH - count))],
            ],
            dim=1,
        )

    @property
    def successes(self) -> int:
        """How many there are in a batch."""
        share = float(self.reward.mean())
        return _BATCH if share == 1.0 else round(_BATCH * max(_SUCCESSES, share))

    @cached_property
    def weight(self) -> Tensor:
        """Of each row in the loss: undoes that successes are preferred."""
        share, count = float(self.reward.mean()), self.successes
        succeeded = share * _BATCH / count
        otherwise = (1.0 - share) * _BATCH / max(1, _BATCH - count)
        return torch.where(self.reward > 0, succeeded, otherwise)

    @torch.no_grad()
    def errors(self, twins: Twins) -> tuple[Tensor, Tensor]:
        """Q of all rows and δ = r + γ (1 - d) Q(o', π(o')) - Q(o, a)."""
        values = twins.lesser(self.here)
        return values, self.reward + self.discount * twins.lesser(self.there) - values

    def returns(self, twins: Twins) -> Tensor:
        """The targets of all rows."""
        values, errors = self.errors(twins)
        summed, ahead = [], 0.0
        rows = zip(errors.flip(0).tolist(), self.trace.flip(0).tolist(), strict=True)
        for error, trace in rows:
            ahead = error + trace * ahead
            summed.append(ahead)
        return (values + torch.tensor(summed).flip(0)).clamp(0.0, 1.0)

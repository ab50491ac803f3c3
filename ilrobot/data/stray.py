"""What the robot would see had it strayed, with the label that leads back.

    o' = o + Jₒ δ        a'ᵢ = aᵢ - Jₐ δ / k   for the first k ticks,        δ ~ N(0, diag σ²)

Demonstrations hardly show how to come back from a mistake, because the person made none. PilotNet
(Bojarski et al. 2016, "End to end learning for self-driving cars", arXiv:1604.07316) recorded two
further cameras, each where the car would have been had it drifted to that side, and let them stand
in for the middle one with the steering that is back in the lane two seconds later.

Here what stands in is computed. Where an observation is a position, or a view of one, a drift moves
it by a known matrix; any other stand-in, such as a second camera's picture, is another
`Perturbation`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from ilrobot.errors import UserError
from ilrobot.spec import Spec

if TYPE_CHECKING:
    from ilrobot.data.batch import Batch

Matrix = tuple[tuple[float, ...], ...]


class Perturbation(Protocol):
    """Changes what is drawn to train on; what is validated on stays as it was recorded.

    Its `repr` says all that it is: a run keeps it, and goes on with the same one only. What it
    draws comes from torch's generator, which a checkpoint keeps.
    """

    def __call__(self, batch: Batch) -> Batch:
        """The batch to train on, physical units; the mask and the weights may change, too."""

    def check(self, spec: Spec) -> None:
        """Refuse a task that it does not fit.

        Raises:
            UserError: It does not.
        """


@dataclass(frozen=True)
class Stray:
    """A drift along some directions, the same over a history, as if the robot had come that way.

    Attributes:
        std: σ of the drift along each of D directions, in their units.
        observations: Jₒ: of each observation that a drift changes, name to (size, D) rows.
        action: Jₐ: the (A, D) action of one tick that moves by one unit along each direction. A
            step per tick is 1 there, a velocity the rate; a target position is 0, because it
            leads back as it is.
        ticks: k, within which the labels lead back.
        share: Of the windows that stray; the others are as they were recorded.
    """

    std: tuple[float, ...]
    observations: Mapping[str, Matrix]
    action: Matrix
    ticks: int
    share: float = 0.5

    def check(self, spec: Spec) -> None:
        """See `Perturbation`."""
        if spec.choices is not None:
            raise UserError("straying corrects continuous actions, and these are choices")
        if self.ticks < 1 or not 0 <= self.share <= 1 or min(self.std, default=-1.0) < 0:
            raise UserError(
                "straying needs at least one direction, no negative std, at least 1 tick to lead "
                "back in and a share within 0 and 1"
            )
        sizes = {f.name: f.size for f in spec.observations}
        shapes = {**self.observations, spec.action.name: self.action}
        for name, rows in shapes.items():
            size = spec.action.size if name == spec.action.name else sizes.get(name)
            if size is None:
                raise UserError(f"straying changes '{name}', which is none of {list(sizes)}")
            if len(rows) != size or any(len(row) != len(self.std) for row in rows):
                raise UserError(
                    f"straying by {len(self.std)} directions needs {size} rows of "
                    f"{len(self.std)} for '{name}'"
                )

    def __call__(self, batch: Batch) -> Batch:
        """See `Perturbation`."""
        count, horizon = batch.mask.shape
        device = batch.actions.device
        tensor = partial(torch.tensor, dtype=batch.actions.dtype, device=device)
        drift = torch.randn(count, len(self.std), device=device) * tensor(self.std)
        drift *= torch.rand(count, 1, device=device) < self.share
        observations = dict(batch.observations)
        for name, rows in self.observations.items():
            seen = observations[name]
            moved = (drift @ tensor(rows).T).reshape(count, 1, *seen.shape[2:])
            observations[name] = seen + moved
        back = (drift @ tensor(self.action).T) / self.ticks
        leads = torch.arange(horizon, device=device) < self.ticks
        steps: Tensor = back[:, None] * leads[:, None]
        return replace(
            batch,
            observations=observations,
            actions=batch.actions - steps.reshape(batch.actions.shape),
        )

"""Which transitions of all that policies made a discriminator is trained on."""

from __future__ import annotations

import torch
from torch import Tensor

from ilrobot.learners.adversarial.rows import Rows


class Remembered:
    """The newest rollout alone, or an even sample of all there were.

    What it learnt about places where the policy has not been for long a discriminator forgets that
    no longer sees them, and whoever optimises its reward again begins just there.

    Args:
        most: Transitions that are kept of all rollouts, each of them as likely as any other; that
            is a reservoir (Vitter 1985, "Random sampling with a reservoir"), by the greatest of
            numbers drawn for each. None: the newest rollout, whole.
    """

    def __init__(self, most: int | None) -> None:
        self._most = most
        self._rows: Rows | None = None
        self._drawn = torch.zeros(0)

    @property
    def rows(self) -> Rows:
        """What is remembered; there was a rollout."""
        assert self._rows is not None, "a rollout is added before it is learnt from"
        return self._rows

    def add(self, rows: Rows, generator: torch.Generator) -> None:
        """Another rollout."""
        if self._most is None:
            self._rows = rows
            return
        drawn = torch.cat([self._drawn, torch.rand(len(rows), generator=generator)])
        known = rows if self._rows is None else Rows.joined([self._rows, rows])
        kept = drawn.topk(min(self._most, len(drawn)), sorted=False).indices
        self._drawn, self._rows = drawn[kept], known.take(kept.to(rows.observations.device))

    def state(self) -> dict[str, Tensor]:
        """What has to be kept: nothing of a rollout that the next one takes the place of."""
        if self._most is None or self._rows is None:
            return {}
        return {"drawn": self._drawn, **self._rows.state()}

    def load_state(self, state: dict[str, Tensor], device: torch.device) -> None:
        """Inverse of `state`, onto a device; checkpoints of before hold a newest rollout, too."""
        if state and self._most is not None:
            kept = dict(state)
            self._drawn = kept.pop("drawn")
            self._rows = Rows(**{name: values.to(device) for name, values in kept.items()})

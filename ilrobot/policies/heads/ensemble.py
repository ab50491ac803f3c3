"""Several heads as one: trained apart, asked together.

Members that were fitted from other initial weights to other draws of the data agree where there was
data and part where there was none. Lakshminarayanan, Pritzel and Blundell 2017, "Simple and
scalable predictive uncertainty estimation using deep ensembles", section 2.4; on bootstrapped data
as in Hoque et al. 2021, "ThriftyDAgger", section IV.

They are asked one after the other, so that any head can be a member and is exported as it is;
`heads/stacked_ensemble.py` has those that can be asked at once.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ilrobot.policies.heads.guidance import Guidance
from ilrobot.policies.heads.head import Head


class EnsembleHead(Head):
    """Acts by the mean of its members' chunks; by their majority where actions are choices.

    Members that sample keep answers apart between which lies a wrong one, and a mean would be that
    one: they are given the same noise, so that they differ by what they learnt and not by what they
    drew, and the first acts for all. It was trained on a bootstrap of its own, as each was.

    Args:
        members: Heads of the same kind, each with initial weights of its own.
        choices: Number of choices, where actions are choices.
    """

    members: Sequence[Head]

    def __init__(self, members: Sequence[Head], choices: int | None) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)  # type: ignore[assignment]
        self.noise_shape = members[0].noise_shape
        self._choices = choices

    def fit(self, actions: Tensor, mask: Tensor) -> None:
        """See `Head`."""
        for member in self.members:
            member.fit(actions, mask)

    def loss(self, condition: Tensor, actions: Tensor, mask: Tensor) -> Tensor:
        """See `Head`; the batch is the members' batches of equal size, one after the other."""
        count = len(self.members)
        parts = (torch.tensor_split(given, count) for given in (condition, actions, mask))
        return torch.cat(
            [member.loss(*part) for member, *part in zip(self.members, *parts, strict=True)]
        )

    def forward(
        self, condition: Tensor, noise: Tensor | None = None, guidance: Guidance | None = None
    ) -> Tensor:
        """See `Head`; all members are led alike."""
        return self.combine(ask(self.acting, condition, noise, guidance))

    def clip_gradients(self, greatest: float) -> None:
        """Scale the gradient of each member's weights down to this norm, where it is greater."""
        for member in self.members:
            nn.utils.clip_grad_norm_(member.parameters(), greatest)

    @property
    def acting(self) -> Sequence[Head]:
        """The members whose chunks are combined to act by."""
        return self.members if self.noise_shape is None else self.members[:1]

    def chunks(
        self, condition: Tensor, noise: Tensor | None = None, guidance: Guidance | None = None
    ) -> Tensor:
        """What each member would do, shape (members, B, H, A), or (members, B, H) for choices."""
        return ask(self.members, condition, noise, guidance)

    def combine(self, chunks: Tensor) -> Tensor:
        """What to act by, of the chunks of all members or of those that are `acting`.

        Of choices that with most votes, of several such the first.
        """
        if self.noise_shape is not None:
            return chunks[0]
        if self._choices is None:
            return chunks.mean(dim=0)
        votes = chunks.unsqueeze(-1) == torch.arange(self._choices, device=chunks.device)
        return votes.to(torch.float32).sum(dim=0).argmax(dim=-1)


def ask(
    members: Sequence[Head], condition: Tensor, noise: Tensor | None, guidance: Guidance | None
) -> Tensor:
    """What each would do, shape (members, B, H, A), or (members, B, H) for choices."""
    led = () if guidance is None else (guidance,)
    return torch.stack([member(condition, noise, *led) for member in members])

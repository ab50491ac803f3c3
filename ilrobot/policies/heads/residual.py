"""What is learnt beside a frozen head: a bounded residual on its action.

    a  =  base(o) + b tanh(net(o, base(o)))

in standard deviations of what was demonstrated. Silver et al. 2018, "Residual policy learning",
arXiv:1812.06298; bounded as by Yuan et al. 2024, "Policy decorator", arXiv:2412.13630. Of
motions the bound b may follow how far the base moves: little is added where it moves with care, as
beside a hole. A gripper is no motion, and its bound the same everywhere.

In a frame from one thing towards another (`ilrobot.policies.frame`), the network is told where all
things are in it, and what is added to a motion in the plane is along and beside that way: what is
learnt on one side of the table holds on the other. Nothing is added to what is observed.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ilrobot.policies.frame import MovingFrame
from ilrobot.policies.heads.head import Head
from ilrobot.policies.normalize import Normalizer
from ilrobot.policies.places import level_pair
from ilrobot.policies.residual_config import ResidualConfig
from ilrobot.spec import Spec

#: Observations far out of what was demonstrated would swamp the network.
_FARTHEST = 10.0
#: A new network's output is so much smaller than usual: what is begun with is the base.
_SMALL = 0.01


class ResidualHead(Head):
    """A base with a residual; acts by their sum.

    Attributes:
        base: What is added to; it stays as it is.
        network: (N, size) to what bounds to residuals, (N, residuals).
        size: Numbers that the network reads.
        residuals: How many elements are added to.

    Args:
        base: Of single actions, without noise.
        config: Checked.
        spec: Of observations and action.
        plain: See `MovingFrame`.
        condition: Size of the encoded observations.
        turned: Whether the base speaks of motions in the plane along and beside the way already.

    Raises:
        UserError: The frame is not observed.
    """

    spread: Tensor
    offset: Tensor
    place: Tensor
    moves: Tensor
    motions: Tensor

    def __init__(
        self,
        base: Head,
        config: ResidualConfig,
        spec: Spec,
        plain: Sequence[int],
        condition: int,
        *,
        turned: bool = False,
    ) -> None:
        super().__init__()
        self.base = base
        self._bound, self._at_rest = config.bound, config.bound_at_rest
        self.residuals = len(config.elements)
        names = spec.action.element_names
        elements = [names.index(name) for name in config.elements]
        self.frame = MovingFrame(spec, config.frame, plain) if config.frame else None
        pair = None if turned else level_pair(spec)
        #: Of the residuals, those that are turned.
        self._turned: list[int] = []
        if self.frame is not None and pair is not None and set(pair) <= set(elements):
            self._turned = [elements.index(index) for index in pair]
        still = [i for i in range(self.residuals) if i not in self._turned]
        added_to = [elements[i] for i in (*self._turned, *still)]
        place = torch.eye(len(names))[added_to]
        moves = torch.tensor([element not in spec.action.grippers for element in added_to])
        self.register_buffer("place", place, persistent=False)
        self.register_buffer("moves", moves, persistent=False)
        self.register_buffer("motions", place[moves], persistent=False)
        self.register_buffer("spread", torch.ones(len(names)))
        self.register_buffer("offset", torch.zeros(len(names)))
        told = 0 if self.frame is None else self.frame.size
        self.size = told + self.residuals + condition
        self.network = nn.Sequential(
            *(nn.Linear(self.size, config.width), nn.LayerNorm(config.width), nn.SiLU()),
            *(nn.Linear(config.width, config.width), nn.LayerNorm(config.width), nn.SiLU()),
            nn.Linear(config.width, self.residuals),
        )
        last = self.network[-1]
        assert isinstance(last, nn.Linear)
        with torch.no_grad():
            last.weight.mul_(_SMALL)
            last.bias.zero_()

    def adopt(self, observations: Normalizer, actions: Normalizer) -> None:
        """Take over how observations and actions are normalised."""
        self.spread.copy_(actions.spread)
        self.offset.copy_(actions.offset)
        if self.frame is not None:
            self.frame.adopt(observations)

    def see(self, condition: Tensor) -> tuple[Tensor, Tensor]:
        """What the network reads, (B, size), and the base's normalised action, (B, A)."""
        action = self.base(condition)[:, 0]
        return self._see(condition, action)[0], action

    def residual(self, seen: Tensor, network: nn.Module | None = None) -> Tensor:
        """The residual as a share of its bound, (B, size) to (B, residuals) within ±1.

        Args:
            seen: By `see`.
            network: In place of its own.
        """
        found: Tensor = torch.tanh((network or self.network)(seen))
        return found

    def add(self, condition: Tensor, action: Tensor, residual: Tensor) -> Tensor:
        """The base's action with a residual, all normalised, (B, A)."""
        way = None if self.frame is None else self.frame(condition)[0]
        return self._add(action, residual, way)

    def loss(self, condition: Tensor, actions: Tensor, mask: Tensor) -> Tensor:
        """See `Head`: none, since a residual is learnt by trying.

        Raises:
            TypeError: Always.
        """
        raise TypeError("a residual is learnt by trying, not from labels")

    def forward(self, condition: Tensor, noise: Tensor | None = None) -> Tensor:
        """See `Head`."""
        action = self.base(condition)[:, 0]
        seen, way = self._see(condition, action)
        return self._add(action, self.residual(seen), way)[:, None]

    def _see(self, condition: Tensor, action: Tensor) -> tuple[Tensor, Tensor | None]:
        near = condition.clamp(-_FARTHEST, _FARTHEST)
        moved = action @ self.place.T
        if self.frame is None:
            return torch.cat([moved, near], dim=1), None
        way, told = self.frame(condition)
        if self._turned:
            level, still = moved.split([2, self.residuals - 2], dim=1)
            level = self._metric(level)
            moved = torch.cat([self.frame.turn(level, way), still], dim=1)
        return torch.cat([told, moved, near], dim=1), way

    def _add(self, action: Tensor, residual: Tensor, way: Tensor | None) -> Tensor:
        added = self._bounds(action) * residual
        if way is not None and self._turned:
            level, still = added.split([2, self.residuals - 2], dim=1)
            spread, unit = self._units()
            added = torch.cat([MovingFrame.turn_back(level, way) * unit / spread, still], dim=1)
        return action + added @ self.place

    def _bounds(self, action: Tensor) -> Tensor | float:
        """The bound beside a normalised action of the base, (B, residuals)."""
        if self._at_rest is None:
            return self._bound
        rest = (self.motions @ self.offset) / (self.motions @ self.spread)
        moved = (action @ self.motions.T + rest).square().mean(dim=1, keepdim=True).sqrt()
        followed = (self._bound * moved).clamp(self._at_rest, self._bound)
        return torch.where(self.moves, followed, self._bound)

    def _metric(self, level: Tensor) -> Tensor:
        """Normalised motions in the plane with one unit for both axes, (B, 2)."""
        spread, unit = self._units()
        offset = self.place[:2] @ self.offset
        return (level * spread + offset) / unit

    def _units(self) -> tuple[Tensor, Tensor]:
        """Standard deviations along both axes, (2,), and their root mean square."""
        spread = self.place[:2] @ self.spread
        return spread, spread.square().mean().sqrt()

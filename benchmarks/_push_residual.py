"""What is added to a clone's actions in PandaPush, and what it is told of the task.

The networks are told where the hand is as seen from the cube on its way to the goal, and a residual
is along and beside that way. Nothing is added that the observation does not say, but from its own
coordinates alone the critics learn nothing in some ten thousands of steps: see `BENCHMARKS.md`.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ilrobot.policies.bounded import bounded
from ilrobot.policies.density import PolicyDensity, as_gaussian
from ilrobot.policies.policy import Policy

#: Greatest residual, in units of 6.5 mm along and beside the way, else in the clone's deviations.
BOUND, UNIT = 0.7, 0.0065
#: Elements of a residual: along and beside the way, up, and about the vertical axis.
SIZE = 4


class Beside:
    """A frozen clone, what is learnt beside it, and how both see the task.

    Attributes:
        names: Observations, in their order.
        network: Of the residual.
        size: Numbers that it and the critics read.
    """

    def __init__(self, policy: Policy) -> None:
        self._policy = policy.eval().requires_grad_(False)
        self._density = PolicyDensity(as_gaussian(policy, -1.0))
        self._spread = policy.action_normalizer.spread
        self.names = policy.spec.observation_names
        names = [name for f in policy.spec.observations for name in f.element_names]
        self._hand = [names.index(name) for name in ("ee_x", "ee_y", "ee_z")]
        self._cube = [names.index(name) for name in ("cube_x", "cube_y")]
        self._goal = [names.index(name) for name in ("goal_x", "goal_y")]
        moved = list(policy.spec.action.element_names)
        self._moved = [moved.index(name) for name in ("dx", "dy", "dz", "rz")]
        self.size = len(names) + 7 + SIZE
        self.network = nn.Sequential(
            *(nn.Linear(self.size, 128), nn.LayerNorm(128), nn.SiLU()),
            *(nn.Linear(128, 128), nn.LayerNorm(128), nn.SiLU()),
            nn.Linear(128, SIZE),
        )
        last = self.network[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.bias)
        with torch.no_grad():
            last.weight.mul_(0.01)

    def see(self, observed: Tensor) -> Tensor:
        """What the networks read of observations, (B, O) to (B, size)."""
        encoded = self._density.encode(observed).clamp(-10, 10)
        way, distance = self._way(observed)
        hand = observed[:, self._hand[:2]] - observed[:, self._cube]
        along, left = self._turned(hand / 0.05, way).unbind(1)
        far = distance / 0.1
        action = self._clones(encoded)
        step = self._turned(action[:, self._moved[:2]] * self._units(), way)
        told = [
            *(along, left, far, observed[:, self._hand[2]] / 0.1 - 0.5),
            *((2.5 * far).clamp(max=1.0), torch.tanh(2 * left), torch.tanh(along)),
        ]
        rest = action[:, self._moved[2:]]
        return torch.cat([torch.stack(told, dim=1), step, rest, encoded], dim=1)

    def residual(self, seen: Tensor, network: nn.Module | None = None) -> Tensor:
        """Learnt so far, (B, size) to (B, 4)."""
        found: Tensor = BOUND * torch.tanh((network or self.network)(seen))
        return found

    def act(self, observed: Tensor, residual: Tensor) -> NDArray[np.float32]:
        """Physical actions of the clone with residuals, (B, A)."""
        action = self._clones(self._density.encode(observed).clamp(-10, 10)).clone()
        way, _ = self._way(observed)
        level = residual[:, :1] * way + residual[:, 1:2] * _left(way)
        action[:, self._moved[:2]] += level / self._units()
        action[:, self._moved[2:]] += residual[:, 2:]
        physical: NDArray[np.float32] = self._density.physical(action, observed).numpy()
        return physical

    def _clones(self, encoded: Tensor) -> Tensor:
        action: Tensor = self._policy.head(encoded)[:, 0]
        return bounded(action, *self._density.limits())

    def _units(self) -> Tensor:
        return self._spread[self._moved[:2]] / UNIT

    def _way(self, observed: Tensor) -> tuple[Tensor, Tensor]:
        """Direction from cube to goal, (B, 2), and how far it is in m, (B,)."""
        ahead = observed[:, self._goal] - observed[:, self._cube]
        distance = ahead.norm(dim=1).clamp(min=1e-4)
        return ahead / distance[:, None], distance

    @staticmethod
    def _turned(vector: Tensor, way: Tensor) -> Tensor:
        """Along and beside the way, (B, 2)."""
        parts = [(vector * axis).sum(dim=1) for axis in (way, _left(way))]
        return torch.stack(parts, dim=1)


def _left(way: Tensor) -> Tensor:
    return torch.stack([-way[:, 1], way[:, 0]], dim=1)

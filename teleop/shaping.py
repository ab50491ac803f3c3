"""From a stick's position to a command: deadzone and expo, and back in closed form.

Both act on the stick as a vector: a deadzone per axis would pull slow motions onto the axes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

#: A shorter command has no direction: below it, components lose their digits.
_NOTHING = 1e-300


@dataclass(frozen=True)
class Shaping:
    """How a stick feels.

    With r the distance of the stick from its centre, d the deadzone and e the expo, the command's
    magnitude is m = (1 - e) u + e u³ with u = clip((r - d) / (1 - d), 0, 1); its direction is the
    stick's. So motion begins at zero at the rim of the deadzone, and a full stick is 1 in every
    direction.

    Attributes:
        deadzone: 0 … 1; worn sticks rest as far as 0.1 from their centre.
        expo: 0 (linear) … 1 (cubic); more of it makes small motions finer.
    """

    deadzone: float = 0.12
    expo: float = 0.4

    def __post_init__(self) -> None:
        if not 0.0 <= self.deadzone < 1.0:
            raise ValueError(f"deadzone must be in [0, 1), not {self.deadzone}")
        if not 0.0 <= self.expo <= 1.0:
            raise ValueError(f"expo must be in [0, 1], not {self.expo}")

    def shape(self, x: float, y: float) -> tuple[float, float]:
        """The command of a stick at (x, y): a vector of length 0 … 1."""
        radius = math.hypot(x, y)
        if radius <= self.deadzone:
            return 0.0, 0.0
        travel = min((radius - self.deadzone) / (1.0 - self.deadzone), 1.0)
        magnitude = (1.0 - self.expo) * travel + self.expo * travel**3
        return x / radius * magnitude, y / radius * magnitude

    def unshape(self, x: float, y: float) -> tuple[float, float]:
        """Where the stick must stand for a command (x, y); beyond length 1 it stands at its rim."""
        magnitude = math.hypot(x, y)
        if magnitude < _NOTHING:
            return 0.0, 0.0
        travel = self._travel(min(magnitude, 1.0))
        radius = self.deadzone + (1.0 - self.deadzone) * travel
        return x / magnitude * radius, y / magnitude * radius

    def _travel(self, magnitude: float) -> float:
        """The one real root u of e u³ + (1 - e) u = m, by the hyperbolic form of Cardano's."""
        if self.expo < 1e-9:  # p would overflow, and the cube makes no difference
            return magnitude
        p = (1.0 - self.expo) / self.expo
        q = magnitude / self.expo
        if p == 0.0:
            return math.cbrt(q)
        scale = 2.0 * math.sqrt(p / 3.0)
        return scale * math.sinh(math.asinh(3.0 * q / (p * scale)) / 3.0)

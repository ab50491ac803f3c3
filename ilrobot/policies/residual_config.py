"""What a residual beside a policy's head is made of, see `ilrobot.policies.heads.residual`."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from ilrobot.errors import UserError
from ilrobot.policies.places import check_frame
from ilrobot.spec import Spec


def check_bound(bound: float) -> None:
    """Refuse a greatest residual that is none; raises `UserError`."""
    if not 0 < bound < math.inf:
        raise UserError(f"--bound must be positive, not {bound}")


@dataclass(frozen=True)
class ResidualConfig:
    """What a residual is made of.

    Attributes:
        elements: Names of the elements of the action that it is added to.
        bound: Its greatest size in normalised units, which are standard deviations of what was
            demonstrated but for a base that is normalised otherwise.
        bound_at_rest: Of motions: it where the base stands still, from which it grows with how far
            the base moves, to `bound` at the spread of what was demonstrated (None: it is `bound`
            everywhere, as it is of a gripper).
        width: Features of the two layers of its network.
        frame: From which thing towards which (empty: in none).
    """

    elements: tuple[str, ...]
    bound: float = 0.7
    bound_at_rest: float | None = None
    width: int = 128
    frame: tuple[str, ...] = ()

    def check(self, spec: Spec) -> None:
        """Refuse what is out of range or not of this task.

        Raises:
            UserError: The first thing found.
        """
        check_bound(self.bound)
        if self.bound_at_rest is not None:
            if not 0 < self.bound_at_rest <= self.bound:
                raise UserError(
                    f"--bound-at-rest must be above 0 and at most --bound {self.bound:g}, not "
                    f"{self.bound_at_rest:g}"
                )
            if spec.semantics != "delta":
                raise UserError(
                    f"--bound-at-rest is of actions that are motions, and these are "
                    f"{spec.semantics}; leave it out"
                )
            grippers = {spec.action.element_names[i] for i in spec.action.grippers}
            if set(self.elements) <= grippers:
                raise UserError(
                    "--bound-at-rest is of motions, and nothing but a gripper was moved; leave it "
                    "out"
                )
        if self.width < 1:
            raise UserError(f"the width of a residual must be at least 1, not {self.width}")
        if self.frame:
            check_frame(spec, self.frame)
        unknown = set(self.elements) - set(spec.action.element_names)
        if unknown or not self.elements:
            which = f"one to '{min(unknown)}'" if unknown else "one to nothing"
            raise UserError(
                f"a residual adds to elements of the action "
                f"({', '.join(spec.action.element_names)}), and this is {which}"
            )

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {**asdict(self), "elements": list(self.elements), "frame": list(self.frame)}

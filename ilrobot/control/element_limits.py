"""The limits of one action element, per tick; and where it needs no look ahead."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ilrobot.control.activation import Activation
from ilrobot.control.braking import greatest_displacement, greatest_step
from ilrobot.control.contract_guards import Workspace
from ilrobot.control.contract_parts import Limits


@dataclass(frozen=True)
class ElementLimits:
    """The limits of one element, per tick.

    Attributes:
        delta: Whether the command is the step, else the position.
        least: Least command.
        greatest: Greatest command.
        low: Least position (-inf: not limited).
        high: Greatest position (inf: not limited).
        slowest: Least step, not positive.
        fastest: Greatest step, not negative.
        change: Greatest change of the step, α (inf: not limited).
        jerk: Greatest change of that, j > 0 (inf: not limited).
        at_low: What it counts as when the position is kept above `low`.
        at_high: Likewise below `high`.
    """

    delta: bool
    least: float
    greatest: float
    low: float
    high: float
    slowest: float
    fastest: float
    change: float
    jerk: float
    at_low: Activation = Activation.POSITION_LIMITED
    at_high: Activation = Activation.POSITION_LIMITED


@dataclass(frozen=True)
class Ease:
    """A box of states that are safe wherever they lie within a margin of the walls.

    From |d'| ≤ share·v and a change that the other share suffices to release, the braking keeps v
    and goes no further than from the corner of that box, which is the margin.
    """

    margin: float
    slowest: float
    fastest: float
    change: float

    @classmethod
    def of(cls, limits: ElementLimits) -> Ease:
        """The box with the greatest steps whose margin is an eighth of the range at most."""
        span = limits.high - limits.low
        walled = math.isfinite(limits.low) or math.isfinite(limits.high)
        slowest, fastest = max(limits.slowest, -span), min(limits.fastest, span)
        share = 1.0 if math.isinf(limits.jerk) else 0.5
        while share > 1e-6:
            spare = (1.0 - share) * min(fastest, -slowest)
            # Whatever v is, 0·inf included: a change of j is released at once.
            change = (
                limits.jerk
                if math.isnan(spare)
                else limits.jerk + greatest_step(spare, limits.jerk)
            )
            change = min(change, limits.change)
            greatest = share * max(fastest, -slowest)
            if not walled:
                return cls(0.0, share * slowest, share * fastest, change)
            if math.isinf(greatest):  # no margin before a single wall suffices
                break
            margin = greatest_displacement(greatest, change, limits.change, limits.jerk)
            if margin <= span / 8.0:
                return cls(margin, share * slowest, share * fastest, change)
            share /= 2.0
        return cls(0.0, 0.0, 0.0, 0.0)


def element_limits(
    limits: Limits, i: int, rate: float, workspace: Workspace | None
) -> ElementLimits:
    """One element's limits per tick, from those of the contract.

    Args:
        limits: In units of time.
        i: Which element.
        rate: Control rate in Hz.
        workspace: Where its target may be (None: anywhere).
    """
    low, high = _inward(limits.low[i], -1), _inward(limits.high[i], 1)
    mode = limits.mode[i]
    # A commanded velocity does not become less in a shorter tick, as a displacement does.
    ticks = 1.0 if mode == "velocity" else rate
    velocity = limits.velocity[i] / ticks
    change = limits.acceleration[i] / (ticks * rate)
    jerk = limits.jerk[i] / (ticks * rate * rate)
    if min(change, jerk) <= 0.0:  # nothing may change, so there is no change to be limited
        change, jerk = 0.0, math.inf
    if mode == "velocity":  # which is at no place
        workspace = None
    box_low = -math.inf if workspace is None else _inward(workspace.low[i], -1)
    box_high = math.inf if workspace is None else _inward(workspace.high[i], 1)
    position, box = Activation.POSITION_LIMITED, Activation.WORKSPACE_LIMITED
    if mode != "absolute":
        least, greatest = min(low, 0.0), max(high, 0.0)
        slowest, fastest = max(least, -velocity), min(greatest, velocity)
        return ElementLimits(
            True, least, greatest, box_low, box_high, slowest, fastest, change, jerk, box, box
        )
    at_low = box if box_low > low else position
    at_high = box if box_high < high else position
    low, high = max(low, box_low), min(high, box_high)
    return ElementLimits(
        False, low, high, low, high, -velocity, velocity, change, jerk, at_low, at_high
    )


def _inward(limit: float, side: int) -> float:
    """A limit as a float32 number, rounded so that it lies within the true one."""
    rounded = np.float32(limit)
    if float(rounded) * side > limit * side:
        rounded = np.nextafter(rounded, np.float32(-side * np.inf))
    return float(rounded)

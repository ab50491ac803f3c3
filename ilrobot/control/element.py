"""The next command of one action element: as near to what is wanted as its limits allow.

State, per element: the target's position p, its last step d and that step's change c. The next
change x leads to c' = x, d' = d + x, p' = p + d'. Two things are decided, in this order.

**What is aimed at.** The wanted command itself, where the target was on what was wanted one tick
ago. Once it has fallen behind, going for the nearest command at every tick would pass the target
at full speed and swing about it for ever. So it then aims to come to rest *on* the wanted command,
moving with it: with w the slope of what is wanted (of its last two differences the one nearer to
0; 0 where they differ in sign), it takes the x from which the braking relative to w ends there.
The wanted command itself is taken again as soon as what is left of the relative motion can be
undone within two ticks.

**What is kept** (`keep`). A state is safe if its braking (`ilrobot.control.braking`) keeps all
limits. x is taken from the interval that acceleration and jerk allow and, where the state that it
leads to is not safe, moved towards the braking's own change just as far as is needed. The braking
of a safe state leads to a safe state, therefore such an x always exists and no command ever
exceeds a limit, however wild the wanted ones are. By the order stated in `braking`, only the limits
on the side to which x departs from the braking need to be looked at. A target that was told to
begin outside its limits brakes, and may then move inwards only.

A delta element's command is its step d'; its position counts only where a workspace bounds it and
the robot has said where it is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ilrobot.control.activation import NOTHING, Activation
from ilrobot.control.braking import (
    brake_change,
    greatest_displacement,
    greatest_root,
    greatest_step,
    release,
    rest_displacement,
    signed_greatest_step,
)
from ilrobot.control.element_limits import ElementLimits

#: Fraction of a limit by which rounding may pass it without counting as a violation.
ROUNDING = 1e-6
#: Roots are found to this fraction of j, the displacement of one tick at greatest jerk.
NEAR = 1e-6


@dataclass
class Motion:
    """What one element does now, in units per tick.

    Attributes:
        position: p, of a delta element that nobody located 0.
        step: d.
        change: c.
        wanted: The last wanted command, within its range.
        slope: How that differed from the one before.
        behind: Whether the target is not on what was wanted last.
    """

    position: float
    step: float
    change: float
    wanted: float
    slope: float
    behind: bool


def follow(limits: ElementLimits, now: Motion, wanted: float) -> tuple[float, Activation]:
    """The change towards a wanted command, and what was limited; see the module's docstring.

    `now` learns what was wanted, and whether it is met.
    """
    flags = NOTHING
    target = min(max(wanted, limits.least), limits.greatest)
    if abs(target - wanted) > ROUNDING * abs(target):
        wall = limits.at_low if target > wanted else limits.at_high
        flags |= Activation.POSITION_LIMITED if limits.delta else wall
    difference = target - now.wanted
    slope = _nearer_to_zero(difference, now.slope)
    now.wanted, now.slope = target, difference

    step = target if limits.delta else target - now.position
    direct = step - now.step
    if not now.behind or _settles(limits, now, direct, slope):
        change, ahead = keep(limits, now, direct)
        if change == direct:
            now.behind = False
            return change, flags
    change, ahead = keep(limits, now, _aim(limits, now, target, slope))
    now.behind = True
    flags |= ahead | _exceeded(limits, now, step)
    if flags == NOTHING and abs(change - direct) > ROUNDING * abs(direct):
        # Nothing is exceeded yet: it brakes now, so that nothing will be.
        flags = (
            Activation.ACCELERATION_LIMITED if math.isinf(limits.jerk) else Activation.JERK_LIMITED
        )
    return change, flags


def approach(limits: ElementLimits, now: Motion, position: float) -> float:
    """The change towards a position, to come to rest there; of a delta element, too."""
    target = min(max(position, limits.low), limits.high)
    direct = target - now.position - now.step
    if _settles_at(limits, now, direct, now.step + direct):
        change, _ = keep(limits, now, direct)
        if change == direct:
            return change
    change, _ = keep(limits, now, _aim_at(limits, now, target, 0.0))
    return change


def damp(limits: ElementLimits, now: Motion, kept: float) -> float:
    """The change by which the step falls to a share of itself, or by braking where that is less."""
    stop = brake_change(now.step, now.change, limits.change, limits.jerk)
    ahead = now.step + release(now.change, limits.jerk)
    gentle = now.step * kept - now.step
    if now.step > 0.0 and ahead > 0.0:
        stop = max(stop, gentle)
    elif now.step < 0.0 and ahead < 0.0:
        stop = min(stop, gentle)
    change, _ = keep(limits, now, stop)
    return change


def keep(limits: ElementLimits, now: Motion, wanted: float) -> tuple[float, Activation]:
    """The change nearest to a wanted one that leads to a safe state; and which limit is ahead."""
    jerk, most = limits.jerk, limits.change
    change = max(min(wanted, now.change + jerk, most), now.change - jerk, -most)
    stop = brake_change(now.step, now.change, most, jerk)
    if change > stop:
        return _push(
            *(change, stop, now.step, most, jerk),
            *(limits.fastest, limits.high - now.position, limits.at_high),
        )
    if change < stop:
        change, flags = _push(
            *(-change, -stop, -now.step, most, jerk),
            *(-limits.slowest, now.position - limits.low, limits.at_low),
        )
        return -change, flags
    return change, NOTHING


def _push(
    change: float,
    stop: float,
    step: float,
    most: float,
    jerk: float,
    fastest: float,
    room: float,
    at_wall: Activation,
) -> tuple[float, Activation]:
    """`keep` where the wanted change is above the braking's: upper limits alone count."""
    flags = NOTHING
    left = fastest - step
    limited = max(stop, left if left < 0.0 else greatest_step(left, jerk))
    if change > limited:
        if change - limited > ROUNDING * abs(change):
            flags |= Activation.VELOCITY_LIMITED
        change = limited
    if change > stop and not math.isinf(room):
        limited = _furthest(change, stop, step, most, jerk, room)
        if change - limited > ROUNDING * abs(change):
            flags |= at_wall
        change = limited
    return change, flags


def _furthest(
    change: float, stop: float, step: float, most: float, jerk: float, room: float
) -> float:
    """The greatest change from `stop` up to `change` whose braking stays within the room."""
    if math.isinf(jerk):
        return min(change, max(stop, greatest_step(room, most) - step))

    def beyond(x: float) -> float:
        return step + x + greatest_displacement(step + x, x, most, jerk) - room

    if beyond(change) <= 0.0:
        return change
    if beyond(stop) >= 0.0:
        return stop
    return greatest_root(beyond, stop, change, NEAR * min(jerk, room))


def _aim(limits: ElementLimits, now: Motion, target: float, slope: float) -> float:
    """The change from which the target comes to move with what is wanted."""
    if not limits.delta:
        return _aim_at(limits, now, target, min(max(slope, limits.slowest), limits.fastest))
    if not math.isfinite(slope):
        slope = 0.0
    slope = min(max(slope, -limits.change), limits.change)
    return slope + signed_greatest_step(target - slope - now.step, limits.jerk)


def _aim_at(limits: ElementLimits, now: Motion, target: float, slope: float) -> float:
    """The change whose braking, relative to the slope, ends at a position."""
    most, jerk = limits.change, limits.jerk
    if not math.isfinite(slope):
        slope = 0.0
    if math.isinf(jerk):
        step = slope + signed_greatest_step(target - slope - now.position, most)
        return step - now.step
    relative = now.step - slope
    left = target - now.position - now.step

    def beyond(x: float) -> float:
        return x + rest_displacement(relative + x, x, most, jerk) - left

    low, high = max(now.change - jerk, -most), min(now.change + jerk, most)
    if beyond(high) <= 0.0:
        return high
    if beyond(low) >= 0.0:
        return low
    near = NEAR * jerk
    stop = brake_change(relative, now.change, most, jerk)
    at_stop = beyond(stop)
    if abs(at_stop) <= near:
        return stop
    if at_stop > 0.0:
        return greatest_root(beyond, low, stop, near)
    return greatest_root(beyond, stop, high, near)


def _settles(limits: ElementLimits, now: Motion, direct: float, slope: float) -> bool:
    """Whether, once on the wanted command, it could stay there if that goes on as it did."""
    if limits.delta:
        return abs(direct - slope) <= limits.jerk
    return _settles_at(limits, now, direct, now.step + direct - slope)


def _settles_at(limits: ElementLimits, now: Motion, direct: float, relative: float) -> bool:
    return (
        abs(relative) <= limits.change
        and abs(relative) <= limits.jerk
        and abs(relative + direct) <= limits.jerk
    )


def _exceeded(limits: ElementLimits, now: Motion, step: float) -> Activation:
    """Which limits the wanted step itself exceeds, one after the other."""
    flags = NOTHING
    kept = min(max(step, limits.slowest), limits.fastest)
    if abs(step - kept) > ROUNDING * abs(kept):
        flags |= Activation.VELOCITY_LIMITED
    change = kept - now.step
    if abs(change) > limits.change * (1.0 + ROUNDING):
        flags |= Activation.ACCELERATION_LIMITED
    change = min(max(change, -limits.change), limits.change)
    if abs(change - now.change) > limits.jerk * (1.0 + ROUNDING):
        flags |= Activation.JERK_LIMITED
    return flags


def _nearer_to_zero(a: float, b: float) -> float:
    if a > 0.0 and b > 0.0:
        return min(a, b)
    if a < 0.0 and b < 0.0:
        return max(a, b)
    return 0.0

"""How far a commanded target still goes when it is brought to rest: closed forms, per element.

A target at p moves by steps: d_t = p_t - p_{t-1}; the change of a step is c_t = d_t - d_{t-1}. With
Δt the period, the limits per tick are |c_t| ≤ α = acceleration·Δt² and |c_t - c_{t-1}| ≤ j =
jerk·Δt³. Either may be inf. All of this is one manoeuvre, **the braking**: from (d, c) come to
rest, d = c = 0, as fast as α and j allow, without more reversals than are unavoidable.

**Release.** A change c that is let go by j per tick still adds release(c, j) = (c-j) + (c-2j) + …
to the step; the step then is d° = d + release(c, j). By symmetry let d° ≥ 0 (else swap signs).

**The braking as a law.** The next change is max(c - j, -α, -z), with z = greatest_step(d, j): z is
the change from which the release alone ends at rest. So it brakes harder by j per tick until -α,
stays there, takes one step on to the curve of releases, and follows it (d° = 0). The rest of a
braking is the braking from there, which is what makes it safe to plan with.

**Order.** Of two next changes x < x' from the same (d, c), each followed by its braking, every
later step of the second is at least that of the first: their changes differ in sign once at most
(first x' is the greater, then x) and both sum up to -d. So whatever is reached by the braking is a
non-decreasing function of the next change, and the furthest change that keeps a wall can be found
by bracketing.

Every function is a fixed sequence of operations on doubles, so that a twin in another language
can give the same bits: nothing is fused, `floor` and `ceil` yield doubles, products are taken from
left to right as written.
"""

from __future__ import annotations

import math
from collections.abc import Callable

#: Brackets of a root are halved or better this many times; 1e-6 of what is asked is reached sooner.
ITERATIONS = 60


def _floor(x: float) -> float:
    """As in C: of what is not finite itself."""
    return float(math.floor(x)) if math.isfinite(x) else x


def _ceil(x: float) -> float:
    """As in C: of what is not finite itself."""
    return float(math.ceil(x)) if math.isfinite(x) else x


def greatest_step(distance: float, braking: float) -> float:
    """The greatest first step from which one can stop within a distance.

    Steps d, d - α, d - 2α, … down to zero cover m·d - α·m(m-1)/2 with m = ⌈d/α⌉ steps. The answer
    solves that for d, with the least m whose own greatest cover α·m(m+1)/2 reaches the distance.

    Args:
        distance: How far it may move altogether (may be inf); nothing if it is not positive.
        braking: By how much a step may be shorter than the one before it, α (may be inf).
    """
    if distance <= 0.0 or braking <= 0.0:
        return 0.0
    if distance <= braking or math.isinf(distance):
        return distance
    steps = _ceil((math.sqrt(1.0 + 8.0 * distance / braking) - 1.0) / 2.0)
    return distance / steps + braking * (steps - 1.0) / 2.0


def signed_greatest_step(distance: float, braking: float) -> float:
    """`greatest_step` towards either side."""
    if distance < 0.0:
        return -greatest_step(-distance, braking)
    return greatest_step(distance, braking)


def release(change: float, decay: float) -> float:
    """(c - j) + (c - 2j) + … down to zero: what follows a change that is let go by j per tick."""
    size = abs(change)
    if size < decay or decay <= 0.0:
        return 0.0
    ticks = _floor(size / decay)
    total = ticks * size - decay * ticks * (ticks + 1.0) / 2.0
    return -total if change < 0.0 else total


def brake_change(step: float, change: float, most: float, jerk: float) -> float:
    """The next change of the braking.

    Args:
        step: d, of this tick.
        change: c, of this tick; |c| ≤ α.
        most: α, not negative (may be inf).
        jerk: j > 0 (may be inf).
    """
    if step + release(change, jerk) < 0.0:
        return min(change + jerk, most, greatest_step(-step, jerk))
    return max(change - jerk, -most, -greatest_step(step, jerk))


def rest_displacement(step: float, change: float, most: float, jerk: float) -> float:
    """How far the target still goes, d_1 + d_2 + …, until the braking has brought it to rest."""
    if math.isinf(jerk):
        return release(step, most)
    if step + release(change, jerk) < 0.0:
        return -_forward(-step, -change, most, jerk)
    return _forward(step, change, most, jerk)


def greatest_displacement(step: float, change: float, most: float, jerk: float) -> float:
    """The most that d_1 + … + d_k comes to for any k ≥ 0 while braking."""
    if math.isinf(jerk):
        return max(0.0, release(step, most))
    if step + release(change, jerk) > 0.0:
        return max(0.0, _forward(step, change, most, jerk))
    if step <= 0.0:
        return 0.0
    # Braked so hard already that it will reverse: c + j, c + 2j, … until the step is used up.
    slope = change + jerk / 2.0
    root = math.sqrt(max(0.0, slope * slope - 2.0 * jerk * step))
    k = max(0.0, _floor(2.0 * step / (root - slope)))
    return k * step + change * k * (k + 1.0) / 2.0 + jerk * k * (k + 1.0) * (k + 2.0) / 6.0


def _forward(step: float, change: float, most: float, jerk: float) -> float:
    """`rest_displacement` where d° ≥ 0.

    After q ticks of braking by j more each, d° = d - j(q² - 2xq + Xx - X(X-1)/2) with x = c/j and
    X = ⌈x⌉, as long as q ≥ X: the greatest q at which that is not negative is how long it brakes
    harder. Where -α comes first, that many ticks, and then w at -α. One change -z ends it, followed
    by its release.
    """
    x = change / jerk
    ceiling = _ceil(x)
    constant = step / jerk + ceiling * (ceiling - 1.0) / 2.0 - ceiling * x
    q = _floor(x + math.sqrt(max(0.0, x * x + constant)))
    q = max(q, ceiling - 1.0, 0.0)
    ramp = math.inf if math.isinf(most) else _floor((most + change) / jerk)
    flat = q >= ramp
    if flat:
        q = ramp
    left = step + q * change - jerk * q * (q + 1.0) / 2.0
    total = q * step + change * q * (q + 1.0) / 2.0 - jerk * q * (q + 1.0) * (q + 2.0) / 6.0
    if flat:
        w = _floor(max(0.0, left - release(most, jerk)) / most)
        total = total + w * left - most * w * (w + 1.0) / 2.0
        left = left - w * most
    z = greatest_step(left, jerk)
    n = _floor(z / jerk)
    return total + z * n * (n + 1.0) / 2.0 - jerk * n * (n + 1.0) * (2.0 * n + 1.0) / 6.0


def greatest_root(
    function: Callable[[float], float], low: float, high: float, near: float
) -> float:
    """The greatest argument at which a non-decreasing function is not positive, or a little less.

    Regula falsi with Illinois' halving (Dowell and Jarratt 1971, "A modified regula falsi method
    for computing the root of an equation").

    Args:
        function: Continuous and non-decreasing.
        low: Where it is not positive.
        high: Where it is positive.
        near: A value -near ≤ f(x) ≤ 0 is good enough.

    Returns:
        x in [low, high] with f(x) ≤ 0.
    """
    at_low, at_high = function(low), function(high)
    side = 0
    for _ in range(ITERATIONS):
        x = (low * at_high - high * at_low) / (at_high - at_low)
        if not low < x < high:
            x = (low + high) / 2.0
            if not low < x < high:
                break
        value = function(x)
        if value <= 0.0:
            low, at_low = x, value
            if -value <= near:
                break
            if side < 0:
                at_high = at_high / 2.0
            side = -1
        else:
            high, at_high = x, value
            if side > 0:
                at_low = at_low / 2.0
            side = 1
    return low

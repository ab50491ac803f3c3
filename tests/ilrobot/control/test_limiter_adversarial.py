"""Whatever is wanted, the commands that leave keep every limit, as computed from themselves."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ilrobot.control.activation import NOTHING, Activation
from ilrobot.control.contract_guards import Workspace
from ilrobot.control.contract_parts import Limits
from ilrobot.control.element_limits import Ease
from ilrobot.control.limiter import CommandLimiter
from tests.exhaustive import thinned

#: A subtraction of commands is right to some units in the last place.
ULPS = 64 * np.finfo(np.float64).eps


class Witness:
    """Keeps the commands that left, and computes from them alone whether they kept the limits."""

    def __init__(self, limits, rate, workspace, start=None):
        self.limiter = CommandLimiter(limits, rate, workspace)
        self.limits, self.rate, self.workspace = limits, rate, workspace
        self.start = np.zeros(len(limits.mode)) if start is None else np.asarray(start, float)
        self.limiter.reset(self.start, None, self.start)
        self.commands = []

    def want(self, value):
        """A command is wanted (None: the fallback instead)."""
        command, flags = (
            (self.limiter.hold(), NOTHING) if value is None else self.limiter.limit(value)
        )
        if Activation.ACTION_NOT_FINITE in flags:
            command = self.limiter.hold()
        self.sent(command)

    def sent(self, command):
        self.commands.append(command.copy())

    def check(self):
        commands = np.array(self.commands).reshape(-1, len(self.start))
        limits, delta = self.limits, np.array(self.limits.mode) == "delta"
        assert np.isfinite(commands).all()
        assert (commands >= np.where(delta, np.minimum(limits.low, 0), limits.low)).all()
        assert (commands <= np.where(delta, np.maximum(limits.high, 0), limits.high)).all()
        places = np.where(delta, self.start + np.cumsum(commands, axis=0), commands)
        steps = np.where(delta, commands, np.diff(commands, axis=0, prepend=self.start[None]))
        nothing = np.zeros((1, len(self.start)))
        changes = np.diff(steps, axis=0, prepend=nothing)
        jerks = np.diff(changes, axis=0, prepend=nothing)
        rounding = ULPS * (1 + np.abs(places))
        for order, (moved, most) in enumerate(
            ((steps, limits.velocity), (changes, limits.acceleration), (jerks, limits.jerk)), 1
        ):
            bound = np.array(most) / self.rate**order
            assert (np.abs(moved) <= bound * (1 + 1e-9) + rounding).all()
        # Adding up deltas rounds at every tick.
        rounding = rounding * (1 + np.arange(len(places))[:, None])
        assert (places >= np.array(self.workspace.low) - rounding).all()
        assert (places <= np.array(self.workspace.high) + rounding).all()


def wild(rng, kind, tick, span):
    """A wanted command of seven elements."""
    n = len(span)
    return (
        lambda: rng.choice([-1e9, 1e9], n),
        lambda: np.where(tick % 2, 1, -1) * span * rng.uniform(0, 1, n),
        lambda: span * rng.uniform(-1.5, 1.5, n),
        lambda: 1.2 * span * np.sin(0.05 * tick + np.arange(n)),
        lambda: np.full(n, (math.nan, math.inf, -math.inf)[tick % 3]),
        lambda: span * (0.7 if tick // 37 % 2 else -0.7),
        lambda: span * (1 if tick // 400 % 2 else -1),
        lambda: span * 0.3 * np.cumsum(rng.normal(size=(9, n)), axis=0)[-1],
    )[kind]()


def seven_limits(rng, rate):
    """Seven elements with limits of all proportions, some of them missing."""
    n = 7
    span = 10 ** rng.uniform(-2, 1, n)
    velocity = span * rate * 10 ** rng.uniform(-3, 0.5, n)
    acceleration = velocity * rate * 10 ** rng.uniform(-2, 0.5, n)
    jerk = acceleration * rate * 10 ** rng.uniform(-2, 0.7, n)
    jerk[rng.random(n) < 0.2] = math.inf
    acceleration[rng.random(n) < 0.1] = math.inf
    velocity[rng.random(n) < 0.1] = math.inf
    modes = tuple(rng.choice(["absolute", "delta"], n).tolist())
    wide = np.where(np.array(modes) == "delta", 10, 1) * span
    limits = Limits(
        modes, *(tuple(x.tolist()) for x in (-span, span, velocity, acceleration, jerk))
    )
    box = Workspace(
        tuple((-wide * rng.uniform(0.2, 1, n)).tolist()),
        tuple((wide * rng.uniform(0.2, 1, n)).tolist()),
    )
    return limits, box, span


@pytest.mark.parametrize(("seed", "rate"), [(0, 10.0), (1, 50.0), (2, 500.0), (3, 1000.0)])
def test_many_limits_and_rates(seed, rate):
    rng = np.random.default_rng(seed)
    for _ in range(4):
        limits, box, span = seven_limits(rng, rate)
        witness = Witness(limits, rate, box)
        for tick in range(400):
            if tick % 61 == 0:
                kind = int(rng.integers(8))
            witness.want(wild(rng, kind, tick, span))
        witness.check()


@pytest.mark.parametrize("ticks", thinned([15_000, 100_000], [15_000]))
def test_many_ticks(ticks):
    """A robot's limits at 500 Hz, and the worst that one can want, another every second."""
    rng = np.random.default_rng(7)
    limits = Limits(
        ("absolute", "delta"), (-1.0, -0.01), (1.5, 0.01), (2.0, 1.0), (15.0, 8.0), (500.0, 300.0)
    )
    box = Workspace((-0.9, -0.2), (math.inf, 0.3))
    witness = Witness(limits, 500.0, box)
    span = np.array([1.5, 0.02])
    for tick in range(ticks):
        if tick % 499 == 0:
            kind = int(rng.integers(9))
        witness.want(None if kind == 8 else wild(rng, kind, tick, span))
    witness.check()


@settings(deadline=None, max_examples=150)
@given(
    mode=st.sampled_from(["absolute", "delta"]),
    velocity=st.floats(0.01, 100.0),
    acceleration=st.floats(0.01, 1000.0),
    jerk=st.floats(0.01, 10_000.0),
    box=st.floats(0.01, 2.0),
    start=st.floats(-1.0, 1.0),
    wanted=st.lists(
        st.one_of(st.floats(), st.floats(-2.0, 2.0), st.sampled_from([1e9, -1e9]), st.none()),
        max_size=80,
    ),
)
def test_no_limit_is_exceeded_with_jerk_and_workspace(
    mode, velocity, acceleration, jerk, box, start, wanted
):
    limits = Limits((mode,), (-1.0,), (1.0,), (velocity,), (acceleration,), (jerk,))
    witness = Witness(limits, 10.0, Workspace((-box,), (box,)), [0.9 * start * min(box, 1.0)])
    for value in wanted:
        witness.want(None if value is None else np.array([value]))
    witness.check()


@pytest.mark.parametrize("kind", ["damp", "retreat"])
def test_the_fallbacks_keep_the_limits_from_any_motion(kind):
    rng = np.random.default_rng(11)
    for _ in range(6):
        limits, box, span = seven_limits(rng, 100.0)
        witness = Witness(limits, 100.0, box)
        pose = 0.3 * span
        for tick in range(600):
            if tick // 50 % 2 == 0:
                witness.want(wild(rng, tick // 100, tick, span))
            elif kind == "damp":
                witness.sent(witness.limiter.damp())
            else:
                witness.sent(witness.limiter.retreat(pose))
        witness.check()


limit_values = st.sampled_from([0.0, 1e-12, 1e-6, 1.0, 1e30, math.inf])


@settings(deadline=None, max_examples=150)
@given(
    mode=st.sampled_from(["absolute", "delta"]),
    span=limit_values,
    velocity=limit_values,
    acceleration=limit_values,
    jerk=limit_values,
)
def test_limits_of_any_size_give_finite_commands(mode, span, velocity, acceleration, jerk):
    limits = Limits((mode,), (-span,), (span,), (velocity,), (acceleration,), (jerk,))
    made = CommandLimiter(limits, 10.0, Workspace((-0.5,), (0.5,)))
    made.reset(np.zeros(1), None, np.zeros(1))
    for value in (0.0, 1e9, -3e38, 1e-300, 0.1, 0.3, -0.3, 5e-324):
        command, _ = made.limit(np.array([value]))
        assert abs(command[0]) <= span
        for fallback in (made.hold(), made.damp(), made.retreat(np.array([0.2]))):
            assert math.isfinite(fallback[0])


def test_looking_ahead_at_every_tick_gives_the_same_bits(monkeypatch):
    def commands(limits, box, span, rate):
        made = CommandLimiter(limits, rate, box)
        made.reset(np.zeros(7), None, np.zeros(7))
        rng = np.random.default_rng(1)
        for tick in range(300):
            command, flags = made.limit(wild(rng, (3, 2, 5)[tick // 100], tick, 0.6 * span))
            yield command.tolist(), flags

    for seed in range(4):
        setting = seven_limits(np.random.default_rng(seed), 50.0)
        quick = list(commands(*setting, 50.0))
        with monkeypatch.context() as nothing_is_easy:
            nothing_is_easy.setattr(Ease, "of", lambda _: Ease(0.0, 1.0, -1.0, -1.0))
            assert list(commands(*setting, 50.0)) == quick

"""What the guard must do, tick by tick: inputs for it and for its twins in other languages.

`scenarios()` makes the inputs, always the same; `replay` gives what `ilrobot.control.guard` does
with them. A twin must give the same bits, command and flags, at every tick.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ilrobot.control.contract import Contract
from ilrobot.control.contract_guards import FallbackAfter, Workspace
from ilrobot.control.contract_parts import Limits, Provenance, Range
from ilrobot.control.emergency import EmergencyStop
from ilrobot.control.guard import Guard
from ilrobot.spec import Feature, Spec

SIZE, STATE = 4, 3


@dataclass(frozen=True)
class Tick:
    """What the guard is given at one tick: `admit`, and then `limit` or, if refused, `hold`.

    Attributes:
        observation: Of `observation.state`.
        age: Seconds.
        late: Whether the tick began late.
        measured: Seconds (None: not known).
        action: What the policy wants (None: its plan has run out, so `hold` is asked for).
        press: Whether the emergency stop is pressed before it.
    """

    observation: NDArray[np.float32]
    age: float
    late: bool
    measured: float | None
    action: NDArray[Any] | None
    press: bool = False


@dataclass(frozen=True)
class Scenario:
    """A run of the guard.

    Attributes:
        name: What it is about.
        contract: Of the policy.
        rate: Of the loop, in Hz.
        present: See `Guard.reset`.
        velocity: Likewise.
        pose: Likewise.
        ticks: In order.
    """

    name: str
    contract: Contract
    rate: float
    present: NDArray[np.float64] | None
    velocity: NDArray[np.float64] | None
    pose: NDArray[np.float64] | None
    ticks: tuple[Tick, ...]


@dataclass(frozen=True)
class Outcome:
    """What the guard does at a tick: a command (None: nothing to send) and bits of `Activation`."""

    command: NDArray[Any] | None
    flags: int


def replay(scenario: Scenario) -> list[Outcome]:
    """What the guard of this package does."""
    emergency = EmergencyStop()
    guard = Guard(scenario.contract, scenario.rate, emergency)
    guard.reset(scenario.present, scenario.velocity, scenario.pose)
    outcomes = []
    for tick in scenario.ticks:
        if tick.press:
            emergency.press("the scenario")
        observation = {"observation.state": tick.observation}
        action, told = tick.action, (observation, tick.age, tick.late, tick.measured)
        admitted = guard.admit(*told, driven=action is not None)
        command = guard.hold() if action is None or not admitted else guard.limit(action)
        outcomes.append(Outcome(None if command is None else command.copy(), int(guard.flags)))
    return outcomes


def scenarios() -> list[Scenario]:
    """All of them."""
    return [
        *(*_wild(), *_single_walls(), *_turning(), *_fallbacks()),
        *(*_turned_observations(), *_discrete()),
    ]


def contract_of(limits: Limits | None, rate: float) -> Contract:
    shape: tuple[int, ...] = () if limits is None else (SIZE,)
    modes = () if limits is None else limits.mode
    spec = Spec(
        observations=(Feature("observation.state", (STATE,)),),
        action=Feature("action", shape, "int64" if limits is None else "float32"),
        rate=rate,
        semantics="discrete" if limits is None else ("delta" if "delta" in modes else "absolute"),
        choices=3 if limits is None else None,
    )
    return Contract(
        spec=spec,
        n_obs=1,
        horizon=1,
        execute=1,
        noise_shape=None,
        limits=limits,
        training_range={"observation.state": Range((-1.0,) * STATE, (1.0,) * STATE)},
        stale_after=3.0 / rate,
        fallback="hold",
        provenance=Provenance("", "", "", ""),
        golden=(),
        tolerance=0.0,
    )


def _limits(rng: np.random.Generator, rate: float, modes: tuple[str, ...]) -> Limits:
    span = 10 ** rng.uniform(-1.5, 0.5, SIZE)
    velocity = span * rate * 10 ** rng.uniform(-2.5, 0.3, SIZE)
    acceleration = velocity * rate * 10 ** rng.uniform(-1.7, 0.3, SIZE)
    jerk = acceleration * rate * 10 ** rng.uniform(-1.5, 0.5, SIZE)
    jerk[rng.random(SIZE) < 0.25] = math.inf
    return Limits(modes, *(tuple(x.tolist()) for x in (-span, span, velocity, acceleration, jerk)))


def _want(rng: np.random.Generator, kind: int, tick: int, span: NDArray[Any]) -> NDArray[Any]:
    wanted = (
        lambda: rng.choice([-1e9, 1e9], SIZE),
        lambda: np.where(tick % 2, 1.0, -1.0) * span * rng.uniform(0, 1, SIZE),
        lambda: span * rng.uniform(-1.5, 1.5, SIZE),
        lambda: 0.9 * span * np.sin(0.05 * tick + np.arange(SIZE)),
        lambda: np.full(SIZE, (math.nan, math.inf, -math.inf)[tick % 3]),
        lambda: np.full(SIZE, 0.7 if tick // 37 % 2 else -0.7) * span,
    )[kind]()
    return np.asarray(wanted, np.float32)


def _steady(rng: np.random.Generator, tick: int, rate: float, action: Any) -> Tick:
    state = rng.uniform(-1, 1, STATE).astype(np.float32)
    return Tick(state, 0.5 / rate, False, tick / rate, action)


def _wild() -> list[Scenario]:
    """Anything is wanted, under limits of all proportions."""
    made = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        rate = float(rng.choice([10.0, 50.0, 500.0]))
        modes = (
            ("absolute",) * SIZE,
            ("delta", "delta", "delta", "absolute"),
            ("delta",) * SIZE,
        )[seed % 3]
        limits = _limits(rng, rate, modes)
        span = np.array(limits.high)
        wide = np.where(np.array(modes) == "delta", 8.0, 0.8) * span
        box = Workspace(tuple((-wide).tolist()), (math.inf, *wide[1:].tolist()))
        contract = replace(
            contract_of(limits, rate), workspace=box if seed % 2 else None, fallback="hold"
        )
        moving = 0.1 * np.array(limits.velocity) * rng.uniform(-1, 1, SIZE)
        start = (np.zeros(SIZE), moving, np.zeros(SIZE)) if seed % 4 else (None, None, None)
        ticks = []
        for tick in range(300):
            if tick % 43 == 0:
                kind = int(rng.integers(6))
            ticks.append(_steady(rng, tick, rate, _want(rng, kind, tick, span)))
        made.append(Scenario(f"wild {seed}", contract, rate, *start, tuple(ticks)))
    return made


def _single_walls() -> list[Scenario]:
    """Driven gently, so that nothing else is limited, to a wall that has none opposite."""
    rate = 10.0
    rng = np.random.default_rng(300)
    open_ended = (math.inf,) * SIZE
    limits = Limits(
        *(("absolute", "absolute", "delta", "delta"), (-math.inf,) * SIZE, open_ended),
        *((3.0, math.inf, 3.0, math.inf), (4.0,) * SIZE, (40.0, math.inf) * 2),
    )
    contract = replace(
        contract_of(limits, rate), workspace=Workspace((0.0, 0.2, 0.0, 0.2), open_ended)
    )
    start, step, ticks = np.ones(SIZE), 0.0, []
    wanted = start.copy()
    for tick in range(60):
        step = max(step - 0.02, -0.12)
        wanted += step
        action = np.where([True, True, False, False], wanted, step).astype(np.float32)
        ticks.append(_steady(rng, tick, rate, action))
    return [Scenario("single walls", contract, rate, start, None, start, tuple(ticks))]


def _turning() -> list[Scenario]:
    """Rotations are wanted that turn, jump, are none, or lie outside their box."""
    made = []
    units = (("rotvec", "rotvec", "rotvec", "m"), ("quat_wxyz",) * SIZE, ("quat_xyzw",) * SIZE)
    for seed in range(12):
        rng = np.random.default_rng(200 + seed)
        rate = 50.0
        steps = seed in (3, 9)  # beside the rotation, from where the robot says that it is
        limits = _limits(rng, rate, (*["absolute"] * 3, "delta" if steps else "absolute"))
        turning = slice(0, 3) if seed % 3 == 0 else slice(0, SIZE)
        wide = np.array(limits.high)
        wide[turning] = (math.inf, 1.2, 4.0)[seed // 3 % 3]
        low, high = (tuple(x.tolist()) for x in (-wide, wide))
        contract = contract_of(replace(limits, low=low, high=high), rate)
        spec = contract.spec
        contract = replace(
            contract,
            spec=replace(spec, action=replace(spec.action, units=units[seed % 3])),
            fallback=("hold", "damp", "retreat")[seed % 3 if seed < 9 else seed // 3 - 1],
            retreat=tuple((0.3 * rng.normal(size=SIZE)).tolist()),
            workspace=Workspace((-0.9,) * SIZE, (math.inf,) * SIZE) if seed % 4 == 1 else None,
        )
        ticks: list[Tick] = []
        at, spin = rng.normal(size=SIZE), np.zeros(SIZE)
        for tick in range(400):
            if tick % 37 == 0:
                spin = rng.normal(size=SIZE) * 10 ** rng.uniform(-5, -0.5)
            if tick % 101 == 0:
                at = rng.normal(size=SIZE)
            at = at + spin
            if seed % 3 == 0:  # told within half a turn
                angle = np.linalg.norm(at[:3])
                told = np.append(at[:3] * math.remainder(angle, 2 * math.pi) / angle, at[3])
            else:
                at /= np.linalg.norm(at)
                told = at * rng.choice([-1.0, 1.0])
            if tick % 53 == 0:
                told = (0.0, math.nan, 1e300)[tick // 53 % 3] * np.ones(SIZE)
            with np.errstate(over="ignore"):
                steady = _steady(rng, tick, rate, told.astype(np.float32))
            ticks.append(_faulty(ticks, steady, tick) if seed >= 6 else steady)
        start = rng.normal(size=SIZE)
        begin = (None, None, None)
        if seed % 2:
            begin = (start, 0.3 * rng.normal(size=SIZE), np.zeros(SIZE) if steps else None)
        name = f"turning {seed}, {units[seed % 3][0]}"
        made.append(Scenario(name, contract, rate, *begin, tuple(ticks)))
    return made


def _fallbacks() -> list[Scenario]:
    """Every reason to fall back, under each fallback."""
    made = []
    for seed, fallback in enumerate(("hold", "damp", "retreat")):
        rng = np.random.default_rng(100 + seed)
        rate = 50.0
        limits = _limits(rng, rate, ("absolute", "absolute", "delta", "delta"))
        span = np.array(limits.high)
        contract = replace(
            contract_of(limits, rate),
            fallback=fallback,
            fallback_after=FallbackAfter(out_of_range=0.1, frozen=0.2, late=3),
            retreat=(*(0.2 * span[:3]).tolist(), math.nan),
            workspace=Workspace(tuple((-5 * span).tolist()), tuple((5 * span).tolist())),
        )
        ticks: list[Tick] = []
        for tick in range(600):
            steady = _steady(rng, tick, rate, _want(rng, 3, tick, span))
            ticks.append(_faulty(ticks, steady, tick))
        start = np.zeros(SIZE)
        made.append(
            Scenario(f"fall back to {fallback}", contract, rate, start, None, start, tuple(ticks))
        )
    return made


def _turned_observations() -> list[Scenario]:
    """What turns is observed whole turns away from where it was trained on, and beyond that."""
    made = []
    for seed, units in enumerate((("rad", "m", "rad"), ("rotvec",) * STATE)):
        rng = np.random.default_rng(400 + seed)
        rate = 50.0
        limits = _limits(rng, rate, ("absolute",) * SIZE)
        contract = contract_of(limits, rate)
        seen = replace(contract.spec.observations[0], units=units)
        contract = replace(
            contract,
            spec=replace(contract.spec, observations=(seen,)),
            fallback_after=FallbackAfter(out_of_range=0.1),
        )
        ticks = []
        for tick in range(300):
            at = rng.uniform(-1, 1, STATE) * (1.6 if tick // 20 % 3 == 2 else 1.0)
            turns = 2 * math.pi * rng.integers(-1, 2)
            whole = np.where(np.array(units) == "rad", 1.0, at / np.linalg.norm(at))
            at = at + turns * np.where(np.array(units) == "m", 0.0, whole)
            steady = _steady(rng, tick, rate, _want(rng, 3, tick, np.array(limits.high)))
            ticks.append(replace(steady, observation=at.astype(np.float32)))
        start = np.zeros(SIZE)
        name = f"observed in {units[0]}"
        made.append(Scenario(name, contract, rate, start, None, None, tuple(ticks)))
    return made


def _faulty(before: list[Tick], steady: Tick, tick: int) -> Tick:
    """A fault of another kind every 30 ticks, for some ticks."""
    kind, since = divmod(tick, 30)
    bad = steady.observation.copy()
    if since < 10 or (kind == 6 and since < 25):
        match kind:
            case 1:
                bad[1] = (math.nan, math.inf, -math.inf)[since % 3]
                return replace(steady, observation=bad)
            case 2:
                return replace(steady, age=(0.06, 1.0, math.inf, math.nan, -1.0)[since % 5])
            case 3:
                return replace(steady, measured=(tick - 20) / 50.0)
            case 4:
                bad[0] = 1.5
                return replace(steady, observation=bad)
            case 5:
                return replace(steady, late=True)
            case 6:
                return replace(steady, observation=before[-1].observation)
            case 7:
                return replace(steady, action=np.full(SIZE, math.nan, np.float32))
            case 8:
                return replace(steady, action=None)
            case 9:
                return replace(steady, late=since % 2 == 0, measured=None)
            case 10:
                return replace(steady, age=-99.0, measured=tick / 50.0 + 99.0)
            case 15:
                return replace(steady, press=since == 5)
            case _:
                pass
    return steady


def _discrete() -> list[Scenario]:
    rng = np.random.default_rng(0)
    wanted = [0.0, 1.0, 2.0, 7.0, -3.0, 1.0]
    ticks = [_steady(rng, tick, 10.0, np.int64(action)) for tick, action in enumerate(wanted)]
    ticks[3] = replace(ticks[3], age=9.0)
    return [Scenario("choices", contract_of(None, 10.0), 10.0, None, None, None, tuple(ticks))]

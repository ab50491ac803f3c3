"""The kinds of faults that befall a control loop, and what its guards must do about each."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.fault_campaign.policies import HORIZON, SCALE, STATE, WANTED
from ilrobot.control.activation import NOTHING, Activation
from ilrobot.control.contract import Contract

LIMITED = (
    Activation.POSITION_LIMITED
    | Activation.VELOCITY_LIMITED
    | Activation.ACCELERATION_LIMITED
    | Activation.JERK_LIMITED
    | Activation.WORKSPACE_LIMITED
)


@dataclass(frozen=True)
class Measured:
    """What a sensor says: arrays by their name, and when, in seconds."""

    observation: Mapping[str, NDArray[Any]]
    when: float


@dataclass(frozen=True)
class Fault:
    """One fault of an episode.

    Attributes:
        kind: Which.
        contract: Of the policy that it befalls.
        begin: Its first tick.
        ticks: How long it lasts.
        element: Which joint it befalls, where it is one.
        amount: Within 0 and 1: how bad it is.
    """

    kind: Kind
    contract: Contract
    begin: int
    ticks: int
    element: int
    amount: float

    def lasts(self, tick: int) -> bool:
        """Whether it is there at a tick."""
        return self.begin <= tick < self.begin + self.ticks


#: All measurements so far, the true ones; the fault; since how many ticks: what is said instead.
Spoil = Callable[[Sequence[Measured], Fault, int], Measured]
#: When the guard must have noticed at the latest, in ticks.
Grace = Callable[[Contract], int]


@dataclass(frozen=True)
class Kind:
    """A kind of fault.

    Attributes:
        name: For the table.
        expects: One of these must be raised in time.
        grace: See `Grace`.
        falls_back: Whether the policy must not act from then on, while the fault lasts.
        may_rest: Whether it is as good that the commanded target stands still.
        spoil: What becomes of a measurement.
        late: Whether ticks begin late.
        jump: Sign of the clock's jump.
        slower: Predictions take so many times longer; 0: they raise an error.
        seconds: Its length (None: some ticks beyond the grace).
        presses: Whether somebody presses the emergency stop.
    """

    name: str
    expects: Activation
    grace: Grace = lambda _: 0
    falls_back: bool = True
    may_rest: bool = False
    spoil: Spoil | None = None
    late: bool = False
    jump: int = 0
    slower: float = 1.0
    seconds: float | None = None
    presses: bool = False

    @property
    def of_inference(self) -> bool:
        """Whether it befalls predictions in the background."""
        return self.slower != 1.0

    @property
    def passes(self) -> bool:
        """Whether the policy must act again when it is over."""
        return not self.presses and self.slower not in (0.0, math.inf)

    def draw(self, contract: Contract, rng: np.random.Generator) -> Fault:
        """A fault of this kind in an episode under this contract."""
        rate = contract.spec.rate
        ticks = self.grace(contract) + int(rng.integers(3, 15))
        if self.seconds is not None:
            ticks = math.ceil(self.seconds * rate) if math.isfinite(self.seconds) else 3 * HORIZON
        element = int(rng.integers(contract.spec.action.size))
        # Of inference before the second chunk is asked for, so that it is the one that is late.
        begin = int(rng.integers(3, 8) if self.of_inference else rng.integers(10, 25))
        return Fault(self, contract, begin, ticks, element, float(rng.random()))


def _with(truth: Measured, name: str, value: NDArray[Any]) -> Measured:
    return Measured({**truth.observation, name: value}, truth.when)


def _element(value: float) -> Spoil:
    def spoil(truths: Sequence[Measured], fault: Fault, _: int) -> Measured:
        names = (STATE, WANTED, SCALE)
        name = names[int(fault.amount * len(names))]
        spoilt = truths[-1].observation[name].copy()
        spoilt[fault.element] = value
        return _with(truths[-1], name, spoilt)

    return spoil


def _out_of_range(truths: Sequence[Measured], fault: Fault, _: int) -> Measured:
    spoilt = truths[-1].observation[STATE].copy()
    spoilt[fault.element] = 1e4 * (1.0 + fault.amount)
    return _with(truths[-1], STATE, spoilt)


def _frozen(truths: Sequence[Measured], fault: Fault, since: int) -> Measured:
    return Measured(truths[-1 - since].observation, truths[-1].when)


def _stuck(truths: Sequence[Measured], fault: Fault, since: int) -> Measured:
    return truths[-1 - since]


def _older(truths: Sequence[Measured], fault: Fault, _: int) -> Measured:
    return truths[max(0, len(truths) - 9)]


def _swapped(truths: Sequence[Measured], fault: Fault, since: int) -> Measured:
    """At every second tick that of three ticks ago, or of four."""
    return truths[-4 - int(2 * fault.amount)] if since % 2 == 0 else truths[-1]


def _twice(truths: Sequence[Measured], _: Fault, since: int) -> Measured:
    return truths[-1 - since % 2]


def _from_the_future(truths: Sequence[Measured], fault: Fault, _: int) -> Measured:
    return Measured(truths[-1].observation, truths[-1].when + 10.0 ** (1 + 4 * fault.amount))


def _no_time(truths: Sequence[Measured], _: Fault, __: int) -> Measured:
    return Measured(truths[-1].observation, math.nan)


def _divided(value: float) -> Spoil:
    def spoil(truths: Sequence[Measured], fault: Fault, _: int) -> Measured:
        scale = truths[-1].observation[SCALE].copy()
        scale[fault.element] = 0.0
        spoilt = _with(truths[-1], SCALE, scale)
        if math.isnan(value):
            wanted = truths[-1].observation[WANTED].copy()
            wanted[fault.element] = 0.0
            spoilt = _with(spoilt, WANTED, wanted)
        return spoilt

    return spoil


def _tenfold(truths: Sequence[Measured], fault: Fault, _: int) -> Measured:
    return _with(truths[-1], WANTED, _beyond(fault, 1.0))


def _to_and_fro(truths: Sequence[Measured], fault: Fault, since: int) -> Measured:
    sign = 1.0 if since // fault.contract.horizon % 2 else -1.0
    return _with(truths[-1], WANTED, _beyond(fault, sign))


def _beyond(fault: Fault, sign: float) -> NDArray[np.float32]:
    """Every joint ten times beyond the limit of its command."""
    assert fault.contract.limits is not None
    return (sign * 10.0 * np.array(fault.contract.limits.high)).astype(np.float32)


def _seconds(pick: Callable[[Contract], float | None]) -> Grace:
    def grace(contract: Contract) -> int:
        seconds = pick(contract)
        assert seconds is not None
        return math.ceil(seconds * contract.spec.rate)

    return grace


_STALE = _seconds(lambda contract: contract.stale_after)
_PLAN = 2 * HORIZON


def _chunk(contract: Contract) -> int:
    """Until every chunk that is executed was predicted from what is observed now."""
    return contract.horizon - 1


KINDS: tuple[Kind, ...] = (
    Kind("observation NaN", Activation.OBSERVATION_NOT_FINITE, spoil=_element(math.nan)),
    Kind("observation infinite", Activation.OBSERVATION_NOT_FINITE, spoil=_element(-math.inf)),
    Kind(
        "observation frozen, its time going on",
        Activation.OBSERVATION_FROZEN,
        _seconds(lambda contract: contract.fallback_after.frozen),
        may_rest=True,
        spoil=_frozen,
    ),
    Kind("observation and its time frozen", Activation.OBSERVATION_STALE, _STALE, spoil=_stuck),
    Kind(
        "observations late",
        Activation.OBSERVATION_STALE | Activation.OBSERVATION_REORDERED,
        spoil=_older,
    ),
    Kind(
        "observations reordered",
        Activation.OBSERVATION_REORDERED,
        falls_back=False,
        spoil=_swapped,
    ),
    Kind("observations twice each (no harm)", NOTHING, falls_back=False, spoil=_twice),
    Kind("observation of the future", Activation.OBSERVATION_STALE, spoil=_from_the_future),
    Kind(
        "observation without a time",
        Activation.OBSERVATION_STALE | Activation.OBSERVATION_REORDERED,
        spoil=_no_time,
    ),
    Kind(
        "observation outside the training range",
        Activation.OBSERVATION_OUT_OF_RANGE,
        _seconds(lambda contract: contract.fallback_after.out_of_range),
        spoil=_out_of_range,
    ),
    Kind("action NaN", Activation.ACTION_NOT_FINITE, _chunk, spoil=_divided(math.nan)),
    Kind("action infinite", Activation.ACTION_NOT_FINITE, _chunk, spoil=_divided(math.inf)),
    Kind("action 10 × beyond the limits", LIMITED, _chunk, falls_back=False, spoil=_tenfold),
    Kind(
        "the same, to and fro chunk by chunk", LIMITED, _chunk, falls_back=False, spoil=_to_and_fro
    ),
    Kind(
        "ticks late",
        Activation.OVERRUN,
        lambda contract: contract.fallback_after.late or 0,
        late=True,
    ),
    Kind("clock jumps ahead", Activation.OBSERVATION_STALE, jump=1),
    Kind("clock jumps back", Activation.OBSERVATION_STALE, jump=-1),
    Kind(
        "inference 10 × slower for a second",
        Activation.PLAN_RUN_OUT,
        lambda _: _PLAN,
        falls_back=False,
        slower=10.0,
        seconds=1.0,
    ),
    Kind(
        "inference hangs for ever",
        Activation.PLAN_RUN_OUT,
        lambda _: _PLAN,
        slower=math.inf,
        seconds=math.inf,
    ),
    Kind(
        "inference killed", Activation.PLAN_RUN_OUT, lambda _: _PLAN, slower=0.0, seconds=math.inf
    ),
    Kind("emergency stop", Activation.EMERGENCY_STOP, presses=True),
)
#: Nothing happens: an alarm would be a false one.
NO_FAULT = Kind("(no fault)", NOTHING, falls_back=False)

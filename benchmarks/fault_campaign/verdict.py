"""Whether a fault was caught, judged by what left the controller alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.fault_campaign.arm import Record, greatest_share
from benchmarks.fault_campaign.kinds import LIMITED, Fault
from ilrobot.control.activation import Activation

#: Ticks after a fault within which the policy must act again.
TAIL = 45


@dataclass(frozen=True)
class Verdict:
    """On one fault.

    Attributes:
        kind: Of the fault.
        problem: Why it does not count as caught (empty: it does).
        exceeded: Whether the commands, or the arm, passed a limit at any tick.
        share: The greatest share of a limit that was used.
        noticed: Ticks from its beginning to the first alarm (None: there was none, or need be).
    """

    kind: str
    problem: str
    exceeded: bool
    share: float = 0.0
    noticed: int | None = None


def judge(fault: Fault, record: Record) -> Verdict:
    """Look at an episode."""
    share, exceeded = greatest_share(record, fault.contract)
    flags = _of_the_episode(record)
    seen = (t for t in range(fault.begin, len(flags)) if flags[t] & fault.kind.expects)
    first = next(seen, None)
    noticed = None if first is None else first - fault.begin
    return Verdict(fault.kind.name, _problem(fault, record, noticed), exceeded, share, noticed)


def _problem(fault: Fault, record: Record, noticed: int | None) -> str:
    kind, flags = fault.kind, _of_the_episode(record)
    if any(flag & ~int(LIMITED) for flag in flags[: fault.begin]):
        return "a false alarm before it"
    if kind.slower == 0.0:
        if record.error is None or not record.stopped:
            return "the arm was not stopped"
        return "" if _came_to_rest(record) else "the arm was stopped in motion"
    if record.error is not None:
        return record.error
    if not record.stopped:
        return "the arm was not stopped at the end"
    if not kind.expects:
        return "a false alarm" if any(flag & ~int(LIMITED) for flag in flags) else ""
    grace, resting = kind.grace(fault.contract), 0
    for tick in range(fault.begin, fault.begin + fault.ticks):
        rests = kind.may_rest and _rests(record, tick)
        resting += rests
        due = tick >= fault.begin + grace + resting
        held = flags[tick] & Activation.FALLBACK
        if due and kind.falls_back and not (held or rests):
            return f"the policy acted {tick - fault.begin} ticks after it began"
    if (noticed is None or noticed > grace + resting) and not (kind.may_rest and resting):
        return "not noticed in time"
    if kind.presses and not _rests(record, len(flags) - 1):
        return "the commanded target did not come to rest"
    if kind.passes and flags[-1] & Activation.FALLBACK:
        return "the policy did not act again afterwards"
    return ""


def _of_the_episode(record: Record) -> list[int]:
    """The flags of its ticks, without those at which it comes to rest after its end."""
    return [flag for flag in record.flags if not flag & Activation.COMING_TO_REST]


def _came_to_rest(record: Record) -> bool:
    """Whether the last two commands are one and the same."""
    sent = [command for command in record.commands if command is not None]
    return len(sent) < 2 or bool(np.array_equal(sent[-2], sent[-1]))


def _rests(record: Record, tick: int) -> bool:
    """Whether the place that is commanded did not change at a tick; of deltas: by nothing."""
    now, before = record.commands[tick], record.commands[tick - 1]
    if now is None or before is None:
        return False
    return bool(np.array_equal(now, before)) or not now.any()

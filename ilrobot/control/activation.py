"""What a guard did or noticed at one tick."""

from __future__ import annotations

from enum import IntFlag, auto


class Activation(IntFlag):
    """A bit each; logs keep them, so new ones are added at the end."""

    OBSERVATION_NOT_FINITE = auto()
    OBSERVATION_STALE = auto()
    OBSERVATION_OUT_OF_RANGE = auto()
    ACTION_NOT_FINITE = auto()
    POSITION_LIMITED = auto()
    VELOCITY_LIMITED = auto()
    ACCELERATION_LIMITED = auto()
    DEADLINE_MISSED = auto()
    FALLBACK = auto()
    PLAN_RUN_OUT = auto()
    JERK_LIMITED = auto()
    WORKSPACE_LIMITED = auto()
    OBSERVATION_REORDERED = auto()
    OBSERVATION_FROZEN = auto()
    OVERRUN = auto()
    EMERGENCY_STOP = auto()
    CALLS_FOR_HELP = auto()
    COMING_TO_REST = auto()


#: Made once: making an IntFlag costs as much as a vector operation.
NOTHING = Activation(0)

"""When a person takes over from a policy, and when they let it go on.

Two things make a person reach for the bumper: the robot keeps doing something else than they
would do, or it gets nowhere. They let go once they have steered for a while and the policy wants
what they want. Entering takes more than leaving lets stand, so that control does not flutter.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: A policy that is slower than this share of the person's own speed is not getting on.
LEAST_SHARE = 0.3


@dataclass(frozen=True)
class Patience:
    """A person's thresholds.

    Attributes:
        alarm: Disagreement summed over time (1 is opposite to full speed for a second) at which
            they take over.
        memory: Seconds after which disagreement is forgotten.
        stall: Seconds of not getting on after which they take over.
        hold: Least seconds that they keep control.
        agree: Seconds for which the policy must want what they want before they let go.
    """

    alarm: float = 0.2
    memory: float = 0.6
    stall: float = 2.0
    hold: float = 0.8
    agree: float = 0.4


class Watcher:
    """One person watching a policy; it sees intentions and commands, both delayed."""

    #: Share of full speed by which two hands differ without anybody minding.
    TOLERANCE = 0.15
    #: What a gripper that is open where it should be closed counts for, as a share of full speed.
    GRIPPER = 0.5
    #: Share of full speed below which the person does not mind whether the policy gets on; over a
    #: hole that they miss by 2 mm they go at 0.02.
    LEAST_INTENT = 0.01

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self.reset()

    def reset(self) -> None:
        """Begin an episode, watching."""
        self.in_control = False
        self.disagreement = 0.0
        self._behind = 0.0
        self._trust = 0.0
        self._since = 0.0
        self._last = 0.0

    def look(
        self,
        now: float,
        intended: NDArray[np.float64],
        policy: NDArray[np.float64],
        gripper_differs: bool,
    ) -> bool:
        """Whether the person wants control, having seen this.

        Args:
            now: Seconds of the loop's clock.
            intended: The person's own command, as a twist in shares of full speed.
            policy: What the policy commands, likewise.
            gripper_differs: It wants the gripper in another state than the person.
        """
        seconds, self._last = max(now - self._last, 0.0), now
        if self.in_control:
            # What disagrees costs trust twice as fast as what agrees earns it.
            earned = seconds if agrees(intended, policy, gripper_differs) else -2.0 * seconds
            self._trust = max(self._trust + earned, 0.0)
            if self._trust >= self._patience.agree and now - self._since >= self._patience.hold:
                self._change(now, False)
        else:
            wrong = harm(intended, policy, self.TOLERANCE) + self.GRIPPER * gripper_differs
            kept = math.exp(-seconds / self._patience.memory)
            self.disagreement = kept * self.disagreement + seconds * wrong
            lags = lag(intended, policy) > 0.0 and np.linalg.norm(intended) > self.LEAST_INTENT
            self._behind = max(self._behind + (seconds if lags else -seconds), 0.0)
            if self.disagreement > self._patience.alarm or self._behind >= self._patience.stall:
                self._change(now, True)
        return self.in_control

    def _change(self, now: float, in_control: bool) -> None:
        self.in_control, self._since = in_control, now
        self.disagreement = self._behind = self._trust = 0.0


class Summoned:
    """One person who takes over when the robot calls, and lets go when it needs no more help."""

    def __init__(self) -> None:
        self.called = False
        """Whether the robot asks for help now."""
        self.reset()

    def reset(self) -> None:
        """Begin an episode, at rest."""
        self.called = self.in_control = False

    def answer(self) -> None:
        """Do as the robot wants."""
        self.in_control = self.called


def harm(intended: NDArray[np.float64], policy: NDArray[np.float64], tolerance: float) -> float:
    """How wrong the policy's command is, as a share of full speed.

    It is wrong as far as it goes aside, beyond the tolerance, and as far as it lags.
    """
    _, aside = _split(intended, policy)
    return max(aside - tolerance, 0.0) + lag(intended, policy)


def lag(intended: NDArray[np.float64], policy: NDArray[np.float64]) -> float:
    """How far the policy is behind `LEAST_SHARE` of the person's speed; backwards is farther."""
    along, _ = _split(intended, policy)
    return max(LEAST_SHARE * float(np.linalg.norm(intended)) - along, 0.0)


def agrees(
    intended: NDArray[np.float64], policy: NDArray[np.float64], gripper_differs: bool
) -> bool:
    """Whether the policy goes the person's way, at `LEAST_SHARE` of their speed or more."""
    size = float(np.linalg.norm(intended))
    along, aside = _split(intended, policy)
    return not gripper_differs and along >= LEAST_SHARE * size and aside <= 0.5 * size + 0.05


def _split(intended: NDArray[np.float64], policy: NDArray[np.float64]) -> tuple[float, float]:
    """The policy's command along the intention, and the length of what is left of it."""
    size = float(np.linalg.norm(intended))
    if size < 1e-9:
        return 0.0, float(np.linalg.norm(policy))
    along = float(policy @ intended) / size
    return along, float(np.linalg.norm(policy - along * intended / size))

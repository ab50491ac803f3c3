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


@dataclass(frozen=True)
class Patience:
    """A person's thresholds.

    Attributes:
        alarm: Disagreement summed over time (1 = opposite to full speed for a second, forgotten
            with `memory`) at which they take over.
        calm: Disagreement summed likewise below which they let go.
        memory: Seconds after which disagreement is forgotten.
        stall: Seconds without commanded progress after which they take over.
        hold: Least seconds that they keep control.
        agree: Seconds that the policy must agree before they let go.
    """

    alarm: float = 0.22
    calm: float = 0.12
    memory: float = 0.6
    stall: float = 2.0
    hold: float = 0.8
    agree: float = 0.3


class Watcher:
    """One person watching a policy; it sees intentions, commands and observations, all delayed."""

    #: Share of full speed by which two hands differ without anybody minding.
    TOLERANCE = 0.15
    #: What a gripper that is open where it should be closed counts for, as a share of full speed.
    GRIPPER = 0.5
    #: Share of the range seen so far that has to change within `Patience.stall`.
    PROGRESS = 0.05

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self.reset()

    def reset(self) -> None:
        """Begin an episode, watching."""
        self.in_control = False
        self.disagreement = 0.0
        self._since = 0.0
        self._calm_since: float | None = None
        self._last = 0.0
        self._seen: list[tuple[float, NDArray[np.float64]]] = []
        self._low: NDArray[np.float64] | None = None
        self._high: NDArray[np.float64] | None = None

    def look(
        self,
        now: float,
        intended: NDArray[np.float64],
        policy: NDArray[np.float64],
        gripper_differs: bool,
        scene: NDArray[np.float64],
    ) -> bool:
        """Whether the person wants control, having seen this.

        Args:
            now: Seconds of the loop's clock.
            intended: The person's own command, as a twist in shares of full speed.
            policy: What the policy commands, likewise.
            gripper_differs: It wants the gripper in another state than the person.
            scene: Everything observed, as one vector.
        """
        seconds = max(now - self._last, 0.0)
        self._last = now
        kept = math.exp(-seconds / self._patience.memory)
        wrong = harm(intended, policy, self.TOLERANCE) + self.GRIPPER * gripper_differs
        self.disagreement = kept * self.disagreement + seconds * wrong
        if self.in_control:
            self._consider_letting_go(now)
        elif self.disagreement > self._patience.alarm or self._stalls(now, scene):
            self._change(now, True)
        return self.in_control

    def _consider_letting_go(self, now: float) -> None:
        if self.disagreement > self._patience.calm:
            self._calm_since = None
        elif self._calm_since is None:
            self._calm_since = now
        agreed = self._calm_since is not None and now - self._calm_since >= self._patience.agree
        if agreed and now - self._since >= self._patience.hold:
            self._change(now, False)

    def _change(self, now: float, in_control: bool) -> None:
        self.in_control = in_control
        self._since = now
        self._calm_since = None
        self._seen.clear()
        if not in_control:
            self.disagreement = 0.0

    def _stalls(self, now: float, scene: NDArray[np.float64]) -> bool:
        self._low = scene if self._low is None else np.minimum(self._low, scene)
        self._high = scene if self._high is None else np.maximum(self._high, scene)
        self._seen.append((now, scene))
        start = now - self._patience.stall
        while len(self._seen) > 1 and self._seen[1][0] <= start:
            self._seen.pop(0)
        if self._seen[0][0] > start:
            return False
        recent = np.array([known for _, known in self._seen])
        span = np.maximum(self._high - self._low, 1e-6)
        return bool(((recent.max(axis=0) - recent.min(axis=0)) / span).max() < self.PROGRESS)


def harm(intended: NDArray[np.float64], policy: NDArray[np.float64], tolerance: float) -> float:
    """How much of the policy's command does not go where the person wants to.

    The part along the intention is forgiven at any speed: slower or faster is not wrong. What is
    left, sideways and backwards, counts beyond the tolerance.
    """
    size = float(np.linalg.norm(intended))
    if size < 1e-9:
        return max(float(np.linalg.norm(policy)) - tolerance, 0.0)
    direction = intended / size
    along = max(float(policy @ direction), 0.0)
    return max(float(np.linalg.norm(policy - along * direction)) - tolerance, 0.0)

"""Comparing the clocks of controller and robot, which need neither agree nor start together."""

from __future__ import annotations

import math

#: Seconds after which a comparison is forgotten where there are newer ones.
FORGOTTEN_AFTER = 2.0
#: Seconds by which two clocks drift apart in a second, at most; some 5e-5 is usual.
DRIFT = 1e-4


class ClockOffset:
    """How far the controller's clock is ahead of the robot's, at least.

    A message that the controller sends at c (its clock) and the robot receives at r (its own) has
    travelled for some time, so the controller's clock is ahead by no less than c − r. The greatest
    difference of the last seconds is the offset less the shortest travel among them. What the robot
    measured at m (its clock) is then not older than m + offset on the controller's clock: an age
    that errs, errs by one fast message's travel and to the safe side.

    After a silence the first message may have waited all along, so that what was known before it
    counts still, less what the clocks may have drifted meanwhile.
    """

    def __init__(self) -> None:
        self._recent = self._older = -math.inf
        self._turned = -math.inf

    @property
    def least(self) -> float:
        """Seconds; -inf before the first message."""
        return max(self._recent, self._older)

    def add(self, sent: float, received: float) -> None:
        """A message of the controller reached the robot.

        Args:
            sent: On the controller's clock, in seconds.
            received: On the robot's clock, in seconds.
        """
        since = received - self._turned
        if not 0.0 <= since < FORGOTTEN_AFTER / 2:
            if since < 0.0:  # a robot's clock that was set back is another one from then on
                self._older = -math.inf
            elif since > FORGOTTEN_AFTER:
                self._older = self.least - DRIFT * since
            else:
                self._older = self._recent
            self._recent = -math.inf
            self._turned = received
        self._recent = max(self._recent, sent - received)

    def forget(self) -> None:
        """The clocks have been set, so that nothing compared before holds."""
        self._recent = self._older = self._turned = -math.inf

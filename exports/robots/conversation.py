"""A controller's end of its conversation with a robot: sending, asking again, hearing, dropping."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable

from exports.robots.fields import MOST_INTEGER, MessageError
from exports.robots.links import Link
from exports.robots.messages import Body, Header
from exports.robots.wire import decode, encode

#: Seconds until a request is sent again.
_AGAIN_AFTER = 0.1
#: Messages read at once, so that a flood does not stop the loop.
_AT_ONCE = 256
#: More than a socket's buffer holds; where more comes, it is a flood that is not waited out.
_MOST_WAITING = 10_000


class Conversation:
    """Sends with a session and a sequence number of its own, and hears one session of the robot.

    Args:
        link: To the robot.
        clock: Monotonic, in seconds.

    Attributes:
        sent_at: When the last message was sent (-inf: none yet).
        heard_at: When the last message was accepted.
        restarted: Whether the robot has spoken with another session than the one agreed upon.
        other_version: What was wrong with a message that only another version explains.
        dropped: How many messages were dropped, by the reason.
    """

    def __init__(self, link: Link, clock: Callable[[], float]) -> None:
        self._link, self._clock = link, clock
        self._session, self._seq = 1 + secrets.randbelow(MOST_INTEGER), 0
        self._their_session: int | None = None
        self._their_seq = 0
        self.sent_at = self.heard_at = float("-inf")
        self.restarted = False
        self.other_version = ""
        self.dropped: Counter[str] = Counter()

    def agree(self) -> None:
        """Forget whom one spoke with, and what has come of them; the next message decides."""
        for _ in range(_MOST_WAITING):
            if self._link.receive() is None:
                break
        self._their_session, self._their_seq = None, 0
        self.restarted = False

    def send(self, body: Body) -> int:
        """Say something, which may be lost; its number."""
        self._seq += 1
        self.sent_at = self._clock()
        self._link.send(None, encode(Header(self._session, self._seq, self.sent_at), body))
        return self._seq

    def hear(self, take: Callable[[Body], None]) -> None:
        """Hand on what has arrived and is newer than what was handed on before."""
        for _ in range(_AT_ONCE):
            arrived = self._link.receive()
            if arrived is None:
                return
            try:
                header, body = decode(arrived[1])
            except MessageError as error:
                self.dropped["malformed"] += 1
                if "version" in str(error):
                    self.other_version = str(error)
                continue
            if self._their_session is None:
                self._their_session = header.session
            if header.session != self._their_session:
                self.restarted = True
                self.dropped["other session"] += 1
            elif header.seq <= self._their_seq:
                self.dropped["old"] += 1
            else:
                self._their_seq = header.seq
                self.heard_at = self._clock()
                take(body)

    def ask(
        self,
        body: Body,
        take: Callable[[Body], None],
        answered: Callable[[], bool],
        within: float,
    ) -> bool:
        """Send until answered.

        Args:
            body: The request.
            take: What `hear` hands on goes here.
            answered: Whether it is.
            within: Seconds after which it is given up.

        Returns:
            Whether it was answered.
        """
        end = self._clock() + within
        again = float("-inf")
        while True:
            self.hear(take)
            now = self._clock()
            if answered() or now >= end:
                return answered()
            if now >= again:
                self.send(body)
                again = now + _AGAIN_AFTER
            self._link.wait(min(end, again) - now)

    def close(self) -> None:
        """Free the socket."""
        self._link.close()

"""Another program's socket to a robot, and waiting for what it brings about."""

import time

from exports.robots import messages
from exports.robots.links import open_link
from exports.robots.messages import Header, Reset
from exports.robots.wire import decode, encode
from tests.exports.plant import LIMITS

ADDRESSES = ("udp://127.0.0.1:0", "zmq+tcp://127.0.0.1:0")


def until(condition, seconds=30.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.005)


class Raw:
    """Another program's socket: what it says is up to the test."""

    def __init__(self, address, session=77):
        self.link, self.session, self.seq = open_link(address, listen=False), session, 0

    def say(self, body, seq=None):
        self.seq = self.seq + 1 if seq is None else seq
        header = Header(self.session, self.seq, time.perf_counter())
        self.link.send(None, encode(header, body))

    def hear(self, kind):
        """The last of the messages of a kind that have come by the time that one is there."""
        found = []

        def heard():
            while (arrived := self.link.receive()) is not None:
                found.append(decode(arrived[1])[1])
            return any(isinstance(body, kind) for body in found)

        until(heard)
        return [body for body in found if isinstance(body, kind)][-1]

    def begin(self):
        # Over ZeroMQ what is said before the connection stands is lost.
        until(lambda: self.say(Reset(1, 5, LIMITS.to_json())) or self._begun())

    def _begun(self):
        time.sleep(0.02)
        arrived = self.link.receive()
        return arrived is not None and isinstance(decode(arrived[1])[1], messages.Status)

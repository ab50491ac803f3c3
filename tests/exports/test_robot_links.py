"""Addresses of robots behind a socket: what is none, what is taken, where nobody is."""

import pytest

from exports.robots.links import is_address, open_link
from exports.robots.socket_robot import SocketRobot
from ilrobot.errors import UserError, WorkFailed
from tests.exports.plant import Served
from tests.exports.raw_socket import ADDRESSES


def test_nobody_there(monkeypatch):
    monkeypatch.setattr("exports.robots.socket_robot._ANSWERS_WITHIN", 0.2)
    with Served() as served:
        address = served.address
    robot = SocketRobot(address)
    with pytest.raises(UserError, match=f"no robot answers at {address}: look at the address"):
        robot.connect()
    robot.stop()
    robot.close()


@pytest.mark.parametrize(
    "address",
    ["udp://", "udp://host", "udp://:5", "udp://host:port", "udp://host:70000", "zmq+tcp://h:-1"],
)
def test_what_is_no_address(address):
    with pytest.raises(UserError, match="is no address"):
        open_link(address, listen=False)


def test_an_address_of_a_kind_that_is_not_known():
    assert is_address("http://robot:80")
    with pytest.raises(UserError, match=r"udp://HOST:PORT or zmq\+tcp://HOST:PORT"):
        open_link("http://robot:80", listen=False)


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_that_is_taken(address):
    first = open_link(address, listen=True)
    with pytest.raises(UserError, match="cannot be listened on"):
        open_link(first.address, listen=True)
    first.close()


def test_a_host_that_is_not_there():
    with pytest.raises(UserError, match=r"robot.invalid:5: .*; look at the address"):
        open_link("udp://robot.invalid:5", listen=False)


def test_a_datagram_that_is_too_long_is_told():
    link = open_link("udp://127.0.0.1:9", listen=False)
    with pytest.raises(WorkFailed, match=r"does not fit a UDP datagram .*; use zmq\+tcp"):
        link.send(None, bytes(70_000))
    link.close()

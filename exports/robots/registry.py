"""Robots by the name that a person gives: ``mujoco``, ``udp://HOST:PORT``, ``lerobot:FILE`` ..."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exports.robots.base import Robot
from ilrobot.control.contract import Contract
from ilrobot.errors import UserError

#: Names of robots of this process.
SIMULATED = ("", "mujoco", "pybullet")
#: What --help shows.
NAMES = "mujoco|pybullet|udp://HOST:PORT|zmq+tcp://HOST:PORT|lerobot:FILE.json|ros2:TOPIC"


@dataclass(frozen=True)
class Simulated:
    """The task that a simulated robot simulates.

    Attributes:
        task: Gymnasium id.
        options: Keyword arguments for the environment.
        rate: Control rate in Hz, where that is known better than by the environment.
    """

    task: str
    options: Mapping[str, Any]
    rate: float | None = None

    def robot(self, engine: str | None = None) -> Robot:
        """It on this engine; see `simulated_robot`."""
        from exports.robots.gymnasium_robot import simulated_robot

        return simulated_robot(self.task, self.options, engine=engine, rate=self.rate)


def make_robot(name: str, contract: Contract, simulated: Callable[[], Simulated]) -> Robot:
    """The robot of a name, not yet connected.

    Args:
        name: See `NAMES`; empty for a simulated one on the engine of the training.
        contract: The policy's; a robot that brakes by itself keeps its limits.
        simulated: Asked only where the robot is a simulated one.

    Raises:
        UserError: There is none of that name, or it cannot be made here.
    """
    if name in SIMULATED:
        return simulated().robot(name or None)
    if name.startswith(("udp://", "zmq+tcp://")):
        return _socket_robot(name, contract)
    if name.startswith("lerobot:"):
        from exports.robots.lerobot_robot import LerobotRobot, load_device

        return LerobotRobot(load_device(Path(name.removeprefix("lerobot:"))), contract.spec)
    if name.startswith("ros2:"):
        from exports.robots.ros2_robot import Ros2Robot

        return Ros2Robot(contract.spec, name.removeprefix("ros2:"))
    raise UserError(f"--robot '{name}' is none; robots are {NAMES.replace('|', ', ')}")


def _socket_robot(address: str, contract: Contract) -> Robot:
    require_messages(address)
    from exports.robots.links import host_and_port
    from exports.robots.socket_robot import SocketRobot

    host_and_port(address)
    return SocketRobot(address, contract.limits, contract.workspace)


def require_messages(address: str) -> None:
    """Refuse an address where the package that the messages are made with is missing.

    Raises:
        UserError: It is.
    """
    try:
        import msgpack  # noqa: F401
    except ModuleNotFoundError as error:
        raise UserError(f"{address} needs msgpack: pip install 'ilrobot[robot]'") from error

"""``ilrobot robot``: a simulated robot in a process of its own, behind a socket."""

from __future__ import annotations

import math
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from ilrobot.cli.usage import Address, Milliseconds, TaskId, TaskOptions, optional
from ilrobot.errors import UserError

if TYPE_CHECKING:
    from exports.robots.server import RobotServer


@dataclass
class RobotVerb:
    """Simulate a robot in real time behind a socket, as a test bench for controllers.

    It speaks the messages of docs/robots.md over UDP or ZeroMQ, and holds by itself where commands
    cease. The network and the sensors can be made worse than they are.

    Example: ilrobot robot --task ilrobot/PandaLift-v0 --listen udp://127.0.0.1:5555 --latency 20
    """

    task: TaskId
    """Gymnasium id, e.g. ilrobot/PandaLift-v0."""

    engine: Annotated[
        Literal["mujoco", "pybullet"] | None, optional("mujoco|pybullet", "the task's own")
    ] = None
    """The physics engine, of a task that has a choice."""

    options: TaskOptions = ()
    """Options of the environment."""

    rate: Annotated[float | None, optional("HZ", "the one that the task states")] = None
    """Control rate, of a task that states none."""

    listen: Address = "udp://127.0.0.1:5555"
    """Where controllers reach it: udp://HOST:PORT or zmq+tcp://HOST:PORT; port 0 chooses one."""

    timeout: Milliseconds = 200.0
    """Milliseconds without a command after which it brakes and holds."""

    latency: Milliseconds = 0.0
    """Milliseconds that every message travels longer, in each direction."""

    jitter: Milliseconds = 0.0
    """Milliseconds, drawn evenly up to this, that each travels longer still."""

    loss: Annotated[float, optional("SHARE", "0")] = 0.0
    """Share of the messages, 0 to 1, that never arrive."""

    noise: Annotated[float, optional("SIGMA", "0")] = 0.0
    """Standard deviation of the sensors' noise, in the unit of each element."""

    seed: int = 0
    """Of the draws of jitter, loss and noise."""

    log: Annotated[Path | None, optional("PATH", "no log")] = None
    """Write every tick that it executes to this file of JSON lines; an earlier log is replaced."""

    json: bool = False
    """Print one JSON object as the last line."""

    def run(self) -> int:
        """Serve until Ctrl-C, SIGTERM or SIGHUP."""
        self._check()
        from exports.robots.execution_log import ExecutionLog
        from exports.robots.registry import Simulated, require_messages

        require_messages(self.listen)
        from exports.robots.impaired_link import ImpairedLink, Impairments
        from exports.robots.links import Link, open_link
        from exports.robots.sensor_noise import SensorNoise
        from exports.robots.server import RobotServer
        from exports.runtime.process import StopSignals
        from ilrobot.cli.options import parse_options
        from ilrobot.cli.output import console, print_json

        how = Impairments(self.latency / 1e3, self.jitter / 1e3, self.loss, self.seed)
        with ExitStack() as stack:
            link: Link = open_link(self.listen, listen=True)
            stack.callback(link.close)
            log = ExecutionLog(self.log)
            stack.callback(log.close)
            simulated = Simulated(self.task, parse_options(self.options), self.rate)
            robot = simulated.robot(self.engine)
            stack.callback(robot.close)
            server = RobotServer(
                robot,
                ImpairedLink(link, how) if how else link,
                timeout=self.timeout / 1e3,
                log=log,
                noise=SensorNoise(self.noise, self.seed),
            )
            if self.rate is not None and not server.capabilities.any_rate:
                raise UserError(
                    f"--rate {self.rate:g}: {self.task} states its rate and runs at no other; "
                    "leave out --rate"
                )
            signals = stack.enter_context(StopSignals())
            console.print(
                f"{server.capabilities.name} at {link.address}, "
                f"{server.capabilities.spec.rate:g} Hz; Ctrl-C ends it",
                soft_wrap=True,
            )
            server.run(lambda: bool(signals))
            summary = _summary(server, link.address)
            _print_summary(summary)
            if self.json:
                print_json(summary)
            return signals.exit_code

    def _check(self) -> None:
        for option in ("latency", "jitter", "noise"):
            value = getattr(self, option)
            if not (math.isfinite(value) and value >= 0):
                raise UserError(f"--{option} must be 0 or more, not {value}")
        if not (math.isfinite(self.timeout) and self.timeout > 0):
            raise UserError(f"--timeout must be a positive number of ms, not {self.timeout}")
        if not 0 <= self.loss <= 1:
            raise UserError(f"--loss must be from 0 to 1, not {self.loss}")
        if self.seed < 0:
            raise UserError(f"--seed must be 0 or more, not {self.seed}")


def _summary(server: RobotServer, address: str) -> dict[str, Any]:
    return {
        "robot": server.capabilities.name,
        "address": address,
        "rate": server.capabilities.spec.rate,
        "episodes": server.episodes,
        "ticks": server.ticks,
        "late_ticks": server.late,
        "held": server.held,
        "dropped": dict(server.dropped),
    }


def _print_summary(summary: dict[str, Any]) -> None:
    print(f"episodes          {summary['episodes']}")
    print(f"ticks             {summary['ticks']}, {summary['late_ticks']} of them late")
    print(f"held by itself    {summary['held']} times")
    words = ", ".join(f"{reason} {count}" for reason, count in summary["dropped"].items())
    print(f"messages dropped  {words or 'none'}")

"""``ilrobot deploy``: an exported policy in a real-time control loop on a robot."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ilrobot.errors import UserError

if TYPE_CHECKING:
    from exports.robots.base import Capabilities
    from ilrobot.control.contract import Contract

#: Length of an episode on a robot that has no time limit of its own.
EPISODE_SECONDS = 60.0


@dataclass
class Deploy:
    """Run an .onnx file in a real-time control loop on a robot, without torch.

    Every observation and every command passes the guards of the file's contract; Ctrl-C stops the
    robot and still prints the summary.
    Example: ilrobot deploy --policy policy.onnx --robot pybullet --episodes 5
    """

    policy: Path
    """File that ilrobot export wrote."""

    robot: Literal["mujoco", "pybullet"] = "mujoco"
    """The physics engine that stands in for the robot."""

    task: str = ""
    """Gymnasium id; by default the task that the policy was trained on."""

    rate: float | None = None
    """Control rate in Hz; by default the one that the policy was trained at."""

    episodes: int = 1
    """How many episodes, each from a seed of its own."""

    seed: int = 200_000
    """Seed of the first episode; the next ones count up from it."""

    log: Path | None = None
    """Write every tick to this .npz file."""

    json: bool = False
    """Print one JSON object as the last line."""

    def run(self) -> int:
        """Run the loop and print what it came to."""
        from exports.robots.gymnasium_robot import simulated_robot
        from exports.runtime.loop import ControlLoop
        from exports.runtime.process import StopSignals, quiet_collector, torch_imported
        from exports.runtime.session import OnnxPolicy
        from exports.runtime.tick_log import TickLog
        from ilrobot.cli.output import console, print_json
        from ilrobot.control.clock import RealTimeClock
        from ilrobot.control.guard import Guard
        from ilrobot.spec import check_policy_fits

        self._check()
        policy = OnnxPolicy(self.policy)
        policy.verify()  # on this very machine; it also warms the caches for the first tick
        contract = policy.contract
        robot = simulated_robot(self.robot, self._task(contract), _options(self, contract))
        try:
            capabilities = robot.connect()
            check_policy_fits(policy.spec, capabilities.spec, str(self.policy))
            rate = self.rate or contract.spec.rate
            max_ticks = _episode_ticks(capabilities, rate)
            log = TickLog(self.episodes * max_ticks, policy.spec.action.shape)
            with StopSignals() as signals, quiet_collector():
                console.print(f"running at {rate:g} Hz on {self.robot}; Ctrl-C stops the robot")
                loop = ControlLoop(
                    robot,
                    policy.actor(),
                    Guard(contract, rate),
                    RealTimeClock(rate),
                    stopped=lambda: bool(signals),
                )
                report = loop.run(
                    range(self.seed, self.seed + self.episodes),
                    max_ticks=max_ticks,
                    log=log,
                    on_episode=lambda episode: console.print(
                        f"episode {episode.seed}: {'success' if episode.success else 'no success'}"
                        f" after {episode.ticks} ticks"
                    ),
                )
        finally:
            robot.close()
        summary = {
            **report.to_json(),
            "policy": str(self.policy),
            "robot": self.robot,
            "task": capabilities.spec.task,
            "judges_success": capabilities.judges_success,
            "stopped_by": signals.received.name if signals.received else None,
            "torch_imported": torch_imported(),
        }
        _print_summary(summary)
        if self.log is not None:
            log.save(self.log, period=1.0 / rate)
        if self.json:
            print_json(summary)
        return signals.exit_code

    def _check(self) -> None:
        if self.episodes < 1 or self.seed < 0:
            raise UserError("--episodes must be at least 1 and --seed at least 0")
        if self.rate is not None and not (math.isfinite(self.rate) and self.rate > 0):
            raise UserError(f"--rate must be a positive number of Hz, not {self.rate}")
        if not self.policy.exists():
            raise UserError(f"no policy at {self.policy}; make one with ilrobot export")
        if self.policy.is_dir():
            raise UserError(
                f"{self.policy} is a folder; a robot runs the .onnx file that "
                f"`ilrobot export --policy {self.policy} --output FILE.onnx` writes"
            )

    def _task(self, contract: Contract) -> str:
        task = self.task or contract.spec.task
        if not task:
            raise UserError(f"{self.policy} was trained on data that names no task; give --task")
        return task


def _options(verb: Deploy, contract: Contract) -> Mapping[str, Any]:
    """The options that the policy was trained with, where it is the same task."""
    return contract.spec.task_options if verb.task in ("", contract.spec.task) else {}


def _episode_ticks(capabilities: Capabilities, rate: float) -> int:
    return capabilities.time_limit or math.ceil(EPISODE_SECONDS * rate)


def _print_summary(summary: dict[str, Any]) -> None:
    if summary["stopped_by"]:
        print(f"stopped by {summary['stopped_by']}")
    episodes = summary["episodes"]
    if summary["judges_success"]:
        print(f"success           {summary['successes']} of {episodes} episodes")
    else:
        print(f"episodes          {episodes} (the task judges no success)")
    if summary["measured_rate"] is not None:
        print(
            f"rate              {summary['measured_rate']:.3f} Hz of {summary['rate']:g} Hz, "
            f"{summary['missed_deadlines']} of {summary['ticks']} deadlines missed"
        )
    print("milliseconds             p50       p99     p99.9       max")
    rows = {
        "period error": "period_error_ms",
        "read": "read_ms",
        "guard and policy": "latency_ms",
        "write": "write_ms",
    }
    for title, key in rows.items():
        values = summary[key].values()
        print(f"{title:18}" + "".join("      none" if v is None else f"{v:10.3f}" for v in values))
    active = {kind: count for kind, count in summary["guard"].items() if count}
    words = ", ".join(f"{kind.replace('_', ' ')} {count}" for kind, count in active.items())
    print(f"guard             {words or 'nothing to do'}")

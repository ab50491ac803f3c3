"""``ilrobot deploy``: an exported policy in a real-time control loop on a robot."""

from __future__ import annotations

import math
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from ilrobot.cli.usage import Chunks, optional
from ilrobot.errors import UserError

if TYPE_CHECKING:
    from exports.robots.base import Capabilities, Robot
    from exports.runtime.exported_policy import ExportedPolicy
    from exports.runtime.loop import EpisodeReport, LoopReport
    from exports.runtime.process import StopSignals
    from exports.runtime.tick_file import TickFile
    from ilrobot.actors import Actor

#: Length of an episode on a robot that has no time limit of its own.
EPISODE_SECONDS = 60.0


@dataclass
class Deploy:
    """Run an .onnx file in a real-time control loop on a robot, without torch.

    Every observation and every command passes the guards of the file's contract; Ctrl-C stops the
    robot and still prints the summary.

    Example: ilrobot deploy --policy policy.onnx --robot pybullet --episodes 5
    """

    policy: Annotated[str, tyro.conf.arg(metavar="FILE|ws://HOST:PORT")]
    """File that ilrobot export wrote, or address where ilrobot serve computes one."""

    trust: Annotated[Path | None, optional("KEY", "a signature is not asked for")] = None
    """PEM file of the Ed25519 public key whose owner must have signed the file."""

    robot: Annotated[
        Literal["mujoco", "pybullet"] | None,
        optional("mujoco|pybullet", "the one that the policy was trained on"),
    ] = None
    """The physics engine that stands in for the robot, of a task that has a choice."""

    task: Annotated[str, optional("ID", "the task that the policy was trained on")] = ""
    """Gymnasium id."""

    rate: Annotated[float | None, optional("HZ", "the one that the policy was trained at")] = None
    """Control rate, where the robot leaves a choice; a simulated one runs at the rate it states."""

    chunks: Chunks = ""
    """How chunks are executed: receding, ensemble, coherent, warm or realtime."""

    episodes: int = 1
    """How many episodes, each from a seed of its own."""

    seed: int = 200_000
    """Seed of the first episode; the next ones count up from it."""

    log: Annotated[Path | None, optional("PATH", "no log")] = None
    """Write every tick to this .npz file."""

    json: bool = False
    """Print one JSON object as the last line."""

    def run(self) -> int:
        """Run the loop and print what it came to."""
        from exports.runtime.process import StopSignals, torch_imported
        from exports.runtime.tick_file import TickFile
        from exports.runtime.tick_log import row_type
        from ilrobot.cli.deployed_policy import open_policy
        from ilrobot.cli.output import print_json
        from ilrobot.control.chunking import Chunking

        self._check()
        policy = open_policy(self.policy, self.trust)
        chunking = Chunking.parse(self.chunks) if self.chunks else policy.contract.chunking
        actor = policy.actor(chunking, background=chunking.mode == "realtime")
        policy.verify()  # on this very machine; it also warms the caches for the first tick
        with ExitStack() as stack:
            robot = self._robot(policy)
            stack.callback(robot.close)
            capabilities = robot.connect()
            rate = self._rate(policy, capabilities)
            file = None
            if self.log is not None:
                file = stack.enter_context(TickFile(self.log, row_type(policy.spec.action.shape)))
                stack.callback(file.save, period=1.0 / rate)  # also where the robot breaks
            signals = stack.enter_context(StopSignals())
            report = self._loop(policy, actor, robot, capabilities, rate, file, signals)
            summary = {
                **report.to_json(),
                "policy": self.policy,
                "robot": capabilities.name,
                "task": capabilities.spec.task,
                "stopped_by": signals.received.name if signals.received else None,
                "torch_imported": torch_imported(),
            }
            _print_summary(summary)
            if self.json:
                print_json(summary)
            return signals.exit_code

    def _check(self) -> None:
        from ilrobot.cli.seeds import check_seeds

        check_seeds(self.episodes, self.seed)
        if self.rate is not None and not (math.isfinite(self.rate) and self.rate > 0):
            raise UserError(f"--rate must be a positive number of Hz, not {self.rate}")
        if self.log is not None and self.log.suffix != ".npz":
            raise UserError(f"--log must end in .npz, not '{self.log.name}'")

    def _robot(self, policy: ExportedPolicy) -> Robot:
        from exports.robots.gymnasium_robot import simulated_robot
        from ilrobot.cli.actors import TaskForPolicy

        chosen = TaskForPolicy.choose(policy.spec, self.policy, self.task, {})
        return simulated_robot(chosen.task, chosen.options, engine=self.robot, rate=chosen.rate)

    def _rate(self, policy: ExportedPolicy, capabilities: Capabilities) -> float:
        """The rate of the loop, once it is sure that policy and robot fit.

        Raises:
            UserError: They do not, or the robot does not run at the rate that was asked for.
        """
        from ilrobot.spec import RATE_TOLERANCE, check_policy_fits

        wanted, spec = self.rate or policy.spec.rate, capabilities.spec
        if capabilities.any_rate:
            check_policy_fits(policy.spec, spec.with_rate(policy.spec.rate), self.policy)
            return wanted
        check_policy_fits(policy.spec, spec, self.policy)
        if not math.isclose(wanted, spec.rate, rel_tol=RATE_TOLERANCE):
            raise UserError(
                f"--rate {wanted:g}: {capabilities.name} runs at {spec.rate:g} Hz and at no "
                "other rate; leave out --rate"
            )
        return spec.rate

    def _loop(
        self,
        policy: ExportedPolicy,
        actor: Actor,
        robot: Robot,
        capabilities: Capabilities,
        rate: float,
        file: TickFile | None,
        signals: StopSignals,
    ) -> LoopReport:
        from exports.runtime.loop import ControlLoop
        from exports.runtime.process import quiet_collector
        from exports.runtime.tick_log import TickLog
        from ilrobot.cli.output import console
        from ilrobot.control.clock import RealTimeClock
        from ilrobot.control.guard import Guard

        log = TickLog(policy.spec.action.shape, None if file is None else file.write)
        loop = ControlLoop(
            robot,
            actor,
            Guard(policy.contract, rate),
            RealTimeClock(rate),
            stopped=lambda: bool(signals),
        )
        with quiet_collector():
            console.print(f"running {capabilities.name} at {rate:g} Hz; Ctrl-C stops it")
            return loop.run(
                range(self.seed, self.seed + self.episodes),
                max_ticks=capabilities.time_limit or math.ceil(EPISODE_SECONDS * rate),
                log=log,
                on_episode=lambda episode: console.print(_words(episode)),
            )


def _words(episode: EpisodeReport) -> str:
    ends = {True: "success", False: "no success", None: "over"}
    end = ends[episode.success] if episode.ended else "stopped"
    return f"episode {episode.seed}: {end} after {episode.ticks} ticks"


def _print_summary(summary: dict[str, Any]) -> None:
    if summary["stopped_by"]:
        print(f"stopped by {summary['stopped_by']}")
    if summary["judged"]:
        print(f"success           {summary['successes']} of {summary['judged']} episodes")
    elif summary["episodes"]:
        print(f"episodes          {summary['episodes']} (nobody judges success)")
    else:
        print("episodes          none ended")
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

"""``ilrobot deploy``: an exported policy in a real-time control loop on a robot."""

from __future__ import annotations

import math
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from ilrobot.cli.usage import Chunks, optional
from ilrobot.errors import UserError

if TYPE_CHECKING:
    from exports.robots.base import Capabilities, Robot
    from exports.runtime.exported_policy import ExportedPolicy
    from exports.runtime.loop import LoopReport
    from exports.runtime.process import StopSignals
    from exports.runtime.realtime import Setting
    from exports.runtime.tick_log import TickLog
    from ilrobot.control.chunks import ChunkActor

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
        str, optional("mujoco|pybullet|ADDRESS", "the engine that the policy was trained on")
    ] = ""
    """A simulated robot's physics engine, or where another one is: see docs/robots.md."""

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
    """Write every tick to this file, whose name ends in .ticks; ilrobot view shows it."""

    realtime: bool = False
    """Run before all ordinary processes (SCHED_FIFO), where the system allows it."""

    json: bool = False
    """Print one JSON object as the last line."""

    def run(self) -> int:
        """Run the loop and print what it came to."""
        from exports.runtime.process import StopSignals, torch_imported
        from exports.runtime.realtime import real_time
        from ilrobot.cli.deploy_report import print_settings, print_summary
        from ilrobot.cli.deployed_policy import open_policy
        from ilrobot.cli.output import print_json
        from ilrobot.control.chunking import Chunking

        self._check()
        policy = open_policy(self.policy, self.trust)
        chunking = Chunking.parse(self.chunks) if self.chunks else policy.contract.chunking
        # One action is one call of the network, which a tick can bear; a chunk is a sampler.
        actor = policy.actor(chunking, background=policy.contract.horizon > 1)
        policy.verify()  # on this very machine; it also warms the caches for the first tick
        with ExitStack() as stack:
            robot = self._robot(policy)
            stack.callback(robot.close)
            capabilities = robot.connect()
            rate = self._rate(policy, capabilities)
            ticks = capabilities.time_limit or math.ceil(EPISODE_SECONDS * rate)
            log = self._log(policy, capabilities, rate, ticks)
            if log is not None:
                stack.enter_context(log)
            signals = stack.enter_context(StopSignals())
            settings = stack.enter_context(
                real_time(priority=self.realtime, inference=actor.inference.thread_id)
            )
            print_settings(settings)
            report = self._loop(
                policy, actor, robot, capabilities, rate, ticks, log, signals, settings
            )
            summary = {
                **report.to_json(),
                "inference": actor.tally.to_json() if actor.thinks_ahead else None,
                "settings": [setting.to_json() for setting in settings],
                "policy": self.policy,
                "robot": capabilities.name,
                "task": capabilities.spec.task,
                "stopped_by": signals.received.name if signals.received else None,
                "torch_imported": torch_imported(),
            }
            print_summary(summary)
            if self.json:
                print_json(summary)
            return signals.exit_code

    def _check(self) -> None:
        from ilrobot.cli.seeds import check_seeds

        check_seeds(self.episodes, self.seed)
        if self.rate is not None and not (math.isfinite(self.rate) and self.rate > 0):
            raise UserError(f"--rate must be a positive number of Hz, not {self.rate}")
        if self.log is not None and self.log.suffix != ".ticks":
            raise UserError(f"--log must end in .ticks, not '{self.log.name}'")

    def _robot(self, policy: ExportedPolicy) -> Robot:
        from exports.robots.registry import Simulated, make_robot
        from ilrobot.cli.actors import TaskForPolicy

        def simulated() -> Simulated:
            chosen = TaskForPolicy.choose(policy.spec, self.policy, self.task, {})
            return Simulated(chosen.task, chosen.options, chosen.rate)

        return make_robot(self.robot, policy.spec, policy.contract.limits, simulated)

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

    def _log(
        self, policy: ExportedPolicy, capabilities: Capabilities, rate: float, ticks: int
    ) -> TickLog | None:
        from exports.runtime.tick_layout import layout
        from exports.runtime.tick_log import TickLog, room_for

        if self.log is None:
            return None
        limits = policy.contract.limits
        kept = layout(
            policy.spec,
            rate,
            None if limits is None else limits.scale.tolist(),
            {"policy": self.policy, "robot": capabilities.name, "task": policy.spec.task},
        )
        return TickLog(self.log, kept, room_for(self.episodes * ticks, kept.row))

    def _loop(
        self,
        policy: ExportedPolicy,
        actor: ChunkActor,
        robot: Robot,
        capabilities: Capabilities,
        rate: float,
        ticks: int,
        log: TickLog | None,
        signals: StopSignals,
        settings: list[Setting],
    ) -> LoopReport:
        from exports.runtime.loop import ControlLoop
        from ilrobot.cli.deploy_report import episode_line
        from ilrobot.cli.output import console
        from ilrobot.control.clock import SPIN, RealTimeClock
        from ilrobot.control.guard import Guard

        fifo = any(setting.had and setting.name == "real-time priority" for setting in settings)
        loop = ControlLoop(
            robot,
            actor,
            Guard(policy.contract, rate),
            RealTimeClock(rate, spin=0.0 if fifo else SPIN),
            stopped=lambda: bool(signals),
        )
        console.print(f"running {capabilities.name} at {rate:g} Hz; Ctrl-C stops it")
        return loop.run(
            range(self.seed, self.seed + self.episodes),
            max_ticks=ticks,
            log=log,
            on_episode=lambda episode: console.print(episode_line(episode)),
        )

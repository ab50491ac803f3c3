"""``ilrobot deploy``: an exported policy in a real-time control loop on a robot."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, get_args

import tyro

from ilrobot.cli.page import Page, PageAddress
from ilrobot.cli.usage import CHUNKS, BindingsFile, optional
from ilrobot.errors import UserError, WorkFailed

if TYPE_CHECKING:
    from exports.robots.base import Capabilities, Robot
    from exports.runtime.exported_policy import ExportedPolicy
    from exports.runtime.process import StopSignals
    from exports.runtime.report import LoopReport
    from exports.runtime.tick_log import TickLog
    from ilrobot.cli.deploy_cast import Cast, CastPlan
    from ilrobot.control.chunks import ChunkActor
    from ilrobot.control.clock import Clock
    from ilrobot.control.emergency import EmergencyStop
    from ilrobot.control.guard import Guard

DeviceName = Literal["gamepad", "keyboard", "spacemouse", "browser", "operator"]

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

    chunks: Annotated[str, optional(CHUNKS, "what the .onnx file says")] = ""
    """How chunks become one action per tick; see docs/executing-chunks.md."""

    episodes: int = 1
    """How many episodes, each from a seed of its own."""

    seed: int = 200_000
    """Seed of the first episode; the next ones count up from it."""

    log: Annotated[Path | None, optional("PATH", "no log")] = None
    """Write every tick to this file, whose name ends in .ticks; ilrobot view shows it."""

    device: Annotated[
        DeviceName | None,
        optional(f"{{{','.join(get_args(DeviceName))}}}", "nobody shares control"),
    ] = None
    """Take over by hand: hold the right bumper, as in ilrobot dagger."""

    bindings: BindingsFile = None
    """A TOML file that changes what buttons, keys and axes do."""

    page: Page = PageAddress()  # noqa: RUF009 (it is frozen)

    record: Annotated[Path | None, optional("FOLDER", "nothing is recorded")] = None
    """Record what happens as a dataset, or add it to one."""

    shadow: bool = False
    """The policy only thinks; the person drives, or whoever leads the robot."""

    stop_file: Annotated[Path | None, optional("PATH", "the signal SIGUSR1 alone")] = None
    """Emergency stop: as soon as this file exists, brake, hold and end."""

    realtime: bool = False
    """Run before all ordinary processes (SCHED_FIFO), where the system allows it."""

    json: bool = False
    """Print one JSON object as the last line."""

    def run(self) -> int:
        """Run the loop and print what it came to."""
        from exports.robots.registry import SIMULATED
        from exports.runtime.process import StopSignals, torch_imported
        from exports.runtime.realtime import PRIORITY_SETTING, real_time
        from ilrobot.cli.deploy_fit import fitting_rate
        from ilrobot.cli.deploy_report import print_settings, print_summary
        from ilrobot.cli.deployed_policy import open_policy
        from ilrobot.cli.output import print_json
        from ilrobot.control.chunking import Chunking
        from ilrobot.control.clock import SPIN, RealTimeClock
        from ilrobot.control.emergency import EmergencyStop
        from ilrobot.control.guard import Guard

        plan = self._check()
        policy = open_policy(self.policy, self.trust)
        chunking = Chunking.parse(self.chunks) if self.chunks else policy.contract.chunking
        # One action is one call of the network, which a tick can bear; a chunk is a sampler.
        actor = policy.actor(chunking, background=policy.contract.horizon > 1)
        policy.verify()  # on this very machine; it also warms the caches for the first tick
        with ExitStack() as stack:
            robot = self._robot(policy)
            stack.callback(robot.close)
            capabilities = robot.connect()
            rate = fitting_rate(
                *(policy.contract, capabilities, self.policy, self.rate),
                simulated=self.robot in SIMULATED,
            )
            if self._watches and not capabilities.led:
                raise UserError(
                    f"--shadow: nobody else leads {capabilities.name}; let a person drive: --device"
                )
            cast = plan.make(policy, actor, robot, capabilities.spec.with_rate(rate), stack)
            ticks = capabilities.time_limit or math.ceil(EPISODE_SECONDS * rate)
            log = self._log(policy, actor, capabilities, rate, ticks)
            if log is not None:
                stack.enter_context(log)
            signals = stack.enter_context(StopSignals())
            emergency = EmergencyStop(self.stop_file, lambda: cast.stops)
            stack.enter_context(emergency.listening())
            if cast.stage is not None:
                cast.stage.stopped = lambda: bool(signals) or emergency.pressed
            guard = Guard(policy.contract, rate, emergency)
            settings = stack.enter_context(
                real_time(priority=self.realtime, inference=actor.inference.thread_id)
            )
            print_settings(settings)
            has_priority = any(s.had and s.name == PRIORITY_SETTING for s in settings)
            loop = _Loop(
                robot,
                capabilities,
                guard,
                RealTimeClock(rate, spin=0.0 if has_priority else SPIN),
                stopped=lambda: bool(signals) or cast.left or guard.has_stopped,
            )
            report = self._run(loop, policy, cast, ticks, log)
            summary = {
                **report.to_json(),
                "inference": actor.tally.to_json() if actor.thinks_ahead else None,
                "disagreement": cast.disagreement and cast.disagreement.to_json(),
                "recorded": cast.recording and [str(end) for end in cast.recording.outcomes],
                "settings": [setting.to_json() for setting in settings],
                "policy": self.policy,
                "robot": capabilities.name,
                "task": capabilities.spec.task,
                "stopped_by": _stopped_by(signals, cast, emergency),
                "torch_imported": torch_imported(),
            }
            print_summary(summary)
            if self.json:
                print_json(summary)
            if report.failure is not None:
                raise WorkFailed(report.failure)
            return signals.exit_code or int(emergency.pressed)

    @property
    def _watches(self) -> bool:
        """Whether nothing is to be sent to the robot, which somebody else leads."""
        return self.shadow and self.device is None

    def _check(self) -> CastPlan:
        from ilrobot.cli.deploy_cast import CastPlan
        from ilrobot.cli.seeds import check_seeds

        check_seeds(self.episodes, self.seed)
        if self.rate is not None and not (math.isfinite(self.rate) and self.rate > 0):
            raise UserError(f"--rate must be a positive number of Hz, not {self.rate}")
        if self.stop_file is not None:
            _check_stop_file(self.stop_file)
        if self.log is not None and self.log.suffix != ".ticks":
            raise UserError(f"--log must end in .ticks, not '{self.log.name}'")
        plan = CastPlan(
            self.device,
            self.shadow,
            self.record,
            self.page,
            self.episodes,
            self.seed,
            self.bindings,
        )
        plan.check()
        return plan

    def _robot(self, policy: ExportedPolicy) -> Robot:
        from exports.robots.registry import Simulated, make_robot

        def simulated() -> Simulated:
            # Not before: a computer at a robot has no simulator to import.
            from ilrobot.cli.actors import TaskForPolicy

            chosen = TaskForPolicy.choose(policy.spec, self.policy, self.task, {})
            return Simulated(chosen.task, chosen.options, chosen.rate)

        return make_robot(self.robot, policy.contract, simulated)

    def _log(
        self,
        policy: ExportedPolicy,
        actor: ChunkActor,
        capabilities: Capabilities,
        rate: float,
        ticks: int,
    ) -> TickLog | None:
        from exports.robots.base import most_ticks
        from exports.runtime.tick_layout import layout
        from exports.runtime.tick_log import TickLog, room_for

        if self.log is None:
            return None
        scale = policy.contract.scale
        kept = layout(
            policy.spec,
            rate,
            None if scale is None else scale.tolist(),
            {"policy": self.policy, "robot": capabilities.name, "task": policy.spec.task},
            policy.contract.signals,
        )
        room = room_for(self.episodes * (ticks + most_ticks(1.0 / rate)), kept.row)
        signals = {name: partial(actor.said, name) for name in policy.contract.signals}
        return TickLog(self.log, kept, room, signals)

    def _run(
        self,
        loop: _Loop,
        policy: ExportedPolicy,
        cast: Cast,
        ticks: int,
        log: TickLog | None,
    ) -> LoopReport:
        from exports.runtime.loop import ControlLoop
        from exports.runtime.shadow import MeasuredCommand
        from exports.runtime.watching import watch
        from ilrobot.cli.deploy_report import episode_line
        from ilrobot.cli.output import console

        name = loop.capabilities.name
        at = f"at {1 / loop.clock.period:g} Hz; Ctrl-C stops it"
        if cast.disagreement is not None and self._watches:
            measured = MeasuredCommand(policy.contract)
            console.print(f"watching {name} {at}", soft_wrap=True)
            return watch(
                *(loop.robot, cast.actor, loop.guard, loop.clock),
                measured,
                cast.disagreement,
                max_ticks=ticks,
                log=log,
                stopped=loop.stopped,
            )
        console.print(f"running {name} {at}", soft_wrap=True)
        control = ControlLoop(
            *(loop.robot, cast.actor, loop.guard, loop.clock),
            stopped=loop.stopped,
            watchers=cast.watchers,
            disagreement=cast.disagreement,
        )
        return control.run(
            range(self.seed, self.seed + self.episodes),
            max_ticks=ticks,
            log=log,
            on_episode=lambda episode: console.print(episode_line(episode)),
        )


@dataclass(frozen=True)
class _Loop:
    """What a loop runs with, whoever acts."""

    robot: Robot
    capabilities: Capabilities
    guard: Guard
    clock: Clock
    stopped: Callable[[], bool]


def _check_stop_file(file: Path) -> None:
    """Whoever cannot make the file cannot stop the robot by it."""
    try:
        if file.exists():
            raise UserError(f"--stop-file {file} exists; remove it before you start")
        if not file.parent.is_dir():
            raise UserError(f"--stop-file {file}: there is no folder {file.parent}; make it first")
    except OSError as error:
        raise UserError(f"--stop-file cannot be looked for: {error.strerror}: {file}") from error


def _stopped_by(signals: StopSignals, cast: Cast, emergency: EmergencyStop) -> str | None:
    if emergency.reason:
        return f"emergency stop ({emergency.reason})"
    if signals.received:
        return signals.received.name
    return "the person" if cast.left else None

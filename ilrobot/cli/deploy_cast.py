"""Who acts in ``ilrobot deploy``: the policy, a person beside it, or a person alone."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ilrobot.errors import UserError

if TYPE_CHECKING:
    from exports.recording import RobotRecording
    from exports.robots.base import Robot
    from exports.runtime.exported_policy import ExportedPolicy
    from exports.runtime.loop import Watcher
    from exports.runtime.shadow import Disagreement
    from ilrobot.actors import Actor
    from ilrobot.cli.deploy_stage import RobotStage
    from ilrobot.cli.page import PageAddress
    from ilrobot.spec import Spec
    from teleop.actor import TeleopActor
    from teleop.devices.base import Device
    from teleop.display import Display
    from teleop.hands import DeviceKind


@dataclass(frozen=True)
class Cast:
    """Who acts, and who looks on.

    Attributes:
        actor: Whom the loop asks.
        disagreement: Counts, in shadow mode (None: the policy acts).
        recording: Keeps the episodes (None: nobody asked for that).
        stage: What a person watches (None: nobody does).
    """

    actor: Actor
    disagreement: Disagreement | None = None
    recording: RobotRecording | None = None
    stage: RobotStage | None = None

    @property
    def watchers(self) -> tuple[Watcher, ...]:
        """Of the loop."""
        return tuple(watcher for watcher in (self.recording, self.stage) if watcher is not None)

    @property
    def left(self) -> bool:
        """Whether the person has closed what they watch."""
        return self.stage is not None and self.stage.closed

    @property
    def stops(self) -> bool:
        """Whether the person holds down what is the emergency stop on a robot."""
        return self.stage is not None and self.stage.stops


@dataclass(frozen=True)
class CastPlan:
    """What a person asked for.

    Attributes:
        device: What they hold (None: nobody shares control).
        shadow: Whether the policy only thinks.
        record: Folder of a dataset (None: nothing is recorded).
        page: Where the page is served.
        episodes: How many there will be.
        seed: Who a simulated person is.
        bindings: A file that changes what the buttons do (None: the usual ones).
    """

    device: DeviceKind | None
    shadow: bool
    record: Path | None
    page: PageAddress
    episodes: int
    seed: int
    bindings: Path | None = None

    def check(self) -> None:
        """Refuse what does not go together.

        Raises:
            UserError: It does not.
        """
        self.page.check(self.device or "")
        if self.shadow and self.device is None and self.record is not None:
            raise UserError("--record with --shadow needs the person who drives: --device")
        if self.bindings is not None:
            from teleop.bindings_file import read_bindings

            if self.device is None:
                raise UserError("--bindings is for a person's hand: --device; leave it out")
            read_bindings(self.bindings)  # before the robot moves

    def make(
        self,
        policy: ExportedPolicy,
        actor: Actor,
        robot: Robot,
        spec: Spec,
        stack: ExitStack,
    ) -> Cast:
        """Who acts; devices, displays and files are closed with the stack.

        Args:
            policy: Whose contract holds.
            actor: It.
            robot: Connected.
            spec: The robot's, with the rate of the loop.
            stack: Closes.

        Raises:
            UserError: A device or a folder cannot be had.
        """
        from exports.runtime.shadow import Disagreement, ShadowActor

        hand: TeleopActor | None = None
        display: Display | None = None
        if self.device is not None:
            hand, display = self._take_hand(self.device, robot, spec, stack)
        acting = actor
        if hand is not None:
            acting = ShadowActor(actor, hand) if self.shadow else _shared(actor, hand, spec)
        recording = self._recording(policy, acting, hand, spec, stack)
        stage = None
        if hand is not None and display is not None:
            from ilrobot.cli.deploy_stage import RobotStage

            recorded = recording is not None
            stage = RobotStage(display, hand, spec, self.episodes, recording=recorded)
        return Cast(
            acting, Disagreement(policy.contract) if self.shadow else None, recording, stage
        )

    def _take_hand(
        self, device: DeviceKind, robot: Robot, spec: Spec, stack: ExitStack
    ) -> tuple[TeleopActor, Display | None]:
        from ilrobot.cli.page import tell_address
        from ilrobot.cli.people import scripted_expert
        from teleop.bindings import Control
        from teleop.hands import make_hand
        from teleop.stages import take_place

        expert = None
        if device == "operator":
            from exports.robots.gymnasium_robot import GymnasiumRobot

            if not isinstance(robot, GymnasiumRobot):
                raise UserError(
                    "--device operator is a simulated person, who knows the simulated robots "
                    "only; take --device gamepad"
                )
            expert = scripted_expert(robot.env)

        def make(held: DeviceKind | Device) -> TeleopActor:
            hand = make_hand(
                held,
                spec,
                expert=expert,
                seed=self.seed,
                engage=None if self.shadow else "hold",
                bindings=self.bindings,
            )
            if not hand.mapping.bindings.buttons(Control.REWIND):
                hand.close()
                raise UserError(
                    f"--bindings {self.bindings}: nothing is rewind, which is the emergency stop "
                    "of a robot; give it a button"
                )
            return hand

        return stack.enter_context(
            take_place(
                device,
                f"ilrobot deploy {spec.task}",
                make,
                address=self.page.check(device),
                tell=tell_address,
            )
        )

    def _recording(
        self,
        policy: ExportedPolicy,
        actor: Actor,
        hand: TeleopActor | None,
        spec: Spec,
        stack: ExitStack,
    ) -> RobotRecording | None:
        if self.record is None:
            return None
        from exports.recording import RobotRecording
        from ilrobot.cli.people import hand_info
        from ilrobot.data.dataset import DatasetRecorder
        from ilrobot.data.episode import EpisodeInfo

        exists = (self.record / "meta" / "info.json").exists()
        remedy = "deploy again with the same --record"
        recorder = stack.enter_context(
            DatasetRecorder(self.record, spec, resume=exists, remedy=remedy)
        )
        info = EpisodeInfo(task=spec.task, rate=spec.rate)
        if hand is not None:
            info = hand_info(_World(spec), hand, simulated=self.device == "operator")
        policy_hash = "" if self.shadow else policy.contract.provenance.checkpoint
        return RobotRecording(recorder, actor, spec, replace(info, policy_hash=policy_hash))


@dataclass(frozen=True)
class _World:
    spec: Spec


def _shared(policy: Actor, hand: TeleopActor, spec: Spec) -> Actor:
    """The policy, and the person who takes over while they hold on."""
    from ilrobot.blend import Blend
    from ilrobot.cli.dagger_cast import doubt_of
    from ilrobot.gates.human import HumanGate
    from ilrobot.shared_control import SharedControl
    from teleop.clutch import most_jump

    return SharedControl(
        policy,
        hand,
        HumanGate(lambda: hand.engaged),
        blend=Blend(spec, most=most_jump(hand.mapping.action_step)),
        doubt=doubt_of(policy),
        on_decision=hand.watch,
    )

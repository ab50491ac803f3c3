"""The person as an actor: device → command → clutch → mapping → action."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ilrobot.actors import Action, Actor, Decision, Event, Observation, Source
from teleop.bindings import REST, Control, TeleopCommand
from teleop.clutch import Clutch, Ramp
from teleop.devices.base import Device, Feedback
from teleop.engagement import Engagement, is_present
from teleop.mappings.mapping import Mapping
from teleop.operator import Operator

#: How long a person is shown what they were told, s.
MESSAGE_TIME = 3.0
#: For how many ticks at which the guard acts a press of the gripper's button waits.
BRIEF = 2


class TeleopActor(Actor):
    """A hand on a device.

    Alone it demonstrates, and every action counts. Under
    `ilrobot.shared_control.SharedControl` with a `HumanGate` the person engages to take over; only
    what they do then is their word, and between whiles the mapping follows what is executed, so
    that taking over neither jumps nor drops what the gripper holds.

    While the person has paused, or the device is unplugged or silent, the hand rests and its
    decisions are ``paused``: the robot holds, and those ticks teach nothing. A device that is lost
    in the person's turn pauses for them: the robot holds until they take over or end the pause.
    While they hold the button for it, its decisions ask for a rewind.

    Args:
        device: What is polled.
        mapping: Turns its state into actions of the task.
        operator: A simulated person who moves the device before each poll.
        engagement: When the person has control (None: always, they demonstrate).
    """

    rewinds = True
    attends = True

    def __init__(
        self,
        device: Device,
        mapping: Mapping,
        *,
        operator: Operator | None = None,
        engagement: Engagement | None = None,
    ) -> None:
        self.device, self.mapping = device, mapping
        self.clutch = Clutch(mapping.spec, mapping.twist_step)
        spec = mapping.spec
        self._ramp = Ramp(mapping.action_step, spec.target_rotations, spec.action.angles)
        self._operator, self._engagement = operator, engagement
        self.connected = True
        """Whether the device was there at the last poll."""
        self.speed = 1.0
        """Share of full speed that the person has chosen."""
        self.camera_turns = 0
        """How often the person asked for the next camera."""
        self._toggles = self._refused = 0
        self._begin()

    @property
    def frame(self) -> str:
        """The frame that the person steers in (empty: there is but one)."""
        return self.clutch.frame if len(self.clutch.frames) > 1 else ""

    @property
    def leash(self) -> float:
        """Share of the leash between target and robot that is used, 0 … 1."""
        return max(self.clutch.leash, self.mapping.leash) if self.engaged else 0.0

    def reset(self, seed: int | None = None) -> None:
        """Begin an episode; presses from before it do not count."""
        if self._operator is not None:
            self._operator.reset(seed)
        self.device.poll(0.0)
        self.mapping.reset()
        self.clutch.reset()
        self._ramp.reset()
        if self._engagement is not None:
            self._engagement.reset()
        self._begin()

    def act(self, observation: Observation, now: float) -> Decision:
        """What the person commands at this tick."""
        if self._operator is not None:
            self._operator.move(observation, now)
        command = self.clutch.command(self._poll(now), observation)
        command = replace(command, toggles=command.toggles + self._toggles)
        self._toggles = self._refused = 0
        if not self.engaged:
            self.clutch.release()
            command = replace(
                command, twist=REST, toggles=0, held_buttons=frozenset(), pressed_buttons=()
            )
        action = self.mapping.action(command, observation)
        if self.engaged:
            action = self._ramp.limit(action)
        self._warn()
        if self.mapping.unmeasured or self.clutch.unmeasured:
            self.tell("what the robot measures is not finite")
        acting = Source.DEMO if self._engagement is None else Source.HUMAN
        return Decision(
            action,
            Source.PAUSED if self.halted else acting,
            human_action=action if self.engaged else None,
            event=command.event,
            input_time=command.stamp,
            rewind=self.rewinding and command.event is None,
        )

    @property
    def driven(self) -> bool:
        """Whether they had control at the last poll, or halted the robot."""
        return self.engaged or self.halted

    @property
    def halted(self) -> bool:
        """Whether the robot holds because they paused, go back, or their device is gone."""
        return self.paused or self.rewinding or not self.connected

    def hear(self, now: float) -> Event | None:
        """Poll the device though nothing that it commands is executed.

        A gripper that was toggled is toggled at the next `act`, if that comes within `BRIEF` ticks.
        """
        self.clutch.release()
        command = self._poll(now)
        self._refused += 1
        self._toggles += command.toggles if self.engaged else 0
        if self._refused > BRIEF:
            self._toggles = 0
        return command.event

    def close(self) -> None:
        """Let go of the device."""
        self.device.close()
        if self._operator is not None:
            self._operator.close()

    def watch(self, decision: Decision) -> None:
        """See what shared control executes: its `on_decision`."""
        if decision.source in (Source.POLICY, Source.BLEND):
            self.mapping.follow(decision.action)
            self._ramp.begin(decision.action)
        elif decision.source is Source.PAUSED and not decision.rewind:
            # The mapping's own command held the robot, so that it need not follow it.
            self._ramp.begin(decision.action)
        if self._operator is not None:
            self._operator.watch(decision)

    def rewind(self, past: Sequence[Observation], executed: Action | None) -> None:
        """Take hold anew where the world is; the gripper is as it was commanded then."""
        self.mapping.reset()
        if executed is not None:
            self.mapping.follow(executed)
        self.clutch.release()
        self._ramp.reset()
        if self._operator is not None:
            self._operator.rewind(past, executed)

    def cannot_rewind(self) -> None:
        """Say so once, and ignore the button."""
        self._can_rewind = False
        self.tell("this task cannot go back")

    def saved(self) -> None:
        """Let the person feel it."""
        self.device.feedback(Feedback.SAVED)

    def tell(self, message: str) -> None:
        """Show it for some seconds."""
        self.message, self._told = message, self._now

    def call(self, needed: bool) -> None:
        """Let the person feel that the robot needs help, or takes control back from their hand."""
        if needed:
            self.device.feedback(Feedback.CALL)
        elif self.engaged:
            self.device.feedback(Feedback.TAKEOVER)
        if self._operator is not None:
            self._operator.call(needed)

    def _begin(self) -> None:
        self.engaged = False
        """Whether the person had control at the last poll."""
        self.paused = False
        """Whether the person has halted the robot."""
        self.rewinding = False
        """Whether the person lets the episode run backwards; of a tap, for a tick."""
        self.message = ""
        """What the person should know now."""
        self._can_rewind = True
        self._toggles = self._refused = 0
        self._dropped = False
        self._leashed = False
        self._now: float = 0.0
        self._told = 0.0

    def _poll(self, now: float) -> TeleopCommand:
        """What the device says now, and who has control by that."""
        command = self.mapping.bindings.command(self.device.poll(now), self.speed)
        self._now = now
        self._read(command)
        return command

    def _read(self, command: TeleopCommand) -> None:
        before = self.engaged
        self.speed = command.speed
        self.camera_turns += command.controls.count(Control.NEXT_CAMERA)
        self.connected = is_present(command, self._now)
        if command.controls.count(Control.PAUSE) % 2:
            # On a device that is gone, it is a key beside it, and nobody's wish to go on.
            self.paused = not (self.paused and self.connected)
            self._dropped = False
        # A tap that is over at this poll counts, too: on a robot it is the emergency stop.
        # So does one on the keys beside a device that is gone.
        back = Control.REWIND in command.held_controls or Control.REWIND in command.controls
        self.rewinding = back and self._can_rewind
        wants = self.connected
        if self._engagement is not None:
            had = self._engagement.engaged
            wants = self._engagement.update(command, self._now)
            self._drop(had, wants)
        self.engaged = wants and not (self.paused or self.rewinding)
        if not 0.0 <= self._now - self._told < MESSAGE_TIME:
            self.message = ""
        if self._engagement is not None and self.engaged is not before:
            self.device.feedback(Feedback.TAKEOVER)

    def _drop(self, had: bool, wants: bool) -> None:
        """A lost device is nobody's handback: only the person gives the robot to the policy."""
        if had and not self.connected and not self.paused:
            self.paused = self._dropped = True
        elif wants and self._dropped:
            self.paused = self._dropped = False
        if self._dropped and self.connected:
            self.tell("the device was lost: take over, or press pause to hand back")

    def _warn(self) -> None:
        """Let the person feel that the leash has become taut."""
        before, self._leashed = self._leashed, self.leash >= 1.0
        if self._leashed and not before:
            self.device.feedback(Feedback.LEASH)

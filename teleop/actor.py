"""The person as an actor: device → mapping → action."""

from __future__ import annotations

from ilrobot.actors import Actor, Decision, Observation, Source
from teleop.devices.base import Device
from teleop.mapping import Mapping
from teleop.operator import Operator


class TeleopActor(Actor):
    """A hand on a device.

    Alone it demonstrates, and every action counts; while the device is unplugged the hand rests,
    and those ticks are ``paused``: they teach nothing. Under
    `ilrobot.shared_control.SharedControl` with a `HumanGate` the person holds the engage button to
    take over; only what they do then is their word, and between whiles the mapping follows what is
    executed, so that taking over neither jumps nor drops what the gripper holds.

    Args:
        device: What is polled.
        mapping: Turns its state into actions of the task.
        operator: A simulated person who moves the device before each poll.
        hold_to_engage: The engage button decides whether the person acts.
    """

    def __init__(
        self,
        device: Device,
        mapping: Mapping,
        *,
        operator: Operator | None = None,
        hold_to_engage: bool = False,
    ) -> None:
        self.device, self.mapping = device, mapping
        self._operator = operator
        self._hold_to_engage = hold_to_engage
        self.engaged = False
        """Whether the engage button was held at the last poll."""
        self.connected = True
        """Whether the device was there at the last poll."""

    def reset(self, seed: int | None = None) -> None:
        """Begin an episode; presses from before it do not count."""
        if self._operator is not None:
            self._operator.reset(seed)
        self.device.poll(0.0)
        self.mapping.reset()
        self.engaged = False

    def act(self, observation: Observation, now: float) -> Decision:
        """What the person commands at this tick."""
        if self._operator is not None:
            self._operator.move(observation, now)
        command = self.mapping.bindings.command(self.device.poll(now))
        self.engaged, self.connected = command.engaged, command.connected
        action = self.mapping.action(command, observation)
        speaks = command.connected and (command.engaged or not self._hold_to_engage)
        alone = Source.DEMO if command.connected else Source.PAUSED
        return Decision(
            action,
            Source.HUMAN if self._hold_to_engage else alone,
            human_action=action if speaks else None,
            event=command.event,
            input_time=command.stamp,
        )

    def close(self) -> None:
        """Let go of the device."""
        self.device.close()
        if self._operator is not None:
            self._operator.close()

    def watch(self, decision: Decision) -> None:
        """See what shared control executes: its `on_decision`."""
        if decision.source is Source.POLICY:
            self.mapping.follow(decision.action)
        if self._operator is not None:
            self._operator.watch(decision)

"""A hand on a device, ready to act: device, mapping and, where nobody is there, a person."""

from __future__ import annotations

from typing import Literal

from ilrobot.actors import Actor
from ilrobot.errors import UserError
from ilrobot.spec import Spec
from teleop.actor import TeleopActor
from teleop.devices.gamepad import Gamepad
from teleop.devices.keyboard import Keyboard
from teleop.devices.virtual_gamepad import VirtualGamepad
from teleop.mapping import make_mapping
from teleop.operator import Operator
from teleop.takeover import Patience

DeviceKind = Literal["gamepad", "keyboard", "operator"]


def make_hand(
    device: DeviceKind,
    spec: Spec,
    *,
    expert: Actor | None = None,
    seed: int = 0,
    hold_to_engage: bool = False,
) -> TeleopActor:
    """A hand for a task; close it when done.

    Under shared control make it with `hold_to_engage` and connect it so::

        hand = make_hand("operator", env.spec, expert=expert, hold_to_engage=True)
        gate = HumanGate(lambda: hand.engaged)
        actor = SharedControl(policy, hand, gate, on_decision=hand.watch)

    A keyboard, and a pad in a person's hands, need a `teleop.window.Window` that was opened first.

    Args:
        device: ``operator`` is a simulated person on a virtual pad.
        spec: The task.
        expert: What the simulated person knows (only for ``operator``).
        seed: Who the simulated person is.
        hold_to_engage: The person acts only while the engage button is held; a simulated person
            then watches the policy and takes over by its own thresholds.

    Raises:
        UserError: No gamepad is connected, or the device cannot command the task's actions.
    """
    mapping = make_mapping(spec)
    if device == "keyboard":
        return TeleopActor(Keyboard(), mapping, hold_to_engage=hold_to_engage)
    if device == "gamepad":
        gamepad = Gamepad()
        if not gamepad.connected:
            gamepad.close()
            raise UserError(
                "no gamepad is connected; plug one in, or take --device keyboard or operator"
            )
        return TeleopActor(gamepad, mapping, hold_to_engage=hold_to_engage)
    if expert is None:
        raise ValueError("a simulated person needs an expert to know what to do")
    pad = VirtualGamepad()
    patience = Patience() if hold_to_engage else None
    person = Operator(expert, pad, mapping, patience=patience, seed=seed)
    return TeleopActor(Gamepad(pad.name), mapping, operator=person, hold_to_engage=hold_to_engage)

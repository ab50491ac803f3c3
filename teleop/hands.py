"""A hand on a device, ready to act: device, mapping and, where nobody is there, a person."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pygame

from ilrobot.actors import Actor
from ilrobot.errors import UserError
from ilrobot.spec import Spec
from teleop.actor import TeleopActor
from teleop.bindings import Bindings
from teleop.bindings_file import read_bindings
from teleop.devices import terminal
from teleop.devices.base import Device
from teleop.devices.gamepad import Gamepad
from teleop.devices.keyboard import Keyboard
from teleop.devices.spacemouse import SpaceMouse
from teleop.devices.together import Together
from teleop.devices.virtual_gamepad import VirtualGamepad
from teleop.engagement import EngageMode, make_engagement
from teleop.mappings.choice import ChoiceMapping
from teleop.mappings.making import make_mapping
from teleop.mappings.mapping import Mapping
from teleop.operator import Operator
from teleop.profile import Profile
from teleop.takeover import Patience, Summoned

DeviceKind = Literal["gamepad", "keyboard", "spacemouse", "browser", "operator"]


def make_hand(
    device: DeviceKind | Device,
    spec: Spec,
    *,
    expert: Actor | None = None,
    seed: int = 0,
    engage: EngageMode | None = None,
    bindings: Path | None = None,
    profile: Profile | None = None,
    patience: Patience | Summoned | None = None,
) -> TeleopActor:
    """A hand for a task; close it when done.

    Under shared control make it with `engage` and connect it so::

        hand = make_hand("operator", env.spec, expert=expert, engage="hold")
        gate = HumanGate(lambda: hand.engaged)
        actor = SharedControl(policy, hand, gate, on_decision=hand.watch)

    A keyboard, and a pad in a person's hands, need a `teleop.window.Window` that was opened first.

    Args:
        device: ``operator`` is a simulated person on a virtual pad; a device that is made
            already, as the one of a page, is taken as it is.
        spec: The task.
        expert: What the simulated person knows (only for ``operator``).
        seed: Who the simulated person is.
        engage: How the person takes control from a policy (None: they demonstrate). A simulated
            person then watches the policy and takes over by its own thresholds.
        profile: How the simulated person moves and tires (None: an average one that never tires).
        patience: When the simulated person takes over from a policy (None: an average one;
            `Summoned`: when it calls).
        bindings: A file that changes what buttons, keys and axes do; see `teleop.bindings_file`.

    Raises:
        UserError: No such device is connected, it cannot command the task's actions, or the file
            is wrong.
    """
    mapping = bound_mapping(spec, bindings)
    bound = mapping.bindings
    engagement = None if engage is None else make_engagement(engage)
    if not isinstance(device, str):
        return TeleopActor(with_keys(device, bound), mapping, engagement=engagement)
    if device == "browser":
        raise ValueError("the page is made with its device: see teleop.stages.take_place")
    if device == "keyboard":
        return TeleopActor(Keyboard(dict(bound.keys)), mapping, engagement=engagement)
    if device == "spacemouse":
        return TeleopActor(with_keys(SpaceMouse(), bound), mapping, engagement=engagement)
    if device == "gamepad":
        gamepad = Gamepad()
        if not gamepad.connected:
            gamepad.close()
            raise UserError(
                "no gamepad is connected; plug one in, or take --device keyboard or operator"
            )
        return TeleopActor(gamepad, mapping, engagement=engagement)
    if expert is None:
        raise ValueError("a simulated person needs an expert to know what to do")
    pad = VirtualGamepad()
    watching = None if engage is None else patience or Patience()
    person = Operator(expert, pad, mapping, profile=profile, patience=watching, seed=seed)
    return TeleopActor(Gamepad(pad.name), mapping, operator=person, engagement=engagement)


def bound_mapping(spec: Spec, bindings: Path | None) -> Mapping:
    """What a hand's commands do in a task, as a file of bindings changes it.

    Raises:
        UserError: No device can command the task's actions, or the file is wrong.
    """
    mapping = make_mapping(spec)
    if bindings is not None:
        choices = ChoiceMapping.BUTTONS if isinstance(mapping, ChoiceMapping) else ()
        mapping.bindings = read_bindings(bindings).change(mapping.bindings, choices)
    return mapping


def with_keys(device: Device, bindings: Bindings) -> Device:
    """A device that has not a button for everything, and the keys beside it.

    Those of the window where one is open, else of the terminal, else none.
    """
    if pygame.display.get_init() and pygame.display.get_surface() is not None:
        return Together(device, Keyboard(dict(bindings.keys)))
    return Together(device, terminal.Terminal(bindings)) if terminal.usable() else device

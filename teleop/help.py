"""What to press, in one line."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from teleop.bindings import Bindings, Control

#: Sticks steer.
NO_CHOICES: Mapping[str, str] = MappingProxyType({})

#: As much as a line has room for, the most needed first.
_TOLD = (
    Control.GRIPPER,
    Control.ENGAGE,
    Control.SUCCESS,
    Control.FAILURE,
    Control.DISCARD,
    Control.PAUSE,
    Control.REWIND,
)
#: What stands on pads and keys, where that is not the name in capitals.
_LABELS = {
    "leftshoulder": "LB",
    "rightshoulder": "RB",
    "lefttrigger": "LT",
    "righttrigger": "RT",
    "leftstick": "L3",
    "rightstick": "R3",
    "return": "Enter",
    "backspace": "Bksp",
    "delete": "Del",
    "lshift": "Shift",
    **{f"dp{way}": f"D-pad {way}" for way in ("left", "right", "up", "down")},
}


def help_line(
    bindings: Bindings, *, keyboard: bool, choices: Mapping[str, str] = NO_CHOICES
) -> str:
    """The controls that a task has, each with its first button or key.

    Args:
        bindings: What each button and key does.
        keyboard: Tell the keys, and not the buttons.
        choices: Button and what it chooses, where actions are choices.
    """
    key_of = {button: key for key, button in reversed(bindings.keys)}
    told = ["WASD IJKL arrows, C fine"] if keyboard and not choices else []
    does = [((button,), what) for button, what in choices.items()]
    for names, what in does + [(bindings.buttons(control), str(control)) for control in _TOLD]:
        if keyboard:
            names = tuple(key_of[button] for button in names if button in key_of)
        if names:
            told.append(f"{_label(names[0])} {what}")
    return " · ".join(told)


def _label(name: str) -> str:
    return _LABELS.get(name, name.upper() if len(name) == 1 else name.capitalize())

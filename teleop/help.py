"""What to press, in one line."""

from __future__ import annotations

from teleop.bindings import Bindings, Control

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
}


def help_line(bindings: Bindings, *, keyboard: bool) -> str:
    """The controls that a task has, each with its first button or key."""
    key_of = {button: key for key, button in reversed(bindings.keys)}
    told = ["WASD IJKL arrows, C fine"] if keyboard else []
    for control in _TOLD:
        names = bindings.buttons(control)
        if keyboard:
            names = tuple(key_of[button] for button in names if button in key_of)
        if names:
            told.append(f"{_label(names[0])} {control}")
    return " · ".join(told)


def _label(name: str) -> str:
    return _LABELS.get(name, name.upper() if len(name) == 1 else name.capitalize())

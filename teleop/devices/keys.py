"""What each key does, for every keyboard: in the window, on the page, in the terminal.

Keys are pushed sticks and buttons of a pad, so that the same bindings serve both.
"""

from __future__ import annotations

#: Key to stick axis and direction.
STICK_KEYS: dict[str, tuple[str, float]] = {
    "a": ("leftx", -1.0),
    "d": ("leftx", 1.0),
    "w": ("lefty", -1.0),
    "s": ("lefty", 1.0),
    "j": ("rightx", -1.0),
    "l": ("rightx", 1.0),
    "i": ("righty", -1.0),
    "k": ("righty", 1.0),
}
#: Key to button.
BUTTON_KEYS: dict[str, str] = {
    "left": "dpleft",
    "right": "dpright",
    "up": "dpup",
    "down": "dpdown",
    "space": "a",
    "return": "start",
    "backspace": "back",
    "delete": "x",
    "p": "b",
    "v": "y",
    "r": "lefttrigger",
    "q": "leftshoulder",
    "f": "rightstick",
    "lshift": "rightshoulder",
}
#: Held for fine motion, at this share of a full stick.
FINE_KEY, FINE = "c", 0.4

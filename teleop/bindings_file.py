"""Bindings of one's own: a TOML file that changes the ones that a task has.

Every part may be left out; what is not named stays as it was::

    speeds = [1.0, 0.5, 0.25]         # shares of full speed, in the order of the presses
    deadzone = 0.12                   # of the sticks, 0 … 1
    expo = 0.4                        # 0: linear … 1: cubic
    [controls]                        # control = button, or several, or [] for none
    success = "y"
    gripper = ["a", "righttrigger"]
    [keys]                            # control = key, or several
    pause = "o"
    [steering]                        # of a tool: axis, or [button back, button forth]
    x = "-righty"
    roll = ["dpleft", "dpright"]
"""

from __future__ import annotations

import difflib
import string
import tomllib
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ilrobot.errors import UserError
from teleop.bindings import DIRECTIONS, Bindings, ButtonPair, Control, Stick
from teleop.devices.base import BUTTONS, STICK_AXES, TILT_AXES, TRIGGER_AXES
from teleop.devices.keys import BUTTON_KEYS, FINE_KEY, STICK_KEYS

#: Without them there is nothing to be done with some tasks.
_NEEDED = (Control.ENGAGE, Control.GRIPPER)
_PARTS = ("speeds", "deadzone", "expo", "controls", "keys", "steering")
_BUTTONS = (*BUTTONS, *TRIGGER_AXES)
_AXES = STICK_AXES + TILT_AXES
_KEYS = (*string.ascii_lowercase, *string.digits, *(key for key in BUTTON_KEYS if len(key) > 1))


@dataclass(frozen=True)
class BindingsFile:
    """What a file changes.

    Attributes:
        path: The file.
        controls: Control to its buttons.
        keys: Control to its keys.
        axes: Direction to the axis that steers it and its sign.
        pairs: Directions that buttons steer.
        settings: What else of `Bindings` and of its `Shaping`.
    """

    path: Path
    controls: dict[Control, tuple[str, ...]] = field(default_factory=dict)
    keys: dict[Control, tuple[str, ...]] = field(default_factory=dict)
    axes: dict[int, tuple[str, float]] = field(default_factory=dict)
    pairs: tuple[ButtonPair, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)

    def change(self, bindings: Bindings, choices: Collection[str] = ()) -> Bindings:
        """A task's bindings as the file wants them; what the task has not, stays out.

        Args:
            bindings: As they are without the file.
            choices: Buttons that a task with discrete actions needs.

        Raises:
            UserError: Two things would be on one button or key, or a direction on none.
        """
        if not bindings.buttons(Control.FRAME) and self._steered():
            # x, y, z are those of a tool; what steers a picture or a vector stays.
            return replace(self, axes={}, pairs=()).change(bindings, choices)
        controls = tuple(
            (button, control)
            for control in dict.fromkeys(control for _, control in bindings.controls)
            for button in self.controls.get(control, bindings.buttons(control))
        )
        changed = replace(
            bindings,
            controls=controls,
            pairs=self._changed_pairs(bindings),
            sticks=tuple(self._changed_stick(stick) for stick in bindings.sticks),
            tilt=self._changed_stick(bindings.tilt),
            keys=tuple(self._changed_keys(bindings, controls).items()),
            speeds=self.settings.get("speeds", bindings.speeds),
            shaping=self._changed_shaping(bindings),
        )
        self._check(bindings, changed, choices)
        return changed

    def _changed_keys(
        self, bindings: Bindings, controls: tuple[tuple[str, Control], ...]
    ) -> dict[str, str]:
        """Each key follows what it does to that one's button."""
        before = dict(bindings.controls)
        buttons = {control: button for button, control in reversed(controls)}
        keys = {}
        for key, button in bindings.keys:
            control = before.get(button)
            if control is None:
                keys[key] = button
            elif control not in self.keys and control in buttons:
                keys[key] = buttons[control]
        for control, own in self.keys.items():
            for key in own if control in buttons else ():
                if key in (*keys, *STICK_KEYS, FINE_KEY):
                    does = "presses " + keys[key] if key in keys else "steers"
                    raise self._error(f"key '{key}' for {control} {does} already; take another")
                keys[key] = buttons[control]
        return keys

    def _changed_stick(self, stick: Stick) -> Stick:
        directions, signs = list(stick.directions), list(stick.signs)
        by_axis = {axis: (direction, sign) for direction, (axis, sign) in self.axes.items()}
        for i, axis in enumerate(stick.axes):
            if axis in by_axis:
                directions[i], signs[i] = by_axis[axis]
            elif directions[i] in self._steered():
                directions[i] = None
        return replace(stick, directions=(directions[0], directions[1]), signs=(signs[0], signs[1]))

    def _changed_pairs(self, bindings: Bindings) -> tuple[ButtonPair, ...]:
        kept = [pair for pair in bindings.pairs if pair.direction not in self._steered()]
        return (*kept, *self.pairs)

    def _changed_shaping(self, bindings: Bindings) -> Any:
        shaping = {
            name: self.settings[name] for name in ("deadzone", "expo") if name in self.settings
        }
        return replace(bindings.shaping, **shaping)

    def _steered(self) -> set[int]:
        """Directions that the file gives to something."""
        return {*self.axes, *(pair.direction for pair in self.pairs)}

    def _check(self, before: Bindings, changed: Bindings, choices: Collection[str]) -> None:
        uses: dict[str, str] = dict.fromkeys(choices, "one of the task's discrete actions")
        steering = (
            []
            if choices
            else [
                (button, DIRECTIONS[pair.direction])
                for pair in changed.pairs
                for button in (pair.negative, pair.positive)
            ]
        )
        for button, use in (*changed.controls, *steering):
            if button in uses:
                raise self._error(
                    f"button '{button}' does both {uses[button]} and {use}; give one of them "
                    "another button"
                )
            uses[button] = use
        lost = set(_directions(before)) - set(_directions(changed))
        if lost:
            names = ", ".join(DIRECTIONS[direction] for direction in sorted(lost))
            raise self._error(f"nothing steers {names} any more; name it under [steering] too")

    def _error(self, words: str) -> UserError:
        return UserError(f"{self.path}: {words}")


def read_bindings(path: Path) -> BindingsFile:
    """Read a file of bindings.

    Raises:
        UserError: It cannot be read, or names something that does not exist.
    """
    try:
        with path.open("rb") as file:
            content = tomllib.load(file)
    except OSError as error:
        raise UserError(
            f"{path}: {error.strerror or error}; --bindings takes a TOML file of your own"
        ) from error
    except ValueError as error:  # broken TOML, or not UTF-8
        raise UserError(f"{path}: not a TOML file: {error}") from error
    _check_names(path, content, _PARTS, "part")
    parts = {name: _table(path, content, name) for name in ("controls", "keys", "steering")}
    axes, pairs = _steering(path, parts["steering"])
    return BindingsFile(
        path,
        controls=_controls(path, parts["controls"], _BUTTONS, "button", needed=_NEEDED),
        keys=_controls(path, parts["keys"], _KEYS, "key"),
        axes=axes,
        pairs=pairs,
        settings=_settings(path, content),
    )


def _directions(bindings: Bindings) -> list[int]:
    """Those that a pad steers."""
    by_sticks = [direction for stick in bindings.sticks for direction in stick.directions]
    return [*(d for d in by_sticks if d is not None), *(pair.direction for pair in bindings.pairs)]


def _table(path: Path, content: dict[str, Any], name: str) -> dict[str, Any]:
    table = content.get(name, {})
    if not isinstance(table, dict):
        raise UserError(f"{path}: write {name} as a table: [{name}]")
    return table


def _controls(
    path: Path,
    table: dict[str, Any],
    known: Collection[str],
    what: str,
    needed: Collection[Control] = (),
) -> dict[Control, tuple[str, ...]]:
    _check_names(path, table, tuple(Control), "control")
    controls: dict[Control, tuple[str, ...]] = {}
    for name, value in table.items():
        names = _names(path, name, value)
        _check_names(path, names, known, what)
        if not names and Control(name) in needed:
            raise UserError(f"{path}: {name} needs a {what}")
        taken = {n: control for control, others in controls.items() for n in others}
        for one in names:
            if one in taken:
                raise UserError(f"{path}: {what} '{one}' does both {taken[one]} and {name}")
        controls[Control(name)] = names
    return controls


def _steering(
    path: Path, table: dict[str, Any]
) -> tuple[dict[int, tuple[str, float]], tuple[ButtonPair, ...]]:
    _check_names(path, table, DIRECTIONS, "direction")
    axes: dict[int, tuple[str, float]] = {}
    pairs = []
    for name, value in table.items():
        direction = DIRECTIONS.index(name)
        names = _names(path, name, value)
        if isinstance(value, str):
            axis = value.removeprefix("-")
            _check_names(path, (axis,), _AXES, "axis")
            if axis in (taken for taken, _ in axes.values()):
                raise UserError(f"{path}: axis '{axis}' steers two directions")
            axes[direction] = (axis, -1.0 if value.startswith("-") else 1.0)
        elif len(names) == 2:
            _check_names(path, names, _BUTTONS, "button")
            pairs.append(ButtonPair(names[0], names[1], direction))
        else:
            raise UserError(f"{path}: {name} is steered by an axis or by two buttons")
    return axes, tuple(pairs)


def _settings(path: Path, content: dict[str, Any]) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    for name in ("deadzone", "expo"):
        if name in content:
            settings[name] = _number(path, name, content[name], 0.0, 1.0)
    if settings.get("deadzone") == 1.0:
        raise UserError(f"{path}: deadzone must be less than 1")
    if "speeds" in content:
        speeds = content["speeds"]
        if not isinstance(speeds, list) or not speeds or len(set(map(str, speeds))) < len(speeds):
            raise UserError(f"{path}: speeds is a list of different shares of full speed")
        settings["speeds"] = tuple(_number(path, "a speed", one, 0.01, 1.0) for one in speeds)
    return settings


def _number(path: Path, name: str, value: Any, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise UserError(f"{path}: {name} must be a number from {low:g} to {high:g}, not {value!r}")
    return float(value)


def _names(path: Path, name: str, value: Any) -> tuple[str, ...]:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(one, str) for one in names):
        raise UserError(f"{path}: {name} is a name in quotes or a list of them, not {value!r}")
    return tuple(dict.fromkeys(names))


def _check_names(path: Path, names: Iterable[str], known: Collection[str], what: str) -> None:
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"choose one of {', '.join(known)}"
            raise UserError(f"{path}: no {what} is called '{name}'; {hint}")

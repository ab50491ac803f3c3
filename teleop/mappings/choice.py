"""A choice by buttons."""

from __future__ import annotations

from typing import Any

from ilrobot.actors import Action, Observation
from ilrobot.errors import UserError
from ilrobot.spec import Spec
from teleop.bindings import VECTOR, Bindings, TeleopCommand
from teleop.mappings.mapping import Intent, Mapping


class ChoiceMapping(Mapping):
    """Discrete actions: a button for each choice but the one that rests.

    At rest, with nothing held, it gives the choice that is named so (``noop``, ``none``, …); where
    none is, the middle one of three (left, nothing, right), the last one pressed of two, and
    choice 0 of more.
    """

    steers_speed = False

    BUTTONS = (
        "dpleft",
        "dpright",
        "dpup",
        "dpdown",
        "a",
        "leftshoulder",
        "leftstick",
        "rightstick",
    )

    def __init__(self, spec: Spec, bindings: Bindings = VECTOR) -> None:
        super().__init__(spec, bindings)
        choices = spec.choices or 0
        self._rest = _resting_choice(spec)
        active = [choice for choice in range(choices) if choice != self._rest]
        if len(active) > len(self.BUTTONS):
            raise UserError(
                f"task '{spec.task}' has {choices} discrete actions, but a pad has buttons for "
                f"{len(self.BUTTONS) + 1}; wrap it with fewer"
            )
        self._choice = dict(zip(self.BUTTONS, active, strict=False))
        self._last = 0
        self._down: list[str] = []
        self._stale: frozenset[str] | None = None

    @property
    def choices(self) -> dict[str, str]:
        """Which button is which choice."""
        names = self.spec.action.names or [f"choice {i}" for i in range(self.spec.choices or 0)]
        return {button: names[choice] for button, choice in self._choice.items()}

    def reset(self) -> None:
        """Begin at rest."""
        self._last = 0
        self._down, self._stale = [], None

    def action(self, command: TeleopCommand, observation: Observation) -> Action:
        """The choice of the button that is down; of several, the one pressed last."""
        pressed, held = command.pressed_buttons, command.held_buttons
        # What began the episode is no choice, though it may be down for a while.
        stale = held if self._stale is None else self._stale & held
        self._stale = stale - {*pressed}
        held -= self._stale
        down = [name for name in self._down if name in held and name not in pressed]
        # Of those that went down while somebody else acted nobody knows the order.
        down += sorted(self._choice.keys() & held - {*down, *pressed})
        down += [name for name in pressed if name in self._choice]
        self._down = [name for name in down if name in held]
        if down:
            self._last = self._choice[down[-1]]
            return self._array(self._last)
        return self._array(self._last if self._rest is None else self._rest)

    def follow(self, executed: Action) -> None:
        """Keep the last choice."""
        self._last = int(executed)

    def intent(self, action: Action, observation: Observation) -> Intent:
        """The choice's button, held."""
        return Intent(hold={c: button for button, c in self._choice.items()}.get(int(action)))

    def _scale(self) -> dict[str, Any]:
        return {"choice": self._choice, "rest": self._rest}


def _resting_choice(spec: Spec) -> int | None:
    for index, name in enumerate(spec.action.names):
        if name.lower() in ("noop", "none", "nothing", "rest", "idle", "stay"):
            return index
    return {1: 0, 2: None, 3: 1}.get(spec.choices or 0, 0)

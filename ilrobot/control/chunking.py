"""How chunks are executed, as one word of the command line and of a contract.

``receding``
    The first actions of a chunk, as many as the policy's ``execute``, then those of the next.
``ensemble[:M]``
    A prediction at every tick, and the mean of all that was predicted for it with the weights
    exp(-M i), i = 0 the oldest.
``coherent[:SAMPLES]``
    As ``receding``, each chunk being the one of several samples that keeps to the plan best.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from ilrobot.control.drawing import Coherent, Draw, Single
from ilrobot.control.execution import Execution, Receding, TemporalEnsemble
from ilrobot.errors import UserError
from ilrobot.spec import Spec

Mode = Literal["receding", "ensemble", "coherent"]

#: The number that a mode takes, where none is given.
_DEFAULT: dict[Mode, float] = {"ensemble": 0.01, "coherent": 8.0}
_MOST_SAMPLES = 1_000


@dataclass(frozen=True)
class Predicts:
    """What a policy's predictions are like.

    Attributes:
        spec: Of the task.
        horizon: Actions in a chunk.
        execute: Actions executed of it before the next prediction.
        noise_shape: Shape of the noise that it takes (None: it takes none).
        scale: What each element of an action is measured by, in its units, shape (size,); None
            where actions are choices.
    """

    spec: Spec
    horizon: int
    execute: int
    noise_shape: tuple[int, ...] | None
    scale: ArrayLike | None


@dataclass(frozen=True)
class Chunking:
    """A mode and its number; the module's docstring explains them.

    Attributes:
        mode: Which.
        number: M or SAMPLES (None: the mode takes none).
    """

    mode: Mode = "receding"
    number: float | None = None

    @classmethod
    def parse(cls, text: str) -> Chunking:
        """From what `__str__` gives, or with the number left out.

        Raises:
            UserError: It is no such word.
        """
        word, colon, given = text.partition(":")
        mode = next((mode for mode in get_args(Mode) if mode == word), None)
        if mode is None or (colon and mode not in _DEFAULT):
            forms = [f"{m}[:NUMBER]" if m in _DEFAULT else m for m in get_args(Mode)]
            raise UserError(f"--chunks {text} is none of {', '.join(forms)}")
        try:
            number = float(given) if colon else _DEFAULT.get(mode)
        except ValueError as error:
            raise UserError(f"--chunks {text}: '{given}' is not a number") from error
        if mode == "ensemble" and not (number is not None and 0 <= number < math.inf):
            raise UserError(f"--chunks {text}: the decay must be 0 or more")
        if mode == "coherent":
            _check_whole(text, number, 1, _MOST_SAMPLES, "samples")
        return cls(mode, number)

    def __str__(self) -> str:
        """As on the command line."""
        return self.mode if self.number is None else f"{self.mode}:{self.number:g}"

    def make(self, policy: Predicts) -> tuple[Execution, Draw]:
        """What executes this policy's chunks, and what draws them.

        Raises:
            UserError: The mode does not fit the policy.
        """
        spec, single = policy.spec, Single(policy.noise_shape)
        if self.mode == "ensemble":
            if policy.horizon == 1:
                raise UserError(
                    f"--chunks {self}: this policy predicts one action at a time (--horizon 1), "
                    "so there is nothing to average; take receding"
                )
            decay = float(self.number or 0.0)
            return (
                TemporalEnsemble(policy.horizon, spec.action.shape, decay, spec.choices),
                single,
            )
        if self.mode == "coherent":
            if policy.noise_shape is None:
                raise UserError(
                    f"--chunks {self}: this policy does not sample, so there is nothing to choose "
                    "from; take receding or ensemble"
                )
            self._check_overlap(policy)
            scale = None if policy.scale is None else np.reshape(policy.scale, spec.action.shape)
            draw = Coherent(int(self.number or 1), policy.noise_shape, scale)
            return Receding(policy.execute), draw
        return Receding(policy.execute), single

    def _check_overlap(self, policy: Predicts) -> None:
        if policy.execute >= policy.horizon:
            raise UserError(
                f"--chunks {self}: this policy executes its whole chunks (--execute "
                f"{policy.execute} of --horizon {policy.horizon}), so nothing of the last one is "
                "left to keep to; take receding"
            )


RECEDING = Chunking()


def _check_whole(text: str, number: float | None, least: int, most: int, what: str) -> None:
    if number is None or not number.is_integer() or not least <= number <= most:
        raise UserError(
            f"--chunks {text}: the {what} must be a whole number within {least} and {most}"
        )

"""How chunks are executed, as one word of the command line and of a contract.

``receding``
    The first actions of a chunk, as many as the policy's ``execute``, then those of the next.
``ensemble[:M]``
    A prediction at every tick, and the mean of all that was predicted for it with the weights
    exp(-M i), i = 0 the oldest.
``coherent[:SAMPLES]``
    As ``receding``, each chunk being the one of several samples that keeps to the plan best.
``warm[:STEPS]``
    As ``receding``, with the first steps of the sampler taken from the plan.
``realtime[:DELAY]``
    As ``receding``, but a chunk is not needed before so many ticks have passed since it was asked
    for, and its sampler is led towards what will have been executed by then and what is planned
    after it. Where predictions take longer, it is led by as long as they took of late.

See `ilrobot.control.execution` and `ilrobot.control.drawing` for the equations.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NoReturn, get_args

import numpy as np
from numpy.typing import ArrayLike

from ilrobot.control.drawing import (
    Coherent,
    Draw,
    Guided,
    Single,
    realtime_weights,
    warm_weights,
)
from ilrobot.control.execution import Execution, Receding, TemporalEnsemble
from ilrobot.errors import UserError
from ilrobot.spec import Spec

Mode = Literal["receding", "ensemble", "coherent", "warm", "realtime"]

#: The number that a mode takes, where none is given.
_DEFAULT: dict[Mode, float] = {
    "ensemble": 0.01,
    "coherent": 8.0,
    "warm": 1.0,
    "realtime": 1.0,
}
#: What the numbers of samples, steps and ticks are called, and their most.
_COUNTS: dict[Mode, tuple[str, int]] = {
    "coherent": ("samples", 1_000),
    "warm": ("steps", 100_000),
    "realtime": ("delay", 1_000),
}


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
        steps: Steps of its sampler that can be led, see `ilrobot.control.drawing.Guide` (None: it
            cannot).
    """

    spec: Spec
    horizon: int
    execute: int
    noise_shape: tuple[int, ...] | None
    scale: ArrayLike | None
    steps: int | None = None


@dataclass(frozen=True)
class Chunking:
    """A mode and its number; the module's docstring explains them.

    Attributes:
        mode: Which.
        number: M, SAMPLES, STEPS or DELAY in ticks (None: the mode takes none).
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
        if mode in _COUNTS and number is not None:
            what, most = _COUNTS[mode]
            if not (number.is_integer() and 1 <= number <= most):
                raise UserError(
                    f"--chunks {text}: the {what} must be a whole number within 1 and {most}"
                )
        return cls(mode, number)

    @property
    def leads(self) -> bool:
        """Whether it leads the policy's sampler, which must take that."""
        return self.mode in ("warm", "realtime")

    def __str__(self) -> str:
        """As on the command line."""
        return self.mode if self.number is None else f"{self.mode}:{self.number:g}"

    def make(self, policy: Predicts) -> tuple[Execution, Draw]:
        """What executes this policy's chunks, and what draws them.

        Raises:
            UserError: The mode does not fit the policy.
        """
        number = self.number or 0.0
        receding, single = Receding(policy.execute), Single(policy.noise_shape)
        if self.mode == "ensemble":
            if policy.horizon == 1:
                self._refuse(
                    "this policy predicts one action at a time (--horizon 1), so there is nothing "
                    "to average"
                )
            spec = policy.spec
            averaged = (spec.action.shape, number, spec.choices, spec.target_rotations)
            return TemporalEnsemble(policy.horizon, *averaged), single
        if self.mode == "coherent":
            return receding, self._coherent(policy, int(number))
        if self.mode == "warm":
            return receding, self._warm(policy, int(number))
        if self.mode == "realtime":
            delay = int(number)
            return self._delayed(policy, delay), self._realtime(policy, delay)
        return receding, single

    def _coherent(self, policy: Predicts, samples: int) -> Coherent:
        if policy.noise_shape is None:
            self._refuse("this policy does not sample, so there is nothing to choose from")
        self._check_overlap(policy)
        scale = None
        if policy.scale is not None:
            scale = np.reshape(policy.scale, policy.spec.action.shape)
        return Coherent(samples, policy.noise_shape, scale, policy.spec.target_rotations)

    def _warm(self, policy: Predicts, kept: int) -> Guided:
        steps = self._steps(policy)
        self._check_overlap(policy)
        if kept >= steps:
            self._refuse(f"this policy's sampler has {steps} steps, of which one must be free")
        weights = warm_weights(steps, policy.horizon, policy.execute, kept)
        return Guided([weights], policy.noise_shape, policy.spec.action.shape)

    def _realtime(self, policy: Predicts, delay: int) -> Guided:
        steps = self._steps(policy)
        weights = [
            realtime_weights(steps, policy.horizon, policy.execute, max(ticks, delay))
            for ticks in range(_most_delay(policy) + 1)
        ]
        return Guided(weights, policy.noise_shape, policy.spec.action.shape)

    def _delayed(self, policy: Predicts, delay: int) -> Receding:
        most = _most_delay(policy)
        if delay > most:
            self._refuse(
                f"the delay of this policy can be at most {most} ticks: no more than it executes "
                f"of a chunk (--execute {policy.execute}), and than it predicts beyond that "
                f"(--horizon {policy.horizon})"
            )
        return Receding(policy.execute, delay)

    def _steps(self, policy: Predicts) -> int:
        if policy.steps is None:
            self._refuse(
                "this policy's sampler cannot be led; that takes the head diffusion, flow or mip, "
                f"and a file that was exported with --chunks {self}"
            )
        return policy.steps

    def _check_overlap(self, policy: Predicts) -> None:
        if policy.execute >= policy.horizon:
            self._refuse(
                f"this policy executes its whole chunks (--execute {policy.execute} of --horizon "
                f"{policy.horizon}), so nothing of the last one is left to keep to"
            )

    def _refuse(self, why: str) -> NoReturn:
        raise UserError(f"--chunks {self}: {why}; take receding")


def _most_delay(policy: Predicts) -> int:
    """d ≤ s and s + d ≤ H."""
    return min(policy.execute, policy.horizon - policy.execute)


RECEDING = Chunking()

"""The loop of every offline learner, which stops and goes on at any step without a trace."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor

from ilrobot.errors import WorkFailed
from ilrobot.learners.config import TrainConfig
from ilrobot.learners.offline.experience import Experience
from ilrobot.learners.offline.learner import OfflineLearner
from ilrobot.learners.training import REPORT_EVERY, Progress

#: Values are diverging beyond so many times what the rewards could ever add up to.
_BEYOND = 10.0
#: Least number of steps that a step's time is measured over.
_MEASURED_STEPS = 5


class Optimization:
    """See `ilrobot.learners.checkpointed.Learning`.

    Args:
        learner: On its device; its policy is learnt in place.
        experience: On that device.
        config: Steps, batches and seed.
        most_value: What rewards can add up to, in the units of the batches (None: not known).
    """

    def __init__(
        self,
        learner: OfflineLearner,
        experience: Experience,
        config: TrainConfig,
        most_value: float | None,
    ) -> None:
        self.policy = learner.policy
        self._learner, self._experience, self._config = learner, experience, config
        self._most_value = most_value
        self._generator = torch.Generator(experience.device).manual_seed(config.seed)
        self.step = 0
        self.seconds = 0.0
        self.loss: float | None = None
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}

    def run(self, on_step: Callable[[Progress | None], None]) -> None:
        """Learn to the last step, or until `on_step` raises; it is called between steps.

        Raises:
            WorkFailed: A loss is no longer finite, or the critic's values diverge.
        """
        self.policy.train()
        began, already, first = time.perf_counter(), self.seconds, self.step
        steps = self._config.steps
        while self.step < steps:
            self._advance()
            self.step += 1
            elapsed = time.perf_counter() - began
            self.seconds = already + elapsed
            report = None
            if self.step % REPORT_EVERY == 0 or self.step == steps:
                report = self._report((self.step - first) / elapsed)
            on_step(report)

    def measure_step(self, seconds: float) -> float:
        """Seconds of a step, by learning for so long and at least five steps."""
        self.policy.train()
        began, steps, elapsed = time.perf_counter(), 0, 0.0
        while steps < _MEASURED_STEPS or elapsed < seconds:
            self._advance()
            self.step += 1
            steps += 1
            elapsed = time.perf_counter() - began
        self._means()  # waits for a GPU
        return (time.perf_counter() - began) / steps

    def averaged(self) -> AbstractContextManager[None]:
        """The last weights are the result."""
        return nullcontext()

    def finish(self) -> None:
        """Ready to act."""
        self.policy.eval()

    def state(self) -> dict[str, Any]:
        """Everything needed to go on bit by bit.

        Raises:
            WorkFailed: It diverged since the last report, and is not worth keeping.
        """
        self._check(self._means())
        return {
            "step": self.step,
            "seconds": self.seconds,
            "loss": self.loss,
            "learner": self._learner.state(),
            "generator": self._generator.get_state(),
            "sums": self._sums,
            "counts": self._counts,
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Inverse of `state`.

        Raises:
            KeyError, RuntimeError, ValueError: It is of another learner or configuration.
        """
        self._learner.load_state(state["learner"])
        self.step, self.seconds, self.loss = state["step"], state["seconds"], state["loss"]
        device = self._experience.device
        if len(state["generator"]) == len(self._generator.get_state()):
            self._generator.set_state(state["generator"])
        else:  # on another kind of device: other draws, which the step decides
            self._generator.manual_seed(self._config.seed + self.step)
        self._sums = {name: value.to(device) for name, value in state["sums"].items()}
        self._counts = dict(state["counts"])

    def _advance(self) -> None:
        # Noisy actions are cloned, and a policy that follows the last batches is as noisy.
        self._learner.slow_down((1 + math.cos(math.pi * self.step / self._config.steps)) / 2)
        batch = self._experience.sample(self._config.batch_size, self._generator)
        for name, value in self._learner.update(batch, self.step, self._generator).items():
            self._sums[name] = self._sums[name] + value if name in self._sums else value
            self._counts[name] = self._counts.get(name, 0) + 1

    def _means(self) -> dict[str, float]:
        return {name: float(total) / self._counts[name] for name, total in self._sums.items()}

    def _report(self, speed: float) -> Progress:
        means = self._means()
        self._check(means)
        self._sums, self._counts = {}, {}
        self.loss = means.pop("loss")
        return Progress(
            step=self.step,
            steps=self._config.steps,
            loss=self.loss,
            validation_loss=None,
            sampling_error=None,
            learning_rate=self._config.learning_rate,
            seconds=self.seconds,
            rate=speed,
            eta=(self._config.steps - self.step) / speed,
            details=means,
        )

    def _check(self, means: dict[str, float]) -> None:
        remedy = "the last checkpoint is kept; try a lower --learning-rate, into another --output"
        for name, value in means.items():
            if not math.isfinite(value):
                what = name.replace("_", " ")
                raise WorkFailed(
                    f"it diverged: the {what} is no longer finite at step {self.step}; {remedy}"
                )
        value = abs(means.get("value", 0.0))
        if self._most_value is not None and value > _BEYOND * self._most_value:
            raise WorkFailed(
                f"the critic diverged: at step {self.step} its values are of the size {value:.3g}, "
                f"while the rewards can add up to {self._most_value:.3g} at most; {remedy}"
            )

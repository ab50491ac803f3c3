"""The optimisation loop, which stops and goes on at any step without a trace."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ilrobot.data.windows import Windows
from ilrobot.errors import WorkFailed
from ilrobot.learners.bootstrap import Bootstraps
from ilrobot.learners.clipped_adamw import ClippedAdamW
from ilrobot.learners.config import TrainConfig
from ilrobot.learners.distillation import Teacher
from ilrobot.learners.ema import Ema
from ilrobot.learners.ensemble_gradients import clip_gradients
from ilrobot.learners.validation import sampling_error, validation_loss
from ilrobot.policies.policy import Policy

#: Steps between two reports.
REPORT_EVERY = 50
#: Least number of steps that a step's time is measured over.
_MEASURED_STEPS = 5


@dataclass(frozen=True)
class Progress:
    """How far training is.

    Attributes:
        step: Steps done.
        steps: Steps in all.
        loss: Mean training loss since the last report (None: nothing was learnt yet).
        validation_loss: Latest loss on the held-out episodes (None: not known).
        sampling_error: How far chunks sampled there were from what was done, see
            `ilrobot.learners.validation.sampling_error` (None: not known).
        learning_rate: Of the last step.
        seconds: Time spent so far, all sessions of the run together.
        rate: Steps per second in this session; of what tries, in the later half of its time.
        eta: Seconds left at that rate; infinite while nothing is known of it.
        details: What else a learner knows of itself since the last report, name to number.
    """

    step: int
    steps: int
    loss: float | None
    validation_loss: float | None
    sampling_error: float | None
    learning_rate: float
    seconds: float
    rate: float
    eta: float
    details: dict[str, float] = field(default_factory=dict)


def learning_rate(step: int, config: TrainConfig) -> float:
    """Linear from 0 over the warm-up, then half a cosine to 0 at the last step."""
    if step < config.warmup:
        return config.learning_rate * (step + 1) / config.warmup
    done = (step - config.warmup) / max(1, config.steps - config.warmup)
    return config.learning_rate * (1 + math.cos(math.pi * done)) / 2


class Training:
    """Everything that changes while a policy is trained, and how it changes.

    Args:
        policy: With its normalisation set, on its device; trained in place.
        windows: To train on, on that device.
        held_out: To validate on (None: there is no validation).
        config: How.
        teacher: Whose chunks are learnt in place of the demonstrated ones, on that device, too.
    """

    def __init__(
        self,
        policy: Policy,
        windows: Windows,
        held_out: Windows | None,
        config: TrainConfig,
        teacher: Teacher | None = None,
    ) -> None:
        self.policy, self._windows, self._held_out = policy, windows, held_out
        self._config, self._teacher = config, teacher
        self._parameters = list(policy.parameters())
        self._optimizer = ClippedAdamW(
            self._parameters,
            lr=config.learning_rate,
            weight_decay=config.weight_decay,
            fused=True,
        )
        self._optimizer.zero_grad()
        # A teacher says what to do at the newest tick alone.
        self._ticks = policy.members[0].ticks if teacher is None else 1
        members = policy.config.members
        self._bootstraps = None if members == 1 else Bootstraps(windows, members, config.seed)
        self._generator = torch.Generator(windows.device).manual_seed(config.seed)
        self._ema = Ema(policy, config.ema) if config.ema else None
        self.step = 0
        self.seconds = 0.0
        self.loss: float | None = None
        self.validation_loss: float | None = None
        self.sampling_error: float | None = None
        self._best_loss = math.inf
        self._best: list[Tensor] | None = None
        self._stale = 0
        self._loss_sum = torch.zeros((), device=windows.device)
        self._loss_count = 0

    @property
    def done(self) -> bool:
        """Whether all steps are done, or the validation loss has stopped falling."""
        patience = self._config.patience
        return self.step >= self._config.steps or bool(patience and self._stale >= patience)

    def run(self, on_step: Callable[[Progress | None], None]) -> None:
        """Train until `done`, or until `on_step` raises; it is called between steps.

        Args:
            on_step: Receives a `Progress` every `REPORT_EVERY` steps and at the end, else None.

        Raises:
            WorkFailed: The loss is no longer finite.
        """
        self.policy.train()
        began, already, first = time.perf_counter(), self.seconds, self.step
        while not self.done:
            rate = self.advance()
            self.step += 1
            last = self.step == self._config.steps
            if self._held_out is not None and (
                last or self.step % self._config.validate_every == 0
            ):
                self._validate(self._held_out)
            elapsed = time.perf_counter() - began
            self.seconds = already + elapsed
            report = None
            if self.step % REPORT_EVERY == 0 or self.done:
                report = self._report(rate, (self.step - first) / elapsed)
            on_step(report)

    def measure_step(self, seconds: float) -> float:
        """Seconds of a step, by training for so long and at least five steps."""
        self.policy.train()
        began, steps, elapsed = time.perf_counter(), 0, 0.0
        while steps < _MEASURED_STEPS or elapsed < seconds:
            self.advance()
            steps += 1
            elapsed = time.perf_counter() - began
        self._loss_sum.item()  # waits for a GPU
        return (time.perf_counter() - began) / steps

    def measure_validation(self) -> float:
        """Seconds of a validation."""
        began = time.perf_counter()
        if self._held_out is not None:
            self._validate(self._held_out)
        return time.perf_counter() - began

    def finish(self) -> None:
        """Put the weights that are the result into the policy."""
        if self._best is not None:
            torch._foreach_copy_([p.data for p in self._parameters], self._best)
        elif self._ema is not None:
            torch._foreach_copy_([p.data for p in self._parameters], self._ema.weights)
        self.policy.eval()

    @property
    def result_loss(self) -> float | None:
        """Validation loss of those weights (None: not known)."""
        return self.validation_loss if self._best is None else self._best_loss

    def state(self) -> dict[str, Any]:
        """Everything needed to go on bit by bit, as tensors and plain values."""
        rng = {"cpu": torch.get_rng_state(), "batches": self._generator.get_state()}
        if self._windows.device.type == "cuda":
            rng["cuda"] = torch.cuda.get_rng_state(self._windows.device)
        return {
            "step": self.step,
            "seconds": self.seconds,
            "loss": self.loss,
            "policy": self.policy.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "ema": None if self._ema is None else self._ema.weights,
            "rng": rng,
            "validation_loss": self.validation_loss,
            "sampling_error": self.sampling_error,
            "best_loss": self._best_loss,
            "best": self._best,
            "stale": self._stale,
            "loss_sum": self._loss_sum,
            "loss_count": self._loss_count,
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Inverse of `state`.

        Raises:
            KeyError, RuntimeError, ValueError: It is of another policy or configuration.
        """
        if state["policy"].keys() != self.policy.state_dict().keys():
            raise KeyError("weights of other names, and so moments in another order")
        self.policy.load_state_dict(state["policy"])
        self._optimizer.load_state_dict(state["optimizer"])
        if self._ema is not None:
            self._ema.load([w.to(self._windows.device) for w in state["ema"]])
        self.step, self.seconds, self.loss = state["step"], state["seconds"], state["loss"]
        self._load_random(state["rng"])
        self.validation_loss, self._best_loss = state["validation_loss"], state["best_loss"]
        self.sampling_error = state.get("sampling_error")  # runs of before have none
        best = state["best"]
        self._best = None if best is None else [w.to(self._windows.device) for w in best]
        self._stale = state["stale"]
        self._loss_sum = state["loss_sum"].to(self._windows.device)
        self._loss_count = state["loss_count"]

    def _load_random(self, rng: dict[str, Tensor]) -> None:
        """Go on with the draws, or after a change of device with others that the step decides."""
        cuda = self._windows.device.type == "cuda"
        if cuda != ("cuda" in rng):
            torch.manual_seed(self._config.seed + self.step)
            self._generator.manual_seed(self._config.seed + self.step)
            return
        torch.set_rng_state(rng["cpu"])
        self._generator.set_state(rng["batches"])
        if cuda:
            torch.cuda.set_rng_state(rng["cuda"], self._windows.device)

    def advance(self) -> float:
        """One optimiser step; returns its learning rate. `run` counts the steps and reports."""
        rate = learning_rate(self.step, self._config)
        self._optimizer.param_groups[0]["lr"] = rate
        source = self._bootstraps or self._windows
        batch = source.sample(self._config.batch_size, self._generator, self._ticks)
        if self._teacher is not None:
            batch = self._teacher(batch)
        loss = (self.policy.loss(batch) * batch.weight).mean()
        # Each member is to learn as it would alone: by its own mean, clipped by its own norm.
        (loss * self.policy.config.members).backward()
        self._optimizer.update(clip_gradients(self.policy, self._config.clip))
        if self._ema is not None:
            self._ema.update(self.step)
        self._loss_sum += loss.detach()
        self._loss_count += 1
        return rate

    def _report(self, rate: float, speed: float) -> Progress:
        loss = float(self._loss_sum) / self._loss_count
        if not math.isfinite(loss):
            raise WorkFailed(
                f"the loss is no longer finite at step {self.step}; try a lower --learning-rate, "
                "into another --output"
            )
        self.loss = loss
        self._loss_sum.zero_()
        self._loss_count = 0
        return Progress(
            step=self.step,
            steps=self._config.steps,
            loss=loss,
            validation_loss=self.validation_loss,
            sampling_error=self.sampling_error,
            learning_rate=rate,
            seconds=self.seconds,
            rate=speed,
            eta=(self._config.steps - self.step) / speed,
        )

    def _validate(self, windows: Windows) -> None:
        with self.averaged():
            self.validation_loss = validation_loss(self.policy, windows, self._teacher)
            self.sampling_error = sampling_error(self.policy, windows)
        if not self._config.patience:
            return
        if self.validation_loss < self._best_loss:
            self._best_loss, self._stale = self.validation_loss, 0
            source = self._parameters if self._ema is None else self._ema.weights
            self._best = [w.detach().clone() for w in source]
        else:
            self._stale += 1

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """With the averaged weights in the policy, where there are any."""
        if self._ema is None:
            yield
            return
        live = [p.data for p in self._parameters]
        kept = [w.clone() for w in live]
        torch._foreach_copy_(live, self._ema.weights)
        try:
            yield
        finally:
            torch._foreach_copy_(live, kept)

"""A learner that tries its policy in the task, as a run: stopped, resumed and left like cloning."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ilrobot import __version__
from ilrobot.data.recordings import Recordings
from ilrobot.errors import WorkFailed
from ilrobot.learners.behavioral_cloning import data_used
from ilrobot.learners.checkpointed import go_back, run_checkpointed
from ilrobot.learners.config import TrainConfig
from ilrobot.learners.lengthening import as_begun
from ilrobot.learners.machine import within_memory
from ilrobot.learners.reinforcement.vector_env import Ended
from ilrobot.learners.training import Progress
from ilrobot.policies.policy import Policy
from ilrobot.run import RUN_FILE, Run
from ilrobot.run_description import ATTEMPTS, Config, DataUsed, Result, TrainDescription


class OnlineLearner(Protocol):
    """What is learnt round by round, by trying.

    Attributes:
        policy: What it is by now.
    """

    policy: Policy

    @property
    def steps(self) -> int:
        """Environment steps so far, or whatever its run counts."""

    def improve(self) -> dict[str, float]:
        """One round of trying and learning.

        Returns:
            What to report of it, name to number; ``loss`` is among them once there is one.

        Raises:
            WorkFailed: It diverged.
        """

    def state(self) -> dict[str, Any]:
        """Everything that is needed to go on, as tensors and plain values."""

    def load_state(self, state: dict[str, Any]) -> None:
        """Inverse of `state`.

        Raises:
            KeyError, RuntimeError, ValueError: It is of another learner.
        """

    def leave(self, folder: Path) -> None:
        """Settle what the policy is, and write what the run's folder shall hold beside it."""


#: Records what a policy does into a new dataset in this folder.
RecordAttempts = Callable[[Policy, Path], Recordings]


@within_memory()
def train_online(
    learner: OnlineLearner,
    described: TrainDescription,
    output: Path,
    *,
    resume: bool,
    record: RecordAttempts,
    on_progress: Callable[[Progress], None] | None = None,
    growing: str | None = None,
    together: int = 1,
) -> Policy:
    """Let a learner learn into a run's folder.

    A kill leaves a run that `resume` continues from its last checkpoint, in new episodes; on Ctrl-C
    and SIGTERM the round under way is finished and a checkpoint written first. With `resume` a run
    may be made longer, though it was done: its policy of then stays until there is the new one.

    Args:
        learner: New.
        described: By `describe_online`.
        output: Folder of the run.
        resume: Go on with the run that is there, or begin it where there is none yet.
        record: Called at the end where the run was begun without demonstrations, so that what is
            known of a policy by its data (its export, its report) is known of this one.
        on_progress: Called after each round.
        growing: The setting, a number, of which there may be more when the run goes on.
        together: See `OnlineLearning`.

    Raises:
        UserError: `output` holds something else, or its checkpoint is damaged.
        WorkFailed: It diverged, the memory or the disk is full.
    """
    config, begun = described.config.train, described
    if resume and (output / RUN_FILE).exists():
        begun = as_begun(described, Run.read_as(output, TrainDescription).description, growing)
    longer = (begun.config, begun.settings) != (described.config, described.settings)
    there = Run.check(output, begun, resume=resume)
    if there is not None and there.done and there.policy_file.exists() and not longer:
        return Policy.load(there.policy_file)
    with Run.claim(output, begun, resume=resume) as run:
        learning = OnlineLearning(learner, config, together)
        go_back(run, learning)
        if longer:  # attempts of its own are of the policy of then, so that they are made anew
            run.update(
                config=described.config, settings=described.settings, dataset=described.dataset
            )
        run.update(status="running")
        with _advised(run):
            run_checkpointed(run, learning, config, on_progress)
        learner.policy.cpu().check_finite("the weights after training")
        with run.writing():
            learner.leave(output)
            learner.policy.save(run.policy_file)
        known = run.description.dataset
        if not known.episodes:
            known = data_used(record(learner.policy, output / ATTEMPTS))
        run.update(
            status="done",
            seconds=learning.seconds,
            dataset=known,
            result=Result(learner.steps, None, learning.loss),
        )
    return learner.policy


def describe_online(
    name: str,
    policy: Policy,
    config: TrainConfig,
    settings: dict[str, Any],
    output: Path,
    dataset: DataUsed | None,
    initial: str | None,
) -> TrainDescription:
    """What the run of an online learner says of itself.

    Args:
        name: Of the learner.
        policy: As it begins.
        config: How long, in environment steps or seconds, from which seed and where; no more of it.
        settings: All else that must stay the same when the run goes on, words to values.
        output: Folder of the run.
        dataset: What it learns from or began with (None: nothing was demonstrated).
        initial: 16 hex digits over the policy that it began as (None: from scratch).
    """
    nothing = DataUsed(str((output / ATTEMPTS).resolve()), "", 0, 0)
    return TrainDescription(
        kind="train",
        status="running",
        version=__version__,
        seconds=0.0,
        spec=policy.spec,
        config=Config(policy.config, config),
        dataset=dataset or nothing,
        parameters=sum(p.numel() for p in policy.parameters()),
        learner=name,
        settings=settings,
        initial=initial,
    )


def reported(ended: Sequence[Ended]) -> dict[str, float]:
    """What every online learner reports of the episodes that ended in a round.

    Returns:
        ``return``, the task's own whatever was learnt from, ``length`` and, where anybody judged,
        ``success``; nothing where none ended.
    """
    if not ended:
        return {}
    found = {
        "return": float(np.mean([one.ret for one in ended])),
        "length": float(np.mean([one.length for one in ended])),
    }
    judged = [one.success for one in ended if one.success is not None]
    return {**found, "success": float(np.mean(judged))} if judged else found


class OnlineLearning:
    """An online learner as `ilrobot.learners.checkpointed.Learning`.

    Args:
        learner: Which.
        config: How long.
        together: Steps that are learnt from together: of several a time budget ends between such
            rounds, before one for which too little is left if it takes as long as those before.
    """

    def __init__(self, learner: OnlineLearner, config: TrainConfig, together: int = 1) -> None:
        self.policy, self._learner, self._config = learner.policy, learner, config
        self._together = together
        self.step, self.seconds = learner.steps, 0.0
        self.loss: float | None = None

    @property
    def done(self) -> bool:
        """Whether the steps are done, or the time is spent."""
        budget = self._config.time_budget
        if self.step >= self._config.steps or budget is None:
            return self.step >= self._config.steps
        if self._together == 1:
            return self.seconds >= budget
        rounds, more = divmod(self.step, self._together)
        return rounds > 0 and not more and self.seconds * (rounds + 1) > budget * rounds

    def run(self, on_step: Callable[[Progress | None], None]) -> None:
        """Round after round."""
        began, already = time.perf_counter(), self.seconds
        marks = deque([(0.0, self.step)])
        while not self.done:
            details = dict(self._learner.improve())
            loss = details.pop("loss", None)
            if loss is not None and not math.isfinite(loss):
                raise WorkFailed(
                    f"the loss is no longer finite after {self.step} steps; try a lower "
                    "--learning-rate, into another --output"
                )
            self.policy = self._learner.policy
            self.step, elapsed = self._learner.steps, time.perf_counter() - began
            self.seconds, self.loss = already + elapsed, loss
            # Of the later half of the time: what is done first may be much quicker than the rest.
            marks.append((elapsed, self.step))
            while len(marks) > 2 and marks[1][0] <= elapsed / 2:
                marks.popleft()
            rate = (self.step - marks[0][1]) / (elapsed - marks[0][0])
            on_step(
                Progress(
                    step=self.step,
                    steps=self._planned(rate),
                    loss=loss,
                    validation_loss=None,
                    sampling_error=None,
                    learning_rate=self._config.learning_rate,
                    seconds=self.seconds,
                    rate=rate,
                    eta=(self._planned(rate) - self.step) / rate if rate else math.inf,
                    details=details,
                )
            )

    def state(self) -> dict[str, Any]:
        """See `Learning`."""
        return {"seconds": self.seconds, "loss": self.loss, "learner": self._learner.state()}

    def load_state(self, state: dict[str, Any]) -> None:
        """See `Learning`."""
        self._learner.load_state(state["learner"])
        self.policy = self._learner.policy
        self.step, self.seconds, self.loss = self._learner.steps, state["seconds"], state["loss"]

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """The weights are the result as they are."""
        yield

    def finish(self) -> None:
        """The weights are the result as they are."""
        self.policy.eval()

    def _planned(self, rate: float) -> int:
        """Steps in all, as far as they are known."""
        budget = self._config.time_budget
        if budget is None:
            return max(self._config.steps, self.step)
        fit = self.step + round(max(0.0, budget - self.seconds) * rate)
        begun = math.ceil(self.step / self._together)
        return min(max(fit // self._together, begun, 1) * self._together, self._config.steps)


@contextmanager
def _advised(run: Run[TrainDescription]) -> Iterator[None]:
    """What failed is called so, and says where it can be taken up again."""
    try:
        yield
    except WorkFailed as error:
        run.update(status="failed")
        if not run.checkpoint_file.exists():
            raise
        raise WorkFailed(f"{error}; {run.path} keeps the checkpoint from before") from error

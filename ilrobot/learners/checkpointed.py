"""Learning that a kill, Ctrl-C or SIGTERM ends and `--resume` continues, in the folder of a run."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict
from typing import Any, Protocol

from ilrobot.atomic import make_folder
from ilrobot.errors import UserError
from ilrobot.learners.config import TrainConfig
from ilrobot.learners.stop import stop_signals
from ilrobot.learners.training import Progress
from ilrobot.policies.policy import Policy
from ilrobot.policies.tensor_file import load_tensors, save_tensors
from ilrobot.run import Run
from ilrobot.run_description import TrainDescription


class Learning(Protocol):
    """What can be stopped between two steps; `ilrobot.learners.training.Training` is one."""

    policy: Policy
    step: int

    def run(self, on_step: Callable[[Progress | None], None]) -> None:
        """Learn until all is done or `on_step`, which is called between steps, raises."""

    def state(self) -> dict[str, Any]:
        """Everything needed to go on bit by bit, as tensors and plain values."""

    def load_state(self, state: dict[str, Any]) -> None:
        """Inverse of `state`."""

    def averaged(self) -> AbstractContextManager[None]:
        """With the weights in the policy that would be the result."""

    def finish(self) -> None:
        """Put the weights that are the result into the policy."""


def go_back(run: Run[TrainDescription], learning: Learning) -> None:
    """Go back to the last checkpoint, and drop what was reported after it.

    Raises:
        UserError: It does not fit, or there is none in a run that is done.
    """
    if not run.checkpoint_file.exists():
        if run.done:
            raise UserError(
                f"{run.path} is done and has lost its {run.checkpoint_file.name}, without which it "
                "cannot go on; train again into another --output"
            )
        run.drop_metrics_after(learning.step)
        return
    try:
        learning.load_state(load_tensors(run.checkpoint_file)["training"])
    except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise UserError(
            f"the checkpoint in {run.path} does not fit its run; begin again in another --output"
        ) from error
    run.drop_metrics_after(learning.step)


def run_checkpointed(
    run: Run[TrainDescription],
    learning: Learning,
    config: TrainConfig,
    on_progress: Callable[[Progress], None] | None,
) -> None:
    """Learn to the end, with a checkpoint now and then, at the end and where it is stopped."""
    saved = time.monotonic()
    kept_steps = config.kept_steps

    def save() -> None:
        nonlocal saved
        state = learning.state()
        with run.writing():
            save_tensors(run.checkpoint_file, {"training": state})
        saved = time.monotonic()

    def keep() -> None:
        file = run.kept_policy(learning.step)
        with learning.averaged(), run.writing():
            make_folder(file.parent)
            learning.policy.save(file)

    def on_step(progress: Progress | None) -> None:
        if progress is not None:
            row = asdict(progress)
            del row["steps"], row["eta"]
            details = row.pop("details")
            run.append_metrics({**row, **details})
            if on_progress is not None:
                on_progress(progress)
        if learning.step in kept_steps:
            keep()
        if stopped.is_set() or time.monotonic() - saved >= config.checkpoint_seconds:
            save()
        stopped.check()

    with stop_signals() as stopped:
        learning.run(on_step)
        save()
    learning.finish()

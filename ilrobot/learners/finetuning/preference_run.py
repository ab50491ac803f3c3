"""A reward from preferences as a run: a folder with ``reward.pt`` and no policy."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ilrobot import __version__
from ilrobot.atomic import write_json
from ilrobot.data.comparisons import Comparisons
from ilrobot.errors import UserError
from ilrobot.learners.behavioral_cloning import data_used
from ilrobot.learners.config import TrainConfig
from ilrobot.learners.finetuning.compared_clips import Clips
from ilrobot.learners.finetuning.preferences import PreferenceConfig, fit_preferences
from ilrobot.observed import vector_spec
from ilrobot.policies.config import PolicyConfig
from ilrobot.rewards.model import REWARD_FILE
from ilrobot.run import Run
from ilrobot.run_description import Config, Result, TrainDescription

#: What the fit came to.
_FIT_FILE = "preferences.json"


def train_preferences(
    comparisons: Comparisons,
    config: PreferenceConfig,
    output: Path,
    *,
    resume: bool,
    on_report: Callable[[int, float, float | None], None] = lambda *_: None,
) -> dict[str, Any]:
    """Fit a reward into a run's folder; one that was cut off is fitted anew, which takes seconds.

    Args:
        comparisons: The answers.
        config: How.
        output: Folder of the run.
        resume: Go on with the run that is there.
        on_report: See `fit_preferences`.

    Returns:
        What the fit came to, see `ilrobot.learners.finetuning.preferences.Fit`.

    Raises:
        UserError: There are too few answers, their dataset has changed, or `output` holds
            something else.
        WorkFailed: It diverged, or the disk is full.
    """
    dataset = comparisons.open_dataset()
    described = TrainDescription(
        kind="train",
        status="running",
        version=__version__,
        seconds=0.0,
        spec=vector_spec(dataset.spec),
        # There is no policy; of the training these are what its options say.
        config=Config(
            PolicyConfig(width=config.width),
            TrainConfig(
                steps=config.steps,
                seed=config.seed,
                batch_size=config.batch_size,
                learning_rate=config.learning_rate,
                weight_decay=config.weight_decay,
                held_out=config.held_out,
                device="cpu",
            ),
        ),
        dataset=data_used(dataset),
        parameters=0,
        learner="preferences",
        settings={
            "inputs": config.inputs,
            "error_rate": config.error_rate,
            "comparisons": str(comparisons.path.parent.resolve()),
            "answers": len(comparisons.answers),
            "answers of hash": comparisons.content_hash,
        },
    )
    Run.check(output, described, resume=resume)
    Clips(dataset, comparisons.answers)  # what they do not teach is refused before there is a run
    with Run.claim(output, described, resume=resume) as run:
        if run.done:
            return _read(output / _FIT_FILE)
        run.drop_metrics_after(0)

        def report(step: int, loss: float, held_out: float | None) -> None:
            run.append_metrics({"step": step, "loss": loss, "validation_loss": held_out})
            on_report(step, loss, held_out)

        began = time.perf_counter()
        fit = fit_preferences(dataset, comparisons.answers, config, report)
        with run.writing():
            fit.model.save(output / REWARD_FILE)
            write_json(output / _FIT_FILE, fit.to_json())
        run.update(
            status="done",
            seconds=time.perf_counter() - began,
            parameters=sum(weight.numel() for weight in fit.model.parameters()),
            result=Result(fit.step, fit.held_out_loss, fit.loss),
        )
        return fit.to_json()


def _read(path: Path) -> dict[str, Any]:
    import json

    try:
        return dict(json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError) as error:
        raise UserError(
            f"{path} is damaged or missing ({error}); fit the reward again into another --output"
        ) from error

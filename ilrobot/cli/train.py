"""``ilrobot train``: learn a policy from a dataset."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ilrobot.errors import UserError

if TYPE_CHECKING:
    from ilrobot.learners.config import TrainConfig
    from ilrobot.learners.training import Progress
    from ilrobot.policies.config import PolicyConfig
    from ilrobot.spec import Spec

#: Options that go into the policy's configuration, and those of the training; None keeps the
#: preset's value.
_POLICY = {"history": "n_obs"} | {
    name: name
    for name in (
        "loss",
        "network",
        "horizon",
        "execute",
        "width",
        "blocks",
        "channels",
        "dropout",
        "observation_noise",
        "prediction",
        "ddim_steps",
    )
}
_TRAIN = ("steps", "seed", "batch_size", "learning_rate", "weight_decay", "held_out", "device")


@dataclass
class Train:
    """Learn a policy from a dataset of demonstrations and corrections.

    Options that are not given take the value of the preset that --policy names: ``bc`` maps one
    observation to one action and stops when held-out episodes no longer improve; ``diffusion``
    denoises chunks of 16 actions from two observations.

    Example: ilrobot train --dataset data/lift --policy bc --output runs/bc
    """

    dataset: Path
    """Folder of the dataset."""

    policy: Literal["bc", "diffusion"]
    """Which preset to begin with."""

    output: Path
    """Folder of the run; it must not exist yet, except with --resume."""

    steps: int | None = None
    """Optimiser steps."""

    seed: int = 0
    """Seed of everything drawn at random; the same seed gives the same weights."""

    resume: bool = False
    """Go on with the run in --output where it stopped (give the same options again)."""

    loss: Literal["mse", "huber", "log-cosh", "gaussian", "cross-entropy"] | None = None
    """How bc measures its error; cross-entropy is for discrete actions and their default."""

    network: Literal["mlp", "unet"] | None = None
    """An MLP is fast on a CPU; a U-Net runs along the chunk and wants a GPU."""

    history: int | None = None
    """Observations that the policy sees: this one and the ones before it."""

    horizon: int | None = None
    """Actions predicted at once."""

    execute: int | None = None
    """Actions of each prediction that are executed before the next one."""

    width: int | None = None
    """Features of the MLP's layers."""

    blocks: int | None = None
    """Residual blocks of the MLP."""

    channels: tuple[int, ...] | None = None
    """Channels at each level of the U-Net."""

    dropout: float | None = None
    """Dropout in the MLP."""

    observation_noise: float | None = None
    """Noise on the observations while training, as a share of their spread."""

    prediction: Literal["epsilon", "sample", "velocity"] | None = None
    """What a diffusion policy's network predicts: the noise, the clean chunk, or a mix of both."""

    ddim_steps: int | None = None
    """Denoising steps for each prediction of a diffusion policy."""

    batch_size: int | None = None
    """Windows in a batch."""

    learning_rate: float | None = None
    """Greatest learning rate."""

    weight_decay: float | None = None
    """Weight decay."""

    held_out: float | None = None
    """Share of the episodes kept for validation."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to compute; auto takes a GPU where there is one."""

    json: bool = False
    """Print one JSON object as the last line."""

    def run(self) -> int:
        """Train and say what to do next."""
        from ilrobot.cli.output import console, print_json, progress_bar
        from ilrobot.data.dataset import Dataset
        from ilrobot.learners.behavioral_cloning import train

        data = Dataset.open(self.dataset)
        policy_config, train_config = self._configs(data.spec)
        latest: Progress | None = None

        bar = progress_bar()
        task = bar.add_task("training", total=train_config.steps, note="")

        def show(progress: Progress) -> None:
            nonlocal latest
            latest = progress
            bar.start()  # only here, so that bad input leaves its one line alone on the screen
            bar.update(task, completed=progress.step, note=_note(progress))

        try:
            policy = train(
                data,
                policy_config,
                train_config,
                self.output,
                resume=self.resume,
                on_progress=show,
            )
        except KeyboardInterrupt:
            bar.stop()
            console.print(
                f"Stopped; {self.output} keeps a checkpoint. Go on with the same command and "
                "--resume."
            )
            raise
        finally:
            bar.stop()

        result = _result(self.output)
        early = " (held-out episodes no longer improved)"
        print(f"policy     {self.output / 'policy.pt'}")
        print(
            f"steps      {result['steps']}{early if result['steps'] < train_config.steps else ''}, "
            f"{result['seconds']:.0f} s"
        )
        if result["validation_loss"] is not None:
            print(f"held out   loss {result['validation_loss']:.4g}")
        task_id = policy.spec.task or "TASK"
        print(f"next       ilrobot eval --policy {self.output} --task {task_id}")
        print(f"           ilrobot export --policy {self.output} --output policy.onnx")
        if self.json:
            loss = None if latest is None else latest.loss
            print_json({**result, "loss": loss, "output": str(self.output)})
        return 0

    def _configs(self, spec: Spec) -> tuple[PolicyConfig, TrainConfig]:
        from dataclasses import replace

        from ilrobot.learners.config import preset

        if self.policy == "diffusion" and self.loss is not None:
            raise UserError("--loss is for --policy bc; a diffusion policy has a loss of its own")
        policy_config, train_config = preset(self.policy, spec)
        changes: dict[str, Any] = {
            field: getattr(self, option)
            for option, field in _POLICY.items()
            if getattr(self, option) is not None
        }
        policy_config = replace(policy_config, **changes)
        changes = {name: getattr(self, name) for name in _TRAIN if getattr(self, name) is not None}
        return policy_config, replace(train_config, **changes)


def _note(progress: Progress) -> str:
    held_out = ""
    if progress.validation_loss is not None:
        held_out = f", held out {progress.validation_loss:.4f}"
    return f"loss {progress.loss:.4f}{held_out}, {progress.rate:.0f} steps/s"


def _result(output: Path) -> dict[str, Any]:
    import json

    run = json.loads((output / "run.json").read_text())
    return {**run["result"], "seconds": run["seconds"], "parameters": run["parameters"]}

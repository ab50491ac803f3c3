"""``ilrobot train``: learn a policy from a dataset."""

from __future__ import annotations

from dataclasses import dataclass
from inspect import cleandoc
from pathlib import Path
from typing import Annotated, Literal

from ilrobot.cli.learners import overview
from ilrobot.cli.preset_option import preset_option
from ilrobot.cli.usage import optional
from ilrobot.data.lessons import Weighting
from ilrobot.learners.config import Preset
from ilrobot.policies.config import (
    Actions,
    FlowPrediction,
    HeadName,
    Latent,
    NetworkName,
    Normalization,
    Prediction,
    Solver,
)


@dataclass
class Train:
    """Learn a policy from a dataset of demonstrations and corrections.

    Options that are not given take the value of the preset that --policy names: bc maps one
    observation to one action and stops when held-out episodes no longer improve; bc-rnn maps ten
    observations to a mixture over one action; act makes chunks of 40 actions with a transformer;
    bc-chunk, diffusion, flow, fast and mip make chunks of 16 actions from two observations, with
    one, ten, ten, two and two calls of the network.

    Example: ilrobot train --dataset data/lift --policy bc --output runs/bc
    """

    dataset: Path
    """Folder of the dataset."""

    policy: Preset
    """Which preset to begin with."""

    output: Path
    """Folder of the run; it must not exist yet, except with --resume."""

    steps: Annotated[int | None, preset_option("steps")] = None
    """Optimiser steps, exactly so many; by default the preset's, or fewer as --epochs says."""

    epochs: Annotated[float | None, preset_option("epochs")] = None
    """Passes over the data, within 1,000 steps and the preset's; 0: as many steps as the preset."""

    time_budget: Annotated[str | None, optional("TIME", "--steps says how long")] = None
    """How long training may take, such as 90s, 10m or 1h: as many steps as fit on this machine."""

    seed: int = 0
    """Seed of everything drawn at random; the same seed gives the same weights."""

    resume: bool = False
    """Go on with the run in --output where it stopped (give the same options again)."""

    distill: Annotated[Path | None, optional("RUN", "what was demonstrated is learnt")] = None
    """Finished diffusion or flow run whose chunks a flow learns to make in 2 --sampler-steps."""

    head: Annotated[HeadName | None, preset_option("head", HeadName)] = None
    """How actions are predicted, with the settings of that head's preset; see docs/training.md."""

    network: Annotated[NetworkName | None, preset_option("network", NetworkName)] = None
    """An MLP is fastest; a U-Net runs along the chunk, an RNN the history, a transformer both."""

    cameras: Annotated[
        tuple[str, ...] | None, optional("NAME ...", "none: it sees all vectors")
    ] = None
    """Cameras whose pictures the policy sees, in place of where the task says that things are."""

    history: Annotated[int | None, preset_option("n_obs")] = None
    """Observations that the policy sees: this one and the ones before it."""

    horizon: Annotated[int | None, preset_option("horizon")] = None
    """Actions predicted at once."""

    execute: Annotated[int | None, preset_option("execute")] = None
    """Actions of each prediction that are executed before the next one."""

    width: Annotated[int | None, preset_option("width")] = None
    """Features of the MLP's layers, the transformer's tokens or the RNN's state."""

    blocks: Annotated[int | None, preset_option("blocks")] = None
    """Residual blocks of the MLP, alone or after the RNN."""

    layers: Annotated[int | None, preset_option("layers")] = None
    """Layers of the RNN, or of the transformer's encoder and of its decoder."""

    attention_heads: Annotated[int | None, preset_option("attention_heads")] = None
    """Heads of each attention of the transformer."""

    channels: Annotated[tuple[int, ...] | None, preset_option("channels")] = None
    """Channels at each level of the U-Net."""

    dropout: Annotated[float | None, preset_option("dropout")] = None
    """Dropout in the MLP and in the transformer."""

    observation_noise: Annotated[float | None, preset_option("observation_noise")] = None
    """Noise on the observations while training, as a share of their spread."""

    kl_weight: Annotated[float | None, preset_option("kl_weight")] = None
    """How much the divergence of a CVAE's latent from its prior counts beside the L1 error."""

    latent: Annotated[Latent | None, preset_option("latent", Latent)] = None
    """What a CVAE acts by: the middle of its latent space, or a latent drawn for each chunk."""

    prediction: Annotated[Prediction | None, preset_option("prediction", Prediction)] = None
    """What a diffusion policy's network predicts: the noise, the clean chunk, or a mix of both."""

    solver: Annotated[Solver | None, preset_option("solver", Solver)] = None
    """How a diffusion policy samples; dpm comes closest in few steps, ddpm wants many."""

    sampler_steps: Annotated[int | None, preset_option("sampler_steps")] = None
    """Steps in which a diffusion or flow policy makes a chunk, a call of the network each."""

    flow_prediction: Annotated[
        FlowPrediction | None, preset_option("flow_prediction", FlowPrediction)
    ] = None
    """What a flow's network predicts: the clean chunk (sample) keeps right answers apart best."""

    noise_scale: Annotated[float | None, preset_option("noise_scale")] = None
    """Scale of the noise that a flow begins with; below 1 is more precise and less varied."""

    prefix_delay: Annotated[int | None, preset_option("prefix_delay")] = None
    """Actions of the last plan that a chunk is trained to go on from, for --chunks realtime:N."""

    members: Annotated[int | None, preset_option("members")] = None
    """Networks trained apart that act by their mean; where they differ, the policy is in doubt."""

    normalize: Annotated[Normalization | None, preset_option("normalize", Normalization)] = None
    """How numbers are scaled; auto: limits for diffusion, absolute flow, mip; else standardize."""

    actions: Annotated[Actions | None, preset_option("actions", Actions)] = None
    """For targets of what is observed: predict the target, or the way to it (relative, delta)."""

    frame: Annotated[str, optional("FROM:TO", "auto")] = "auto"
    """Frame to see and act in, such as cube:goal; auto: the task's; none: the base's axes."""

    batch_size: Annotated[int | None, preset_option("batch_size")] = None
    """Windows in a batch."""

    learning_rate: Annotated[float | None, preset_option("learning_rate")] = None
    """Greatest learning rate."""

    weight_decay: Annotated[float | None, preset_option("weight_decay")] = None
    """Weight decay."""

    ema: Annotated[float | None, preset_option("ema")] = None
    """Greatest decay of the averaged weights, which are the result (0: no averaging)."""

    held_out: Annotated[float | None, preset_option("held_out")] = None
    """Share of the episodes kept for validation."""

    patience: Annotated[int | None, preset_option("patience")] = None
    """Stop after so many validations without improvement, and take the best; 0: never."""

    weighting: Annotated[Weighting | None, preset_option("weighting", Weighting)] = None
    """How often corrections count: like all else (plain, own) or half the time (iwr, sirius)."""

    keep_checkpoints: Annotated[int | None, preset_option("keep_checkpoints")] = None
    """Keep the policy as it is at so many evenly spaced steps, for eval and compare."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to compute; auto takes a GPU where there is one."""

    json: bool = False
    """Print one JSON object as the last line."""

    def run(self) -> int:
        """Train and say what to do next."""
        from ilrobot.cli.command import telling_how_to_resume
        from ilrobot.cli.output import progress_bar
        from ilrobot.cli.train_asked import configs
        from ilrobot.cli.training_plan import (
            check_waits,
            print_lessons,
            print_plan,
            print_unheeded,
        )
        from ilrobot.cli.training_progress import TrainingProgress
        from ilrobot.cli.training_result import print_result
        from ilrobot.data.dataset import Dataset
        from ilrobot.learners.behavioral_cloning import train
        from ilrobot.learners.distillation import Teacher
        from ilrobot.policies.loading import load_policy
        from ilrobot.run import Run

        data = Dataset.open(self.dataset)
        policy_config, train_config = configs(self, data.spec)
        teacher = None if self.distill is None else load_policy(self.distill)
        policy_config.check_to_train(data.spec)
        train_config.check()
        if teacher is not None:
            Teacher.of(teacher).check(policy_config, data.spec)
        if self.patience:
            check_waits(data, train_config)
        Run.check_place(self.output, resume=self.resume)
        print_plan(policy_config, train_config, data.spec)
        print_lessons(data, train_config.weighting)
        print_unheeded(data, self.cameras or ())
        with telling_how_to_resume(self), progress_bar() as bars:
            policy = train(
                data,
                policy_config,
                train_config,
                self.output,
                resume=self.resume,
                teacher=teacher,
                on_progress=TrainingProgress(bars, train_config.steps),
            )
        print_result(self.output, policy, data.spec.cameras, json=self.json)
        return 0


_said, _example = cleandoc(Train.__doc__ or "").split("\n\nExample: ")
Train.__doc__ = f"""{_said}

Other learners than cloning are taken by --learner NAME and have options of their own, which
ilrobot train --learner NAME --help explains:

{overview()}

Example: {_example}
"""

"""Behavioural cloning: a policy that does what was demonstrated.

    min_θ  E_{(o, a) ~ D}  w · ℓ_head(f_θ(o), a)

over windows of a dataset (Pomerleau 1989, "ALVINN"). Plain cloning, chunks and diffusion are
settings of the policy, not other programs.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ilrobot import __version__
from ilrobot.compatibility import check_policy_fits
from ilrobot.data.recordings import Recordings
from ilrobot.data.stray import Perturbation
from ilrobot.errors import UserError
from ilrobot.learners.checkpointed import go_back, run_checkpointed
from ilrobot.learners.config import TrainConfig
from ilrobot.learners.distillation import Teacher
from ilrobot.learners.machine import find_device, numerics, require_memory, within_memory
from ilrobot.learners.split import split_windows
from ilrobot.learners.time_budget import within_budget
from ilrobot.learners.training import Progress, Training
from ilrobot.policies.config import PolicyConfig
from ilrobot.policies.policy import Policy
from ilrobot.run import RUN_FILE, Run
from ilrobot.run_description import Config, DataUsed, Result, TrainDescription


@within_memory()
def train(
    dataset: Recordings,
    policy_config: PolicyConfig,
    train_config: TrainConfig,
    output: Path,
    *,
    resume: bool = False,
    frame_weights: NDArray[np.floating[Any]] | None = None,
    perturb: Perturbation | None = None,
    initial: Policy | None = None,
    teacher: Policy | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> Policy:
    """Train a policy into a run's folder.

    The same seed gives the same weights on the same machine, whether or not training was
    interrupted. A kill leaves a run that `resume` continues from its last checkpoint; on Ctrl-C
    and SIGTERM the step under way is finished and a checkpoint written first.

    Args:
        dataset: What was demonstrated and corrected.
        policy_config: What is trained.
        train_config: How.
        output: Folder of the run.
        resume: Go on with the run that is there, or begin it where there is none yet; the policy
            of a run that is done is returned as it is, or made again from the checkpoint.
        frame_weights: Weight of each frame of the dataset as a label, shape (num_frames,).
        perturb: Changes what is trained on, such as `ilrobot.data.stray.Stray`.
        initial: Begin with its weights and its normalisation (None: from scratch). The weights mean
            what they do in that normalisation: with another one it would be another policy from
            the first step. So what lies outside of the range of its data is not scaled down, and a
            diffusion policy, whose actions end at that range, does not reach beyond it. Optimiser
            and learning rate begin anew.
        teacher: Learn its chunks in place of the demonstrated ones, see
            `ilrobot.learners.distillation` (None: learn what was demonstrated).
        on_progress: Called every few dozen steps.

    Raises:
        UserError: A setting is out of range, there is nothing to learn from, `output` holds
            something else, its checkpoint is damaged, `initial` is another kind of policy, or
            `teacher` cannot teach this one.
        WorkFailed: The loss or the weights are no longer finite, the memory or the disk is full.
    """
    train_config.check()
    if resume:
        train_config = _with_chosen_steps(train_config, output)
    policy_config.check_to_train(dataset.spec)
    teaching = None if teacher is None else Teacher.of(teacher)
    if teaching is not None:
        teaching.check(policy_config, dataset.spec)
    device = find_device(train_config.device)
    require_memory(dataset.spec, policy_config, train_config, device)

    with numerics(device, policy_config.network):
        torch.manual_seed(train_config.seed)
        began = time.perf_counter()
        policy = Policy(dataset.spec, policy_config)
        if initial is not None:
            _begin_with(policy, initial)
        spent = time.perf_counter() - began
        described = _describe(dataset, policy, train_config, frame_weights, initial)
        if teacher is not None:
            described = replace(described, teacher=_policy_hash(teacher))
        if perturb is not None:
            described = replace(described, perturbation=repr(perturb))
        # What is done is only read, by several processes at once if need be; and what is refused
        # is so before any film is.
        there = Run.check(output, described, resume=resume)
        if there is not None and _has_policy(there):
            return _finished(there)
        began = time.perf_counter()
        windows, validation = split_windows(
            dataset, policy_config, train_config, frame_weights, perturb
        )
        if initial is None:
            policy.fit_normalizers(windows)
        spent += time.perf_counter() - began
        policy.to(device)
        windows.to(device)
        if validation is not None:
            validation.to(device)
        if teaching is not None:
            teaching.policy.to(device)
        if there is None and train_config.time_budget is not None:
            train_config = within_budget(
                policy, windows, validation, train_config, teaching, spent=spent
            )
            described = replace(described, config=Config(policy_config, train_config))
        lasting = train_config.for_windows(len(windows))
        with Run.claim(output, described, resume=resume) as run:
            if _has_policy(run):  # another process had the lock meanwhile
                return _finished(run)
            training = Training(policy, windows, validation, lasting, teaching)
            go_back(run, training)
            run_checkpointed(run, training, lasting, on_progress)
            policy.cpu().check_finite("the weights after training")
            with run.writing():
                policy.save(run.policy_file)
            early = training.step < lasting.steps
            result = Result(training.step, training.result_loss, training.loss, early)
            run.update(status="done", seconds=training.seconds, result=result)
    return policy


def _with_chosen_steps(config: TrainConfig, output: Path) -> TrainConfig:
    """With a time budget, the number of steps that the run which is there chose for its own."""
    if config.time_budget is None or not (output / RUN_FILE).exists():
        return config
    return config.with_steps(Run.read(output).description.config.train.steps)


def _describe(
    dataset: Recordings,
    policy: Policy,
    train_config: TrainConfig,
    frame_weights: NDArray[np.floating[Any]] | None,
    initial: Policy | None,
) -> TrainDescription:
    weights = None
    if frame_weights is not None:
        weights = hashlib.sha256(np.asarray(frame_weights, "<f8").tobytes()).hexdigest()[:16]
    return TrainDescription(
        kind="train",
        status="running",
        version=__version__,
        seconds=0.0,
        spec=policy.spec,
        config=Config(policy.config, train_config),
        dataset=data_used(dataset, weights),
        parameters=sum(p.numel() for p in policy.parameters()),
        initial=None if initial is None else weights_hash(initial),
    )


def _begin_with(policy: Policy, initial: Policy) -> None:
    """Copy weights and normalisation.

    Raises:
        UserError: It is not the same kind of policy, or of another task.
    """
    wanted, given = policy.config.to_json(), initial.config.to_json()
    for name in {**wanted, **given}:
        if wanted.get(name) != given.get(name):
            raise UserError(
                f"the policy to begin with has {name} {given.get(name)}, not {wanted.get(name)}; "
                "train with its settings, or from scratch"
            )
    check_policy_fits(initial.spec, policy.spec, "the policy to begin with")
    policy.load_state_dict(initial.state_dict())


def weights_hash(policy: Policy) -> str:
    """16 hex digits over weights and normalisation."""
    digest = hashlib.sha256()
    for name, values in sorted(policy.state_dict().items()):
        digest.update(f"{name}\0".encode())
        digest.update(values.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def _policy_hash(policy: Policy) -> str:
    """16 hex digits over what it is made of, weights and normalisation."""
    made = json.dumps(policy.config.to_json(), sort_keys=True)
    return hashlib.sha256(f"{made}{weights_hash(policy)}".encode()).hexdigest()[:16]


def _has_policy(run: Run[TrainDescription]) -> bool:
    return run.done and run.policy_file.exists()


def _finished(run: Run[TrainDescription]) -> Policy:
    """The policy of a run that is done."""
    try:
        return Policy.load(run.policy_file)
    except UserError as error:
        if not run.checkpoint_file.exists():
            raise
        raise UserError(
            f"{run.policy_file} cannot be read (cut off or altered?); delete it, and --resume "
            "makes it again from the checkpoint"
        ) from error


def data_used(dataset: Recordings, frame_weights: str | None = None) -> DataUsed:
    """What a run says of its recordings."""
    recorded = dataset.num_episodes - dataset.besides
    return DataUsed(
        path=str(dataset.path.resolve()),
        content_hash=dataset.content_hash,
        episodes=recorded,
        frames=int(dataset.starts[recorded]),
        frame_weights=frame_weights,
        besides=dataset.besides,
    )

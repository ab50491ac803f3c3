"""An offline learner into the folder of a run, as cloning does: see `train_offline`."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from ilrobot import __version__
from ilrobot.data.recordings import Recordings
from ilrobot.data.transitions import Transitions
from ilrobot.errors import UserError
from ilrobot.learners.behavioral_cloning import data_used
from ilrobot.learners.checkpointed import go_back, run_checkpointed
from ilrobot.learners.config import TrainConfig
from ilrobot.learners.enough import check_enough
from ilrobot.learners.machine import find_device, numerics, require_memory, within_memory
from ilrobot.learners.offline.experience import Experience, fit_normalizers
from ilrobot.learners.offline.learner import OfflineMethod
from ilrobot.learners.offline.optimization import Optimization
from ilrobot.learners.training import Progress
from ilrobot.policies.action_rotations import refuse_rotations
from ilrobot.policies.config import PolicyConfig
from ilrobot.policies.loading import load_policy
from ilrobot.policies.policy import Policy
from ilrobot.run import RUN_FILE, Run
from ilrobot.run_description import Config, Result, TrainDescription

#: What a step brings: what was recorded, or 1 where the task was done and 0 elsewhere.
RewardName = Literal["recorded", "success"]

#: Share of a time budget that measuring takes, and its most in seconds.
_MEASURED, _MOST_MEASURED = 0.03, 15.0
_LEAST_STEPS = 10


def offline_config(**changes: object) -> TrainConfig:
    """Adam of one rate on batches of 256, and the last weights: none of what cloning adds."""
    plain = TrainConfig(
        steps=100_000,
        learning_rate=OfflineMethod.learning_rate,
        weight_decay=0.0,
        warmup=0,
        clip=0.0,
        held_out=0.0,
        patience=0,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def offline_policy(method: OfflineMethod, *, width: int = 128, blocks: int = 1) -> PolicyConfig:
    """A small network for one action from one observation, with the method's head."""
    return PolicyConfig(
        head=method.head,
        width=width,
        blocks=blocks,
        normalize="standardize",
        # As the critics' actions are, but where the task states no limits: they were asked within
        # the data's, and nothing cuts off what the policy does beyond.
        clip_actions=True,
    )


@within_memory()
def train_offline(
    dataset: Recordings,
    method: OfflineMethod,
    policy_config: PolicyConfig,
    train_config: TrainConfig,
    output: Path,
    *,
    reward: RewardName = "recorded",
    resume: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
    on_note: Callable[[str], None] = lambda _: None,
) -> Policy:
    """Learn a policy from transitions with rewards, into a run's folder.

    All that was not discarded is learnt from, whoever acted. The same seed gives the same weights
    on the same machine, whether or not it was interrupted; see `behavioral_cloning.train`.

    Args:
        dataset: What was recorded.
        method: The learner's settings.
        policy_config: As `offline_policy` makes it.
        train_config: As `offline_config` makes it.
        output: Folder of the run.
        reward: What a step brings.
        resume: Go on with the run that is there, or begin it where there is none yet.
        on_progress: Called every few dozen steps.
        on_note: Told what `OfflineMethod.note` says, if anything.

    Raises:
        UserError: A setting is out of range, the rewards are not known or all alike, there are too
            few steps, actions are choices, or `output` holds something else.
        WorkFailed: It diverged, or the memory or the disk is full.
    """
    began = time.perf_counter()
    train_config.check()
    method.check()
    if resume and train_config.time_budget is not None and (output / RUN_FILE).exists():
        steps = Run.read(output).description.config.train.steps
        train_config = replace(train_config, steps=steps)
    if dataset.spec.choices is not None:
        raise UserError(
            f"{dataset.path}: its actions are {dataset.spec.choices} choices, and --learner "
            f"{method.name} is for continuous ones; take --policy bc --head cross-entropy"
        )
    refuse_rotations(dataset.spec, f"--learner {method.name}")
    policy_config.check(dataset.spec)
    device = find_device(train_config.device)
    require_memory(dataset.spec, policy_config, train_config, device)
    transitions = _scaled(
        Transitions.of(dataset, rewards=True, success=reward == "success"), method, dataset.path
    )

    with numerics(device, policy_config.network):
        torch.manual_seed(train_config.seed)
        policy = Policy(dataset.spec, policy_config)
        fit_normalizers(policy, transitions)
        described = _describe(dataset, policy, method, train_config, reward)
        there = Run.check(output, described, resume=resume)
        if there is not None and there.done and there.policy_file.exists():
            return load_policy(output)
        check_enough(len(transitions), dataset.path, "steps of which it is known what followed")
        note = method.note(transitions)
        if note:
            on_note(note)
        experience = Experience(transitions, policy, method.weights(transitions)).to(device)
        policy.to(device)
        most = _most_value(method, transitions)
        if there is None and train_config.time_budget is not None:
            trial = Policy(dataset.spec, policy_config).to(device)
            trial.load_state_dict(policy.state_dict())
            with torch.random.fork_rng([device] if device.type == "cuda" else []):
                trying = Optimization(
                    method.learner(trial, train_config), experience, train_config, most
                )
            left = train_config.time_budget - (time.perf_counter() - began)
            train_config = replace(train_config, steps=_steps_within(left, trying, train_config))
            described = replace(described, config=Config(policy_config, train_config))
        with Run.claim(output, described, resume=resume) as run:
            if run.done and run.policy_file.exists():  # another process had the lock meanwhile
                return load_policy(output)
            learner = method.learner(policy, train_config)
            optimization = Optimization(learner, experience, train_config, most)
            go_back(run, optimization)
            run_checkpointed(run, optimization, train_config, on_progress)
            policy.cpu().check_finite("the weights after training")
            with run.writing():
                policy.save(run.policy_file)
            result = Result(optimization.step, None, optimization.loss)
            run.update(status="done", seconds=optimization.seconds, result=result)
    return policy


def _describe(
    dataset: Recordings,
    policy: Policy,
    method: OfflineMethod,
    train_config: TrainConfig,
    reward: RewardName,
) -> TrainDescription:
    return TrainDescription(
        kind="train",
        status="running",
        version=__version__,
        seconds=0.0,
        spec=policy.spec,
        config=Config(policy.config, train_config),
        dataset=data_used(dataset),
        parameters=sum(p.numel() for p in policy.parameters()),
        learner=method.name,
        settings={"reward": reward, **method.settings()},
    )


def _scaled(transitions: Transitions, method: OfflineMethod, where: Path) -> Transitions:
    rewards, scale = transitions.rewards, method.reward_scale(transitions)
    assert rewards is not None  # they were asked for
    values = "discount" in method.settings()
    tells = not values and np.ptp(transitions.returns()[1]) > 0
    if np.ptp(rewards) == 0 and not transitions.terminal.any() and not tells:
        late = transitions.cut_off is not None and transitions.cut_off.any()
        if values and late and not rewards.any():
            raise UserError(
                f"{where}: rewards come at the last steps alone, of episodes that were cut off, "
                f"and --learner {method.name} cannot learn from these; take --learner filtered-bc"
            )
        raise UserError(
            f"{where}: every step brings the same reward ({float(rewards[0]):g}) and no episode "
            "ends by itself, so that nothing is better than anything else; record rewards that "
            "tell good from bad"
        )
    cut_off = None if transitions.cut_off is None else np.float32(scale) * transitions.cut_off
    scaled = (rewards * scale).astype(np.float32)
    return replace(transitions, rewards=scaled, cut_off=cut_off)


def _most_value(method: OfflineMethod, transitions: Transitions) -> float | None:
    """What scaled rewards can add up to (None: the learner knows no values)."""
    discount = method.settings().get("discount")
    assert transitions.rewards is not None
    if discount is None:
        return None
    return float(np.abs(transitions.rewards).max()) / (1 - discount)


def _steps_within(left: float, trial: Optimization, config: TrainConfig) -> int:
    """Steps that fit into the seconds that are left, as measured.

    Raises:
        UserError: Hardly any do.
    """
    began = time.perf_counter()
    share = min(_MEASURED * left, _MOST_MEASURED)
    trial.measure_step(share)  # what comes first is slower
    step = trial.measure_step(share)
    steps = int((left - (time.perf_counter() - began)) / step)
    if steps < _LEAST_STEPS:
        raise UserError(
            f"--time-budget of {config.time_budget:g} s has room for {max(steps, 0)} steps of "
            f"{step:.2g} s; give more time, or take a smaller network"
        )
    return steps

"""What the options of ``ilrobot train`` ask for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ilrobot.errors import UserError
from ilrobot.policies.config import PolicyConfig
from ilrobot.policies.heeded import USED_BY_HEAD, USED_BY_NETWORK

if TYPE_CHECKING:
    from ilrobot.cli.train import Train
    from ilrobot.learners.config import TrainConfig
    from ilrobot.spec import Spec

#: Options that go into the policy's configuration, and those of the training; None keeps the
#: preset's value.
_POLICY = {"history": "n_obs"} | {
    name: name
    for name in (
        "head",
        "network",
        "horizon",
        "execute",
        "width",
        "blocks",
        "layers",
        "attention_heads",
        "channels",
        "dropout",
        "observation_noise",
        "kl_weight",
        "latent",
        "prediction",
        "solver",
        "sampler_steps",
        "flow_prediction",
        "noise_scale",
        "prefix_delay",
        "members",
        "normalize",
        "actions",
    )
}
_TRAIN = (
    "seed",
    "batch_size",
    "learning_rate",
    "weight_decay",
    "ema",
    "held_out",
    "patience",
    "weighting",
    "keep_checkpoints",
    "device",
    "epochs",
)


def configs(asked: Train, spec: Spec) -> tuple[PolicyConfig, TrainConfig]:
    """The policy's configuration and the training's: the preset's, but for what was asked.

    Raises:
        UserError: Options contradict each other, or would change nothing.
    """
    from ilrobot.cli.duration import time_budget
    from ilrobot.learners.config import MOST_WITH_PICTURES, preset, with_head
    from ilrobot.learners.distillation import student_of

    policy_config, train_config = preset(asked.policy, spec)
    if asked.cameras is not None and not asked.cameras:
        raise UserError("--cameras names none; name one, or leave it out")
    if asked.cameras:  # a picture costs as much as some hundred windows without
        most = min(train_config.batch_size, MOST_WITH_PICTURES)
        train_config = replace(train_config, batch_size=most)
    if asked.head is not None and asked.head != policy_config.head:
        policy_config, train_config = with_head(policy_config, train_config, asked.head)
    if asked.distill is not None:
        policy_config = student_of(policy_config)
        # What a teacher says of drawn noise is never at an end, nor learnt by heart.
        train_config = replace(train_config, epochs=0.0)
    given = {o: getattr(asked, o) for o in (*_POLICY, *_TRAIN) if getattr(asked, o) is not None}
    changes = {field: given[option] for option, field in _POLICY.items() if option in given}
    policy_config = replace(policy_config, **changes)
    _refuse_unused(given, policy_config)
    policy_config = replace(policy_config, cameras=asked.cameras or (), frame=_frame(asked, spec))
    if asked.steps is not None:
        train_config = train_config.with_steps(asked.steps)
    budget = time_budget(asked.time_budget, asked.steps)
    if asked.epochs is not None and (asked.steps is not None or budget is not None):
        other = "steps" if budget is None else "time-budget"
        raise UserError(f"--epochs and --{other} both say how long; give one of them")
    if budget is not None:
        train_config = replace(train_config, time_budget=budget)
    return policy_config, replace(train_config, **{n: given[n] for n in _TRAIN if n in given})


def _frame(asked: Train, spec: Spec) -> tuple[str, ...]:
    if asked.frame == "auto":  # where things are is not told beside pictures
        return () if asked.cameras else spec.task_frame
    if asked.frame == "none":
        return ()
    if asked.cameras:
        raise UserError(
            f"--frame {asked.frame} is from where things are, which a policy of --cameras is "
            "not told; leave one of them out"
        )
    return tuple(asked.frame.split(":"))


def _refuse_unused(given: dict[str, Any], config: PolicyConfig) -> None:
    """An option that would change nothing was meant for something else."""
    for option in given:
        for part, chosen, all_users in (
            ("head", config.head, USED_BY_HEAD),
            ("network", config.network, USED_BY_NETWORK),
        ):
            users = [str(name) for name, used in all_users.items() if option in used]
            if users and chosen not in users:
                raise UserError(
                    f"--{option.replace('_', '-')} is for --{part} {' or '.join(users)}, and "
                    f"this is {chosen}; leave it out"
                )

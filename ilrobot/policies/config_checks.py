"""Settings that are out of range or at odds with each other or with the actions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ilrobot.commanded import commanded, commanded_rotations, undecided
from ilrobot.errors import UserError
from ilrobot.observed import seen_spec
from ilrobot.policies.directions import level_motions
from ilrobot.policies.places import axes_of, check_frame
from ilrobot.policies.residual_config import ResidualConfig
from ilrobot.ranges import NOT_NEGATIVE, SHARE, Range, check_ranges
from ilrobot.spec import Spec

if TYPE_CHECKING:
    from ilrobot.policies.config import PolicyConfig

#: Beyond these nothing was ever trained; what they are mistyped as would fill any memory.
_RANGES = {
    "n_obs": Range(1, 1_000),
    "horizon": Range(1, 1_000),
    "execute": Range(1, 1_000),
    "width": Range(1, 65_536),
    "blocks": Range(1, 1_000),
    "layers": Range(1, 1_000),
    "attention_heads": Range(1, 65_536),
    "channels": Range(1, 65_536),
    "diffusion_steps": Range(1, 100_000),
    "sampler_steps": Range(1, 100_000),
    "members": Range(1, 100),
    "dropout": SHARE,
    "observation_noise": NOT_NEGATIVE,
    "noise_scale": Range(0, 10),
    "kl_weight": NOT_NEGATIVE,
}


def check_config_to_train(config: PolicyConfig, spec: Spec) -> None:
    """Refuse what `check_config` does, and what is only learnt badly; kept policies may have it.

    Raises:
        UserError: The first thing found, as its option of the command line.
    """
    check_config(config, spec)
    if config.residual is not None:
        raise UserError(
            "a residual is learnt by trying, not from demonstrations; train the policy that it "
            "was learnt beside"
        )
    if config.ends_at_limits and config.normalization == "standardize":
        raise UserError(
            f"--normalize standardize has actions beyond the limits -1 and 1, and --head "
            f"{config.head} ends there; take limits or quantile"
        )
    if config.frame and config.actions != "absolute":
        _refuse_turned_places(config, spec)


def check_config(config: PolicyConfig, spec: Spec) -> None:
    """Refuse what is out of range or does not fit the actions.

    Raises:
        UserError: The first thing found, as its option of the command line.
    """
    check_ranges(config, _RANGES, {"n_obs": "history"})
    spec = seen_spec(spec, config.cameras)
    if config.execute > config.horizon:
        raise UserError(
            f"--execute {config.execute} is more than the chunk has (--horizon {config.horizon}); "
            "execute at most the whole chunk"
        )
    delay = min(config.execute, config.horizon - config.execute)
    if not 0 <= config.prefix_delay <= delay:
        raise UserError(
            f"--prefix-delay must be within 0 and {delay}, not {config.prefix_delay}: no more "
            f"than is executed of a chunk (--execute {config.execute}), and than is predicted "
            f"beyond that (--horizon {config.horizon})"
        )
    if config.head == "diffusion" and config.sampler_steps > config.diffusion_steps:
        raise UserError(
            f"--sampler-steps must be at most {config.diffusion_steps}, the steps of the noising "
            f"process, not {config.sampler_steps}"
        )
    if spec.choices is None and config.head == "cross-entropy":
        raise UserError(
            "--head cross-entropy is for discrete actions, and these are continuous; take mse"
        )
    if spec.choices is not None and config.head != "cross-entropy":
        raise UserError(
            f"--head {config.head} is for continuous actions, and these are {spec.choices} "
            "choices; take --policy bc --head cross-entropy"
        )
    if config.frame:
        check_frame(spec, config.frame)
    if config.actions != "absolute":
        _check_relative(config, spec)
    if config.residual is not None:
        _check_residual(config, spec, config.residual)


def several(config: PolicyConfig) -> str:
    """What it has more than one of, such as ``chunks of 16`` (empty: nothing)."""
    counts = {"a history": config.n_obs, "chunks": config.horizon, "members": config.members}
    return next((f"{name} of {count}" for name, count in counts.items() if count > 1), "")


def _refuse_turned_places(config: PolicyConfig, spec: Spec) -> None:
    """In a frame ways to go are turned, and a target without a way would be with them."""
    axes, sources = axes_of(spec, config.frame), commanded(spec)
    steps = level_motions(spec, axes, ways=False)
    for pair in level_motions(spec, axes, ways=True):
        if pair not in steps and None in (sources[index] for index in pair):
            x, y = (spec.action.element_names[index] for index in pair)
            raise UserError(
                f"--actions {config.actions} in the frame {':'.join(config.frame)} turns '{x}' and "
                f"'{y}', which are places: nothing that is observed is called like them; name "
                "it so where they are recorded, or take --actions absolute or --frame none"
            )


def _check_residual(config: PolicyConfig, spec: Spec, residual: ResidualConfig) -> None:
    if more := several(config):
        raise UserError(
            f"a residual is added to one action for one observation, and this policy has {more}"
        )
    if spec.choices is not None:
        raise UserError("a residual is added to continuous actions, and these are choices")
    residual.check(spec)


def _check_relative(config: PolicyConfig, spec: Spec) -> None:
    option = f"--actions {config.actions}"
    if spec.choices is not None or spec.semantics == "delta":
        kind = "choices" if spec.choices is not None else "steps from where it is already"
        raise UserError(f"{option} is for targets, and these actions are {kind}; leave it out")
    if not any(source is not None for source in (*commanded(spec), *commanded_rotations(spec))):
        for name, alike in undecided(spec).items():
            raise UserError(
                f"{option}: '{name}' of the action could be the target of {' or '.join(alike)};"
                " give one of these another name, unit or frame where they are recorded, or "
                "leave it out"
            )
        raise UserError(
            f"{option}: no element of the action ({', '.join(spec.action.element_names)}) is "
            "called like one that is observed (x or target_x for x or agent_x, in one unit); "
            "name them so where they are recorded, or leave it out"
        )

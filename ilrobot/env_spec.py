"""What a Gymnasium environment says of itself, as a `Spec`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from ilrobot.errors import UserError
from ilrobot.spec import Feature, Semantics, Spec

#: How a key begins that names a camera.
_IMAGES = "images."
#: What ``feature_metadata`` may say of each observation, and of the action beside that.
_SAID = ("names", "units", "frame")
_SAID_OF_ACTION = (*_SAID, "semantics", "controller")
#: What the semantics of a continuous action can be.
_CONTINUOUS = tuple(kind for kind in get_args(Semantics) if kind != "discrete")


def walk(raw: Any, prefix: str = "observation", inner: str = "") -> list[tuple[str, Any]]:
    """The leaves of nested mappings, in order, each under its column name."""
    if not isinstance(raw, Mapping):
        return [(f"{prefix}.{inner or 'state'}", raw)]
    found: list[tuple[str, Any]] = []
    for key, value in raw.items():
        clean = str(key).replace("/", "_")
        folder = _IMAGES if clean.startswith(_IMAGES) else ""
        clean = folder + clean.removeprefix(_IMAGES).replace(".", "_")
        found += walk(value, prefix, f"{inner}_{clean}" if inner else clean)
    return found


def describe(
    env: gym.Env[Any, Any], task: str, options: dict[str, Any], rate: float
) -> tuple[Spec, tuple[str, ...]]:
    """The spec of an environment, and where in its observation each feature comes from.

    Args:
        env: The environment.
        task: Its id.
        options: What it was made with.
        rate: Control rate in Hz.

    Raises:
        UserError: It has a space that is not supported, or its ``feature_metadata`` does not fit
            its spaces.
    """
    metadata = _stated_features(env)
    observations: list[Feature] = []
    sources = []
    for source, space in walk(_as_mapping(env.observation_space)):
        if not isinstance(space, spaces.Box):
            raise UserError(
                f"task '{task}': '{source}' is a {type(space).__name__} space; only Box "
                "observations (or a Dict of them) are supported, so wrap the environment"
            )
        name = source
        image = space.dtype == np.uint8 and len(space.shape) == 3
        if image and not name.startswith("observation.images."):
            name = name.replace("observation.", "observation.images.", 1)
        if not image and len(space.shape) > 1:
            raise UserError(
                f"task '{task}': '{name}' has shape {list(space.shape)}; only vectors and uint8 "
                "images are supported, so flatten it with a wrapper"
            )
        if name in (known.name for known in observations):
            raise UserError(
                f"task '{task}': two of its observations would be called '{name}', because '.', "
                "'/' and '_' in their keys are one; rename one of them with a wrapper"
            )
        described = metadata.get(name.removeprefix("observation."), {})
        observations.append(_feature(name, space, described, "uint8" if image else "float32"))
        sources.append(source)
    described = metadata.get("action", {})
    choices = None
    semantics: Semantics = described.get("semantics", "unknown")
    if isinstance(env.action_space, spaces.Discrete):
        if int(env.action_space.start) != 0:
            raise UserError(f"task '{task}': discrete actions must start at 0; wrap it")
        choices = int(env.action_space.n)
        semantics = "discrete"
        action = Feature("action", (), "int64", names=tuple(described.get("names", ())))
    elif isinstance(env.action_space, spaces.Box) and len(env.action_space.shape) == 1:
        action = _feature("action", env.action_space, described, "float32")
    else:
        raise UserError(
            f"task '{task}': the action space {env.action_space} is not supported; it must be a "
            "Box vector or Discrete"
        )
    _check_stated(metadata, (*observations, action), choices, _where(env))
    spec = Spec(
        observations=tuple(observations),
        action=action,
        rate=rate,
        choices=choices,
        semantics=semantics,
        controller=str(described.get("controller", "")),
        task=task,
        task_options=options,
        task_frame=stated_frame(env),
    )
    return spec, tuple(sources)


def _as_mapping(space: Any) -> Any:
    if isinstance(space, spaces.Dict):
        return {key: _as_mapping(inner) for key, inner in space.spaces.items()}
    return space


def _feature(name: str, space: spaces.Box, described: Mapping[str, Any], dtype: str) -> Feature:
    shape = tuple(int(n) for n in space.shape) or (1,)
    bounded = len(shape) == 1
    feature = Feature(
        name=name,
        shape=shape,
        dtype=dtype,
        names=tuple(described.get("names", ())),
        units=tuple(described.get("units", ())),
        low=tuple(float(x) for x in space.low.reshape(-1)) if bounded else None,
        high=tuple(float(x) for x in space.high.reshape(-1)) if bounded else None,
        frame=str(described.get("frame", "")),
    )
    try:
        _ = feature.rotations
    except ValueError as error:
        raise UserError(f"'{name}' has {error}; state its units otherwise") from error
    return feature


def _stated_features(env: gym.Env[Any, Any]) -> dict[str, Mapping[str, Any]]:
    """What an environment says of each of its observations and of its action.

    Raises:
        UserError: Something in it is not of the form that ``feature_metadata`` has.
    """
    where = _where(env)
    stated = _entries(getattr(env.unwrapped, "feature_metadata", None) or {}, where)
    features = {str(key): _entries(said, f"{where}['{key}']") for key, said in stated.items()}
    for key, described in features.items():
        known = _SAID_OF_ACTION if key == "action" else _SAID
        for word, said in described.items():
            if word not in known:
                raise UserError(f"{where}['{key}'] states '{word}'; it can be {', '.join(known)}")
            listed = isinstance(said, list | tuple) and all(isinstance(one, str) for one in said)
            if word in ("names", "units") and not listed:
                raise UserError(f"{where}['{key}']['{word}'] must be a list of texts, not {said!r}")
    return features


def _check_stated(
    stated: Mapping[str, Mapping[str, Any]],
    features: tuple[Feature, ...],
    choices: int | None,
    where: str,
) -> None:
    """What an environment says is of something that there is, and of each of its elements.

    What is passed over in silence would be an angle that does not wrap, or names that nobody
    compares.

    Args:
        stated: From `_stated_features`.
        features: Its observations and its action.
        choices: Number of discrete actions, if they are.
        where: What to call it.

    Raises:
        UserError: Something is not.
    """
    by_key = {feature.name.removeprefix("observation."): feature for feature in features}
    for key, described in stated.items():
        if key not in by_key:
            raise UserError(f"{where} describes '{key}'; the task has {', '.join(by_key)}")
        size = by_key[key].size
        wanted = {"names": size if by_key[key].shape else choices, "units": size}
        for word in () if by_key[key].is_image else ("names", "units"):
            count = len(described.get(word, ()))
            if count not in (0, wanted[word]):
                raise UserError(
                    f"{where}['{key}']['{word}'] has {count} entries; it must have {wanted[word]}"
                )
    semantics = stated.get("action", {}).get("semantics", "unknown")
    if choices is None and semantics not in _CONTINUOUS:
        raise UserError(
            f"{where}['action']['semantics'] cannot be {semantics!r}, but {', '.join(_CONTINUOUS)}"
        )


def _where(env: gym.Env[Any, Any]) -> str:
    return f"{type(env.unwrapped).__name__}.feature_metadata"


def _entries(stated: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(stated, Mapping):
        raise UserError(f"{where} must be a dict, not {stated!r}")
    return stated


def stated_joints(env: gym.Env[Any, Any]) -> Mapping[str, Any] | None:
    """What an environment says of the arm behind its action in ``joint_metadata``.

    Returns:
        ``names``, ``units``, ``pose``, ``stiffness`` and ``damping``, see
        `ilrobot.control.contract_joints.Joints`; None where it says nothing.
    """
    stated: Mapping[str, Any] | None = getattr(env.unwrapped, "joint_metadata", None)
    return stated


def stated_frame(env: gym.Env[Any, Any]) -> tuple[str, ...]:
    """From which thing towards which the task is alike wherever it is, by ``task_frame``.

    Returns:
        Two names of things whose places are observed (`ilrobot.policies.places`); none where the
        environment says nothing.

    Raises:
        UserError: It states something else.
    """
    stated = getattr(env.unwrapped, "task_frame", None) or ()
    names = stated if isinstance(stated, tuple | list) else (stated,)
    if len(names) not in (0, 2) or not all(isinstance(name, str) for name in names):
        raise UserError(
            f"{type(env.unwrapped).__name__}.task_frame must name two things, such as "
            f"('cube', 'goal'), not {stated!r}"
        )
    return tuple(names)


def stated_rate(env: gym.Env[Any, Any]) -> float | None:
    """The control rate in Hz that an environment states (None: it states none)."""
    for source in (env.unwrapped.metadata or {}, env.metadata or {}):
        if source.get("render_fps"):
            return float(source["render_fps"])
    step = getattr(env.unwrapped, "dt", None)
    return 1.0 / float(step) if step else None

"""Which environment a task's id means: whose package is to be imported, and which version.

Gymnasium 1.x loads no plugins by itself, so an id whose namespace is not registered yet is looked
for among the entry points ``gymnasium.envs`` and then in the package of that name
(``gym_pusht/PushT-v0`` imports ``gym_pusht``).
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import importlib.util
from pathlib import Path

import gymnasium as gym
from gymnasium.envs.registration import find_highest_version, parse_env_id

from ilrobot.env_errors import is_task_id

_PLUGINS = "gymnasium.envs"
#: Files of a package that a task is made of: programs, and what is simulated.
_SOURCE = frozenset({".py", ".xml", ".urdf"})


def registered(task: str) -> str:
    """Have the package imported that a task comes from, and say which id is meant.

    Args:
        task: Gymnasium id; without a version the newest is meant.

    Returns:
        It with its version; as it was given where nobody knows it.

    Raises:
        ModuleNotFoundError: A package that the task's own needs is not installed.
        gymnasium.error.Error: It cannot be read as an id.
    """
    _register_namespace(task)
    if is_task_id(task) or task in gym.registry:
        return task
    namespace, name, _ = parse_env_id(task)
    newest = find_highest_version(namespace, name)
    return task if newest is None else f"{task}-v{newest}"


def source_hash(task: str) -> str:
    """16 hex digits over the source of the package that a task is from: it may change by itself.

    Args:
        task: Gymnasium id.

    Returns:
        Nothing where the task is not to be had here, or its package has no source.
    """
    try:
        known = gym.registry.get(registered(task))
    except (ModuleNotFoundError, gym.error.Error):
        return ""  # whoever makes it says why
    made_by = None if known is None else known.entry_point
    module = made_by if isinstance(made_by, str) else getattr(made_by, "__module__", "")
    package = module.split(":")[0].split(".")[0]
    try:
        found = importlib.util.find_spec(package) if package.isidentifier() else None
    except ValueError:  # a program of one file
        found = None
    if found is None:
        return ""
    files = [Path(found.origin)] if found.origin and Path(found.origin).is_file() else []
    for folder in found.submodule_search_locations or ():
        files += (file for file in Path(folder).rglob("*") if file.suffix in _SOURCE)
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16] if files else ""


def _register_namespace(task: str) -> None:
    namespace = task.split("/", 1)[0] if "/" in task else ""
    if any(name.startswith(f"{namespace}/") for name in gym.registry):
        return
    plugins = {point.name: point for point in importlib.metadata.entry_points(group=_PLUGINS)}
    for name in {namespace, "ilrobot"} & plugins.keys():
        plugins[name].load()()
    if namespace.isidentifier() and namespace not in plugins:
        try:
            importlib.import_module(namespace)
        except ModuleNotFoundError as error:
            if error.name != namespace:
                raise

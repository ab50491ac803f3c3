"""Why an environment could not be made or drawn, in one line that says what to do."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from typing import Any

import gymnasium as gym

from ilrobot.task_keywords import keywords

#: How alike a name must be to be meant: 'Hoper' is 0.91 to 'Hopper', 'Nope' 0.6.
_ALIKE = 0.7


def is_task_id(text: str) -> bool:
    """Whether a text is written as a Gymnasium id is, with its version."""
    return re.fullmatch(r"([\w:.-]+/)?[\w:.-]+-v\d+", text) is not None


def unknown_task(task: str) -> str:
    """There is no such task; the nearest names."""
    known = sorted(gym.registry)
    named: dict[str, list[str]] = {}
    for full in known:
        named.setdefault(_bare(full), []).append(full)
    space, _, _ = task.rpartition("/")
    alike = difflib.get_close_matches(_bare(task), named, cutoff=_ALIKE)
    near = [full for bare in alike for full in named[bare]]
    # Where a namespace was given, the names of another one are no help.
    near = [full for full in near if not space or full.rpartition("/")[0] == space]
    if near:
        nearest = difflib.get_close_matches(task, near, n=3, cutoff=0)
        return f"unknown task '{task}'; did you mean {' or '.join(nearest)}?"
    ours = ", ".join(name for name in known if name.startswith("ilrobot/"))
    return (
        f"unknown task '{task}'; ours are {ours}; those of another package are NAMESPACE/NAME-v0, "
        "if it is installed"
    )


def _bare(task: str) -> str:
    """A task's name without namespace and version: these are alike in tasks that are not."""
    return re.sub(r"-v\d+$", "", task.rpartition("/")[2]).lower()


def refused_options(task: str, options: Mapping[str, Any], error: Exception) -> str:
    """The task takes no such option, or not this value of one; which options it has."""
    unexpected = re.search(r"unexpected keyword argument '(\w+)'", str(error))
    if unexpected is None or unexpected[1] not in options:
        return f"task '{task}' does not accept its options {dict(options)}: {one_line(error)}"
    known = keywords(task)
    has = f"it has {', '.join(known)}" if known else "it has none"
    return f"task '{task}' has no option '{unexpected[1]}'; {has}"


def without_gl(error: BaseException) -> str:
    """Something could not be loaded or drawn, maybe for want of the GL that is named."""
    said = one_line(error)
    if "MUJOCO_GL" in said:
        return said
    named = os.environ.get("MUJOCO_GL")
    if named:
        return f"{said}; MUJOCO_GL is {named}: unset it, or name one that ilrobot doctor finds"
    return (
        f"{said}; ilrobot doctor tells what to install, and MUJOCO_GL=egl or osmesa which GL to "
        "take without a display"
    )


def one_line(error: BaseException) -> str:
    """What an error says, without its line breaks."""
    return " ".join(str(error).split())

"""Why an environment could not be made, drawn or run, in one line that says what to do."""

from __future__ import annotations

import contextlib
import difflib
import os
import re
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from ilrobot.errors import UserError, WorkFailed
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
    module = re.split(r"[/:.]", task)[0]
    if module and (Path(f"{module}.py").is_file() or Path(module, "__init__.py").is_file()):
        return (
            f"unknown task '{task}'; of a module in this folder say PYTHONPATH=. ilrobot ..., and "
            "the id by which it calls gym.register, such as NAMESPACE/NAME-v0"
        )
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
    said = one_line(error) or type(error).__name__
    if "MUJOCO_GL" in said:
        return said
    named = os.environ.get("MUJOCO_GL")
    if named:
        return f"{said}; MUJOCO_GL is {named}: unset it, or name one that ilrobot doctor finds"
    return (
        f"{said}; ilrobot doctor tells what to install, and MUJOCO_GL=egl or osmesa which GL to "
        "take without a display"
    )


@contextlib.contextmanager
def running(task: str, method: str) -> Iterator[None]:
    """Around what an environment of anybody's does: where it fails, a line says what and where.

    Raises:
        WorkFailed: It raised something, or gave back something else than Gymnasium wants.
    """
    try:
        yield
    except (UserError, WorkFailed):
        raise
    except Exception as error:  # environments of many makers, which share no base
        cure = ""
        if "values to unpack" in str(error) and method in _RETURNED:
            cure = f"; {method} must return {_RETURNED[method]}"
        raise WorkFailed(f"task '{task}' failed in {method}: {said_where(error, cure)}") from error


def picture_of(task: str, frame: Any) -> NDArray[np.uint8]:
    """What an environment drew, H×W×3 uint8.

    Raises:
        UserError: It is something else; floats from 0 to 1 would be black.
    """
    try:
        drawn = np.asarray(frame)
    except ValueError:  # rows of several lengths
        drawn = np.asarray(None)
    colours = drawn.ndim == 3 and drawn.shape[2] == 3 and min(drawn.shape[:2]) > 1
    known = colours and drawn.dtype.kind in "ui"
    if not known or (drawn.dtype != np.uint8 and not 0 <= drawn.min() <= drawn.max() <= 255):
        raise UserError(
            f"{task} draws {drawn.dtype} of shape {list(drawn.shape)}; a picture must be uint8 of "
            "height × width × 3, from 0 to 255"
        )
    return drawn.astype(np.uint8, copy=False)


def said_where(error: Exception, cure: str = "") -> str:
    """What somebody's program raised, and where."""
    said = f"{type(error).__name__}: {one_line(error)}".rstrip(": ")
    if isinstance(error, SyntaxError):  # says where by itself
        return f"{said}{cure}"
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{said}{cure} ({last.filename}, line {last.lineno})"


#: What Gymnasium wants.
_RETURNED = {
    "reset": "observation, info",
    "step": "observation, reward, terminated, truncated, info",
    "get_state": "one flat vector of numbers",
}


def gave(task: str, method: str, given: object) -> str:
    """An environment's method gave something else than it must."""
    wanted = _RETURNED[method]
    return f"task '{task}' failed in {method}: it gave a {type(given).__name__}, not {wanted}"


def misfit(task: str, source: str, shape: tuple[int, ...], observations: Mapping[str, Any]) -> str:
    """What an environment gave does not fit the spaces that it describes.

    Args:
        task: Its id.
        source: Which observation, by its column name.
        shape: What it should be.
        observations: What was given, by column names.
    """
    if source not in observations:
        named = ", ".join(observations)
        return f"task '{task}' describes '{source}' in its observation_space, but gave {named}"
    try:
        given = f"shape {list(np.shape(observations[source]))}"
    except ValueError:  # lists of several lengths
        given = "rows of several lengths"
    if given == f"shape {list(shape)}" or observations[source] is None:
        given = f"a {type(observations[source]).__name__} that is no array of numbers"
    return (
        f"task '{task}' describes '{source}' as of shape {list(shape)} in its observation_space, "
        f"but gave {given}"
    )


def one_line(error: BaseException) -> str:
    """What an error says, without its line breaks."""
    return " ".join(str(error).split())

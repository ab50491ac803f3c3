"""Any Gymnasium environment made by its id, and what it can be made with."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, Literal

import gymnasium as gym
from gymnasium import error as gym_error

from ilrobot.env_errors import (
    is_task_id,
    one_line,
    refused_options,
    said_where,
    unknown_task,
    without_gl,
)
from ilrobot.errors import UserError
from ilrobot.simulator_warnings import heed_warnings
from ilrobot.task_env import TaskEnv
from ilrobot.task_ids import registered
from ilrobot.task_keywords import keywords

RenderMode = Literal["rgb_array", "human"]


def make_env(
    task: str,
    options: Mapping[str, Any] | None = None,
    *,
    render_mode: RenderMode | None = None,
    rate: float | None = None,
) -> TaskEnv:
    """Make any Gymnasium environment by its id.

    Args:
        task: Gymnasium id, e.g. ``ilrobot/PandaLift-v0``, see `ilrobot.task_ids`; the spec names
            its version.
        options: Keyword arguments for the environment.
        render_mode: ``rgb_array`` to film it, ``human`` for a window.
        rate: Control rate in Hz, where the environment states none or a wrong one.

    Raises:
        UserError: No such task (the nearest names are suggested), a bad option, an unsupported
            space, or a rate that is not positive.
    """
    if rate is not None and not (math.isfinite(rate) and rate > 0):
        raise UserError(f"--rate must be a positive number of Hz, not {rate}")
    options = dict(options or {})
    with _explained(task):
        task = registered(task)
    shown = {} if render_mode is None else {"render_mode": render_mode}
    with _explained(task, options):
        heed_warnings(task)
        env = gym.make(task, **{**options, **shown})
        heed_warnings(task)  # some load their simulator as they are made
    made = TaskEnv(env, task, options)
    if rate is not None:
        made.spec = made.spec.with_rate(rate)
    return made


def task_keywords(task: str) -> dict[str, Any]:
    """The options that a task has, each with its value where nobody gives one; nothing is made.

    Args:
        task: Gymnasium id.

    Raises:
        UserError: No such task, or what it needs is not installed.
    """
    with _explained(task):
        return keywords(registered(task))


@contextmanager
def _explained(task: str, options: Mapping[str, Any] = MappingProxyType({})) -> Iterator[None]:
    """Tell in one line why a task cannot be made."""
    try:
        yield
    except (gym_error.UnregisteredEnv, gym_error.DeprecatedEnv) as error:
        raise UserError(unknown_task(task)) from error
    except gym_error.Error as error:
        if not is_task_id(task):
            raise UserError(unknown_task(task)) from error
        raise UserError(f"task '{task}' cannot be made: {one_line(error)}") from error
    except ModuleNotFoundError as error:
        raise UserError(
            f"task '{task}' needs the package '{error.name}': pip install {error.name}"
        ) from error
    except (TypeError, ValueError) as error:
        raise UserError(refused_options(task, options, error)) from error
    except RuntimeError as error:  # no GL for its cameras, no display for its window
        raise UserError(f"task '{task}' cannot be made here: {one_line(error)}") from error
    except (AttributeError, ImportError, OSError) as error:  # a GL or a library is not there
        raise UserError(f"task '{task}' cannot be made here: {without_gl(error)}") from error
    except UserError:
        raise
    except Exception as error:  # programs of many makers, which share no base
        raise UserError(f"task '{task}' cannot be made: {said_where(error)}") from error

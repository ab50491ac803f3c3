"""What MuJoCo warns of, said once on stderr, and in no file beside the user's own."""

from __future__ import annotations

import re
import sys

import gymnasium as gym
from gymnasium.envs.registration import load_env_creator

_told: set[str] = set()


def heed_warnings(task: str) -> None:
    """Hear what MuJoCo warns of from now on, if it is what simulates.

    By itself it prints every warning, and appends it to MUJOCO_LOG.TXT in the working directory,
    for each copy of a task and at each step of a simulation that has become unstable.

    Args:
        task: Gymnasium id, registered; the module of its class is loaded.
    """
    made_by = gym.spec(task).entry_point
    if isinstance(made_by, str):
        load_env_creator(made_by)
    if "mujoco" in sys.modules:
        sys.modules["mujoco"].set_mju_user_warning(_tell)


def _tell(warning: str) -> None:
    """Once in a process, whatever its numbers are, and not how a model is written."""
    kind = re.sub(r"[\d.]+", "", warning)
    if kind in _told or "deprecated" in kind:
        return
    _told.add(kind)
    print(f"MuJoCo: {warning}", file=sys.stderr)

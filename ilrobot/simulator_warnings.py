"""What MuJoCo warns of, said once on stderr, and in no file beside the user's own."""

from __future__ import annotations

import re
import sys

import gymnasium as gym

_told: set[str] = set()


def heed_warnings(task: str) -> None:
    """Hear what MuJoCo warns of from now on, where it is loaded or the task will load it.

    By itself it appends every warning to MUJOCO_LOG.TXT in the working directory, and prints it,
    for each copy of a task and at each step of a simulation that has become unstable.

    Args:
        task: Gymnasium id, registered.
    """
    if "mujoco" in sys.modules or "mujoco" in str(gym.spec(task).entry_point):
        import mujoco

        mujoco.set_mju_user_warning(_tell)


def _tell(warning: str) -> None:
    """Once in a process, whatever its numbers are."""
    kind = re.sub(r"[\d.]+", "", warning)
    if kind in _told or "deprecated" in kind:  # how a task's model is written is its authors' matter
        return
    _told.add(kind)
    print(f"MuJoCo: {warning}", file=sys.stderr)

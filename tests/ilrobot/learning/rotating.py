"""Recordings of something that is turned on and on about an axis."""

import math

import numpy as np

from ilrobot.data.episode import Episode, EpisodeInfo, Outcome
from ilrobot.data.memory import MemoryRecordings
from ilrobot.rotation_units import ROTATION_UNITS
from ilrobot.spec import Feature, Spec


def posed(unit):
    """A place and a rotation are seen; both are commanded, and a grip that nothing observes."""
    size = ROTATION_UNITS[unit]
    names, units = ("x", *(f"r{i}" for i in range(size))), ("m", *[unit] * size)
    return Spec(
        (Feature("observation.state", (1 + size,), names=names, units=units),),
        Feature(
            "action",
            (2 + size,),
            names=(*(f"target_{name}" for name in names), "grip"),
            units=(*units, "1"),
        ),
        10.0,
    )


def poses(unit, *, about=(1.0, 2.0, -1.0), episodes=12, length=25, seed=0):
    """Each tick a turn by 0.2 rad in place, told within half a turn, where it jumps."""
    rng = np.random.default_rng(seed)
    axis = np.array(about) / np.linalg.norm(about)
    made = []
    for _ in range(episodes):
        angles = rng.uniform(-math.pi, math.pi) + 0.2 * np.arange(length + 1)
        angles = np.arctan2(np.sin(angles), np.cos(angles))[:, None]
        vector, w = np.sin(angles / 2) * axis, np.cos(angles / 2)
        turned = {
            "rotvec": angles * axis,
            "quat_wxyz": np.hstack([w, vector]),
            "quat_xyzw": np.hstack([vector, w]),
        }[unit]
        place = np.full((length + 1, 1), rng.uniform(-1, 1))
        pose = np.hstack([place, turned]).astype(np.float32)
        action = np.hstack([pose[1:], np.ones((length, 1), np.float32)])
        columns = {"observation.state": pose[:-1], "action": action}
        made.append(Episode(EpisodeInfo("test", 10.0, outcome=Outcome.SUCCESS), columns))
    return MemoryRecordings(posed(unit), made)

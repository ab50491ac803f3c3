"""Scripted experts: ``make_expert`` finds the one that solves a given environment."""

from importlib import import_module
from typing import Any

EXPERTS: dict[str, str] = {
    "ilrobot/PandaReach-v0": "sims.experts.panda:PandaReachExpert",
    "ilrobot/PandaPush-v0": "sims.experts.panda:PandaPushExpert",
    "ilrobot/PandaLift-v0": "sims.experts.panda:PandaLiftExpert",
    "ilrobot/PandaStack-v0": "sims.experts.panda:PandaStackExpert",
    "ilrobot/PandaDrawer-v0": "sims.experts.panda:PandaDrawerExpert",
    "ilrobot/PandaPegInsert-v0": "sims.experts.peg_insert:PandaPegInsertExpert",
    "ilrobot/PointPath-v0": "sims.experts.small:PointPathExpert",
    "ilrobot/PointMaze-v0": "sims.experts.small:PointMazeExpert",
    "ilrobot/Junction-v0": "sims.experts.small:JunctionExpert",
    "ilrobot/PushT-v0": "sims.experts.pusht:PushTExpert",
}
"""Gymnasium id → class of the expert, called with the environment; strings, so nothing loads."""


def make_expert(env: Any) -> Any:
    """Return the scripted expert of the Gymnasium environment ``env``.

    An expert has ``reset(seed=None)`` and ``act(observation) -> action``; call ``reset`` at the
    start of each episode.

    Raises:
        ValueError: for an environment that has no expert; the message names those that have.
    """
    name = env.spec.id if env.spec is not None else type(env.unwrapped).__name__
    if name not in EXPERTS:
        raise ValueError(f"{name} has no scripted expert; these have one: {', '.join(EXPERTS)}")
    module, _, attribute = EXPERTS[name].partition(":")
    return getattr(import_module(module), attribute)(env)

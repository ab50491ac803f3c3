"""The worlds: Gymnasium environments on MuJoCo and PyBullet, and their scripted experts.

``import sims`` registers every environment under ``ilrobot/``; Gymnasium 1.0 and later load no
plugins by themselves. Entry points are strings, so no simulator is imported before it is made.
"""

from gymnasium.envs.registration import register, registry

ENVIRONMENTS: dict[str, tuple[str, int]] = {
    "ilrobot/PandaReach-v0": ("sims.tasks.reach:PandaReachEnv", 100),
    "ilrobot/PandaPush-v0": ("sims.tasks.push:PandaPushEnv", 200),
    "ilrobot/PandaLift-v0": ("sims.tasks.lift:PandaLiftEnv", 200),
    "ilrobot/PandaStack-v0": ("sims.tasks.stack:PandaStackEnv", 300),
    "ilrobot/PandaDrawer-v0": ("sims.tasks.drawer:PandaDrawerEnv", 200),
    "ilrobot/PandaPegInsert-v0": ("sims.tasks.peg_insert:PandaPegInsertEnv", 300),
    "ilrobot/PointPath-v0": ("sims.small.point_path:PointPathEnv", 1000),
    "ilrobot/PointMaze-v0": ("sims.small.point_maze:PointMazeEnv", 50),
    "ilrobot/Junction-v0": ("sims.small.junction:JunctionEnv", 100),
    "ilrobot/PushT-v0": ("sims.tasks.pusht:PushTEnv", 300),
}
"""Gymnasium id → (entry point, step limit)."""


def register_environments() -> None:
    """Register every environment that is not registered yet."""
    for name, (entry_point, max_episode_steps) in ENVIRONMENTS.items():
        if name not in registry:
            register(name, entry_point=entry_point, max_episode_steps=max_episode_steps)


register_environments()

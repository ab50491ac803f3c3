"""One Franka Panda, two engines: the same URDF, commands, timing and frames on both."""

from sims.physics import load_mujoco

load_mujoco()

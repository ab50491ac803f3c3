"""Tasks of the Panda: each says what lies on the table, where it starts and when it is done."""

from sims.physics import load_mujoco

load_mujoco()

"""One Franka Panda, two engines: the same URDF, commands, timing and frames on both."""

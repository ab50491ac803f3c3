"""The error bounds of imitation learning as experiments that can be run; numpy only."""

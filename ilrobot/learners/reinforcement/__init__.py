"""Reinforcement learning: stable-baselines3 behind a narrow protocol, on our policies."""

"""Reinforcement learning behind a narrow protocol: PPO, and stable-baselines3's SAC and TD3."""

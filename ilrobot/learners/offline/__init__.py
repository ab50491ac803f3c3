"""Offline reinforcement learning: policies better than what was recorded, without trying them."""

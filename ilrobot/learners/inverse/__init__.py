"""Inverse reinforcement learning: which reward explains what the expert does.

The tabular methods import numpy and scipy alone; nothing here is sampled where it can be summed.
"""

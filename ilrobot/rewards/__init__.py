"""Rewards that are learnt: what they are made of, kept and measured by."""

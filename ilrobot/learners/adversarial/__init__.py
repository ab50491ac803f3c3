"""Adversarial imitation: a discriminator tells expert from policy, which learns to pass for it."""

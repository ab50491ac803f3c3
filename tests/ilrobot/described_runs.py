"""What ``run.json`` says, for tests that need a run without training one."""

from __future__ import annotations

from typing import Any

from ilrobot.learners.config import TrainConfig
from ilrobot.policies.config import PolicyConfig
from ilrobot.run_description import (
    Config,
    DaggerDescription,
    DaggerPlan,
    DataUsed,
    InitialPolicy,
    TrainDescription,
)
from tests.ilrobot.policy_tester import CONTINUOUS

DATA = DataUsed("data/lift", "0123456789abcdef", 30, 1200)
_COMMON: dict[str, Any] = {
    "status": "running",
    "version": "0.1.0",
    "seconds": 300.0,
    "spec": CONTINUOUS,
    "config": Config(PolicyConfig(horizon=16), TrainConfig()),
    "dataset": DATA,
    "parameters": 1000,
}


def train_description(**changes: Any) -> TrainDescription:
    """Of a run of ``train``."""
    return TrainDescription(**{**_COMMON, "kind": "train", **changes})


def dagger_description(**changes: Any) -> DaggerDescription:
    """Of a run of ``dagger``."""
    own = {
        "kind": "dagger",
        "plan": DaggerPlan(rounds=2, episodes=1, seed=50),
        "setting": {"task": "ilrobot/PointPath-v0", "gate": "beta"},
        "demonstrations": DATA,
        "initial": InitialPolicy("runs/bc", "ab" * 32),
        "rounds": (),
    }
    return DaggerDescription(**{**_COMMON, **own, **changes})

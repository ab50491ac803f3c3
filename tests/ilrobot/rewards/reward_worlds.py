"""Small tasks and transitions that tests of rewards share."""

import numpy as np

from ilrobot.data.transitions import Transitions
from ilrobot.spec import Feature, Spec

CONTINUOUS = Spec(
    (
        Feature("observation.state", (3,), units=("m", "rad", "m")),
        Feature("observation.gripper", (1,)),
    ),
    Feature("action", (2,)),
    10.0,
)
DISCRETE = Spec((Feature("observation.state", (4,)),), Feature("action", (), "int64"), 10.0, 3)


def transitions(spec: Spec, count: int = 50, seed: int = 0) -> Transitions:
    draw = np.random.default_rng(seed)
    size = sum(feature.size for feature in spec.observations)
    observations = draw.normal(3, 2, (count + 1, size)).astype(np.float32)
    if spec.choices is None:
        actions = draw.normal(0, 0.1, (count, spec.action.size)).astype(np.float32)
    else:
        actions = draw.integers(spec.choices, size=(count, 1)).astype(np.float32)
    never = np.zeros(count, bool)
    return Transitions(
        observations[:-1], actions, None, observations[1:], never, never, never.astype(np.int64)
    )

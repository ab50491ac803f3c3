"""Small contracts to test with."""

from dataclasses import replace

import numpy as np

from ilrobot.control.contract import Contract
from ilrobot.control.contract_golden import Golden
from ilrobot.control.contract_parts import Limits, Provenance, Range
from ilrobot.spec import Feature, Spec

RATE = 10.0

ABSOLUTE = Spec(
    observations=(Feature("observation.state", (2,), names=("x", "y"), units=("m", "m")),),
    action=Feature("action", (2,), names=("x", "y"), units=("m", "m"), low=(-1, -1), high=(1, 1)),
    rate=RATE,
    semantics="absolute",
)
DELTA = Spec(
    observations=ABSOLUTE.observations,
    action=Feature("action", (2,), names=("dx", "gripper"), low=(-0.1, 0), high=(0.1, 1)),
    rate=RATE,
    semantics="delta",
)
DISCRETE = Spec(
    observations=ABSOLUTE.observations,
    action=Feature("action", (), "int64"),
    rate=RATE,
    choices=3,
    semantics="discrete",
)


def absolute_limits(velocity=5.0, acceleration=20.0):
    """Per tick at 10 Hz: steps of velocity / 10, changes of acceleration / 100."""
    return Limits(("absolute",) * 2, (-1.0,) * 2, (1.0,) * 2, (velocity,) * 2, (acceleration,) * 2)


def contract_for(spec, limits=None):
    """A contract with two ticks of history, a chunk of three, and one golden vector."""
    return Contract(
        spec=spec,
        n_obs=2,
        horizon=3,
        execute=2,
        noise_shape=None,
        limits=limits,
        training_range={"observation.state": Range((-2.0, -2.0), (2.0, 2.0))},
        stale_after=0.3,
        fallback="hold",
        provenance=Provenance("data", "checkpoint", "code", "0.1"),
        golden=(
            Golden(
                {"observation.state": np.array([[0.1, 1 / 3], [np.pi, 1e-30]], np.float32)},
                None,
                np.zeros((3, *spec.action.shape), spec.action.dtype),
            ),
        ),
        tolerance=1e-5,
    )


ABSOLUTE_CONTRACT = contract_for(ABSOLUTE, absolute_limits())
DELTA_CONTRACT = contract_for(
    DELTA, Limits(("delta", "absolute"), (-0.1, 0.0), (0.1, 1.0), (1.0, 10.0), (5.0, 200.0))
)
DISCRETE_CONTRACT = replace(contract_for(DISCRETE), tolerance=0.0)

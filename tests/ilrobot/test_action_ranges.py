"""The same number is another motion where actions are scaled otherwise."""

from dataclasses import replace

import pytest

from ilrobot.compatibility import check_policy_fits
from ilrobot.errors import UserError
from ilrobot.spec import Feature, Spec


def _spec(low, high):
    action = Feature("action", (2,), names=("dx", "dy"), low=low, high=high)
    return Spec((Feature("observation.state", (3,)),), action, 20.0, semantics="delta")


METRES = _spec((-0.05, -0.05), (0.05, 0.05))
SCALED = _spec((-0.05, -1.0), (0.05, 1.0))
ELSEWHERE = _spec((-0.05, 99.95), (0.05, 100.05))


@pytest.mark.parametrize(
    ("policy", "task"), [(METRES, SCALED), (SCALED, METRES), (METRES, ELSEWHERE)]
)
@pytest.mark.parametrize("what", ["policy", "dataset"])
def test_actions_that_are_scaled_otherwise_are_refused(policy, task, what):
    goes, takes = f"{policy.action.low[1]:g}", f"{task.action.low[1]:g}"
    with pytest.raises(UserError) as refused:
        check_policy_fits(policy, replace(task, task="arm"), "p.onnx", what)
    line = str(refused.value)
    assert f"p.onnx: 'dy' of 'action' goes from {goes} to" in line
    assert f"in the {what} but from {takes} to" in line
    assert "in arm" in line


@pytest.mark.parametrize(
    "task",
    [
        METRES,
        _spec(None, None),
        _spec((-0.04, -0.06), (0.05, 0.06)),
        _spec((-float("inf"),) * 2, (float("inf"),) * 2),
        _spec((-1e9,) * 2, (1e9,) * 2),
        _spec((-3.4e38,) * 2, (3.4e38,) * 2),
        _spec((-0.05, 0.0), (0.05, 0.0)),
        _spec((-0.05, -0.01), (0.05, float("inf"))),
    ],
)
def test_what_goes_about_as_far_or_is_not_stated_fits(task):
    check_policy_fits(METRES, task, "p.onnx")
    check_policy_fits(task, METRES, "p.onnx")

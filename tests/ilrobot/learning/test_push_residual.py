"""What the benchmark of residuals adds to a clone's actions, and where."""

from contextlib import closing

import numpy as np
import pytest
import torch

from benchmarks._push_residual import SIZE, UNIT, Beside
from ilrobot.env import make_env
from ilrobot.policies.config import PolicyConfig
from ilrobot.policies.policy import Policy


@pytest.fixture(scope="module")
def beside() -> Beside:
    with closing(make_env("ilrobot/PandaPush-v0")) as env:
        spec = env.spec
    torch.manual_seed(0)
    clone = Policy(spec, PolicyConfig(head="mse", width=8, blocks=1))
    zero, spread = np.zeros(7), np.full(7, 0.003)  # far from the limits of the action
    clone.action_normalizer.adopt(zero, spread, -spread, spread)
    return Beside(clone)


def _observed(beside: Beside, cube: tuple[float, float], goal: tuple[float, float]) -> torch.Tensor:
    seen = {"observation.environment_state": torch.tensor([*cube, 0.02, 1.0, 0.0, *goal])}
    seen["observation.state"] = torch.tensor([0.5, 0.0, 0.02, 1, 0, 0, 0, -1, 0, 0.0])
    return torch.cat([seen[name] for name in beside.names])[None].float()


def test_a_new_residual_hardly_changes_what_the_clone_does(beside: Beside):
    here = _observed(beside, (0.5, 0.1), (0.5, 0.2))
    added = beside.residual(beside.see(here))
    assert added.shape == (1, SIZE)
    np.testing.assert_allclose(
        beside.act(here, added.detach()), beside.act(here, torch.zeros(1, SIZE)), atol=2e-4
    )


@pytest.mark.parametrize("goal", [(0.6, 0.1), (0.5, 0.2), (0.43, 0.03)])
def test_a_residual_is_along_and_beside_the_way_to_the_goal(
    beside: Beside, goal: tuple[float, float]
):
    cube = 0.5, 0.1
    here = _observed(beside, cube, goal)
    way = np.subtract(goal, cube) / np.hypot(*np.subtract(goal, cube))
    none = torch.zeros(1, SIZE)
    for element, expected in ((0, way), (1, np.array([-way[1], way[0]]))):
        one = none.clone()
        one[0, element] = 0.01
        moved = (beside.act(here, one) - beside.act(here, none))[0]
        np.testing.assert_allclose(moved[:2], 0.01 * UNIT * expected, atol=1e-6)
        np.testing.assert_allclose(moved[2:], 0, atol=1e-6)

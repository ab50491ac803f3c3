"""What is small is small in any unit."""

import numpy as np
import pytest
import torch

from ilrobot.policies.config import PolicyConfig
from ilrobot.policies.normalize import LEAST_OBSERVATION_SHARE, Normalizer, kinds
from ilrobot.policies.policy import Policy
from ilrobot.spec import Feature, Spec

#: Metres; of the last three dimensions one hardly moves, one is noise and one stands still.
METRES = np.random.default_rng(0).uniform(0, [0.4, 0.3, 1e-3, 1e-6, 0], (500, 5)) + 0.1


def _fitted(values, units, mode, least_share):
    normalizer = Normalizer(units, mode, least_share=least_share)
    normalizer.fit(values)
    return normalizer


@pytest.mark.parametrize("mode", ["standardize", "limits", "quantile"])
@pytest.mark.parametrize("factor", [1e3, 1e-3])
def test_a_change_of_units_changes_no_normalised_value(mode, factor):
    one = _fitted(METRES, ["m"] * 5, mode, LEAST_OBSERVATION_SHARE)
    other = _fitted(METRES * factor, ["mm"] * 5, mode, LEAST_OBSERVATION_SHARE)
    assert one.constant == other.constant == [False, False, False, True, True]
    seen = METRES + np.random.default_rng(1).normal(0, 0.01, METRES.shape)
    torch.testing.assert_close(
        one(torch.from_numpy(seen)), other(torch.from_numpy(seen * factor)), rtol=1e-4, atol=1e-5
    )


def test_what_hardly_moved_is_not_blown_up():
    normalizer = _fitted(METRES, ["m"] * 5, "standardize", LEAST_OBSERVATION_SHARE)
    a_centimetre_off = normalizer(torch.from_numpy(METRES.mean(axis=0) + 0.01))
    assert a_centimetre_off.abs().max() < 6
    assert _fitted(METRES[:, 2:3], ["m"], "standardize", 0.0)(torch.tensor([0.11])).max() > 30


def test_constants_come_back_exactly():
    normalizer = _fitted(METRES, ["m"] * 5, "limits", 0.0)
    back = normalizer.inverse(torch.full((5,), 0.7))
    assert back[4] == np.float32(0.1)
    assert back[3] == normalizer.offset[3]


@pytest.mark.parametrize("value", [0.0, 0.3, 1e6])
def test_a_lone_dimension_that_differs_by_rounding_is_constant(value):
    values = np.float32(value) * (1 + np.array([[0.0], [1e-7], [2e-7]]))
    normalizer = _fitted(values, ["N"], "standardize", LEAST_OBSERVATION_SHARE)
    assert normalizer.constant == [True]
    assert normalizer(torch.tensor([value + 0.1 * max(value, 1.0)])).abs().max() <= 1.0


def test_dimensions_are_compared_by_unit_and_without_one_with_none():
    stated = Feature("observation.a", (2,), units=("m", "N"))
    silent = Feature("observation.b", (2,))
    assert kinds((stated, silent)) == ("m", "N", "observation.b[0]", "observation.b[1]")


@pytest.mark.parametrize("mode", ["standardize", "limits", "quantile"])
def test_a_gripper_in_metres_beside_places_in_millimetres_moves(mode):
    spec = Spec((Feature("observation.state", (2,)),), Feature("action", (2,)), 10.0)
    policy = Policy(spec, PolicyConfig(width=8, blocks=1, normalize=mode))
    taught = np.random.default_rng(0).uniform([-300, 0], [300, 0.04], (500, 2)).astype(np.float32)
    policy.encoder.fit({"observation.state": taught})
    policy.action_normalizer.fit(taught)
    assert policy.frozen == {}
    for normalizer in (policy.encoder.normalizer, policy.action_normalizer):
        place, grip = normalizer(torch.from_numpy(taught)).std(dim=0)
        assert place == pytest.approx(float(grip), rel=0.05)


def test_the_policy_names_what_did_not_move():
    spec = Spec(
        (Feature("observation.state", (2,), names=("x", "y"), units=("m", "m")),),
        Feature("action", (3,), names=("dx", "dy", "grip"), units=("m", "m", "1")),
        10.0,
    )
    policy = Policy(spec, PolicyConfig(width=8, blocks=1))
    policy.encoder.fit({"observation.state": np.array([[0, 1], [1, 1]], np.float32)})
    policy.action_normalizer.fit(np.array([[0, 1, 0], [1, 1, 1]], np.float32))
    assert policy.frozen == {"observation.state": ["y"], "action": ["dy"]}


def test_quantiles_are_not_moved_by_an_outlier_and_limits_are():
    values = np.random.default_rng(0).uniform(-1, 1, (1000, 1))
    spoiled = np.concatenate([values, [[100.0]]])
    inside = torch.from_numpy(np.quantile(values, [0.01, 0.99])[:, None])
    seen = {
        mode: _fitted(spoiled, ["m"], mode, 0.0)(inside).flatten()
        for mode in ("quantile", "limits")
    }
    assert seen["limits"].diff() < 0.05
    # An outlier of fifty times the range counts at most so much.
    assert seen["quantile"].diff() > 0.5
    calm = _fitted(values, ["m"], "quantile", 0.0)
    torch.testing.assert_close(calm(inside).flatten().tolist(), [-1.0, 1.0], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(calm.inverse(calm(inside)), inside, rtol=1e-5, atol=1e-5)


def test_how_a_policy_normalises_is_a_setting_with_a_default_of_its_head():
    spec = Spec((Feature("observation.state", (2,)),), Feature("action", (2,)), 10.0)

    def modes(**settings):
        policy = Policy(spec, PolicyConfig(width=8, blocks=1, **settings))
        return {policy.encoder.normalizer.mode, policy.action_normalizer.mode}

    assert modes() == {"standardize"}
    assert modes(head="diffusion") == {"limits"}
    assert modes(head="diffusion", normalize="quantile") == {"quantile"}
    assert modes(normalize="limits") == {"limits"}

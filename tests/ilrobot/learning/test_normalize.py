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


@pytest.mark.parametrize("mode", ["standardize", "limits"])
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


def test_dimensions_are_compared_by_unit_and_else_within_their_feature():
    stated = Feature("observation.a", (2,), units=("m", "N"))
    silent = Feature("observation.b", (2,))
    assert kinds((stated, silent)) == ("m", "N", "of observation.b", "of observation.b")


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

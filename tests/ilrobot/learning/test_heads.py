"""Losses and normalisation against closed forms."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from ilrobot.policies.encoder import ObservationEncoder
from ilrobot.policies.heads.categorical import CategoricalHead
from ilrobot.policies.heads.gaussian import LOG_STD_BOUNDS, GaussianHead, gaussian_nll
from ilrobot.policies.heads.regression import ERROR_FUNCTIONS, RegressionHead
from ilrobot.policies.normalize import Normalizer
from ilrobot.spec import Feature


class Fixed(nn.Module):
    """A network that gives what it was made with."""

    def __init__(self, output):
        super().__init__()
        self.output = output

    def forward(self, condition, sample=None):
        return self.output


NOTHING = torch.zeros(1, 0)
ONE = torch.ones(1, 1, dtype=torch.bool)


@pytest.mark.parametrize(
    ("name", "error", "value"),
    [
        ("mse", -3.0, 9.0),
        ("l1", -3.0, 3.0),
        ("huber", 0.5, 0.125),
        ("huber", -3.0, 2.5),
        ("log-cosh", 1.5, math.log(math.cosh(1.5))),
        ("log-cosh", -400.0, 400.0 - math.log(2)),
    ],
)
def test_error_functions(name, error, value):
    head = RegressionHead(Fixed(torch.tensor([[[error]]])), ERROR_FUNCTIONS[name])
    assert head.loss(NOTHING, torch.zeros(1, 1, 1), ONE).item() == pytest.approx(value, rel=1e-6)


def test_masked_ticks_do_not_count():
    prediction = torch.tensor([[[1.0], [100.0]], [[1.0], [3.0]]])
    head = RegressionHead(Fixed(prediction), ERROR_FUNCTIONS["mse"])
    mask = torch.tensor([[True, False], [True, True]])
    assert head.loss(NOTHING, torch.zeros(2, 2, 1), mask).tolist() == [1.0, 5.0]


def test_gaussian_negative_log_likelihood():
    x, mean, log_std = torch.tensor([0.3]), torch.tensor([-0.2]), torch.tensor([0.4])
    expected = -torch.distributions.Normal(mean, log_std.exp()).log_prob(x)
    torch.testing.assert_close(gaussian_nll(x, mean, log_std), expected)


def test_the_gaussian_acts_by_its_mean_and_bounds_its_spread():
    head = GaussianHead(Fixed(torch.tensor([[[0.7, -1e3]], [[0.7, 1e3]], [[0.7, 0.0]]])))
    mean, log_std = head.distribution(NOTHING)
    low, high = LOG_STD_BOUNDS
    assert log_std.flatten().tolist() == [low, high, (low + high) / 2]
    assert torch.equal(head(NOTHING), mean)


def test_cross_entropy_and_the_likeliest_choice():
    logits = torch.tensor([[[0.0, math.log(3.0)], [5.0, 0.0]]])
    head = CategoricalHead(Fixed(logits))
    mask = torch.tensor([[True, False]])
    loss = head.loss(NOTHING, torch.tensor([[0, 0]]), mask)
    assert loss.item() == pytest.approx(math.log(4.0))
    assert head(NOTHING).tolist() == [[1, 0]]


@pytest.mark.parametrize("mode", ["standardize", "limits"])
def test_normalisation_and_back(mode):
    rng = np.random.default_rng(0)
    values = rng.normal([5.0, -2.0, 0.0], [0.01, 300.0, 1.0], (500, 3))
    values[:, 2] = 7.0 + rng.uniform(0, 5e-6, 500)  # constant but for rounding
    normalizer = Normalizer(("m", "N", "m"), mode)
    normalizer.fit(values)
    x = torch.from_numpy(values).float()
    y = normalizer(x)
    torch.testing.assert_close(normalizer.inverse(y), x, rtol=1e-5, atol=1e-5)
    assert y[:, 2].abs().max() < 1e-4
    if mode == "limits":
        assert (y[:, :2].amin(0), y[:, :2].amax(0)) == (
            pytest.approx([-1, -1], abs=1e-3),
            pytest.approx([1, 1], abs=1e-3),
        )
    else:
        torch.testing.assert_close(y[:, :2].mean(0), torch.zeros(2), atol=1e-3, rtol=0)
        torch.testing.assert_close(y[:, :2].std(0), torch.ones(2), atol=1e-2, rtol=0)


def test_a_dimension_that_rarely_moves_stays_small():
    values = np.zeros((100_000, 1))
    values[0] = 1.0
    normalizer = Normalizer(("m",), "standardize")
    normalizer.fit(values)
    assert normalizer(torch.ones(1)).abs().item() <= 50.001


def test_the_encoder_replaces_angles_and_flattens_the_history():
    features = (
        Feature("a", (2,), units=("rad", "m")),
        Feature("b", (), units=("m",)),
    )
    encoder = ObservationEncoder(features, 2, "standardize")
    observations = {"a": torch.tensor([[[0.5, 1.0], [0.6, 2.0]]]), "b": torch.tensor([[3.0, 4.0]])}
    expected = [[1.0, 3.0, math.sin(0.5), math.cos(0.5), 2.0, 4.0, math.sin(0.6), math.cos(0.6)]]
    torch.testing.assert_close(encoder(observations), torch.tensor(expected))
    assert encoder.size == 8

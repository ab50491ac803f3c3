"""The integral of CQL's conservative term, against quadrature, sums and densities."""

import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.stats import kstest, truncnorm

from ilrobot.learners.offline.cql import log_integral, proposals, truncated

#: All of an action of one element moves.
ALL = torch.ones(1)


def test_the_conservative_integral_is_that_of_a_quadrature():
    def value(action):
        return 2 * np.sin(3 * action) - action**2

    exact = math.log(quad(lambda a: math.exp(value(a)), -1, 1)[0])
    generator = torch.Generator().manual_seed(0)
    gaussians = [
        (torch.full((1, 1), mean), torch.full((1, 1), log_std))
        for mean, log_std in ((0.4, -1.0), (1.4, -0.5))  # the latter aims beyond the limit
    ]
    actions, log_densities = proposals(gaussians, 100_000, ALL, generator)
    assert actions.shape == (1, 300_000, 1)
    assert torch.isfinite(log_densities).all()
    assert actions.abs().max() <= 1
    values = torch.from_numpy(value(actions[..., 0].numpy()))
    # Each of the three estimates it alone, so that their mean does.
    for part in range(3):
        own = slice(part * 100_000, (part + 1) * 100_000)
        estimate = log_integral(values[:, own], log_densities[:, own]).item()
        assert estimate == pytest.approx(exact, abs=0.02)
    assert log_integral(values, log_densities).item() == pytest.approx(exact, abs=0.02)


def test_the_conservative_integral_is_an_exact_sum_over_cells():
    """A value of five levels, one on each fifth of the actions."""
    levels = torch.tensor([0.3, -1.0, 2.0, 0.0, 1.5])
    exact = torch.logsumexp(levels, dim=0).item() + math.log(2 / 5)
    actions, log_densities = proposals(
        [(torch.zeros(1, 1), torch.full((1, 1), -0.7))],
        200_000,
        ALL,
        torch.Generator().manual_seed(1),
    )
    cell = ((actions[..., 0] + 1) / 0.4).long().clamp(max=4)
    assert log_integral(levels[cell], log_densities).item() == pytest.approx(exact, abs=0.01)


def test_draws_say_by_what_density_they_were_made():
    mean, std = 0.2, 0.5
    gaussian = (torch.full((1, 1), mean), torch.full((1, 1), math.log(std)))
    actions, log_densities = proposals([gaussian], 1_000, ALL, torch.Generator().manual_seed(0))
    even, own = log_densities[0, :1_000], log_densities[0, 1_000:]
    torch.testing.assert_close(even, torch.full((1_000,), math.log(0.5)))
    cut_off = truncnorm((-1 - mean) / std, (1 - mean) / std, mean, std)
    expected = cut_off.logpdf(actions[0, 1_000:, 0].numpy())
    np.testing.assert_allclose(own.numpy(), expected, rtol=1e-4, atol=1e-5)
    assert kstest(actions[0, 1_000:, 0].numpy(), cut_off.cdf).pvalue > 0.01


def test_what_a_policy_does_that_aims_beyond_a_limit_counts():
    """A critic that is wrong about one corner, where the policy is: few draws see it."""
    corner = torch.ones(3)
    aims = (3.0 * corner[None], torch.full((1, 3), -1.5))
    actions, log_densities = proposals([aims, aims], 4, corner, torch.Generator().manual_seed(0))
    near = (actions - corner).norm(dim=2) < 1
    assert near[0, 4:].all()
    assert torch.isfinite(log_densities).all()


def test_the_conservative_integral_leaves_out_what_never_moves():
    gaussian = (torch.full((1, 2), 0.2), torch.full((1, 2), -0.7))
    alone = (gaussian[0][:, :1], gaussian[1][:, :1])
    moves = torch.tensor([1.0, 0.0])
    actions, log_densities = proposals([gaussian], 50_000, moves, torch.Generator().manual_seed(0))
    assert not actions[..., 1].any()
    even, own = log_densities[0, :50_000], log_densities[0, 50_000:]
    torch.testing.assert_close(even, torch.full((50_000,), -math.log(2)))
    std = math.exp(-0.7)
    cut_off = truncnorm(-1.2 / std, 0.8 / std, 0.2, std)
    expected = cut_off.logpdf(actions[0, 50_000:, 0].numpy())
    np.testing.assert_allclose(own.numpy(), expected, rtol=1e-4, atol=1e-5)
    one, densities = proposals([alone], 50_000, ALL, torch.Generator().manual_seed(1))
    estimates = [
        log_integral(of[..., 0].square(), density).item()
        for of, density in ((actions, log_densities), (one, densities))
    ]
    assert estimates[0] == pytest.approx(estimates[1], abs=0.02)


def test_a_gaussian_is_cut_off_at_the_limits():
    share = torch.linspace(0.001, 0.999, 101, dtype=torch.float64)
    for aimed, std in ((0.3, 0.4), (-0.9, 1.7), (2.5, 0.3)):
        mean = torch.full_like(share, aimed, requires_grad=True)
        log_std = torch.full_like(share, math.log(std), requires_grad=True)
        drawn, likely = truncated(mean, log_std, share)
        middle = min(max(aimed, -1), 1)
        exact = truncnorm((-1 - middle) / std, (1 - middle) / std, middle, std)
        np.testing.assert_allclose(drawn.detach(), exact.ppf(share), atol=1e-6)
        np.testing.assert_allclose(likely.detach(), exact.logpdf(exact.ppf(share)), atol=1e-5)
        # How each draw moves with the deviation, by a difference.
        slope = torch.autograd.grad(drawn.sum(), log_std, retain_graph=True)[0]
        wider, narrower = (
            truncated(mean, log_std + step, share)[0].detach() for step in (1e-4, -1e-4)
        )
        np.testing.assert_allclose(slope, (wider - narrower) / 2e-4, atol=1e-5)


def test_a_mean_beyond_a_limit_is_led_back_alone():
    mean = torch.full((3,), 2.5, requires_grad=True)
    drawn, _ = truncated(mean, torch.full((3,), -1.0), torch.full((3,), 0.5))
    assert (torch.autograd.grad(drawn.sum(), mean, retain_graph=True)[0] > 0).all()
    assert not torch.autograd.grad(-drawn.sum(), mean)[0].any()

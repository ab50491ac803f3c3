"""Losses, schedules and samplers against closed forms."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from ilrobot.policies.encoder import ObservationEncoder
from ilrobot.policies.heads.categorical import CategoricalHead
from ilrobot.policies.heads.diffusion import DiffusionHead, cosine_alpha_bar, ddim_tables
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


def test_the_cosine_schedule():
    alpha_bar = cosine_alpha_bar(100)

    def f(t):
        return math.cos((t / 100 + 0.008) / 1.008 * math.pi / 2) ** 2

    for step in (0, 49, 98):
        assert alpha_bar[step].item() == pytest.approx(f(step + 1) / f(0))
    # The last β would be 1; it is held at 0.999.
    assert alpha_bar[99].item() == pytest.approx(alpha_bar[98].item() * 0.001)


class Oracle(nn.Module):
    """Knows the clean chunk, and so the noise in any sample at any step."""

    def __init__(self, clean, head):
        super().__init__()
        self.clean, self.head = clean, head

    def forward(self, condition, sample):
        distance = (condition[:, None] - self.head().table).square().sum(dim=2)
        kept = self.head().alpha_bar[distance.argmin(dim=1)][:, None, None]
        if self.head()._prediction == "sample":
            return self.clean.expand_as(sample)
        noise = (sample - kept.sqrt() * self.clean) / (1 - kept).sqrt()
        if self.head()._prediction == "velocity":
            return kept.sqrt() * noise - (1 - kept).sqrt() * self.clean
        return noise


@pytest.mark.parametrize("prediction", ["epsilon", "sample", "velocity"])
@pytest.mark.parametrize("steps", [1, 10, 100])
def test_ddim_recovers_the_chunk_from_a_perfect_denoiser(prediction, steps):
    generator = torch.Generator().manual_seed(0)
    clean = torch.rand(1, 4, 2, generator=generator) * 2 - 1
    made = []
    head = DiffusionHead(
        lambda size: Oracle(clean, lambda: made[0]),
        condition=0,
        train_steps=100,
        sample_steps=steps,
        prediction=prediction,
        shape=tuple(clean.shape[1:]),
    )
    made.append(head)
    head.embed = nn.Identity()
    noise = torch.randn(3, 4, 2, generator=generator)
    chunk = head(torch.zeros(3, 0), noise)
    torch.testing.assert_close(chunk, clean.expand(3, 4, 2), rtol=0, atol=2e-4)


def test_each_step_of_ddim_lands_on_the_noising_path():
    """With the true x₀ and ε, the step takes √ᾱ x₀ + √(1-ᾱ) ε to the same at the next ᾱ."""
    alpha_bar = cosine_alpha_bar(100)
    timesteps, table = ddim_tables(alpha_bar, 10, "epsilon")
    assert timesteps.tolist() == [90, 80, 70, 60, 50, 40, 30, 20, 10, 0]
    clean, noise = 0.4, -1.3
    later = [*alpha_bar[timesteps[1:]].tolist(), 1.0]
    for t, row, after in zip(timesteps, table.double(), later, strict=True):
        now = alpha_bar[t].item()
        sample = math.sqrt(now) * clean + math.sqrt(1 - now) * noise
        estimate = row[0] * sample + row[1] * noise
        assert estimate.item() == pytest.approx(clean, abs=1e-5)
        reached = (row[2] * estimate + row[3] * sample).item()
        assert reached == pytest.approx(
            math.sqrt(after) * clean + math.sqrt(1 - after) * noise, abs=1e-5
        )


@pytest.mark.parametrize("train_steps", [50, 100])
def test_the_steps_of_ddim_are_spread_evenly_also_where_they_do_not_divide(train_steps):
    alpha_bar = cosine_alpha_bar(train_steps)
    for steps in range(1, train_steps + 1):
        timesteps = ddim_tables(alpha_bar, steps, "epsilon")[0]
        gaps = -np.diff([train_steps, *timesteps.tolist()])
        assert len(timesteps) == steps
        assert timesteps[-1] == 0
        assert gaps.min() >= 1
        assert gaps.max() - gaps.min() <= 1


class GaussianDenoiser(nn.Module):
    """E[ε | x_t], or E[x₀ | x_t] and so on, where each number of the chunk is N(μ, σ²)."""

    def __init__(self, mean, std, head):
        super().__init__()
        self.mean, self.std, self.head = mean, std, head

    def forward(self, condition, sample):
        head = self.head()
        distance = (condition[:1, None] - head.table).square().sum(dim=2)
        kept = head.alpha_bar[distance.argmin()]
        lost = 1 - kept
        noise = lost.sqrt() * (sample - kept.sqrt() * self.mean) / (kept * self.std**2 + lost)
        clean = (sample - lost.sqrt() * noise) / kept.sqrt()
        velocity = kept.sqrt() * noise - lost.sqrt() * clean
        return {"epsilon": noise, "sample": clean, "velocity": velocity}[head._prediction]


@pytest.mark.parametrize("prediction", ["epsilon", "sample", "velocity"])
@pytest.mark.parametrize(
    ("train_steps", "steps"), [(100, 7), (100, 16), (100, 30), (100, 100), (500, 150)]
)
def test_ddim_samples_a_known_distribution(train_steps, steps, prediction):
    """With the exact denoiser of N(μ, σ²) the samples are of it, but for the steps' size.

    DDIM is Euler's method for the probability flow (Song et al. 2021, section 4.3), and Euler's
    method of a contracting flow contracts it too much, by O(1 / steps).
    """
    mean, std, made = 0.2, 0.2, []
    head = DiffusionHead(
        lambda size: GaussianDenoiser(mean, std, lambda: made[0]),
        condition=0,
        train_steps=train_steps,
        sample_steps=steps,
        prediction=prediction,
        shape=(4, 4),
    )
    made.append(head)
    head.embed = nn.Identity()
    noise = torch.randn(500, 4, 4, generator=torch.Generator().manual_seed(0))
    samples = head(torch.zeros(500, 0), noise)
    assert samples.mean().item() == pytest.approx(mean, abs=0.01)
    contraction = 1 - samples.std().item() / std
    assert 0 < contraction < 3.2 / steps + 0.01
    if steps == 150:
        assert samples.std().item() == pytest.approx(std, rel=0.03)


def test_the_diffusion_loss_of_a_network_that_says_nothing_is_the_noise_variance():
    torch.manual_seed(0)
    count = 4000
    head = DiffusionHead(
        lambda size: Fixed(torch.zeros(count, 2, 3)),
        condition=1,
        train_steps=100,
        sample_steps=10,
        prediction="epsilon",
        shape=(2, 3),
    )
    mask = torch.ones(count, 2, dtype=torch.bool)
    loss = head.loss(torch.zeros(count, 1), torch.zeros(count, 2, 3), mask)
    assert loss.shape == (count,)
    assert loss.mean().item() == pytest.approx(1.0, abs=0.03)


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

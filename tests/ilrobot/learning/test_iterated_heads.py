"""Heads that refine a sample: schedules, solvers and losses against closed forms."""

import math

import numpy as np
import pytest
import torch

from ilrobot.policies.heads.diffusion import DiffusionHead
from ilrobot.policies.heads.flow import FlowHead
from ilrobot.policies.heads.iterated import sinusoids
from ilrobot.policies.heads.mip import MipHead
from ilrobot.policies.heads.solvers import cosine_alpha_bar, solver_tables
from tests.ilrobot.learning.known_heads import known, noise_for

SOLVERS = ("ddim", "ddpm", "dpm")
PREDICTIONS = ("epsilon", "sample", "velocity")


def diffusion(clean_of, *, train_steps=100, prediction="sample", shape=(4, 2), **settings):
    """With the denoiser that knows x̂₀ = clean_of(x, ᾱ)."""

    def denoise(sample, time):
        kept = cosine_alpha_bar(train_steps)[time.round().long()][:, None, None]
        clean = clean_of(sample.double(), kept)
        noise = (sample - kept.sqrt() * clean) / (1 - kept).sqrt()
        velocity = kept.sqrt() * noise - (1 - kept).sqrt() * clean
        return {"epsilon": noise, "sample": clean, "velocity": velocity}[prediction].float()

    return known(
        DiffusionHead,
        denoise,
        shape=shape,
        train_steps=train_steps,
        prediction=prediction,
        **settings,
    )


def path_of(head, noise):
    """The sample after each step."""
    condition = torch.zeros(len(noise), 0)
    state, tables = head.begin(condition, noise)
    path = []
    for row in zip(*tables, strict=True):
        state = head.step(state, row, condition)
        path.append(state[0])
    return torch.stack(path)


def of_gaussian(mean, std):
    """E[x₀ | x_t] where each number of the chunk is N(μ, σ²)."""
    return lambda x, kept: (
        mean + kept.sqrt() * std**2 * (x - kept.sqrt() * mean) / (kept * std**2 + 1 - kept)
    )


def of_mixture(means, std):
    """E[x₀ | x_t] where each number of the chunk is in one of several equal Gaussians."""
    means = torch.tensor(means, dtype=torch.float64)

    def clean_of(x, kept):
        variance = (kept * std**2 + 1 - kept)[..., None]
        apart = x[..., None] - kept.sqrt()[..., None] * means
        share = torch.softmax(-apart.square() / (2 * variance), dim=-1)
        each = means + kept.sqrt()[..., None] * std**2 * apart / variance
        return (share * each).sum(dim=-1)

    return clean_of


def test_a_time_is_embedded_as_in_the_transformer():
    table = sinusoids(torch.tensor([0.0, 7.0, 42.5]), 8)
    for row, time in zip(table.tolist(), (0.0, 7.0, 42.5), strict=True):
        frequencies = [10_000 ** (-i / 3) for i in range(4)]
        expected = [math.sin(time * f) for f in frequencies]
        expected += [math.cos(time * f) for f in frequencies]
        assert row == pytest.approx(expected, abs=1e-5)


def test_the_cosine_schedule():
    alpha_bar = cosine_alpha_bar(100)

    def f(t):
        return math.cos((t / 100 + 0.008) / 1.008 * math.pi / 2) ** 2

    for step in (0, 49, 98):
        assert alpha_bar[step].item() == pytest.approx(f(step + 1) / f(0))
    # The last β would be 1; it is held at 0.999.
    assert alpha_bar[99].item() == pytest.approx(alpha_bar[98].item() * 0.001)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("steps", [1, 2, 10, 100])
def test_a_perfect_denoiser_gives_the_chunk(prediction, steps, solver):
    clean = torch.rand(4, 2, generator=torch.Generator().manual_seed(0)).double() * 2 - 1
    head = diffusion(
        lambda x, kept: clean.expand_as(x),
        sample_steps=steps,
        prediction=prediction,
        solver=solver,
    )
    chunk = head(torch.zeros(3, 0), noise_for(head, 3))
    torch.testing.assert_close(chunk, clean.float().expand(3, 4, 2), rtol=0, atol=2e-4)


def test_each_step_of_ddim_lands_on_the_noising_path():
    """With the true x₀ and ε, the step takes √ᾱ x₀ + √(1-ᾱ) ε to the same at the next ᾱ."""
    alpha_bar = cosine_alpha_bar(100)
    timesteps, table = solver_tables(alpha_bar, 10, "ddim", "epsilon")
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


def test_with_all_steps_ddpm_draws_from_the_posterior_of_the_noising_process():
    """Ho et al. 2020, eq. 7, from β itself; where its rounded square roots allow."""
    alpha_bar = cosine_alpha_bar(50)
    timesteps, table = solver_tables(alpha_bar, 50, "ddpm", "sample")
    before = torch.cat([torch.ones(1).double(), alpha_bar[:-1]])
    beta = 1 - alpha_bar / before
    of_clean = before.sqrt() * beta / (1 - alpha_bar)
    of_sample = (1 - beta).sqrt() * (1 - before) / (1 - alpha_bar)
    variance = (1 - before) / (1 - alpha_bar) * beta
    expected = torch.stack([of_clean, of_sample, variance.sqrt()], dim=1).flip(0)
    assert timesteps.tolist() == list(range(49, -1, -1))
    torch.testing.assert_close(table[:, [2, 3, 5]].double(), expected, rtol=1e-5, atol=1e-6)


def test_ddim_with_all_steps_goes_the_mean_path_of_ddpm():
    """The exact denoiser of a Gaussian is linear: the mean path is that of the mean noise, 0."""
    paths = {}
    for solver in ("ddim", "ddpm"):
        head = diffusion(of_gaussian(0.3, 0.2), sample_steps=100, solver=solver)
        paths[solver] = path_of(head, torch.zeros_like(noise_for(head, 1)))
    torch.testing.assert_close(paths["ddim"], paths["ddpm"], rtol=0, atol=2e-3)
    alpha_bar = cosine_alpha_bar(100)
    later = torch.cat([alpha_bar[:-1].flip(0), torch.ones(1)])
    expected = (0.3 * later.sqrt())[:, None, None, None].expand_as(paths["ddpm"]).float()
    torch.testing.assert_close(paths["ddpm"], expected, rtol=0, atol=5e-3)
    drawn = path_of(head, noise_for(head, 2000)).mean(dim=(1, 2, 3))
    torch.testing.assert_close(drawn, paths["ddpm"].mean(dim=(1, 2, 3)), rtol=0, atol=0.04)


def test_ddpm_samples_a_known_distribution():
    """The least variance of a step that Ho et al. consider lets them shrink by O(1 / steps)."""
    shrunk = []
    for steps in (100, 400):
        head = diffusion(
            of_gaussian(0.2, 0.2), train_steps=steps, sample_steps=steps, solver="ddpm"
        )
        samples = head(torch.zeros(2000, 0), noise_for(head, 2000))
        assert samples.mean().item() == pytest.approx(0.2, abs=0.01)
        shrunk.append(1 - samples.std().item() / 0.2)
    assert 0 < shrunk[1] < 0.04 < shrunk[0] < 0.1


def test_every_noise_of_ddpm_counts_once():
    head = diffusion(of_gaussian(0.0, 0.3), sample_steps=4, solver="ddpm", shape=(1, 1))
    assert head.noise_shape == (4, 1, 1)
    noise = torch.full((1, 4, 1, 1), 0.1)
    one_more = noise + 0.1 * torch.eye(4)[:, :, None, None]
    chunk = head(torch.zeros(1, 0), noise)
    assert torch.equal(chunk, head(torch.zeros(1, 0), noise))
    moved = (head(torch.zeros(4, 0), one_more) - chunk).flatten()
    assert (moved > 1e-5).all()
    assert len(set(moved.tolist())) == 4


@pytest.mark.parametrize("train_steps", [50, 100])
def test_the_steps_are_spread_evenly_also_where_they_do_not_divide(train_steps):
    alpha_bar = cosine_alpha_bar(train_steps)
    for steps in range(1, train_steps + 1):
        timesteps = solver_tables(alpha_bar, steps, "ddim", "epsilon")[0]
        gaps = -np.diff([train_steps, *timesteps.tolist()])
        assert len(timesteps) == steps
        assert timesteps[-1] == 0
        assert gaps.min() >= 1
        assert gaps.max() - gaps.min() <= 1


@pytest.mark.parametrize("train_steps", [1, 2, 10, 100])
def test_no_two_steps_of_dpm_are_alike(train_steps):
    for steps in range(1, train_steps + 1):
        timesteps, table = solver_tables(cosine_alpha_bar(train_steps), steps, "dpm", "epsilon")
        assert timesteps.shape == (steps,)
        assert (timesteps.diff() < 0).all()
        assert ((timesteps >= 0) & (timesteps < train_steps)).all()
        assert table.isfinite().all()


@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize(
    ("train_steps", "steps"), [(100, 7), (100, 16), (100, 30), (100, 100), (500, 150)]
)
def test_ddim_samples_a_known_distribution(train_steps, steps, prediction):
    """With the exact denoiser of N(μ, σ²) the samples are of it, but for the steps' size.

    DDIM is Euler's method for the probability flow (Song et al. 2021, section 4.3), and Euler's
    method of a contracting flow contracts it too much, by O(1 / steps).
    """
    mean, std = 0.2, 0.2
    head = diffusion(
        of_gaussian(mean, std),
        train_steps=train_steps,
        sample_steps=steps,
        prediction=prediction,
        shape=(4, 4),
    )
    samples = head(torch.zeros(500, 0), noise_for(head, 500))
    assert samples.mean().item() == pytest.approx(mean, abs=0.01)
    contraction = 1 - samples.std().item() / std
    assert 0 < contraction < 3.2 / steps + 0.01
    if steps == 150:
        assert samples.std().item() == pytest.approx(std, rel=0.03)


@pytest.mark.parametrize(
    "clean_of", [of_gaussian(0.2, 0.3), of_mixture([-0.6, 0.5], 0.2)], ids=["one", "two"]
)
def test_few_steps_of_dpm_come_closer_to_the_full_path_than_as_many_of_ddim(clean_of):
    chunks = {}
    for solver, steps in (("ddim", 100), ("ddim", 5), ("dpm", 5)):
        head = diffusion(clean_of, sample_steps=steps, solver=solver)
        chunks[solver, steps] = head(torch.zeros(500, 0), noise_for(head, 500))
    full = chunks["ddim", 100]
    error = {key: (chunk - full).square().mean().sqrt() for key, chunk in chunks.items()}
    assert error["ddim", 5] > 0.05
    assert error["dpm", 5] < 0.5 * error["ddim", 5]


def test_the_diffusion_loss_of_a_network_that_says_nothing_is_the_noise_variance():
    torch.manual_seed(0)
    head = diffusion(
        lambda x, kept: x / kept.sqrt(), prediction="epsilon", sample_steps=10, shape=(2, 3)
    )
    mask = torch.ones(4000, 2, dtype=torch.bool)
    loss = head.loss(torch.zeros(4000, 0), torch.zeros(4000, 2, 3), mask)
    assert loss.shape == (4000,)
    assert loss.mean().item() == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize("head_class", [DiffusionHead, FlowHead, MipHead])
def test_what_is_said_of_masked_ticks_does_not_count(head_class):
    said = torch.zeros(2, 3, 2, requires_grad=True)
    settings = {
        DiffusionHead: {"train_steps": 10, "sample_steps": 5, "prediction": "epsilon"},
        FlowHead: {"sample_steps": 5},
        MipHead: {},
    }[head_class]
    head = known(head_class, lambda sample, time: said, shape=(3, 2), **settings)
    mask = torch.tensor([[True, True, False], [True, False, False]])
    head.loss(torch.zeros(2, 0), torch.rand(2, 3, 2), mask).sum().backward()
    assert torch.equal((said.grad != 0).all(dim=2), mask)


@pytest.mark.parametrize("head_class", [DiffusionHead, FlowHead])
def test_a_head_that_samples_says_that_it_needs_noise(head_class):
    more = {"train_steps": 9, "prediction": "epsilon"} if head_class is DiffusionHead else {}
    head = known(head_class, lambda x, t: x, shape=(3, 2), sample_steps=5, **more)
    with pytest.raises(ValueError, match="needs noise"):
        head(torch.zeros(1, 0))

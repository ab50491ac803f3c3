"""Heads that hold several answers: likelihoods, bins and divergences against closed forms."""

import math
from statistics import NormalDist

import numpy as np
import pytest
import torch
from torch import nn

from ilrobot.policies.heads.bins import BinsHead, k_means
from ilrobot.policies.heads.cvae import CvaeHead, divergence
from ilrobot.policies.heads.gaussian import gaussian_nll
from ilrobot.policies.heads.head import draw_choice
from ilrobot.policies.heads.mixture import LEAST_STD, MixtureHead


class Fixed(nn.Module):
    """A network that gives what it was made with."""

    def __init__(self, output):
        super().__init__()
        self.output = output

    def forward(self, condition, sample=None):
        return self.output


NOTHING = torch.zeros(1, 0)


def test_choices_are_drawn_as_often_as_they_are_likely():
    probabilities = torch.tensor([0.5, 0.0, 0.3, 0.2])
    count = 20_000
    noise = torch.randn(count, 1, generator=torch.Generator().manual_seed(0))
    chosen = draw_choice(probabilities.log().expand(count, 4), noise)
    found = torch.bincount(chosen, minlength=4) / count
    torch.testing.assert_close(found, probabilities, atol=0.01, rtol=0)


def test_a_choice_is_where_the_noise_falls_among_the_cumulated_probabilities():
    logits = torch.tensor([0.25, 0.25, 0.5]).log().expand(4, 3)
    shares = [0.24, 0.26, 0.49, 0.51]
    noise = torch.tensor([[NormalDist().inv_cdf(share)] for share in shares])
    assert draw_choice(logits, noise).tolist() == [0, 1, 1, 2]
    far = torch.tensor([[-50.0], [50.0]])
    assert draw_choice(logits[:2], far).tolist() == [0, 2]
    with pytest.raises(ValueError, match="needs noise"):
        draw_choice(logits, None)


def test_the_likelihood_of_a_chunk_under_a_mixture():
    rng = np.random.default_rng(0)
    horizon, modes, size = 3, 2, 2
    output = rng.normal(size=(1, horizon, MixtureHead.outputs(size, modes)))
    actions = rng.normal(size=(1, horizon, size))
    mask = np.array([[True, True, False]])
    head = MixtureHead(Fixed(torch.from_numpy(output)), size, modes)
    loss = head.loss(NOTHING, torch.from_numpy(actions), torch.from_numpy(mask)).item()

    logits = output[0, :, :modes].mean(axis=0)
    weights = np.exp(logits) / np.exp(logits).sum()
    parts = output[0, :, modes:].reshape(horizon, modes, 2, size)
    mean, std = parts[:, :, 0], np.log1p(np.exp(parts[:, :, 1])) + LEAST_STD
    z = (actions[0][:, None] - mean) / std
    density = np.exp(-(z**2) / 2) / (std * math.sqrt(2 * math.pi))
    joint = density[:2].prod(axis=(0, 2))
    assert loss == pytest.approx(-math.log(weights @ joint) / (2 * size), rel=1e-9)


def test_one_mode_is_a_gaussian():
    output = torch.randn(4, 3, 4)
    head = MixtureHead(Fixed(torch.cat([torch.zeros(4, 3, 1), output], dim=2)), 2, modes=1)
    actions, mask = torch.randn(4, 3, 2), torch.ones(4, 3, dtype=torch.bool)
    _, mean, log_std = head.distribution(NOTHING)
    expected = gaussian_nll(actions, mean[:, :, 0], log_std[:, :, 0]).mean(dim=(1, 2))
    torch.testing.assert_close(head.loss(NOTHING, actions, mask), expected)
    assert torch.equal(head(NOTHING, torch.zeros(4, 1)), mean[:, :, 0])


def test_a_mixture_acts_by_one_mode_over_the_whole_chunk():
    horizon, modes, size, count = 4, 3, 2, 3000
    output = torch.zeros(1, horizon, MixtureHead.outputs(size, modes))
    output[..., :modes] = torch.tensor([0.2, 0.5, 0.3]).log()
    parts = output[..., modes:].view(1, horizon, modes, 2, size)
    parts[..., 0, :] = torch.tensor([-1.0, 0.0, 1.0])[:, None]
    head = MixtureHead(Fixed(output.expand(count, -1, -1)), size, modes)
    noise = torch.randn(count, *head.noise_shape, generator=torch.Generator().manual_seed(0))
    chunk = head(NOTHING, noise)
    assert chunk.shape == (count, horizon, size)
    assert torch.equal(chunk, chunk[:, :1, :1].expand_as(chunk))
    shares = [(chunk[:, 0, 0] == value).float().mean().item() for value in (-1, 0, 1)]
    assert shares == pytest.approx([0.2, 0.5, 0.3], abs=0.03)


def test_k_means_finds_clusters_and_outlives_few_points():
    centres = torch.tensor([[0.0, 0.0], [5.0, 0.0], [0.0, 5.0]])
    spread = torch.randn(300, 2, generator=torch.Generator().manual_seed(0)) * 0.1
    points = centres.repeat(100, 1) + spread
    found = k_means(points, 3)
    distance = torch.cdist(centres, found).amin(dim=1)
    assert distance.max() < 0.05
    assert torch.equal(k_means(points, 3), found)
    few = k_means(torch.tensor([[1.0], [2.0]]), 5)
    assert few.shape == (5, 1)
    assert set(few.flatten().tolist()) == {1.0, 2.0}


def test_bins_and_offsets_make_the_chunk_again():
    horizon, size, bins = 2, 2, 3
    labels = torch.tensor([[[0.0, 0.1], [0.0, 0.0]], [[4.0, 4.0], [4.2, 4.0]]])
    head = BinsHead(Fixed(None), horizon, size, bins)
    every = torch.ones(2, horizon, dtype=torch.bool)
    head.fit(torch.cat([labels, labels + 0.2, labels - 9.0]), every.repeat(3, 1))
    nearest = head.bin_of(labels, every)
    output = torch.zeros(2, horizon, BinsHead.outputs(size, bins))
    output.scatter_(2, nearest[:, None, None].expand(2, horizon, 1), 50.0)
    offsets = labels - head.centres[nearest]
    for row, chosen in enumerate(nearest.tolist()):
        output[row, :, bins + chosen * size : bins + (chosen + 1) * size] = offsets[row]
    head.network = Fixed(output)
    torch.testing.assert_close(head(NOTHING, torch.zeros(2, 1)), labels)
    torch.testing.assert_close(head.loss(NOTHING, labels, every), torch.zeros(2))


def test_the_loss_of_bins_is_focal_and_teaches_the_offset_of_the_right_one():
    head = BinsHead(Fixed(None), 1, 1, bins=2)
    head.centres[:] = torch.tensor([-1.0, 1.0])[:, None, None]
    # Logits 0 and log 3; the far bin's offset is absurd and must not count.
    head.network = Fixed(torch.tensor([[[0.0, math.log(3.0), 99.0, 0.5]]]))
    loss = head.loss(NOTHING, torch.tensor([[[0.8]]]), torch.ones(1, 1, dtype=torch.bool))
    assert loss.item() == pytest.approx(-(0.25**2) * math.log(0.75) + 0.7**2)


def test_bins_are_fitted_to_the_ticks_that_count():
    known = torch.tensor([[-1.0, -1.0], [1.0, 1.0]]).repeat(20, 1)
    other = known.clone()
    other[:, 1] = torch.linspace(-500.0, 500.0, len(other))
    counts = torch.ones(80, 2, dtype=torch.bool)
    counts[40:, 1] = False
    head = BinsHead(Fixed(None), 2, 1, bins=2)
    head.fit(torch.cat([known, other])[:, :, None], counts)
    assert sorted(head.centres.flatten(1).tolist()) == [[-1.0, -1.0], [1.0, 1.0]]


def test_a_bin_is_chosen_by_the_ticks_that_count():
    head = BinsHead(Fixed(None), 2, 1, bins=2)
    head.centres[:] = torch.tensor([[[0.0], [0.0]], [[1.0], [9.0]]])
    label = torch.tensor([[[0.9], [0.9]]])
    assert head.bin_of(label, torch.tensor([[True, True]])).item() == 0
    assert head.bin_of(label, torch.tensor([[True, False]])).item() == 1


def test_the_divergence_from_the_prior():
    mean, log_variance = torch.randn(5, 3), torch.randn(5, 3)
    normal = torch.distributions.Normal
    expected = torch.distributions.kl_divergence(
        normal(mean, torch.exp(log_variance / 2)), normal(0.0, 1.0)
    ).sum(dim=1)
    torch.testing.assert_close(divergence(mean, log_variance), expected)


class TheLatent(nn.Module):
    """A decoder that gives a latent of two again, at every tick of a chunk of two."""

    def forward(self, condition, sample=None):
        return condition[:, None, -2:].expand(-1, 2, -1)


def cvae(posterior, kl_weight=0.0, drawn=False):
    return CvaeHead(Fixed(posterior), TheLatent(), kl_weight=kl_weight, drawn=drawn, size=2)


def test_a_cvae_acts_by_the_middle_of_its_latent_space_or_by_a_drawn_latent():
    condition = torch.ones(1, 3)
    assert cvae(None).noise_shape is None
    assert cvae(None)(condition).tolist() == [[[0.0, 0.0]] * 2]
    drawn = cvae(None, drawn=True)
    assert drawn.noise_shape == (2,)
    assert drawn(condition, torch.tensor([[0.5, -2.0]])).tolist() == [[[0.5, -2.0]] * 2]
    with pytest.raises(ValueError, match=r"needs noise of shape \(B, 2\)"):
        drawn(condition)


def test_a_cvae_learns_through_z_by_the_mean_error_of_an_element_and_the_weighted_divergence():
    posterior = torch.tensor([[[0.5, -0.5, -60.0, -60.0]]])  # means, and no spread
    condition, labels = torch.ones(1, 3), torch.tensor([[[0.5, 0.5], [9.0, 9.0]]])
    first, both = torch.tensor([[True, False]]), torch.tensor([[True, True]])
    head = cvae(posterior)
    assert head.loss(condition, labels, first).item() == pytest.approx(0.5)
    assert head.loss(condition, labels, both).item() == pytest.approx((0.5 + 9.0) / 2)
    apart = divergence(torch.tensor([0.5, -0.5]), torch.tensor([-60.0, -60.0])).item()
    weighed = cvae(posterior, kl_weight=0.1).loss(condition, labels, first).item()
    assert weighed == pytest.approx(0.5 + 0.1 * apart)

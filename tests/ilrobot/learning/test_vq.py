"""Chunks as codes: what the autoencoder keeps, what is drawn of the codes, and the offset."""

import pytest
import torch
from torch import nn

from ilrobot.policies.heads import residual_vq
from ilrobot.policies.heads.head import focal_loss, focal_posterior
from ilrobot.policies.heads.residual_vq import CODES, LEVELS, ResidualVq
from ilrobot.policies.heads.vq import VqHead

NOTHING = torch.zeros(1, 0)


class Fixed(nn.Module):
    """A network that gives what it was made with."""

    def __init__(self, output):
        super().__init__()
        self.output = output

    def forward(self, condition, sample=None):
        return self.output


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(residual_vq, "_STEPS", 300)


def clusters(count, generator):
    """Chunks of two ticks near four places that are far apart, and which of them."""
    centres = torch.tensor([[-1.0, -1.0], [1.0, 1.0], [-1.0, 1.0], [1.0, -1.0]])
    which = torch.arange(count) % 4
    spread = 0.05 * torch.randn(count, 2, generator=generator)
    return (centres[which] + spread)[:, :, None], which


def test_chunks_that_are_alike_have_a_code_that_decodes_to_them(quick):
    torch.manual_seed(0)
    actions, which = clusters(400, torch.Generator().manual_seed(0))
    every = torch.ones(400, 2, dtype=torch.bool)
    vq = ResidualVq(2, 1)
    vq.fit(actions, every)
    codes = vq.codes(actions, every)
    assert codes.shape == (400, LEVELS)
    assert (vq.decode(codes) - actions).abs().mean() < 0.05
    first = [set(codes[which == cluster, 0].tolist()) for cluster in range(4)]
    assert all(not (one & other) for one in first for other in first if one is not other)
    assert not any(p.requires_grad for p in vq.parameters())


def test_ticks_that_do_not_count_change_neither_codes_nor_what_is_learnt(quick):
    actions, _ = clusters(200, torch.Generator().manual_seed(0))
    mask = torch.ones(200, 2, dtype=torch.bool)
    mask[::3, 1] = False
    absurd = torch.where(mask[:, :, None], actions, torch.tensor(1e3))
    fitted = []
    for given in (actions, absurd):
        torch.manual_seed(0)
        vq = ResidualVq(2, 1)
        vq.fit(given, mask)
        fitted.append((vq.codes(given, mask), vq.decode(vq.codes(given, mask))))
    assert torch.equal(fitted[0][0], fitted[1][0])
    assert torch.equal(fitted[0][1], fitted[1][1])


def test_the_probabilities_that_a_focal_loss_means_are_those_of_the_labels():
    labels = torch.tensor([0.7, 0.2, 0.1])
    logits = torch.zeros(3, requires_grad=True)
    optimizer = torch.optim.Adam([logits], lr=0.02)
    for _ in range(1500):
        losses = focal_loss(logits.expand(3, 3), torch.arange(3))
        optimizer.zero_grad()
        (labels @ losses).backward()
        optimizer.step()
    learnt = logits.detach()[None].softmax(1)[0]
    assert (learnt - labels).abs().max() > 0.05  # it is flatter
    torch.testing.assert_close(
        focal_posterior(logits.detach()[None]).softmax(1)[0], labels, atol=2e-3, rtol=0
    )
    sure = focal_posterior(torch.tensor([[500.0, 0.0, -500.0]])).softmax(1)[0]
    assert sure.tolist() == pytest.approx([1.0, 0.0, 0.0])


def test_the_parts_of_the_offset_are_those_of_the_codes():
    head = VqHead(Fixed(None), 2, 1).eval()
    offsets = torch.arange(2.0 * LEVELS * CODES).reshape(1, 2, LEVELS, CODES, 1)
    codes = [torch.tensor([3]), torch.tensor([5])]
    expected = head.vq.decode(torch.tensor([[3, 5]])) + (offsets[:, :, 0, 3] + offsets[:, :, 1, 5])
    torch.testing.assert_close(head.decode(codes, offsets), expected)


def test_a_second_code_is_drawn_given_the_first():
    """Where the codes only occur as (0, 0) and (1, 1), (0, 1) is never drawn."""
    head = VqHead(Fixed(torch.zeros(1, 2, VqHead.outputs(1)).expand(200, -1, -1)), 2, 1)

    def chooser(level):
        def logits(features):
            if level == 0:
                return torch.tensor([0.0, 0.0] + [-50.0] * (CODES - 2)).expand(len(features), -1)
            return 100 * features[:, -CODES:]

        module = nn.Module()
        module.forward = logits
        return module

    head.choosers = nn.ModuleList([chooser(level) for level in range(LEVELS)])
    drawn = []
    head.decode = lambda codes, offsets: drawn.append(torch.stack(codes, dim=1))
    head(NOTHING, torch.randn(200, LEVELS, generator=torch.Generator().manual_seed(0)))
    pairs = {tuple(pair) for pair in drawn[0].tolist()}
    assert pairs == {(0, 0), (1, 1)}
    with pytest.raises(ValueError, match="needs noise"):
        head(NOTHING)

"""Dropout and Mish as networks are trained with them on a CPU, against what they are defined as."""

import pytest
import torch
from torch.nn import functional

from ilrobot.policies.networks.dropout import Dropout
from ilrobot.policies.networks.mish import Mish
from ilrobot.policies.networks.transformer import Attention


@pytest.mark.parametrize("probability", [0.1, 0.5, 0.97])
def test_dropout_zeroes_each_element_apart_and_scales_up_the_others(probability):
    torch.manual_seed(0)
    x = torch.ones(2**17, 4, requires_grad=True)
    y = Dropout(probability)(x)
    assert y.unique().tolist() == pytest.approx([0, 1 / (1 - probability)], rel=1e-3)
    dropped = (y == 0).double()
    spread = (probability * (1 - probability) / 2**17) ** 0.5
    torch.testing.assert_close(  # each quarter of a word
        dropped.mean(dim=0), torch.full((4,), probability).double(), rtol=0, atol=5 * spread
    )
    neighbours = torch.corrcoef(torch.cat([dropped[:-1], dropped[1:]], dim=1).T) - torch.eye(8)
    assert neighbours.abs().max() < 5 / 2**8.5
    y.sum().backward()
    assert torch.equal(x.grad, y)


@pytest.mark.parametrize("shape", [(), (1,), (3, 5), (0, 4), (2, 3, 7)])
def test_dropout_takes_any_shape(shape):
    x = torch.ones(shape)
    y = Dropout(0.5)(x)
    assert y.shape == shape
    assert set(y.flatten().tolist()) <= {0.0, 2.0}


def test_dropout_is_told_by_torchs_seed_and_draws_nothing_where_it_drops_nothing():
    x = torch.ones(1000)
    torch.manual_seed(3)
    once = Dropout(0.3)(x)
    before = torch.get_rng_state()
    assert not torch.equal(once, Dropout(0.3)(x))
    torch.manual_seed(3)
    assert torch.equal(once, Dropout(0.3)(x))
    assert torch.equal(Dropout(0.0)(x), x)
    assert torch.equal(Dropout(0.3).eval()(x), x)
    assert torch.equal(torch.get_rng_state(), before)


def test_what_is_read_with_dropout_is_on_average_what_is_read_without():
    torch.manual_seed(0)
    attention = Attention(8, 2, 0.4)
    x, memory = torch.randn(1, 3, 8), torch.randn(1, 5, 8)
    reads = attention(x.expand(20_000, -1, -1), memory.expand(20_000, -1, -1))
    deviation = reads.std(dim=0) / 20_000**0.5
    assert bool((deviation > 0).all())
    assert ((reads.mean(dim=0) - attention.eval()(x, memory)[0]) / deviation).abs().max() < 5


def test_what_is_read_is_what_is_exported(monkeypatch: pytest.MonkeyPatch):
    torch.manual_seed(0)
    attention = Attention(8, 2, 0.0)
    given = torch.randn(3, 5, 8, requires_grad=True)
    memory = torch.randn(3, 4, 8)
    found = []
    for exporting in (False, True):
        monkeypatch.setattr(torch.compiler, "is_compiling", lambda exporting=exporting: exporting)
        read = attention(given, memory)
        gradients = torch.autograd.grad(read.square().sum(), [given, *attention.parameters()])
        found.append([read, *gradients])
    assert bool((found[0][1] != 0).any())
    torch.testing.assert_close(*found, rtol=1e-4, atol=1e-5)


def test_mish_and_its_gradient_are_torchs():
    x = torch.cat([torch.linspace(-30, 30, 4001), torch.tensor([-200.0, 0.0, 200.0])])
    given, wanted = (x.clone().requires_grad_() for _ in range(2))
    ours, torchs = Mish()(given), functional.mish(wanted)
    for y in (ours, torchs):
        y.square().sum().backward()
    torch.testing.assert_close(ours, torchs, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(given.grad, wanted.grad, rtol=1e-5, atol=1e-5)
    assert torch.equal(Mish().eval()(x), functional.mish(x))

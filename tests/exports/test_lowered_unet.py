"""The U-Net that is exported computes what the trained one does, in other operators."""

from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch

from exports.lowered_unet import LoweredUNet, lower, prepare
from ilrobot.control.chunking import Chunking
from ilrobot.policies.heads.cvae import LATENT, CvaeHead
from ilrobot.policies.heads.flow import FlowHead
from ilrobot.policies.heads.mixture import MixtureHead
from ilrobot.policies.networks.network import Sizes
from ilrobot.policies.networks.unet1d import UNet1d
from tests.exports.exported import SMALL, export, make_policy


def unet_head(channels, horizon, scale):
    torch.manual_seed(0)
    head = FlowHead(
        lambda condition: UNet1d(Sizes(condition, horizon, 3, 3), channels=channels),
        condition=7,
        shape=(horizon, 3),
        sample_steps=4,
    ).eval()
    for parameter in head.requires_grad_(False).parameters():
        parameter.mul_(scale)
    return head


@pytest.mark.parametrize(
    ("channels", "horizon"), [((8,), 5), ((16, 16), 2), ((8, 24), 6), ((8, 16, 32), 16)]
)
@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_it_gives_the_same_chunks(channels, horizon, scale):
    head = unet_head(channels, horizon, scale)
    condition, noise = torch.randn(1, 7), torch.randn(1, horizon, 3)
    expected = head(condition, noise)
    lower(head)
    lowered = head(prepare(head, condition), noise)
    error = (lowered - expected).abs().max() / expected.abs().max()
    assert error < 1e-5


@pytest.mark.parametrize(
    ("channels", "horizon"), [((8,), 5), ((16, 16), 2), ((8, 24), 6), ((8, 16, 32), 16)]
)
@torch.no_grad()
def test_a_head_that_calls_it_once_gives_the_same_chunks(channels, horizon):
    torch.manual_seed(0)
    sizes = Sizes(7, horizon, 0, MixtureHead.outputs(3))
    for head in (
        MixtureHead(UNet1d(sizes, channels=channels), 3),
        CvaeHead(
            UNet1d(Sizes(7, horizon, 3, 2 * LATENT), channels=channels),
            UNet1d(Sizes(7 + LATENT, horizon, 0, 3), channels=channels),
            kl_weight=1.0,
            drawn=True,
        ),
    ):
        condition, noise = torch.randn(1, 7), torch.randn(1, *head.eval().noise_shape)
        expected = head(condition, noise)
        lower(head)
        assert any(isinstance(module, LoweredUNet) for module in head.modules())
        error = (head(condition, noise) - expected).abs().max() / expected.abs().max()
        assert error < 1e-5


def test_mish_overflows_to_its_argument_and_underflows_to_zero():
    from exports.lowered_unet import _mish

    x = torch.tensor([-1000.0, -90.0, -1.0, 0.0, 1.0, 90.0, 1000.0])
    np.testing.assert_allclose(_mish(x), torch.nn.functional.mish(x), atol=1e-6)


def test_its_loop_multiplies_matrices_alone_and_leaves_film_outside(tmp_path):
    """And does what it was trained to, free and led."""
    unet = replace(SMALL, head="flow", network="unet", channels=(16, 32), prefix_delay=2)
    policy, path = make_policy(replace(unet, horizon=6)), tmp_path / "policy.onnx"
    assert export(policy, path, chunking=Chunking.parse("realtime:2")).parity.holds
    (scan,) = [node for node in onnx.load(path).graph.node if node.op_type == "Scan"]
    (body,) = [a.g for a in scan.attribute if a.name == "body"]
    operators = {node.op_type for node in body.node}
    assert operators & {"Gemm", "MatMul"}
    assert not operators & {"Conv", "ConvTranspose", "Mish", "Softplus"}
    products = sum(node.op_type in ("Gemm", "MatMul") for node in body.node)
    convolutions = sum(
        isinstance(module, torch.nn.Conv1d | torch.nn.ConvTranspose1d)
        for module in policy.head.modules()
    )
    assert products == convolutions

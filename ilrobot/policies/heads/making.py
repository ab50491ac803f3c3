"""The head and the network that a configuration names."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from ilrobot.policies.config import PolicyConfig
from ilrobot.policies.heads.bins import BinsHead
from ilrobot.policies.heads.categorical import CategoricalHead
from ilrobot.policies.heads.cvae import LATENT, CvaeHead
from ilrobot.policies.heads.diffusion import DiffusionHead
from ilrobot.policies.heads.flow import FlowHead
from ilrobot.policies.heads.gaussian import GaussianHead
from ilrobot.policies.heads.head import Head
from ilrobot.policies.heads.mip import MipHead
from ilrobot.policies.heads.mixture import MixtureHead
from ilrobot.policies.heads.recurrent import RecurrentHead
from ilrobot.policies.heads.regression import ERROR_FUNCTIONS, RegressionHead
from ilrobot.policies.heads.vq import VqHead
from ilrobot.policies.networks.mlp import ResidualMLP
from ilrobot.policies.networks.network import Network, Sizes
from ilrobot.policies.networks.transformer import Transformer
from ilrobot.policies.networks.unet1d import UNet1d


def make_head(config: PolicyConfig, condition: int, size: int) -> Head:
    """One head with new weights.

    Args:
        config: Which, and of which network.
        condition: Size of the encoded observations.
        size: Elements of an action, or number of choices.

    Raises:
        UserError: The network's sizes do not fit.
    """
    if config.network == "rnn":
        return RecurrentHead(
            make_head(replace(config, network="mlp"), config.width, size),
            history=config.n_obs,
            observation=condition // config.n_obs,
            width=config.width,
            layers=config.layers,
        )
    network = partial(_make_network, config, condition)
    refining = partial(network, sample=size, output=size)
    shape = (config.horizon, size)
    if config.head == "diffusion":
        return DiffusionHead(
            refining,
            condition=condition,
            shape=shape,
            train_steps=config.diffusion_steps,
            sample_steps=config.sampler_steps,
            prediction=config.prediction,
            solver=config.solver,
            prefix=config.prefix_delay,
        )
    if config.head == "flow":
        return FlowHead(
            refining,
            condition=condition,
            shape=shape,
            sample_steps=config.sampler_steps,
            prediction=config.flow_prediction,
            noise_scale=config.noise_scale,
            prefix=config.prefix_delay,
        )
    if config.head == "mip":
        return MipHead(refining, condition=condition, shape=shape, prefix=config.prefix_delay)
    if config.head == "cvae":
        return CvaeHead(
            network(condition, sample=size, output=2 * LATENT),
            network(condition + LATENT, output=size),
            kl_weight=config.kl_weight,
            drawn=config.latent == "drawn",
        )
    if config.head == "mixture":
        return MixtureHead(network(condition, output=MixtureHead.outputs(size)), size)
    if config.head == "bins":
        outputs = BinsHead.outputs(size)
        return BinsHead(network(condition, output=outputs), config.horizon, size)
    if config.head == "vq":
        return VqHead(network(condition, output=VqHead.outputs(size)), config.horizon, size)
    if config.head == "gaussian":
        return GaussianHead(network(condition, output=2 * size))
    if config.head == "cross-entropy":
        return CategoricalHead(network(condition, output=size))
    return RegressionHead(network(condition, output=size), ERROR_FUNCTIONS[config.head])


def _make_network(
    config: PolicyConfig, observed: int, condition: int, *, output: int, sample: int = 0
) -> Network:
    """One network; of its condition `observed` features are the history's."""
    sizes = Sizes(
        condition, config.horizon, sample, output, config.n_obs, extra=condition - observed
    )
    width, blocks, dropout = config.width, config.blocks, config.dropout
    if config.network == "unet":
        return UNet1d(sizes, channels=config.channels)
    if config.network == "transformer":
        heads = config.attention_heads
        return Transformer(
            sizes, width=width, layers=config.layers, attention_heads=heads, dropout=dropout
        )
    return ResidualMLP(sizes, width=width, blocks=blocks, dropout=dropout)

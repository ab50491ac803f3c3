"""Which settings of a policy its head and its network heed."""

from __future__ import annotations

from typing import Any

from ilrobot.policies.config import HeadName, NetworkName

#: Settings that only some networks and heads use; the others take no notice of them.
USED_BY_NETWORK: dict[NetworkName, frozenset[str]] = {
    "mlp": frozenset({"width", "blocks", "dropout"}),
    "unet": frozenset({"channels"}),
    "transformer": frozenset({"width", "layers", "attention_heads", "dropout"}),
    "rnn": frozenset({"width", "layers", "blocks", "dropout"}),
}
USED_BY_HEAD: dict[HeadName, frozenset[str]] = {
    "cvae": frozenset({"kl_weight", "latent"}),
    "diffusion": frozenset(
        {"diffusion_steps", "sampler_steps", "prediction", "solver", "prefix_delay"}
    ),
    "flow": frozenset({"sampler_steps", "flow_prediction", "noise_scale", "prefix_delay"}),
    "mip": frozenset({"prefix_delay"}),
}


def heeded(settings: dict[str, Any]) -> dict[str, Any]:
    """A policy's settings by name without those that only other networks and heads use."""
    others = frozenset[str]().union(*USED_BY_NETWORK.values(), *USED_BY_HEAD.values())
    own = USED_BY_NETWORK[settings["network"]] | USED_BY_HEAD.get(settings["head"], frozenset())
    return {name: value for name, value in settings.items() if name in own or name not in others}

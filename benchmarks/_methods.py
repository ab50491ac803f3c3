"""The kinds of policies that the quality benchmarks compare, at one scale."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from ilrobot.learners.config import Preset, TrainConfig, preset
from ilrobot.policies.config import PolicyConfig
from ilrobot.spec import Spec


@dataclass(frozen=True)
class Method:
    """A preset with changes.

    Attributes:
        preset: Its name.
        changes: Settings of policy and training by name.
        teacher: Whose chunks it learns (None: it learns what was demonstrated).
    """

    preset: Preset
    changes: Mapping[str, Any] = field(default_factory=dict)
    teacher: str | None = None

    def configure(self, spec: Spec, **further: Any) -> tuple[PolicyConfig, TrainConfig]:
        """The settings for a dataset, with further changes by name."""
        policy, training = preset(self.preset, spec)
        names = {f.name for f in fields(PolicyConfig)}
        changes = {**self.changes, **further}
        steps = changes.pop("steps", training.steps)
        policy = replace(policy, **{k: v for k, v in changes.items() if k in names})
        training = replace(training, **{k: v for k, v in changes.items() if k not in names})
        return policy, training.with_steps(steps)


_CHUNK = {"n_obs": 2, "horizon": 16, "execute": 8, "observation_noise": 0.005}
_REGRESSION = {**_CHUNK, "blocks": 4, "dropout": 0.1, "learning_rate": 5e-4, "ema": 0.999}

#: About a minute of training each on one core.
METHODS: Mapping[str, Method] = {
    "bc": Method("bc", {**_REGRESSION, "steps": 3_000, "patience": 0}),
    "bc-rnn": Method("bc-rnn", {"steps": 1_000, "ema": 0.99}),
    "vq": Method("bc", {**_REGRESSION, "head": "vq", "steps": 3_000, "patience": 0}),
    "act": Method("act", {"width": 128, "layers": 2, "steps": 3_000, "learning_rate": 3e-4}),
    "diffusion": Method("diffusion", {"steps": 3_000, "ema": 0.999}),
    "diffusion-unet": Method(
        "diffusion", {"network": "unet", "channels": (32, 64), "steps": 1_000, "ema": 0.995}
    ),
    "diffusion-transformer": Method(
        "diffusion",
        {"network": "transformer", "width": 128, "layers": 2, "steps": 1_000, "ema": 0.995},
    ),
    "flow": Method("flow", {"steps": 3_000, "ema": 0.999}),
    "mip": Method("mip", {"steps": 3_000, "ema": 0.995}),
    "distilled": Method("flow", {"sampler_steps": 2, "steps": 2_000, "ema": 0.999}, teacher="flow"),
}

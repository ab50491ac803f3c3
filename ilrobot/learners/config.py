"""How a policy is trained, and the presets that suit most tasks."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, get_args

from ilrobot.data.lessons import ChunkLabels, Weighting
from ilrobot.errors import UserError
from ilrobot.policies.config import HeadName, PolicyConfig
from ilrobot.policies.heeded import USED_BY_HEAD
from ilrobot.ranges import NOT_NEGATIVE, POSITIVE, SHARE, Range, check_ranges
from ilrobot.spec import Spec

Preset = Literal["bc", "bc-chunk", "bc-rnn", "act", "diffusion", "flow", "fast", "mip"]

#: Greatest seed: what every file format and generator that it reaches can hold.
GREATEST_SEED = 2**63 - 1

#: Windows in a preset's batch at most, where the policy sees pictures.
MOST_WITH_PICTURES = 64

#: Greatest batch: beyond it a step takes minutes and gigabytes, and nothing is gained.
MOST_IN_BATCH = 2**16

_RANGES = {
    "steps": Range(1, 10**9),
    "batch_size": Range(1, MOST_IN_BATCH),
    "validate_every": Range(1, 10**9),
    "seed": Range(0, GREATEST_SEED),
    "warmup": Range(0, 10**9),
    "patience": Range(0, 10**9),
    "keep_checkpoints": Range(0, 1_000),
    "epochs": NOT_NEGATIVE,
    "learning_rate": POSITIVE,
    "checkpoint_seconds": POSITIVE,
    "time_budget": POSITIVE,
    "weight_decay": NOT_NEGATIVE,
    "clip": NOT_NEGATIVE,
    "ema": SHARE,
    "held_out": SHARE,
}

_CHOICES = {"weighting": get_args(Weighting), "chunk_labels": get_args(ChunkLabels)}

#: A short training warms up for at most this share of its steps, and validates so many times.
_WARMUP_SHARE = 0.1
_LEAST_VALIDATIONS = 10

#: A training whose length is said in epochs has at least so many steps: fewer do not teach an
#: untrained network much, however little there is to learn (BENCHMARKS.md).
LEAST_STEPS = 1_000


@dataclass(frozen=True)
class TrainConfig:
    """AdamW with a linear warm-up and a cosine to zero.

    Attributes:
        steps: Optimiser steps; with `epochs` the most of them.
        epochs: Passes over the windows that are trained on, which is how long a training with few
            demonstrations takes (0: `steps` says how long); see `for_windows`.
        seed: Seed of everything drawn: split, initial weights, batches, noise.
        batch_size: Windows in a batch.
        learning_rate: Greatest learning rate.
        weight_decay: AdamW's.
        warmup: Steps of the linear warm-up.
        clip: Greatest norm of the gradient (0: not clipped).
        ema: Greatest decay of the averaged weights, which are the result (0: no averaging).
        held_out: Share of the episodes held out for validation.
        validate_every: Steps between validations.
        patience: Validations without an improvement after which training stops early, and the
            best weights are the result (0: neither; the last ones are).
        weighting: How demonstrations, corrections and the policy's own actions are weighted; see
            `ilrobot.data.weights`. Held-out episodes are weighted by their own frames.
        chunk_labels: What a chunk is taught that crosses an intervention; see
            `ilrobot.data.cutting`.
        checkpoint_seconds: Seconds between checkpoints.
        time_budget: Seconds that training shall take; `steps` is what fits into them as measured
            on the machine that begins it (None: `steps` says how long).
        keep_checkpoints: At so many evenly spaced steps, the last one among them, the weights that
            would be the result are kept; at every step where there are fewer.
        device: ``auto`` takes CUDA where there is one.
    """

    steps: int = 20_000
    seed: int = 0
    batch_size: int = 256
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    warmup: int = 200
    clip: float = 1.0
    ema: float = 0.0
    held_out: float = 0.1
    validate_every: int = 250
    patience: int = 20
    weighting: Weighting = "plain"
    chunk_labels: ChunkLabels = "cut"
    checkpoint_seconds: float = 30.0
    device: str = "auto"
    time_budget: float | None = None
    keep_checkpoints: int = 0
    epochs: float = 0.0

    def check(self) -> None:
        """Refuse what is out of range.

        Raises:
            UserError: The first thing found, as its option of the command line.
        """
        check_ranges(self, _RANGES)
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise UserError(
                    f"--{name.replace('_', '-')} must be one of {', '.join(choices)}, not "
                    f"{getattr(self, name)}"
                )

    def with_steps(self, steps: int) -> TrainConfig:
        """The same over another number of steps, its warm-up and validations where it is short."""
        return replace(
            self,
            steps=steps,
            epochs=0.0,
            warmup=min(self.warmup, round(_WARMUP_SHARE * steps)),
            validate_every=min(self.validate_every, max(1, steps // _LEAST_VALIDATIONS)),
        )

    def for_windows(self, count: int) -> TrainConfig:
        """The same over as many steps as its epochs are with so many windows to train on.

        They are at least `LEAST_STEPS`, if `steps` is not fewer, and at most `steps`.
        """
        if not self.epochs:
            return self
        passes = math.ceil(self.epochs * count / self.batch_size)
        return self.with_steps(min(self.steps, max(LEAST_STEPS, passes)))

    @property
    def kept_steps(self) -> frozenset[int]:
        """The steps after which the weights are kept."""
        count = self.keep_checkpoints
        kept = {round(self.steps * part / count) for part in range(1, count + 1)}
        return frozenset(kept - {0})

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self)


_CHUNKS = PolicyConfig(n_obs=2, horizon=16, execute=8, blocks=4, observation_noise=0.005)
_LONG = TrainConfig(
    steps=40_000,
    learning_rate=5e-4,
    warmup=500,
    ema=0.9995,
    held_out=0.02,
    validate_every=1_000,
    patience=0,
    epochs=100.0,
)

_FLOW = replace(_CHUNKS, head="flow")

#: What suits most tasks. ``bc`` predicts one action from one observation by a small network and
#: stops early; ``bc-chunk`` predicts chunks of 16 actions from two observations by regression;
#: ``diffusion`` denoises chunks of 16 actions from two observations with an MLP, which
#: needs a tenth of a U-Net's time on a CPU, and keeps averaged weights. It predicts the clean
#: chunk: an MLP learns that in far fewer steps than the noise, which it must first learn to pass
#: through. ``flow`` and ``mip`` are the same with another head, and ``flow`` with what did best on
#: Push-T and the Panda tasks (BENCHMARKS.md); ``fast`` is ``flow`` in two calls of its network. All
#: of these pass over the recordings a hundred times: of few demonstrations a flow that passes more
#: often learns by heart (the same). The average of ``mip`` is as short as its authors'. ``bc-rnn``
#: has its authors' size, ``act`` one that sees the recordings fifty times in half an hour of a core
#: (docs/training.md). Their result is the last averaged weights: robomimic found that the lowest
#: validation loss is no sign of the best policy.
PRESETS: dict[Preset, tuple[PolicyConfig, TrainConfig]] = {
    "bc": (PolicyConfig(dropout=0.1, observation_noise=0.05), TrainConfig(ema=0.999)),
    "bc-chunk": (replace(_CHUNKS, dropout=0.1), replace(_LONG, steps=20_000)),
    "bc-rnn": (
        PolicyConfig(head="mixture", network="rnn", n_obs=10, width=400, layers=2, blocks=1),
        TrainConfig(batch_size=100, weight_decay=0.0, ema=0.999, validate_every=1_000, patience=0),
    ),
    "act": (
        PolicyConfig(
            head="cvae",
            network="transformer",
            horizon=40,
            execute=20,
            width=128,
            layers=2,
            attention_heads=8,
            dropout=0.1,
        ),
        TrainConfig(
            batch_size=64,
            learning_rate=5e-4,
            ema=0.999,
            validate_every=1_000,
            patience=0,
            epochs=50.0,
        ),
    ),
    "diffusion": (replace(_CHUNKS, head="diffusion"), _LONG),
    "flow": (_FLOW, _LONG),
    "fast": (replace(_FLOW, sampler_steps=2), _LONG),
    "mip": (replace(_CHUNKS, head="mip"), replace(_LONG, ema=0.995)),
}


def preset(name: Preset, spec: Spec) -> tuple[PolicyConfig, TrainConfig]:
    """One of `PRESETS` for a dataset: regression becomes classification of discrete actions."""
    policy, training = PRESETS[name]
    if policy.head == "mse" and spec.choices is not None:
        policy = replace(policy, head="cross-entropy")
    return policy, training


def with_head(
    policy: PolicyConfig, training: TrainConfig, head: HeadName
) -> tuple[PolicyConfig, TrainConfig]:
    """The same with another head, and with what that head alone uses as `PolicyConfig` advises.

    So ``fast`` with a diffusion takes as many steps as ``diffusion``, and ``bc`` with a flow is not
    stopped by a validation loss that does not rank policies of that head, but after as many passes
    over the recordings as ``flow``.
    """
    advised = PolicyConfig(head=head)
    used = {name: getattr(advised, name) for name in USED_BY_HEAD.get(head, ())}
    alike = [trained for own, trained in PRESETS.values() if own.head == head]
    if alike and not any(trained.patience for trained in alike):
        training = replace(training, patience=0, epochs=alike[0].epochs)
    return replace(policy, head=head, **used), training

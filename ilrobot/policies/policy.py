"""The policy: what is trained, kept, exported and run."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from ilrobot.control.chunking import RECEDING, Chunking
from ilrobot.control.chunks import ChunkActor
from ilrobot.data.batch import Batch
from ilrobot.data.windows import Windows
from ilrobot.ensemble import disagreement_scale
from ilrobot.observed import seen_spec, vector_spec
from ilrobot.policies.acting import make_actor
from ilrobot.policies.action_code import ActionCode
from ilrobot.policies.action_rotations import refuse_rotations
from ilrobot.policies.config import PolicyConfig
from ilrobot.policies.encoder import ObservationEncoder
from ilrobot.policies.heads.ensemble import EnsembleHead
from ilrobot.policies.heads.guidance import Guidance
from ilrobot.policies.heads.head import Head
from ilrobot.policies.heads.making import make_head
from ilrobot.policies.heads.residual import ResidualHead
from ilrobot.policies.heads.stacked_ensemble import make_ensemble
from ilrobot.policies.module_file import check_finite, load_module, save_module
from ilrobot.policies.normalize import Normalizer
from ilrobot.policies.task_frame import FrameView
from ilrobot.spec import Spec


class Policy(nn.Module):
    """Encoder × network × head, from physical observations to physical actions.

    Attributes:
        spec: What it reads and gives; of pictures those of its cameras.
        config: What it is made of.
        noise_shape: Of the standard normal noise that `forward` takes (None: it takes none).

    Args:
        spec: The task's or dataset's; what it does not see is left out.
        config: What it shall be made of.

    Raises:
        UserError: They do not fit each other.
    """

    def __init__(self, spec: Spec, config: PolicyConfig) -> None:
        super().__init__()
        config.check(spec)
        self.spec, self.config = seen_spec(spec, config.cameras), config
        vectors = vector_spec(self.spec)
        mode = config.normalization
        view = FrameView(vectors, config.frame) if config.frame else None
        self.encoder = ObservationEncoder(
            vectors.observations, config.n_obs, mode, view, self.spec.cameras
        )
        self._code = code = ActionCode(spec, config, vectors, self.encoder)
        self.framed, self.relative = code.framed, code.relative
        self.rotations, self.action_normalizer = code.rotations, code.normalizer
        self.limits = code.limits
        heads = [make_head(config, self.encoder.size, code.size) for _ in range(config.members)]
        self.head = heads[0] if config.members == 1 else make_ensemble(heads, spec.choices)
        if config.residual is not None:
            refuse_rotations(self.spec, "a residual")
            plain = self.encoder.plain.tolist()
            self.head = ResidualHead(
                self.head,
                config.residual,
                self.spec,
                plain,
                self.encoder.size,
                turned=self.framed is not None and bool(self.framed.pairs),
            )
        self.noise_shape = self.head.noise_shape

    def fit_normalizers(self, windows: Windows) -> None:
        """Take the normalisation from the windows that it will be trained on."""
        self.encoder.fit(windows.observations)
        self._code.fit(windows)
        batch = windows.take(windows.spread(_FIT_WINDOWS), pictures=False)
        self.head.fit(self._normalized(batch), batch.mask)

    def replace_action_normalizer(self, normalizer: Normalizer) -> None:
        """Let another one scale its actions, such as one that leaves them as they are."""
        self.action_normalizer = self._code.normalizer = normalizer

    def loss(self, batch: Batch, condition: Tensor | None = None) -> Tensor:
        """The loss of each chunk without its weight, shape (B · batch.ticks,).

        Of several members it is their batches of equal size, one after the other. `condition` is
        what `encode` gives of its observations, where that is known.
        """
        if condition is None:
            condition = self.encode(batch.observations)
        if self.training and self.config.observation_noise:
            condition = condition + self.encoder.noise(condition) * self.config.observation_noise
        given = () if batch.noise is None else (batch.noise,)
        loss: Tensor = self.head.loss(condition, self._normalized(batch), batch.mask, *given)
        return loss

    def forward(
        self,
        observations: Mapping[str, Tensor],
        noise: Tensor | None = None,
        prefix: Tensor | None = None,
        prefix_weights: Tensor | None = None,
    ) -> Tensor:
        """Predict a chunk of actions.

        Args:
            observations: Histories, oldest first: name to shape (B, n_obs, *shape), physical units;
                pictures uint8.
            noise: Standard normal of shape (B, *noise_shape); None where that is None.
            prefix: Actions that the sampler is led to, shape (B, horizon, *action shape), physical
                units; where there are `sampler_steps`.
            prefix_weights: How far, shape (B, sampler_steps, horizon), each within 0 and 1.

        Returns:
            Shape (B, horizon, *action shape) in physical units; (B, horizon) int64 for choices.
        """
        led = self.guidance(observations, prefix, prefix_weights)
        return self.decode(self.head(self.encode(observations), noise, *led), observations)

    def guidance(
        self, observations: Mapping[str, Tensor], prefix: Tensor | None, weights: Tensor | None
    ) -> tuple[Guidance, ...]:
        """Where `forward` is to lead the sampler, as its head reads it: one, or none."""
        if prefix is None or weights is None:
            return ()
        return (Guidance(self.represent(prefix, observations), weights),)

    @property
    def coded(self) -> bool:
        """Whether what its head speaks of are other numbers than actions, by what is observed."""
        return self._code.changes

    @property
    def sampler_steps(self) -> int | None:
        """Steps of its sampler that can be led (None: it cannot)."""
        return self.members[0].steps

    @property
    def members(self) -> Sequence[Head]:
        """Its heads; those of an ensemble that is computed as one head are copies."""
        return self.head.members if isinstance(self.head, EnsembleHead) else (self.head,)

    def opinions(
        self,
        observations: Mapping[str, Tensor],
        noise: Tensor | None = None,
        prefix: Tensor | None = None,
        prefix_weights: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """What `forward` gives, and each member's chunk, (members, B, horizon, *action shape)."""
        if not isinstance(self.head, EnsembleHead):
            chunk: Tensor = self(observations, noise, prefix, prefix_weights)
            return chunk, chunk[None]
        led = self.guidance(observations, prefix, prefix_weights)
        chunks = self.head.chunks(self.encode(observations), noise, *led)
        return self.decode(self.head.combine(chunks), observations), self.decode(
            chunks, observations
        )

    def encode(self, observations: Mapping[str, Tensor]) -> Tensor:
        """Observations to the condition of the head, shape (B, C)."""
        condition: Tensor = self.encoder(observations)
        return condition

    def decode(self, chunk: Tensor, observations: Mapping[str, Tensor]) -> Tensor:
        """What the head gives, (..., B, H, C) or of choices (..., B, H), as `forward` does."""
        if self.spec.choices is not None:
            return chunk
        return self._code.decode(chunk, self.encoder.newest(observations) if self.coded else None)

    def represent(
        self, actions: Tensor, observations: Mapping[str, Tensor], ticks: int = 1
    ) -> Tensor:
        """Inverse of `decode` for continuous actions: (B, H, *action shape) to (B, H, C).

        With more than one of the `ticks` of a history each of its newest has a chunk, one after
        the other, oldest first: (B · ticks, H, *action shape) to (B · ticks, H, C).
        """
        newest = self.encoder.newest(observations, ticks) if self.coded else None
        return self._code.encode(actions, newest)

    def check_finite(self, what: str) -> None:
        """Refuse weights that would make every action meaningless.

        Args:
            what: They are called this in the message.

        Raises:
            WorkFailed: One is NaN or infinite.
        """
        check_finite(self, what)

    @property
    def training_range(self) -> dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]]:
        """Least and greatest value of each vector and of ``action`` in the training data.

        Name to two arrays of shape (size,), physical units.
        """
        low, high = (getattr(self.encoder.normalizer, side).cpu().numpy() for side in _SIDES)
        ranges, start = {}, 0
        for feature in vector_spec(self.spec).observations:
            part = slice(start, start + feature.size)
            ranges[feature.name] = low[part], high[part]
            start += feature.size
        ranges["action"] = self._code.seen
        return ranges

    @property
    def frozen(self) -> dict[str, list[str]]:
        """Elements that did not move in the training data, by feature.

        The policy always gives such an action, and cannot know what such an observation means.
        """
        features = vector_spec(self.spec).observations
        constant: Iterator[bool] = iter(self.encoder.normalizer.constant)
        if self.spec.choices is None:
            features = (*features, self.spec.action)
            constant = itertools.chain(constant, self._code.frozen)
        still = {f.name: [n for n in f.element_names if next(constant)] for f in features}
        return {name: elements for name, elements in still.items() if elements}

    def actor(self, chunking: Chunking = RECEDING) -> ChunkActor:
        """It as an actor: numpy in, numpy out, on the device where its weights lie.

        With several members an `EnsembleActor`, which says how far they are apart.

        Args:
            chunking: How its chunks are executed.

        Raises:
            UserError: They cannot be executed so.
        """
        return make_actor(self, chunking)

    @property
    def disagreement_scale(self) -> NDArray[np.float64]:
        """What `ilrobot.ensemble.spread` measures each element of the action by, shape (size,)."""
        return disagreement_scale(self.spec, self.training_range["action"])

    def save(self, path: Path) -> None:
        """Write weights, configuration and spec to one file, atomically."""
        save_module(path, self, self.spec, self.config)

    @classmethod
    def load(cls, path: Path) -> Policy:
        """Inverse of `save`; the policy is on the CPU and in evaluation mode.

        Raises:
            UserError: The file is missing, damaged or of another format.
            WorkFailed: The weights are not finite.
        """
        return load_module(path, "policy", lambda s, c: cls(s, PolicyConfig.from_json(c)))

    def _normalized(self, batch: Batch) -> Tensor:
        """The labels as the head reads them, (B · ticks, H, C), or of choices int64 without C."""
        if self.spec.choices is not None:
            return batch.actions
        return self.represent(batch.actions, batch.observations, batch.ticks)


_SIDES = ("low", "high")
#: Windows that a head is fitted to, evenly spread where there are more.
_FIT_WINDOWS = 4096

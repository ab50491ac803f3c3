"""A policy in the loop: observations in numpy, a chunk in numpy, executed action by action."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ilrobot.control.chunking import Chunking, Predicts
from ilrobot.control.chunks import ChunkActor
from ilrobot.control.drawing import Guide, Prediction
from ilrobot.ensemble import EnsembleActor, opinion
from ilrobot.errors import WorkFailed

if TYPE_CHECKING:
    from ilrobot.policies.policy import Policy


def make_actor(policy: Policy, chunking: Chunking) -> ChunkActor:
    """What `Policy.actor` gives.

    Raises:
        UserError: Its chunks cannot be executed so.
    """
    policy.eval()
    config, scale = policy.config, policy.disagreement_scale
    predicts = Predicts(
        policy.spec,
        config.horizon,
        config.execute,
        policy.noise_shape,
        None if policy.spec.choices is not None else scale,
        policy.sampler_steps,
    )
    execution, draw = chunking.make(predicts)
    predict = _Predictor(policy)
    if config.members == 1:
        return ChunkActor(
            predict,
            policy.spec,
            history=config.n_obs,
            execution=execution,
            draw=draw,
        )
    return EnsembleActor(
        predict,
        policy.spec,
        history=config.n_obs,
        execution=execution,
        draw=draw,
    )


class _Predictor:
    """The policy's chunk, of an ensemble with its doubt, on the device where its weights lie."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._scale = policy.disagreement_scale

    @torch.inference_mode()
    def __call__(
        self,
        history: Mapping[str, NDArray[Any]],
        noise: NDArray[np.float32] | None,
        guide: Guide | None = None,
    ) -> Prediction:
        """See `ilrobot.control.chunks.ChunkPredictor`.

        Raises:
            WorkFailed: The chunk is not finite.
        """
        device = self._policy.action_normalizer.offset.device
        observations = {
            f.name: torch.from_numpy(history[f.name][None]).to(device)
            for f in self._policy.spec.observations
        }
        drawn = None if noise is None else torch.from_numpy(noise[None]).to(device)
        led: tuple[Tensor, ...] = ()
        if guide is not None:
            arrays = (guide.prefix, guide.weights)
            led = tuple(torch.from_numpy(array[None]).to(device) for array in arrays)
        chosen, members = self._policy.opinions(observations, drawn, *led)
        chunk: NDArray[Any] = chosen[0].cpu().numpy()
        if not np.isfinite(chunk).all():
            bad = [name for name, seen in history.items() if not np.isfinite(seen).all()]
            cause = f"it observed {', '.join(bad)} that is not" if bad else "its numbers overflow"
            raise WorkFailed(f"the policy's action is not finite, because {cause}")
        if len(members) == 1:
            return Prediction(chunk)
        each = members[:, 0].cpu().numpy()
        return opinion(chunk, each, self._policy.spec, self._scale)

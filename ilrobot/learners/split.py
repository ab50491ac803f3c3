"""The windows that a policy is trained on, and those that it is validated on."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ilrobot.data.episode import REPEATED
from ilrobot.data.labels import labels, split_episodes
from ilrobot.data.recordings import Recordings
from ilrobot.data.stray import Perturbation
from ilrobot.data.windows import Windows
from ilrobot.errors import UserError
from ilrobot.learners.config import TrainConfig
from ilrobot.learners.machine import find_device
from ilrobot.learners.picture_care import check_films
from ilrobot.observed import seen_spec
from ilrobot.policies.config import PolicyConfig


def split_windows(
    dataset: Recordings,
    policy_config: PolicyConfig,
    train_config: TrainConfig,
    frame_weights: NDArray[np.floating[Any]] | None = None,
    perturb: Perturbation | None = None,
) -> tuple[Windows, Windows | None]:
    """Windows to train on, and those of the held-out episodes (None: none of them counts).

    `perturb` changes what is trained on alone. Where pictures are seen, a frame that has none of
    its own teaches nothing: of a film that could not keep up it shows the one before.

    Raises:
        UserError: No frame teaches, or none with a picture of its own, an observation or a label
            is not finite, a weight is no weight or all that would be trained on are 0, `perturb`
            does not fit the task, pictures are too narrow or too many, or steps are to be learnt
            from chunks with gaps.
    """
    if policy_config.actions == "delta" and train_config.chunk_labels == "completed":
        raise UserError(
            "--actions delta needs chunks without gaps, which chunk_labels 'completed' leaves; "
            "take --actions relative"
        )
    teaches, _ = labels(dataset, train_config.weighting)
    if policy_config.cameras and dataset.has_column(REPEATED) and dataset.column(REPEATED).any():
        own = ~dataset.column(REPEATED)
        if not (teaches & own).any():
            raise UserError(
                f"{dataset.path}: no frame that teaches has a picture of its own; record fewer or "
                "smaller cameras"
            )
        frame_weights = own.astype(np.float64) * (1 if frame_weights is None else frame_weights)
    chosen, held_out = split_episodes(dataset, teaches, train_config.held_out, train_config.seed)
    if frame_weights is not None:
        # Left out only now: which episodes are held out does not depend on the weights.
        frames = np.flatnonzero(teaches & (frame_weights != 0))
        counting = np.searchsorted(dataset.starts, frames, side="right") - 1
        held_out = np.intersect1d(held_out, counting)
    cameras = seen_spec(dataset.spec, policy_config.cameras).cameras
    if cameras:
        device = find_device(train_config.device)
        check_films(dataset, cameras, [*chosen, *held_out], device)

    def windows(episodes: NDArray[np.int64], perturb: Perturbation | None = None) -> Windows:
        return Windows(
            dataset,
            n_obs=policy_config.n_obs,
            horizon=policy_config.horizon,
            episodes=episodes,
            frame_weights=frame_weights,
            weighting=train_config.weighting,
            chunk_labels=train_config.chunk_labels,
            perturb=perturb,
            cameras=policy_config.cameras,
        )

    return windows(chosen, perturb), windows(held_out) if held_out.size else None

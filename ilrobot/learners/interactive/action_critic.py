"""A gate's network that reads the action that is wanted beside what is observed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ilrobot.actors import Action, Observation
from ilrobot.data.recordings import Recordings
from ilrobot.gates.discrepancy import action_ranges
from ilrobot.learners.interactive.gate_network import GateNetwork, Report
from ilrobot.policies.normalize import Normalizer, kinds
from ilrobot.spec import Spec


class ActionCritic(GateNetwork[Report]):
    """What `SuccessCritic` and `HelpCritic` share.

    Args:
        spec: The task's; images are left out.

    Raises:
        UserError: The action is a choice or has no limits.
    """

    def __init__(self, spec: Spec) -> None:
        action_ranges(spec)  # says why a choice cannot be taken
        super().__init__(spec)
        self.action_normalizer = Normalizer(kinds((spec.action,)), "standardize")

    def __call__(self, observation: Observation, action: Action) -> float:
        """What `values` says of one tick.

        Args:
            observation: Name to array of its feature's shape, physical units.
            action: In the action's shape and units.
        """
        return float(self.values(self.one(observation), np.asarray(action)[None])[0])

    def values(
        self, observations: Mapping[str, NDArray[Any]], actions: NDArray[Any]
    ) -> NDArray[np.float32]:
        """The critic's word of many, shape (N,), from arrays of shape (N, *shape)."""
        raise NotImplementedError

    def encode_actions(self, actions: NDArray[Any]) -> Tensor:
        """Arrays of shape (N, *shape) in physical units normalised, (N, A)."""
        wanted = torch.tensor(actions, dtype=torch.float32).reshape(len(actions), -1)
        normal: Tensor = self.action_normalizer(wanted)
        return normal

    def fit_reading(
        self, dataset: Recordings, frames: NDArray[np.int64]
    ) -> tuple[dict[str, NDArray[Any]], NDArray[Any]]:
        """Take the scale of what was observed and executed at some frames, and return the two."""
        columns = {f.name: dataset.column(f.name)[frames] for f in self.spec.observations}
        done = dataset.column("action")[frames].reshape(len(frames), -1)
        self.fit_encoder(columns)
        self.action_normalizer.fit(done)
        return columns, done


def are_finite(actions: NDArray[Any]) -> NDArray[np.bool_]:
    """Which of some actions, (N, *shape), are finite, (N,)."""
    finite: NDArray[np.bool_] = np.isfinite(actions.reshape(len(actions), -1)).all(axis=1)
    return finite

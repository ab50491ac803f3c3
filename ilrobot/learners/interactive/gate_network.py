"""A network that a gate decides by: it reads observations, and is kept in one file with its fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, Self, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ilrobot.actors import Observation
from ilrobot.errors import UserError
from ilrobot.observed import vector_spec
from ilrobot.policies.encoder import ObservationEncoder
from ilrobot.policies.tensor_file import load_tensors, save_tensors
from ilrobot.spec import Spec

#: Called with how many steps of a fit are done, and how many there are to be.
OnSteps = Callable[[int, int], None]


def unwatched(done: int, steps: int) -> None:
    """Nobody follows the fit."""


@dataclass(frozen=True)
class Validation:
    """How well a network does on episodes that it was not fitted to."""


Report = TypeVar("Report", bound=Validation)


class GateNetwork(nn.Module, Generic[Report]):
    """What `SafetyClassifier` and every `ActionCritic` share.

    Args:
        spec: The task's; images are left out.

    Attributes:
        kind: What it is called in its file and where it cannot be read.
        signal: What an exported policy calls its word, see `ilrobot.control.signals`.
        report_type: What its validation comes to.
        report: What validation came to (None: not fitted yet).
    """

    kind: ClassVar[str]
    signal: ClassVar[str]
    report_type: ClassVar[type[Any]]

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        self.spec = vector_spec(spec)
        self.encoder = ObservationEncoder(self.spec.observations, 1, "standardize")
        self.report: Report | None = None

    def fit_encoder(self, observations: Mapping[str, NDArray[Any]]) -> None:
        """Take the scale of the data, from arrays of shape (N, *shape)."""
        self.encoder.fit({n: c.reshape(len(c), -1) for n, c in observations.items()})

    def encode_observations(self, observations: Mapping[str, NDArray[Any]]) -> Tensor:
        """What the encoder makes of arrays of shape (N, *shape) in physical units, (N, C)."""
        return self.encode_tensors(
            {
                f.name: torch.tensor(observations[f.name], dtype=torch.float32)
                for f in self.spec.observations
            }
        )

    def encode_tensors(self, observations: Mapping[str, Tensor]) -> Tensor:
        """The same of tensors."""
        seen = {f.name: observations[f.name][:, None] for f in self.spec.observations}
        encoded: Tensor = self.encoder(seen)
        return encoded

    def judge(self, observations: Mapping[str, Tensor], action: Tensor) -> Tensor:
        """The signal, shape (B,), of observations and an action, (B, *shape) in physical units."""
        raise NotImplementedError

    def one(self, observation: Observation) -> dict[str, NDArray[Any]]:
        """One tick's observation as arrays of shape (1, *shape)."""
        return {f.name: np.asarray(observation[f.name])[None] for f in self.spec.observations}

    def save(self, path: Path) -> None:
        """Write it to one file, atomically."""
        assert self.report is not None
        content = {
            self.kind: self.spec.to_json(),
            "report": asdict(self.report),
            "weights": self.state_dict(),
        }
        save_tensors(path, content)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Inverse of `save`.

        Raises:
            UserError: The file is missing, damaged or something else.
        """
        content = load_tensors(path)
        try:
            network = cls(Spec.from_json(content[cls.kind]))
            network.load_state_dict(content["weights"])
            network.report = cls.report_type(**content["report"])
        except (AttributeError, KeyError, RuntimeError, TypeError) as error:
            raise UserError(
                f"{path} is no {cls.kind} of this version of ilrobot; delete it to have it made "
                "again"
            ) from error
        return network

"""A policy with its contract, wherever it is computed: as an actor, and held to its promise."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ilrobot.control.chunking import Chunking
from ilrobot.control.chunks import ChunkActor
from ilrobot.control.contract import Contract
from ilrobot.control.contract_golden import Golden
from ilrobot.control.drawing import Guide, Prediction
from ilrobot.control.signals import greatest_difference
from ilrobot.ensemble import EnsembleActor
from ilrobot.errors import WorkFailed
from ilrobot.spec import Spec


class ExportedPolicy(ABC):
    """A chunk predictor that a contract describes.

    Attributes:
        where: What messages call it: its file, or its server's address.
        contract: What it promises.
    """

    def __init__(self, where: str, contract: Contract) -> None:
        self.where = where
        self.contract = contract

    @abstractmethod
    def predict(
        self,
        history: Mapping[str, NDArray[Any]],
        noise: NDArray[np.float32] | None,
        guide: Guide | None = None,
    ) -> Prediction:
        """Predict a chunk; see `ilrobot.control.chunks.ChunkPredictor`."""

    def __call__(
        self,
        history: Mapping[str, NDArray[Any]],
        noise: NDArray[np.float32] | None,
        guide: Guide | None = None,
    ) -> NDArray[Any]:
        """The chunk of `predict`."""
        return self.predict(history, noise, guide).chunk

    @property
    def spec(self) -> Spec:
        """What it reads and gives."""
        return self.contract.spec

    def actor(self, chunking: Chunking | None = None, *, background: bool = False) -> ChunkActor:
        """It as an actor; of an ensemble an `EnsembleActor`, which knows its doubt.

        Args:
            chunking: How its chunks are executed (None: as the contract says).
            background: See `ChunkActor`.

        Raises:
            UserError: They cannot be executed so.
        """
        contract = self.contract
        execution, draw = (chunking or contract.chunking).make(contract.predicts)
        kind = ChunkActor if contract.doubt is None else EnsembleActor
        return kind(
            self.predict,
            self.spec,
            history=contract.n_obs,
            execution=execution,
            draw=draw,
            background=background,
            thresholds=contract.thresholds,
        )

    def golden_errors(self) -> list[float]:
        """Replay the golden vectors on this machine: the error of each, see `golden_error`."""
        return [
            golden_error(
                self.contract, known, self.predict(known.observations, known.noise, known.guide)
            )
            for known in self.contract.golden
        ]

    def golden_error(self) -> float:
        """The greatest of `golden_errors`; NaN where an output is."""
        return float(np.max(self.golden_errors(), initial=0.0))

    def verify(self) -> float:
        """Replay the golden vectors, and hold the result against the contract.

        Returns:
            The `golden_error`.

        Raises:
            WorkFailed: It exceeds the contract's tolerance.
        """
        worst = self.golden_error()
        if not worst <= self.contract.tolerance:
            of = "choices" if self.contract.limits is None else "command range"
            raise WorkFailed(
                f"{self.where}: on this machine the golden inputs give other actions than at the "
                f"export ({worst:.2g} of the {of}, at most {self.contract.tolerance:.2g} is "
                "allowed); try another version of onnxruntime"
            )
        return worst


def golden_error(contract: Contract, golden: Golden, given: Prediction) -> float:
    """How far a prediction is from what a golden vector says.

    Returns:
        The greater of `chunk_error` and of the `greatest_difference` of its signals.
    """
    of_chunk = chunk_error(contract, given.chunk, golden.action)
    return float(np.maximum(of_chunk, greatest_difference(given.signals, golden.signals)))


def chunk_error(contract: Contract, chunk: NDArray[Any], reference: NDArray[Any]) -> float:
    """Greatest error of a chunk as a fraction of each element's command range.

    Args:
        contract: Its `scale` is the range of each element.
        chunk: Shape (..., *action shape), physical units.
        reference: The same shape.

    Returns:
        max |chunk - reference| / range; for discrete actions the share of those that differ.
    """
    scale = contract.scale
    if scale is None:
        return float(np.mean(chunk != reference))
    difference = np.abs(np.subtract(chunk, reference, dtype=np.float64))
    return float(np.max(difference / scale))

"""A learnt reward as one .onnx file that says what it reads, or no file at all.

Inputs are the observations by their names, (batch, *shape) in physical units; ``action`` and
``next.<observation>`` where the reward reads them; the output ``reward`` is (batch,). The entry
``ilrobot.reward`` of the metadata is a JSON object: spec, configuration, version, the hash of the
weights, and ``absorbing``, what each step after an end is worth (null: nothing was learnt of that).
"""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

import ilrobot
from exports.graph import serialize
from ilrobot.atomic import replacing
from ilrobot.data.transitions import Transitions
from ilrobot.errors import UserError, WorkFailed, explained
from ilrobot.learners.stop import stop_signals
from ilrobot.rewards.model import RewardModel

#: Key of the description in the file's metadata.
REWARD_KEY = "ilrobot.reward"
OUTPUT = "reward"
#: Greatest allowed difference in float32, as a share of the spread of the rewards compared.
TOLERANCE = 1e-5


@dataclass(frozen=True)
class RewardParity:
    """How far the graph differs from the trained reward.

    Attributes:
        transitions: How many real ones were compared.
        relative: Greatest |difference| as a share of the range of the rewards, and of 1 where
            they differ by less than that.
        plain: The same without ONNX Runtime's optimisation of the graph.
    """

    transitions: int
    relative: float
    plain: float

    @property
    def holds(self) -> bool:
        """Whether they agree."""
        return self.relative <= TOLERANCE and self.plain <= TOLERANCE  # False for NaN too

    def __str__(self) -> str:
        """In words for a person."""
        return (
            f"{self.relative:.1e} of the rewards' range on {self.transitions} real transitions (at "
            f"most {TOLERANCE:.0e}); {self.plain:.1e} without ONNX Runtime's optimisation"
        )


def export_reward(
    model: RewardModel, path: Path, transitions: Transitions, *, checkpoint_hash: str = ""
) -> RewardParity:
    """Write a reward as one .onnx file, once it is known to give what the model gives.

    Args:
        model: The trained reward, on the CPU.
        path: Where to write; an existing file is replaced.
        transitions: Real ones, to compare on.
        checkpoint_hash: SHA-256 of the file that the model comes from.

    Raises:
        UserError: The place cannot be written to.
        WorkFailed: The graph cannot be made or differs from the model; no file is left.
    """
    if path.suffix != ".onnx":
        raise UserError(f"--output must end in .onnx, not '{path.name}'")
    rows = _inputs(model, transitions)
    frozen = copy.deepcopy(model).eval().requires_grad_(False)
    with stop_signals() as stop:
        graph = serialize(
            _Graph(frozen),
            {name: torch.from_numpy(values[:2]).clone() for name, values in _two(rows).items()},
            [OUTPUT],
            "the reward",
            any_batch=True,
        )
    stop.check()
    described = {
        "version": ilrobot.__version__,
        "spec": model.spec.to_json(),
        "config": model.config.to_json(),
        "checkpoint": checkpoint_hash,
        "absorbing": model.absorbing_reward,
    }
    content = _with_metadata(graph, json.dumps(described, allow_nan=False))
    expected = model.of(transitions)
    parity = RewardParity(
        len(transitions),
        _difference(content, rows, expected, optimised=True),
        _difference(content, rows, expected, optimised=False),
    )
    if not parity.holds:
        raise WorkFailed(
            f"the exported graph differs from the trained reward: {parity}; nothing was written"
        )
    with explained(path, "nothing was written", "export again"), replacing(path) as part:
        part.write_bytes(content)
    return parity


class _Graph(nn.Module):
    """The reward with its inputs in a row."""

    def __init__(self, model: RewardModel) -> None:
        super().__init__()
        self._model = model

    def forward(self, *inputs: Tensor) -> Tensor:
        model, rest = self._model, list(inputs)
        count = len(model.spec.observations)
        observations = _side_by_side(rest[:count])
        action, following = observations, observations  # where they are not read
        rest = rest[count:]
        if model.config.reads_action:
            action = rest.pop(0)
        if model.config.reads_next:
            following = _side_by_side(rest)
        reward: Tensor = model(observations, action, following)
        return reward


def _side_by_side(parts: list[Tensor]) -> Tensor:
    return torch.cat([part.flatten(1) for part in parts], dim=1)


def _inputs(model: RewardModel, transitions: Transitions) -> dict[str, NDArray[Any]]:
    """What the graph is given, by name."""
    given = _by_feature(model, transitions.observations, "")
    if model.config.reads_action:
        shape = model.spec.action.shape
        actions = transitions.actions.reshape(len(transitions), *shape)
        given["action"] = actions.astype(np.float32 if model.spec.choices is None else np.int64)
    if model.config.reads_next:
        given |= _by_feature(model, transitions.next_observations, "next.")
    return given


def _by_feature(
    model: RewardModel, rows: NDArray[np.float32], prefix: str
) -> dict[str, NDArray[Any]]:
    found, start = {}, 0
    for feature in model.spec.observations:
        part = rows[:, start : start + feature.size].reshape(len(rows), *feature.shape)
        found[f"{prefix}{feature.name}"] = np.ascontiguousarray(part, dtype=np.float32)
        start += feature.size
    return found


def _two(rows: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The first two of each, or the only one twice."""
    return {name: np.concatenate([values[:2], values[:1]])[:2] for name, values in rows.items()}


def _with_metadata(graph: bytes, text: str) -> bytes:
    import onnx

    proto = onnx.load_model_from_string(graph)
    proto.metadata_props.add(key=REWARD_KEY, value=text)
    content: bytes = proto.SerializeToString(deterministic=True)
    return content


def _difference(
    content: bytes, rows: dict[str, NDArray[Any]], expected: NDArray[np.float32], *, optimised: bool
) -> float:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if not optimised:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        session = onnxruntime.InferenceSession(content, options, ["CPUExecutionProvider"])
        used = {entry.name for entry in session.get_inputs()}
        given = session.run([OUTPUT], {name: rows[name] for name in used})[0]
    except Exception as error:  # ONNX Runtime's own errors have no common class
        raise WorkFailed(f"the exported graph does not run: {str(error)[:300]}") from error
    scale = max(1.0, float(np.ptp(expected)))
    return float(np.abs(np.subtract(given, expected, dtype=np.float64)).max()) / scale

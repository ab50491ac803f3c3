"""An exported policy in ONNX Runtime: verified, bound to fixed buffers, one thread."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from exports.runtime.exported_policy import ExportedPolicy
from ilrobot.control.drawing import Guide
from ilrobot.control.model_file import read_model_file
from ilrobot.errors import UserError
from ilrobot.spec import Spec

NOISE = "noise"
PREFIX = "prefix"
PREFIX_WEIGHTS = "prefix_weights"
OUTPUT = "action"


class BoundSession:
    """A chunk predictor whose inputs and output are bound once to buffers of its own.

    One thread that does not spin: a pool would compete with the control loop for its core.

    Args:
        model: A serialised ONNX model with an input for each observation, ``noise`` where
            `noise_shape` is given, ``prefix`` and ``prefix_weights`` where `sampler_steps` are,
            and the output ``action``; batch 1.
        spec: The observations and the action.
        n_obs: Ticks of history in each observation.
        horizon: Actions in the chunk.
        noise_shape: Shape of the noise without batch axis (None: there is none).
        sampler_steps: Steps of its sampler that can be led (None: it cannot).

    Raises:
        UserError: ONNX Runtime cannot load the model, or its inputs and output are others.
    """

    def __init__(
        self,
        model: bytes,
        spec: Spec,
        *,
        n_obs: int,
        horizon: int,
        noise_shape: tuple[int, ...] | None,
        sampler_steps: int | None = None,
    ) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        try:
            self._session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's own exceptions share no narrower base
            raise UserError(f"ONNX Runtime cannot load the model: {_one_line(error)}") from error
        inputs = {f.name: (n_obs, *f.shape) for f in spec.observations}
        if noise_shape is not None:
            inputs[NOISE] = noise_shape
        if sampler_steps is not None:
            inputs[PREFIX] = (horizon, *spec.action.shape)
            inputs[PREFIX_WEIGHTS] = (sampler_steps, horizon)
        output = (1, horizon, *spec.action.shape)
        self._check_shapes(inputs, output)

        self._inputs = {name: np.zeros((1, *shape), np.float32) for name, shape in inputs.items()}
        action_type: Any = np.float32 if spec.choices is None else np.int64
        self._output = np.zeros(output, action_type)
        self._binding = self._session.io_binding()
        for name, buffer in self._inputs.items():
            self._binding.bind_input(name, "cpu", 0, buffer.dtype, buffer.shape, buffer.ctypes.data)
        self._binding.bind_output(
            OUTPUT, "cpu", 0, action_type, self._output.shape, self._output.ctypes.data
        )
        self._observations = [(f.name, self._inputs[f.name][0]) for f in spec.observations]
        self._noise = self._inputs[NOISE][0] if noise_shape is not None else None
        self._led = sampler_steps is not None

    def __call__(
        self,
        history: Mapping[str, NDArray[Any]],
        noise: NDArray[np.float32] | None,
        guide: Guide | None = None,
    ) -> NDArray[Any]:
        """Predict a chunk; see `ilrobot.control.chunks.ChunkPredictor`."""
        if self._led:
            self._inputs[PREFIX][0] = 0.0 if guide is None else guide.prefix
            self._inputs[PREFIX_WEIGHTS][0] = 0.0 if guide is None else guide.weights
        elif guide is not None:
            raise ValueError("the sampler of this graph cannot be led")
        for name, buffer in self._observations:
            buffer[...] = history[name]
        if self._noise is not None:
            self._noise[...] = noise
        self._session.run_with_iobinding(self._binding)
        # A copy, because a caller may keep a chunk beyond the next prediction.
        return self._output[0].copy()

    @property
    def signature(self) -> tuple[dict[str, list[int]], dict[str, list[int]]]:
        """Names and shapes of the graph's inputs and outputs."""
        return (
            {item.name: list(item.shape) for item in self._session.get_inputs()},
            {item.name: list(item.shape) for item in self._session.get_outputs()},
        )

    def _check_shapes(self, inputs: dict[str, tuple[int, ...]], output: tuple[int, ...]) -> None:
        wanted = {name: [1, *shape] for name, shape in inputs.items()}, {OUTPUT: list(output)}
        if self.signature != wanted:
            raise UserError(
                f"the graph takes and gives {self.signature}, but its contract says {wanted}; "
                "export the policy again"
            )


class OnnxPolicy(ExportedPolicy):
    """A policy from a file that `ilrobot export` wrote.

    Args:
        path: The file.

    Raises:
        UserError: The file is missing, truncated, altered, has no contract or one that is refused.
    """

    def __init__(self, path: Path | str) -> None:
        contract, model = read_model_file(Path(path))
        super().__init__(str(path), contract)
        try:
            self._session = BoundSession(
                model,
                self.contract.spec,
                n_obs=self.contract.n_obs,
                horizon=self.contract.horizon,
                noise_shape=self.contract.noise_shape,
                sampler_steps=self.contract.sampler_steps,
            )
        except UserError as error:
            raise UserError(f"{path}: {error}") from error

    @property
    def signature(self) -> tuple[dict[str, list[int]], dict[str, list[int]]]:
        """Names and shapes of the graph's inputs and outputs."""
        return self._session.signature

    def __call__(
        self,
        history: Mapping[str, NDArray[Any]],
        noise: NDArray[np.float32] | None,
        guide: Guide | None = None,
    ) -> NDArray[Any]:
        """Predict a chunk; see `ilrobot.control.chunks.ChunkPredictor`."""
        return self._session(history, noise, guide)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())

"""An exported policy in ONNX Runtime: verified, bound to fixed buffers, one thread."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from exports.runtime.exported_policy import ExportedPolicy
from exports.signature import require_signature
from ilrobot.control.contract import Contract
from ilrobot.control.drawing import Guide, Prediction
from ilrobot.control.model_file import contract_of, read_bytes
from ilrobot.errors import UserError, WorkFailed

NOISE = "noise"
PREFIX = "prefix"
PREFIX_WEIGHTS = "prefix_weights"
OUTPUT = "action"


class BoundSession:
    """A chunk predictor whose inputs and output are bound once to buffers of its own.

    One thread that does not spin: a pool would compete with the control loop for its core.

    Args:
        model: A serialised ONNX model of batch 1. Its inputs are each observation, ``noise`` where
            the contract gives it a shape, ``prefix`` and ``prefix_weights`` where its sampler can
            be led; its outputs ``action``, and the contract's signals.
        contract: What the model promises; its golden vectors do not count here.
        optimized: Whether ONNX Runtime may rewrite the graph before it runs.
        threads: That compute it.

    Raises:
        UserError: ONNX Runtime cannot load the model, or its inputs and output are others.
    """

    def __init__(
        self,
        model: bytes,
        contract: Contract,
        *,
        optimized: bool = True,
        threads: int = 1,
    ) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        if not optimized:
            options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        try:
            self._session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's own exceptions share no narrower base
            raise UserError(f"ONNX Runtime cannot load the model: {_one_line(error)}") from error
        spec, horizon = contract.spec, contract.horizon
        inputs = {f.name: (contract.n_obs, *f.shape) for f in spec.observations}
        if contract.noise_shape is not None:
            inputs[NOISE] = contract.noise_shape
        if contract.sampler_steps is not None:
            inputs[PREFIX] = (horizon, *spec.action.shape)
            inputs[PREFIX_WEIGHTS] = (contract.sampler_steps, horizon)
        outputs: dict[str, tuple[int, ...]] = {OUTPUT: (horizon, *spec.action.shape)}
        outputs |= dict.fromkeys(contract.signals, (horizon,))
        self._check_shapes(inputs, outputs)

        types = {f.name: f.seen_dtype for f in spec.observations}
        self._inputs = {
            name: np.zeros((1, *shape), types.get(name, "float32"))
            for name, shape in inputs.items()
        }
        action_type: Any = np.float32 if spec.choices is None else np.int64
        self._outputs = {
            name: np.zeros((1, *shape), action_type if name == OUTPUT else np.float32)
            for name, shape in outputs.items()
        }
        self._binding = self._session.io_binding()
        for name, buffer in self._inputs.items():
            self._binding.bind_input(name, "cpu", 0, buffer.dtype, buffer.shape, buffer.ctypes.data)
        for name, buffer in self._outputs.items():
            self._binding.bind_output(
                name, "cpu", 0, buffer.dtype, buffer.shape, buffer.ctypes.data
            )
        # What `run_with_iobinding` does, without what it looks at for other devices: that, and new
        # run options each time, are 0.7 µs of a small policy's tick of 13.
        self._run = self._session._sess.run_with_iobinding
        self._bound, self._run_options = self._binding._iobinding, ort.RunOptions()
        self._chunk = self._outputs[OUTPUT][0]
        self._signals = [(name, self._outputs[name][0]) for name in contract.signals]
        self._observations = [(f.name, self._inputs[f.name][0]) for f in spec.observations]
        self._noise = self._inputs[NOISE][0] if NOISE in inputs else None
        self._led = PREFIX in inputs

    def __call__(
        self,
        history: Mapping[str, NDArray[Any]],
        noise: NDArray[np.float32] | None,
        guide: Guide | None = None,
    ) -> NDArray[Any]:
        """The chunk of `predict`."""
        return self.predict(history, noise, guide).chunk

    def predict(
        self,
        history: Mapping[str, NDArray[Any]],
        noise: NDArray[np.float32] | None,
        guide: Guide | None = None,
    ) -> Prediction:
        """Predict a chunk; see `ilrobot.control.chunks.ChunkPredictor`.

        Raises:
            WorkFailed: ONNX Runtime failed.
        """
        if self._led:
            self._inputs[PREFIX][0] = 0.0 if guide is None else guide.prefix
            self._inputs[PREFIX_WEIGHTS][0] = 0.0 if guide is None else guide.weights
        elif guide is not None:
            raise ValueError("the sampler of this graph cannot be led")
        for name, buffer in self._observations:
            buffer[...] = history[name]
        if self._noise is not None:
            self._noise[...] = noise
        try:
            self._run(self._bound, self._run_options)
        except Exception as error:  # ONNX Runtime's own exceptions share no narrower base
            raise WorkFailed(
                f"ONNX Runtime cannot compute the policy ({_one_line(error)}); try another version "
                "of onnxruntime"
            ) from error
        # Copies, because a caller may keep a prediction beyond the next one.
        chunk = self._chunk.copy()
        if not self._signals:
            return Prediction(chunk)
        return Prediction(chunk, {name: buffer.copy() for name, buffer in self._signals})

    @property
    def signature(self) -> tuple[dict[str, list[int]], dict[str, list[int]]]:
        """Names and shapes of the graph's inputs and outputs."""
        return (
            {item.name: list(item.shape) for item in self._session.get_inputs()},
            {item.name: list(item.shape) for item in self._session.get_outputs()},
        )

    def _check_shapes(
        self, inputs: dict[str, tuple[int, ...]], outputs: dict[str, tuple[int, ...]]
    ) -> None:
        wanted = tuple(
            {name: [1, *shape] for name, shape in shapes.items()} for shapes in (inputs, outputs)
        )
        if self.signature != wanted:
            raise UserError(
                f"the graph takes and gives {self.signature}, but its contract says {wanted}; "
                "export the policy again"
            )


class OnnxPolicy(ExportedPolicy):
    """A policy from a file that `ilrobot export` wrote.

    Args:
        path: The file.
        trust: PEM file of the Ed25519 public key whose owner must have signed it (None: nobody).
        threads: That compute it; beside a control loop one.

    Raises:
        UserError: The file is missing, truncated, altered, not signed by whom it is to be, has no
            contract or one that is refused.
    """

    def __init__(self, path: Path | str, trust: Path | None = None, threads: int = 1) -> None:
        model = read_bytes(Path(path))
        if trust is not None:  # before a byte of it is believed
            require_signature(Path(path), model, trust)
        contract = contract_of(model, Path(path))
        super().__init__(str(path), contract)
        try:
            self._session = BoundSession(model, contract, threads=threads)
        except UserError as error:
            raise UserError(f"{path}: {error}") from error

    @property
    def signature(self) -> tuple[dict[str, list[int]], dict[str, list[int]]]:
        """Names and shapes of the graph's inputs and outputs."""
        return self._session.signature

    def predict(
        self,
        history: Mapping[str, NDArray[Any]],
        noise: NDArray[np.float32] | None,
        guide: Guide | None = None,
    ) -> Prediction:
        """Predict a chunk; see `ilrobot.control.chunks.ChunkPredictor`."""
        return self._session.predict(history, noise, guide)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())

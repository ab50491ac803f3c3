"""Policies for tests: one whose action is its observation, and one that says nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.numpy_helper
from onnx import TensorProto, helper

from ilrobot.control.contract import Contract
from ilrobot.control.contract_parts import Limits, Provenance, Range
from ilrobot.control.model_file import seal
from ilrobot.spec import Feature, Spec

OBSERVATION = "observation.state"


def constant_policy(path: Path, contract: Contract) -> None:
    """Write a policy that always answers zeros, under a contract that fits it."""
    spec = contract.spec
    shape = (1, contract.horizon, *spec.action.shape)
    of_numpy, of_onnx = (np.float32, TensorProto.FLOAT)
    if spec.choices is not None:
        of_numpy, of_onnx = (np.int64, TensorProto.INT64)
    zeros = onnx.numpy_helper.from_array(np.zeros(shape, of_numpy), "zeros")
    inputs = [
        helper.make_tensor_value_info(f.name, TensorProto.FLOAT, [1, contract.n_obs, *f.shape])
        for f in spec.observations
    ]
    output = helper.make_tensor_value_info("action", of_onnx, shape)
    node = helper.make_node("Identity", ["zeros"], ["action"])
    _write(path, helper.make_graph([node], "constant", inputs, [output], [zeros]), contract)


def identity_policy(
    path: Path, limits: Limits, *, rate: float = 100.0, operator: str = "Identity", **changes: Any
) -> Contract:
    """Write a policy whose action is its observation; gives its contract.

    Its critics, where `changes` has any, give the mean of the observation.

    Args:
        path: Where to.
        limits: Of its commands.
        rate: Hz.
        operator: Of ONNX, between observation and action.
        changes: Other fields of the contract.
    """
    size = len(limits.mode)
    critics = list(changes.get("critics", {}))
    graph = helper.make_graph(
        [
            helper.make_node(operator, [OBSERVATION], ["action"]),
            *(
                helper.make_node("ReduceMean", [OBSERVATION, "last"], [c], keepdims=0)
                for c in critics
            ),
        ],
        "identity",
        [helper.make_tensor_value_info(OBSERVATION, TensorProto.FLOAT, [1, 1, size])],
        [
            helper.make_tensor_value_info("action", TensorProto.FLOAT, [1, 1, size]),
            *(helper.make_tensor_value_info(c, TensorProto.FLOAT, [1, 1]) for c in critics),
        ],
        [onnx.numpy_helper.from_array(np.array([2]), "last")] if critics else [],
    )
    contract = replace(
        Contract(
            spec=Spec(
                observations=(Feature(OBSERVATION, (size,)),),
                action=Feature("action", (size,)),
                rate=rate,
            ),
            n_obs=1,
            horizon=1,
            execute=1,
            noise_shape=None,
            limits=limits,
            training_range={OBSERVATION: Range((-1e30,) * size, (1e30,) * size)},
            stale_after=3.0 / rate,
            fallback="hold",
            provenance=Provenance("", "", "", ""),
            golden=(),
            tolerance=0.0,
        ),
        **changes,
    )
    _write(path, graph, contract)
    return contract


def _write(path: Path, graph: Any, contract: Contract) -> None:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    onnx.checker.check_model(model)
    path.write_bytes(seal(model.SerializeToString(), contract))

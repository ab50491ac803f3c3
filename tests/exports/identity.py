"""A policy whose action is its observation: whatever a test wants a policy to say, it says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from ilrobot.control.contract import Contract
from ilrobot.control.contract_parts import Golden, Limits, Provenance, Range
from ilrobot.control.model_file import seal
from ilrobot.spec import Feature, Spec

OBSERVATION = "observation.state"


def identity_policy(
    path: Path, limits: Limits, *, rate: float = 100.0, operator: str = "Identity", **changes: Any
) -> Contract:
    """Write it, and give its contract.

    Args:
        path: Where to.
        limits: Of its commands.
        rate: Hz.
        operator: Of ONNX, between observation and action.
        changes: Other fields of the contract.
    """
    size = len(limits.mode)
    graph = helper.make_graph(
        [helper.make_node(operator, [OBSERVATION], ["action"])],
        "identity",
        [helper.make_tensor_value_info(OBSERVATION, TensorProto.FLOAT, [1, 1, size])],
        [helper.make_tensor_value_info("action", TensorProto.FLOAT, [1, 1, size])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    onnx.checker.check_model(model)
    ones = np.ones((1, size), np.float32)
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
            golden=(Golden({OBSERVATION: ones}, None, ones),),
            tolerance=0.0,
        ),
        **changes,
    )
    path.write_bytes(seal(model.SerializeToString(), contract))
    return contract

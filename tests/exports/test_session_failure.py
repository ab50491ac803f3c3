"""Where ONNX Runtime fails in the middle of a run."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from exports.runtime.session import BoundSession
from ilrobot.errors import WorkFailed
from tests.ilrobot.control.contracts import ABSOLUTE_CONTRACT


def looks_up() -> bytes:
    """action = table[observation.state[0]], of a table of three rows."""
    nodes = [
        helper.make_node("Slice", ["observation.state", "zero", "one", "last"], ["first"]),
        helper.make_node("Cast", ["first"], ["row"], to=TensorProto.INT64),
        helper.make_node("Reshape", ["row", "flat"], ["index"]),
        helper.make_node("Gather", ["table", "index"], ["found"], axis=0),
        helper.make_node("Reshape", ["found", "shape"], ["action"]),
    ]
    constants = {
        "zero": np.array([0]),
        "one": np.array([1]),
        "last": np.array([2]),
        "flat": np.array([1]),
        "shape": np.array([1, 1, 2]),
        "table": np.arange(6, dtype=np.float32).reshape(3, 2),
    }
    graph = helper.make_graph(
        nodes,
        "table",
        [helper.make_tensor_value_info("observation.state", TensorProto.FLOAT, (1, 1, 2))],
        [helper.make_tensor_value_info("action", TensorProto.FLOAT, (1, 1, 2))],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    data: bytes = model.SerializeToString()
    return data


def test_a_graph_that_fails_is_told_in_one_line_and_works_again_afterwards():
    contract = replace(ABSOLUTE_CONTRACT, n_obs=1, horizon=1, execute=1)
    session = BoundSession(looks_up(), contract)

    def ask(row):
        return session({"observation.state": np.array([[row, 0.0]], np.float32)}, None).tolist()

    assert ask(1) == [[2.0, 3.0]]
    with pytest.raises(WorkFailed, match="cannot compute the policy") as raised:
        ask(7)
    assert len(str(raised.value).splitlines()) == 1
    assert ask(2) == [[4.0, 5.0]]

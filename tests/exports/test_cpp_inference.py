"""A graph that fails, or never ends, in ONNX Runtime itself: what the C++ library does then."""

from __future__ import annotations

import math
import time
from dataclasses import replace

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from exports.cpp.binding import CppController
from ilrobot.control.activation import Activation
from ilrobot.control.contract_parts import Limits
from ilrobot.control.model_file import seal
from ilrobot.spec import Feature
from tests.exports import handmade
from tests.exports.exported import frames
from tests.exports.identity import OBSERVATION, identity_policy

pytestmark = pytest.mark.usefixtures("cpp_library")

LIMITS = Limits(("absolute",), (-1.0,), (1.0,), (10.0,), (1000.0,))


def tensor(name, kind, shape=()):
    return helper.make_tensor_value_info(name, kind, shape)


#: The entry with the observation's number in a table of two.
LOOK_UP = (
    helper.make_node("Gather", ["table", "index"], ["entry"]),
    helper.make_node("Reshape", ["entry", "shape"], ["found"]),
)
#: The table's second entry, and the sine of that, and so on as often as the observation says.
COUNT = (
    helper.make_node("Slice", ["table", "first", "last"], ["entry"]),
    helper.make_node("Reshape", ["entry", "shape"], ["start"]),
    helper.make_node(
        "Loop",
        ["index", "", "start"],
        ["found"],
        body=helper.make_graph(
            [
                helper.make_node("Identity", ["goes_on"], ["again"]),
                helper.make_node("Sin", ["before"], ["after"]),
            ],
            "body",
            [
                tensor("count", TensorProto.INT64),
                tensor("goes_on", TensorProto.BOOL),
                tensor("before", TensorProto.FLOAT, [1, 1, 1]),
            ],
            [tensor("again", TensorProto.BOOL), tensor("after", TensorProto.FLOAT, [1, 1, 1])],
        ),
    ),
)


def write_policy(path, horizon, nodes, table=(0.25, 0.5), choices=None):
    """Write a policy of one number whose `index` is its observation, and which repeats `found`."""
    whole = TensorProto.FLOAT if choices is None else TensorProto.INT64
    graph = helper.make_graph(
        [
            helper.make_node("Cast", [OBSERVATION], ["whole"], to=TensorProto.INT64),
            helper.make_node("Reshape", ["whole", "scalar"], ["index"]),
            *nodes,
            helper.make_node("Tile", ["found", "times"], ["repeated"]),
            helper.make_node("Cast", ["repeated"], ["action"], to=whole),
        ],
        "looking up",
        [tensor(OBSERVATION, TensorProto.FLOAT, [1, 1, 1])],
        [tensor("action", whole, [1, horizon, 1])],
        [
            numpy_helper.from_array(value, name)
            for name, value in {
                "scalar": np.zeros(0, np.int64),
                "table": np.float32(table),
                "first": np.int64([1]),
                "last": np.int64([2]),
                "shape": np.int64([1, 1, 1]),
                "times": np.int64([1, horizon, 1]),
            }.items()
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    contract = replace(identity_policy(path, LIMITS), horizon=horizon, execute=horizon)
    if choices is not None:
        chosen = Feature("action", (1,), dtype="int64")
        spec = replace(contract.spec, action=chosen, choices=choices)
        contract = replace(contract, spec=spec, limits=None)
    path.write_bytes(seal(model.SerializeToString(), contract))


@pytest.mark.parametrize("horizon", [1, 2])
def test_an_inference_that_fails_falls_back_and_is_recovered_from(tmp_path, horizon):
    write_policy(tmp_path / "policy.onnx", horizon, LOOK_UP)
    with CppController(tmp_path / "policy.onnx") as cpp:
        cpp.reset(0, [0.25])
        for tick in range(60):
            fails = 20 <= tick < 40
            cpp.observe({OBSERVATION: np.float32([7.0 if fails else 1.0])}, tick / 100)
            command = cpp.tick(tick / 100)
            assert np.isfinite(command).all()
            assert bool(cpp.flags & Activation.ACTION_NOT_FINITE) is fails
            assert bool(cpp.flags & Activation.FALLBACK) is fails
        assert command == 0.5


def test_of_choices_that_could_not_be_predicted_none_is_voted_for(tmp_path):
    write_policy(tmp_path / "policy.onnx", 4, LOOK_UP, table=(1, 2), choices=3)
    with CppController(tmp_path / "policy.onnx", chunking="ensemble:0.1") as cpp:
        cpp.reset(0)
        for tick in range(60):
            cpp.observe({OBSERVATION: np.float32([7.0 if 20 <= tick < 40 else 1.0])}, tick / 100)
            assert cpp.tick(tick / 100) == 2
            # The last one that failed was about three more ticks, which are forgotten with it.
            assert bool(cpp.flags & Activation.FALLBACK) is (20 <= tick < 40)


def test_an_inference_ten_times_slower_for_a_second_is_borne(tmp_path):
    """At 100 Hz a chunk of four ticks comes in time, then ten ticks late, then in time again."""
    seconds = [0.002]

    def noise(into):
        time.sleep(seconds[0])
        into[:] = 0.1

    path = handmade.write_policy(tmp_path / "policy.onnx")
    frame = frames(handmade.SPEC, 1)[0]
    with CppController(path, chunking="receding", wait=False, rate=100.0, noise=noise) as cpp:
        cpp.reset(1, [0.0, 0.0])
        cpp.observe(frame, 0.0)
        assert cpp.prepare()
        ran_out = []
        for tick in range(250):
            seconds[0] = 0.1 if 50 <= tick < 150 else 0.002
            cpp.observe(frame, tick / 100)
            assert np.isfinite(cpp.tick(tick / 100)).all()
            ran_out.append(bool(cpp.flags & Activation.PLAN_RUN_OUT))
            time.sleep(0.01)
    assert sum(ran_out[50:150]) > 20  # the fallback acted where no chunk had come
    assert not ran_out[-1]


def test_an_inference_that_never_ends_neither_stops_the_loop_nor_holds_up_the_end(tmp_path):
    write_policy(tmp_path / "policy.onnx", 4, COUNT)
    with CppController(tmp_path / "policy.onnx", wait=False) as cpp:
        cpp.reset(0, [0.25])
        cpp.observe({OBSERVATION: np.float32([3.0])}, 0.0)
        assert cpp.prepare()
        cpp.reset(1, [0.25])
        cpp.observe({OBSERVATION: np.float32([1e15])}, 0.0)  # some years
        assert not cpp.prepare(0.2)
        assert not cpp.prepare(math.nan)
        assert cpp.tick(0.0) == 0.25
        assert cpp.flags & Activation.PLAN_RUN_OUT
        began = time.monotonic()
    assert time.monotonic() - began < 30

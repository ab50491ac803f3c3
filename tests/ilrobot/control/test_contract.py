"""The contract as JSON and in its file: nothing is lost, nothing damaged is accepted."""

import copy
import json
import math
from dataclasses import replace

import numpy as np
import pytest

from ilrobot.control.chunking import Chunking
from ilrobot.control.contract import Contract
from ilrobot.control.contract_guards import FallbackAfter, Workspace
from ilrobot.control.contract_joints import Joints
from ilrobot.control.contract_parts import PolicyFrame, Range
from ilrobot.control.contract_signals import CriticScale, DoubtScale
from ilrobot.control.drawing import Guide
from ilrobot.errors import UserError
from tests.ilrobot.control.contracts import (
    ABSOLUTE_CONTRACT,
    DISCRETE_CONTRACT,
    absolute_limits,
)


def test_a_velocity_that_would_be_held_as_a_target_is_refused():
    """Files of before a velocity had a mode of its own hold a base by driving on."""
    spec = ABSOLUTE_CONTRACT.spec
    moving = replace(spec, action=replace(spec.action, names=("x.vel", "b")))
    data = replace(ABSOLUTE_CONTRACT, spec=moving).to_json()
    with pytest.raises(UserError, match=r"'x\.vel', which is a velocity, for absolute; export"):
        Contract.from_json(data, "policy.onnx")
    data["limits"]["mode"] = ["velocity", "absolute"]
    assert Contract.from_json(data, "policy.onnx").limits.mode == ("velocity", "absolute")


def refused(data, words):
    with pytest.raises(UserError, match=words) as caught:
        Contract.from_json(data, "policy.onnx")
    assert "\n" not in str(caught.value)
    assert "policy.onnx" in str(caught.value)


LATER = {
    *("chunking", "critics", "doubt", "golden_led", "joints", "quantized", "sampler_steps"),
    *("workspace", "fallback_after", "retreat", "policy_frame"),
}


@pytest.mark.parametrize("key", sorted(ABSOLUTE_CONTRACT.to_json().keys() - LATER))
def test_a_missing_key_is_named(key):
    data = ABSOLUTE_CONTRACT.to_json()
    del data[key]
    refused(data, f"lacks the key '{key}'")


def test_an_older_file_that_does_not_say_how_to_execute_is_executed_as_then():
    data = ABSOLUTE_CONTRACT.to_json()
    assert Contract.from_json({**data, "chunking": "ensemble:0.1"}, "x").chunking == Chunking(
        "ensemble", 0.1
    )
    for key in LATER:
        del data[key]
    older = Contract.from_json({**data, "schema": "1.0"}, "x")
    assert (older.chunking, older.sampler_steps) == (Chunking("receding"), None)
    assert older.quantized is None
    assert older.doubt is None
    assert (older.workspace, older.retreat, older.fallback_after) == (None, None, FallbackAfter())


def test_what_the_guards_are_told_is_read_as_it_was_written():
    told = replace(
        ABSOLUTE_CONTRACT,
        limits=replace(absolute_limits(), jerk=(3.0, math.inf)),
        workspace=Workspace((-0.5, -math.inf), (0.5, 0.25)),
        fallback="retreat",
        fallback_after=FallbackAfter(out_of_range=0.5, frozen=0.2, late=3),
        retreat=(0.1, math.nan),
    )
    read = Contract.from_json(json.loads(json.dumps(told.to_json())), "x")
    assert read.limits == told.limits
    assert read.workspace == told.workspace
    assert (read.fallback, read.fallback_after) == ("retreat", told.fallback_after)
    np.testing.assert_array_equal(read.retreat, told.retreat)


def test_golden_vectors_of_a_led_sampler_stand_apart_for_older_readers():
    free = ABSOLUTE_CONTRACT.golden[0]
    guide = Guide(np.full((3, 2), 1 / 3, np.float32), np.full((4, 3), 0.1, np.float32))
    contract = replace(
        ABSOLUTE_CONTRACT, sampler_steps=4, golden=(free, replace(free, guide=guide))
    )
    data = json.loads(json.dumps(contract.to_json()))
    assert data["golden"] == ABSOLUTE_CONTRACT.to_json()["golden"]
    read = Contract.from_json(data, "x").golden
    assert read[0].guide is None
    np.testing.assert_array_equal(read[1].guide.prefix, guide.prefix)
    np.testing.assert_array_equal(read[1].guide.weights, guide.weights)
    data["golden_led"][0]["prefix_weights"].pop()
    refused(data, "golden array has shape")
    del data["golden_led"]
    assert len(Contract.from_json(data, "x").golden) == 1


def test_an_older_file_without_jerk_does_not_limit_it():
    data = ABSOLUTE_CONTRACT.to_json()
    del data["limits"]["jerk"]
    assert Contract.from_json(data, "x").limits.jerk == (math.inf, math.inf)


def test_an_older_file_that_names_no_source_of_its_limits_is_read():
    data = ABSOLUTE_CONTRACT.to_json()
    del data["provenance"]["limits"]
    assert Contract.from_json(data, "policy.onnx").provenance.limits == ""
    del data["provenance"]["code"]
    refused(data, "lacks the key 'code'")


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("schema",), "2.0", "schema 2.0"),
        (("n_obs",), 0, "not a positive whole number"),
        (("n_obs",), 1, "golden array has shape"),
        (("execute",), 9, "executes 9 of 3"),
        (("task", "rate"), 0.0, "rate 0.0 Hz"),
        (("stale_after",), -1.0, "timeout"),
        (("tolerance",), float("nan"), "tolerance"),
        (("sampler_steps",), 0, "not a positive whole number"),
        (("chunking",), "backwards", "none of receding, ensemble"),
        (("fallback",), "faint", "unknown fallback 'faint'"),
        (("fallback",), "retreat", "states no pose"),
        (("retreat",), [0.0], "1 values of 'retreat' for 2"),
        (("workspace",), {"low": [0.0], "high": [1.0, 1.0]}, "1 values of 'workspace.low'"),
        (("workspace",), {"low": [2.0, 0.0], "high": [3.0, 1.0]}, "without room for action ele"),
        (("fallback_after",), {"frozen": -1.0}, "fallback_after.frozen is -1"),
        (("limits", "jerk"), [0.0, 1.0], "limit of jerk that is not a positive"),
        (("limits", "jerk"), {}, "{} is no list"),
        (("limits",), None, "limits for continuous"),
        (("limits", "low"), [0.0], "1 values of 'low' for 2"),
        (("limits", "low"), [5.0, 0.0], "lower limit above"),
        (("limits", "velocity"), [-1.0, 1.0], "not a positive number"),
        (("limits", "high"), [float("nan"), 1.0], "NaN"),
        (("limits", "mode"), ["absolute", "torque"], "unknown mode 'torque'"),
        (("training_range",), {}, "lacks the training range of 'observation.state'"),
        (("training_range", "observation.state", "low"), [0.0], "wrong length"),
        (("golden",), [{"observations": {}, "noise": None, "action": []}], "lacks the key"),
        (("golden_led",), [{}], "leads the sampler, which cannot be led"),
        (("provenance",), "x", "damaged"),
        (("task",), [], "damaged"),
    ],
)
def test_a_wrong_value_is_refused(path, value, words):
    data = copy.deepcopy(ABSOLUTE_CONTRACT.to_json())
    inner = data
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    refused(data, words)


@pytest.mark.parametrize(
    ("unit", "size", "modes", "bound", "words"),
    [
        ("quat_wxyz", 4, ["delta"] * 4, 1, "steps by a quaternion from action element 0"),
        ("rotvec", 3, ["absolute", "delta", "delta"], 1, "both modes in the rotation"),
        ("quat_xyzw", 4, ["absolute"] * 4, 0.4, "that no quaternion of length 1 keeps"),
    ],
)
def test_a_rotation_whose_limits_make_no_sense_is_refused(unit, size, modes, bound, words):
    data = copy.deepcopy(ABSOLUTE_CONTRACT.to_json())
    data["task"]["action"] |= {"shape": [size], "units": [unit] * size}
    data["task"]["action"] |= dict.fromkeys(("names", "low", "high"))
    bounds = {"low": -bound, "high": bound, "velocity": 1, "acceleration": 1, "jerk": 1}
    data["limits"] = {"mode": modes, **{key: [x] * size for key, x in bounds.items()}}
    data["golden"] = []
    refused(data, words)


@pytest.mark.parametrize("data", [None, [], "text", 3])
def test_what_is_no_object_is_refused(data):
    refused(data, "schema")


def test_a_newer_minor_version_with_more_keys_is_read():
    data = {**ABSOLUTE_CONTRACT.to_json(), "schema": "1.7", "new": 1}
    assert Contract.from_json(data, "x").horizon == 3


def test_joints_and_doubt_are_read_as_they_were_written():
    joints = Joints(("a", "b"), ("rad", "m"), (0.1, 1 / 3), (6000.0, 2000.0), (180.0, 60.0))
    written = replace(
        ABSOLUTE_CONTRACT, joints=joints, doubt=DoubtScale((2.0, 1 / 3), 0.1, 0.2), golden=()
    )
    read = Contract.from_text(json.dumps(written.to_json()), "x")
    assert (read.joints, read.doubt) == (joints, written.doubt)
    assert read.thresholds == {"doubt": 0.2}
    data = written.to_json()
    refused(
        {**data, "joints": {**data["joints"], "pose": [0.0]}}, "1 values of 'joints.pose' for 2"
    )
    refused({**data, "joints": {**data["joints"], "damping": [None, 1.0]}}, "damaged")
    refused({**data, "doubt": {**data["doubt"], "scale": [1.0]}}, "scale of doubt for each of 2")
    refused({**data, "doubt": {**data["doubt"], "scale": None}}, "scale of doubt for each of 2")


def test_the_frame_that_a_policy_acts_in_is_read_as_it_was_written():
    action = replace(ABSOLUTE_CONTRACT.spec.action, names=("dx", "dy"))
    frame = PolicyFrame("cube", "goal", ("dx", "dy"))
    written = replace(
        ABSOLUTE_CONTRACT,
        spec=replace(ABSOLUTE_CONTRACT.spec, action=action),
        policy_frame=frame,
        golden=(),
    )
    data = json.loads(json.dumps(written.to_json()))
    assert Contract.from_json(data, "x").policy_frame == frame

    def other(**parts):
        return {**data, "policy_frame": {**data["policy_frame"], **parts}}

    refused(other(goal="cube"), "policy_frame from 'cube' towards 'cube'")
    refused(other(turned=["dx", "rx"]), "turns 'rx', which is no element of the action")
    refused(other(turned="dx"), "damaged")
    refused({**data, "policy_frame": {"origin": "cube"}}, "lacks the key 'turned'")


def test_signals_and_their_thresholds_are_read_as_they_were_written():
    written = replace(
        ABSOLUTE_CONTRACT,
        doubt=DoubtScale((2.0, 1 / 3), 0.1, None, 0.3),
        critics={"risk": CriticScale(0.1, 0.7), "unsafe": CriticScale(0.2, None)},
        golden=(),
    )
    read = Contract.from_text(json.dumps(written.to_json()), "x")
    assert (read.doubt, read.critics) == (written.doubt, written.critics)
    assert read.signals == ("doubt", "novelty", "risk", "unsafe")
    assert read.thresholds == {"novelty": 0.3, "risk": 0.7}
    data = written.to_json()
    refused({**data, "critics": {"mood": {"usual": 0.1, "threshold": 0.2}}}, "critic 'mood'")
    refused({**data, "critics": {"risk": {"usual": 0.1}}}, "lacks the key 'threshold'")
    refused({**data, "critics": "none"}, "damaged")


def test_a_file_of_schema_1_2_has_no_critics():
    data = replace(ABSOLUTE_CONTRACT, doubt=DoubtScale((2.0, 1.0), 0.1, 0.2), golden=()).to_json()
    del data["critics"], data["doubt"]["novelty_threshold"], data["fallback_after"]["calling"]
    read = Contract.from_json({**data, "schema": "1.2"}, "x")
    assert (read.signals, read.thresholds) == (("doubt", "novelty"), {"doubt": 0.2})
    assert read.fallback_after.calling is None


def test_errors_are_measured_by_the_range_that_is_known():
    limits = replace(absolute_limits(), low=(-1.0, -np.inf), high=(1.0, 1.0))
    unknown = replace(ABSOLUTE_CONTRACT, limits=limits)
    assert unknown.scale.tolist() == [2.0, 1.0]
    ranges = {**unknown.training_range, "action": Range((0.0, -3.0), (0.5, 4.0))}
    known = replace(unknown, training_range=ranges)
    assert Contract.from_json(known.to_json(), "x").scale.tolist() == [2.0, 7.0]
    still = replace(known, training_range={**ranges, "action": Range((0.0, 3.0), (0.5, 3.0))})
    assert still.scale.tolist() == [2.0, 1.0]
    assert DISCRETE_CONTRACT.scale is None
    short = replace(known, training_range={**ranges, "action": Range((0.0,), (0.5,))})
    refused(short.to_json(), "training range of 'action' of the wrong length")

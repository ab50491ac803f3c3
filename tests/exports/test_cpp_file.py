"""The C++ library opens what Python opens, gives the same numbers, and refuses the same files."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exports.cpp.binding import CppController, Refused
from exports.runtime.session import OnnxPolicy
from ilrobot.control.contract_parts import PolicyFrame
from ilrobot.control.drawing import Guide
from ilrobot.control.model_file import read_model_file
from ilrobot.errors import UserError
from tests.exhaustive import thinned
from tests.exports.exported import SMALL, export, make_policy
from tests.exports.handmade import SPEC, write_policy
from tests.exports.resealed import sealed
from tests.ilrobot.policy_tester import CONTINUOUS, DISCRETE

pytestmark = pytest.mark.usefixtures("cpp_library")

POLICIES = {
    "mse": (replace(SMALL, head="mse"), CONTINUOUS),
    "flow": (replace(SMALL, head="flow"), CONTINUOUS),
    "diffusion": (replace(SMALL, head="diffusion"), CONTINUOUS),
    "cross-entropy": (replace(SMALL, head="cross-entropy"), DISCRETE),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("cpp")


@pytest.fixture(scope="module")
def exported(folder):
    return write_policy(folder / "handmade.onnx")


@pytest.mark.parametrize("name", thinned(POLICIES, {*POLICIES} - {"diffusion"}))
def test_the_output_is_that_of_python_to_the_last_bit(name, folder):
    path = folder / f"{name}.onnx"
    export(make_policy(*POLICIES[name]), path)
    policy = OnnxPolicy(path)
    with CppController(path) as cpp:
        assert cpp.golden_error == 0
        assert cpp.names == list(policy.spec.observation_names)
        rng = np.random.default_rng(1)
        for _ in range(10):
            history = {
                f.name: rng.uniform(-2, 2, (policy.contract.n_obs, *f.shape)).astype(np.float32)
                for f in policy.spec.observations
            }
            shape = policy.contract.noise_shape
            noise = None if shape is None else rng.standard_normal(shape, np.float32)
            expected = policy(history, noise)
            ours = cpp.predict(history, noise).reshape(expected.shape)
            np.testing.assert_array_equal(ours, expected)


def test_a_led_sampler_is_that_of_python_to_the_last_bit(exported):
    policy = OnnxPolicy(exported)
    rng = np.random.default_rng(0)
    golden, steps = policy.contract.golden[0], policy.contract.sampler_steps
    prefix = rng.uniform(-1, 1, golden.action.shape).astype(np.float32)
    weights = rng.random((steps, policy.contract.horizon), np.float32)
    expected = policy(golden.observations, golden.noise, Guide(prefix, weights))
    with CppController(exported) as cpp:
        ours = cpp.predict(golden.observations, golden.noise, prefix, weights)
        np.testing.assert_array_equal(ours, expected)
        assert not np.array_equal(cpp.predict(golden.observations, golden.noise), expected)


def test_what_cannot_be_read_is_refused_in_one_line(exported, tmp_path):
    with pytest.raises(Refused, match="cannot be read: No such file"):
        CppController(tmp_path / "none.onnx")
    with pytest.raises(Refused, match="cannot be read: Is a directory"):
        CppController(tmp_path)
    for chunking in ("recede", "realtime:3", "coherent:0.5", "ensemble:x"):
        with pytest.raises(Refused, match="chunks"):
            CppController(exported, chunking=chunking)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.9, 0.999])
def test_a_truncated_file_is_refused(exported, tmp_path, share):
    content = exported.read_bytes()
    path = tmp_path / "policy.onnx"
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(Refused, match=r"ONNX model|truncated"):
        CppController(path)


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_one_altered_byte_is_refused_wherever_it_lies(exported, data):
    content = bytearray(exported.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    path = exported.with_name("altered.onnx")
    path.write_bytes(content)
    with pytest.raises(Refused):
        CppController(path)
    with pytest.raises(UserError):
        OnnxPolicy(path)


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=200))
def test_garbage_is_refused(folder, garbage):
    path = folder / "garbage.onnx"
    path.write_bytes(garbage)
    with pytest.raises(Refused):
        CppController(path)


def contract_json(exported):
    content = exported.read_bytes()
    text = content[content.rindex(b'{"schema"') : content.rindex(b"}") + 1]
    return json.loads(text)


def places(data, at=()):
    """Every place in the JSON but those within golden arrays, which are many and alike."""
    if isinstance(data, dict):
        items = list(data.items())
    else:
        items = list(enumerate(data[:1])) if isinstance(data, list) else []
    for key, value in items:
        yield (*at, key)
        if at[:1] not in (("golden",), ("golden_led",)) or len(at) < 3:
            yield from places(value, (*at, key))


def python_reads(path):
    try:
        OnnxPolicy(path)
    except UserError:
        return False
    return True


def cpp_reads(path):
    try:
        with CppController(path):
            return True
    except Refused:
        return False


def test_a_contract_that_python_refuses_is_refused(tmp_path):
    """Every key left out, and every value replaced by others: never is C++ the laxer of the two."""
    path = tmp_path / "policy.onnx"
    laxer, stricter, refused = [], [], 0
    steps = replace(SPEC, action=replace(SPEC.action, names=("dx", "dy")))
    whole = write_policy(
        tmp_path / "whole.onnx", spec=steps, policy_frame=PolicyFrame("cube", "goal", ("dx", "dy"))
    )
    for place in places(contract_json(whole)):
        for value in (None, "nonsense", [], "left out"):

            def change(data, place=place, value=value):
                for key in place[:-1]:
                    data = data[key]
                if value == "left out":
                    del data[place[-1]]
                else:
                    data[place[-1]] = value

            sealed(whole, path, change)
            ours, python = cpp_reads(path), python_reads(path)
            if ours and not python:
                laxer.append((place, value))
            if value == "left out" and isinstance(place[-1], str) and python and not ours:
                stricter.append(place)
            refused += not ours
    assert (laxer, stricter) == ([], [])
    assert refused > 100


def test_an_unchanged_contract_is_accepted(exported, tmp_path):
    assert cpp_reads(sealed(exported, tmp_path / "policy.onnx", lambda data: None))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda c: c.update(schema="2.0"), "has schema 2.0, but this library reads 1.x"),
        (lambda c: c.pop("n_obs"), "lacks the key 'n_obs'"),
        (lambda c: c.update(horizon=5, golden=[], golden_led=[]), "its contract says"),
        (lambda c: c["golden"][0]["action"][0].__setitem__(0, 9.0), "golden inputs give other"),
        (lambda c: c["golden_led"][0]["action"][0].__setitem__(0, 9.0), "golden inputs give other"),
        (lambda c: c["golden_led"][0].pop("prefix"), "lacks the key 'prefix'"),
        (lambda c: c["limits"].update(mode=["absolute"]), "another number of action elements"),
        (lambda c: c["task"]["observations"][0].update(shape=[4, 4, 3]), "with ilrobot deploy$"),
        (lambda c: c["task"]["observations"].reverse(), None),  # found by name, so all the same
    ],
)
def test_the_line_says_what_is_wrong(exported, tmp_path, change, said):
    path = sealed(exported, tmp_path / "policy.onnx", change)
    if said is None:
        assert cpp_reads(path)
        return
    with pytest.raises(Refused, match=said) as refused:
        CppController(path)
    assert "\n" not in str(refused.value)


def test_permuted_and_missing_joints_are_told(exported, tmp_path):
    def named(data):
        data["task"]["observations"][0]["names"] = ["x", "y", "angle"]

    with CppController(sealed(exported, tmp_path / "policy.onnx", named)) as cpp:
        assert cpp.differing("observation.state", ["x", "y", "angle"]) == ""
        assert "element 0" in cpp.differing("observation.state", ["y", "x", "angle"])
        assert "element 1 of 'observation.state' is 'y' in the policy but 'z'" in cpp.differing(
            "observation.state", ["x", "z", "angle"]
        )
        assert "3 elements" in cpp.differing("observation.state", ["x", "y"])
        assert "no 'observation.force'" in cpp.differing("observation.force", ["x"])
        assert cpp.differing("action", ["whatever", "names"]) == ""


def test_the_contract_read_is_that_of_python(exported):
    contract, _ = read_model_file(exported)
    with CppController(exported) as cpp:
        assert (cpp.horizon, cpp.action_size) == (contract.horizon, contract.spec.action.size)


@pytest.mark.parametrize("rate", [float("nan"), float("inf"), -1.0])
def test_a_rate_that_is_none_is_refused(exported, rate):
    with pytest.raises(Refused, match="the rate must be a finite number of Hz"):
        CppController(exported, rate=rate)


def test_the_element_that_no_episode_begins_from_is_told(exported, tmp_path):
    def named(data):
        data["task"]["action"]["names"] = ["shoulder", "wrist"]

    with CppController(sealed(exported, tmp_path / "policy.onnx", named)) as cpp:
        assert cpp.reset(0, [0.0, np.nan]) == (
            "present of action element 1 ('wrist') is not a finite number; no episode begins"
        )
        assert "velocity of action element 0 ('shoulder')" in cpp.reset(0, [0, 0], [-np.inf, 0])
        assert cpp.reset(0, [0.0, 0.0], [0.0, 0.0]) == ""


def test_units_and_what_actions_are_is_told_where_it_is_stated(exported, tmp_path):
    def stated(data):
        data["task"]["observations"][0]["units"] = ["m", "m", ""]
        data["task"]["semantics"] = "delta"

    with CppController(sealed(exported, tmp_path / "policy.onnx", stated)) as cpp:
        assert cpp.semantics == "delta"
        for same in (["m", "m", "rad"], ["", "m", ""]):
            assert cpp.differing_units("observation.state", same) == ""
        assert cpp.differing_units("observation.state", ["m", "mm", ""]) == (
            "element 1 of 'observation.state' is in 'm' in the policy but 'mm' on the robot"
        )
        assert "3 elements" in cpp.differing_units("observation.state", ["m"])
        assert "no 'observation.force'" in cpp.differing_units("observation.force", ["N"])

    def unsaid(data):
        del data["task"]["semantics"]

    with CppController(sealed(exported, tmp_path / "policy.onnx", unsaid)) as cpp:
        assert cpp.semantics == "unknown"

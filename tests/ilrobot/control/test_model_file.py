"""A contract in a model's file: it survives, and a file that was altered is refused."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ilrobot.control.contract_schema import SCHEMA
from ilrobot.control.model_file import read_model_file, seal
from ilrobot.errors import UserError
from tests.ilrobot.control.contracts import (
    ABSOLUTE_CONTRACT,
    DELTA_CONTRACT,
    DISCRETE_CONTRACT,
)

#: A ModelProto with ir_version 8 and a graph (field 7) of four bytes.
MODEL = b"\x08\x08" + b"\x3a\x04abcd"


@pytest.mark.parametrize("contract", [ABSOLUTE_CONTRACT, DELTA_CONTRACT, DISCRETE_CONTRACT])
def test_every_number_survives(contract, tmp_path):
    path = tmp_path / "policy.onnx"
    path.write_bytes(seal(MODEL, contract))
    read, data = read_model_file(path)
    assert data == path.read_bytes()
    assert read.to_json() == contract.to_json()
    for mine, theirs in zip(contract.golden, read.golden, strict=True):
        for name, array in mine.observations.items():
            np.testing.assert_array_equal(theirs.observations[name], array)
            assert theirs.observations[name].dtype == array.dtype


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_any_altered_byte_is_refused(tmp_path_factory, data):
    sealed = seal(MODEL, ABSOLUTE_CONTRACT)
    position = data.draw(st.integers(0, len(sealed) - 1))
    flip = data.draw(st.integers(1, 255))
    damaged = bytearray(sealed)
    damaged[position] ^= flip
    path = tmp_path_factory.mktemp("altered") / "policy.onnx"
    path.write_bytes(damaged)
    with pytest.raises(UserError):
        read_model_file(path)


def test_any_truncation_is_refused(tmp_path):
    sealed = seal(MODEL, DISCRETE_CONTRACT)
    path = tmp_path / "policy.onnx"
    for length in range(len(sealed)):
        path.write_bytes(sealed[:length])
        with pytest.raises(UserError):
            read_model_file(path)


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=300))
def test_garbage_is_refused(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("garbage") / "policy.onnx"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"policy\.onnx"):
        read_model_file(path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is no ONNX model"),
        (b"just some text, not a model", "is no ONNX model"),
        (MODEL, "has no contract"),
        (MODEL[:-1], "truncated"),
    ],
)
def test_each_refusal_says_what_is_wrong(tmp_path, content, words):
    path = tmp_path / "policy.onnx"
    path.write_bytes(content)
    with pytest.raises(UserError, match=words):
        read_model_file(path)


def test_edits_are_told_apart(tmp_path):
    path = tmp_path / "policy.onnx"
    sealed = seal(MODEL, ABSOLUTE_CONTRACT)
    path.write_bytes(sealed.replace(b"abcd", b"abce"))
    with pytest.raises(UserError, match="graph or weights were altered"):
        read_model_file(path)
    path.write_bytes(sealed.replace(b'"rate": 10.0', b'"rate": 90.0'))
    with pytest.raises(UserError, match="contract was altered"):
        read_model_file(path)


def test_a_missing_file(tmp_path):
    with pytest.raises(UserError, match="cannot be read"):
        read_model_file(tmp_path / "none.onnx")


def test_the_contract_is_readable_json_in_the_file():
    text = seal(MODEL, ABSOLUTE_CONTRACT).split(b"ilrobot.contract", 1)[1]
    data = json.loads(text[text.index(b"{") :])
    assert data["schema"] == SCHEMA == "1.6"
    assert data["limits"]["velocity"] == [5.0, 5.0]
    assert set(data["sha256"]) == {"model", "contract"}

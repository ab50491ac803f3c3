"""An exported policy as a file: its bytes, its contract, and the proof that they belong together.

The file is an ONNX ``ModelProto``. A protobuf message is a sequence of records; the one record of
field 14 (``metadata_props``) whose key is ``ilrobot.contract`` is the contract, and it comes last.
Two digests are kept in it:

- ``sha256.model``: SHA-256 over the bytes of the file without that record: graph, weights and
  opset, byte for byte. No parser's idea of a canonical form is involved.
- ``sha256.contract``: SHA-256 over the contract's JSON text in UTF-8, with the 64 digits of this
  very digest replaced by zeros.

So every byte of the file is covered. The digests find damage and careless edits, not a forger, who
could compute them anew. Reading needs neither onnx nor protobuf.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from ilrobot.control.contract import Contract
from ilrobot.control.contract_schema import METADATA_KEY, check_schema
from ilrobot.errors import UserError

_GRAPH_FIELD = 7
_METADATA_FIELD = 14
_LENGTH_DELIMITED = 2
_ZEROS = "0" * 64


def seal(model: bytes, contract: Contract) -> bytes:
    """The file's bytes: a serialised ``ModelProto`` followed by its contract.

    Args:
        model: Without a contract of its own.
        contract: What it promises.
    """
    digests = {"model": hashlib.sha256(model).hexdigest(), "contract": _ZEROS}
    data = contract.to_json()
    text = json.dumps({"schema": data.pop("schema"), "sha256": digests, **data}, allow_nan=False)
    digest = hashlib.sha256(text.encode()).hexdigest()
    text = text.replace(_ZEROS, digest, 1)
    entry = _record(1, METADATA_KEY.encode()) + _record(2, text.encode())
    return model + _record(_METADATA_FIELD, entry)


def read_model_file(path: Path) -> tuple[Contract, bytes]:
    """The contract of an exported policy, and the file's bytes for the inference engine.

    Raises:
        UserError: The file cannot be read, is no ONNX model, has no contract, is truncated or
            altered, or its contract is refused.
    """
    data = read_bytes(path)
    return contract_of(data, path), data


def read_bytes(path: Path) -> bytes:
    """The bytes of a file of which nothing is known yet.

    Raises:
        UserError: It cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error


def contract_of(data: bytes, path: Path) -> Contract:
    """The contract in the bytes of an exported policy, once they are seen to belong together.

    Args:
        data: The whole file.
        path: It is called this in messages.

    Raises:
        UserError: As `read_model_file`.
    """
    text, start, end = _find_contract(data, path)
    try:
        parsed = json.loads(text)
        check_schema(parsed, str(path))
        stated = parsed["sha256"]
        model_digest, contract_digest = str(stated["model"]), str(stated["contract"])
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path}: the contract is damaged or states no sha256; export the policy again"
        ) from error
    if _digest_of_text(text, contract_digest) != contract_digest:
        raise UserError(
            f"{path}: the contract was altered after the export (its sha256 differs); "
            "export the policy again"
        )
    digest = hashlib.sha256(memoryview(data)[:start])
    digest.update(memoryview(data)[end:])
    if digest.hexdigest() != model_digest:
        raise UserError(
            f"{path}: graph or weights were altered after the export (their sha256 differs); "
            "export the policy again"
        )
    return Contract.from_text(text, str(path))


def _digest_of_text(text: str, digest: str) -> str:
    return hashlib.sha256(text.replace(digest, _ZEROS, 1).encode()).hexdigest()


def _find_contract(data: bytes, path: Path) -> tuple[str, int, int]:
    """The contract's text and where its record begins and ends."""
    graph = False
    found: tuple[str, int, int] | None = None
    try:
        position = 0
        while position < len(data):
            start = position
            field, wire_type, position = _tag(data, position)
            begin, position = _payload(data, wire_type, position)
            graph = graph or field == _GRAPH_FIELD
            if field == _METADATA_FIELD and wire_type == _LENGTH_DELIMITED:
                key, value = _entry(data[begin:position])
                if key == METADATA_KEY:
                    found = value, start, position
    except (ValueError, IndexError) as error:
        what = "is truncated or damaged" if graph or found else "is no ONNX model, or truncated"
        raise UserError(f"{path} {what}; copy it again or export the policy again") from error
    if not graph:
        raise UserError(f"{path} is no ONNX model; give a file that ilrobot export wrote")
    if found is None:
        raise UserError(
            f"{path} has no contract (no metadata '{METADATA_KEY}'), so nothing says what its "
            "inputs mean or whether it is whole; write it with ilrobot export"
        )
    return found


def _entry(data: bytes) -> tuple[str, str]:
    """Key and value of a ``StringStringEntryProto``."""
    texts = {1: b"", 2: b""}
    position = 0
    while position < len(data):
        field, wire_type, position = _tag(data, position)
        begin, position = _payload(data, wire_type, position)
        texts[field] = data[begin:position]
    return texts[1].decode(), texts[2].decode()


def _tag(data: bytes, position: int) -> tuple[int, int, int]:
    value, position = _varint(data, position)
    return value >> 3, value & 7, position


def _payload(data: bytes, wire_type: int, position: int) -> tuple[int, int]:
    """Where a record's content begins and ends."""
    if wire_type == 0:
        begin, (_, end) = position, _varint(data, position)
    elif wire_type == _LENGTH_DELIMITED:
        length, begin = _varint(data, position)
        end = begin + length
    elif wire_type in (1, 5):
        begin, end = position, position + (8 if wire_type == 1 else 4)
    else:
        raise ValueError(f"wire type {wire_type}")
    if end > len(data):
        raise ValueError("a record reaches beyond the end of the file")
    return begin, end


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
        if shift > 63:
            raise ValueError("a varint of more than ten bytes")


def _record(field: int, content: bytes) -> bytes:
    return _to_varint(field << 3 | _LENGTH_DELIMITED) + _to_varint(len(content)) + content


def _to_varint(value: int) -> bytes:
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)

"""An exported file under another contract, its digests right."""

import hashlib
import json


def _varint(value):
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])


def _record(field, content):
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def sealed(exported, path, change):
    """The same graph under a contract that was changed as JSON, its digests right."""
    content = exported.read_bytes()
    start = content.rindex(b"\x72", 0, content.rindex(b"\n\x10ilrobot.contract"))
    _, end = content[start:], len(content)
    record = content[start:end]
    text = record[record.index(b"{") : record.rindex(b"}") + 1].decode()
    data = json.loads(text)
    change(data)
    zeros = "0" * 64
    if isinstance(data.get("sha256"), dict) and "contract" in data["sha256"]:
        data["sha256"]["contract"] = zeros
    text = json.dumps(data)
    text = text.replace(zeros, hashlib.sha256(text.encode()).hexdigest(), 1)
    entry = _record(1, b"ilrobot.contract") + _record(2, text.encode())
    path.write_bytes(content[:start] + _record(14, entry))
    return path

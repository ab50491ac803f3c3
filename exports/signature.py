"""Whose file it is: an Ed25519 signature (RFC 8032) over its bytes, in a file beside it.

``policy.onnx.sig`` holds the 64 bytes of the signature of the whole of ``policy.onnx``, so that
other tools can make and check it, too:

    openssl genpkey -algorithm ed25519 -out key.pem
    openssl pkey -in key.pem -pubout -out key.pub
    openssl pkeyutl -verify -rawin -pubin -inkey key.pub -in policy.onnx -sigfile policy.onnx.sig

The digests in a contract (`ilrobot.control.model_file`) find damage; this finds forgery, for who
knows the public key by another way than the file came by.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ilrobot.atomic import write_bytes
from ilrobot.errors import UserError, explained

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )

_MAKE_KEY = "make one by `openssl genpkey -algorithm ed25519 -out key.pem`"
_MAKE_PUBLIC = "make it of the private key by `openssl pkey -in key.pem -pubout -out key.pub`"
#: Length of an Ed25519 signature in bytes.
_LENGTH = 64


def signature_file(path: Path) -> Path:
    """Where the signature of a file lies."""
    return path.with_name(f"{path.name}.sig")


def load_private_key(path: Path) -> Ed25519PrivateKey:
    """The key to sign with, from a PEM file without a passphrase.

    Raises:
        UserError: The package `cryptography` is missing, or the file is no such key.
    """
    serialization, ed25519 = _packages()
    data = _read(path)
    try:
        key = serialization.load_pem_private_key(data, password=None)
    except TypeError as error:
        raise UserError(
            f"{path} is locked by a passphrase; give a key without one (`openssl pkey -in {path} "
            "-out open.pem`), readable by you alone"
        ) from error
    except Exception as error:  # ValueError, UnsupportedAlgorithm, and what OpenSSL adds
        raise UserError(f"{path} is no private key in PEM form; {_MAKE_KEY}") from error
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise UserError(f"{path} is a private key of another kind than Ed25519; {_MAKE_KEY}")
    return key


def load_public_key(path: Path) -> Ed25519PublicKey:
    """The key to check with, from a PEM file.

    Raises:
        UserError: The package `cryptography` is missing, or the file is no such key.
    """
    serialization, ed25519 = _packages()
    data = _read(path)
    if b"PRIVATE KEY-----" in data:
        raise UserError(f"{path} is a private key, which no robot should hold; {_MAKE_PUBLIC}")
    try:
        key = serialization.load_pem_public_key(data)
    except Exception as error:  # as above
        raise UserError(f"{path} is no public key in PEM form; {_MAKE_PUBLIC}") from error
    if not isinstance(key, ed25519.Ed25519PublicKey):
        raise UserError(f"{path} is a public key of another kind than Ed25519; {_MAKE_PUBLIC}")
    return key


def sign(path: Path, key: Ed25519PrivateKey | None) -> None:
    """Sign a file that was just written; without a key, take away the signature of an older one.

    Raises:
        UserError: The signature cannot be written.
        WorkFailed: The disk is full or broken.
    """
    beside = signature_file(path)
    with explained(beside, f"{path.name} is written, but not signed", "export again"):
        if key is None:
            beside.unlink(missing_ok=True)
        else:
            write_bytes(beside, key.sign(path.read_bytes()))


def fingerprint(key: Ed25519PrivateKey | Ed25519PublicKey) -> str:
    """What a person compares a key by: the first 16 digits of SHA-256 over its 32 public bytes."""
    public = key.public_key() if hasattr(key, "public_key") else key
    return hashlib.sha256(public.public_bytes_raw()).hexdigest()[:16]


def require_signature(path: Path, content: bytes, public_key: Path) -> str:
    """Refuse a file that the owner of a key did not sign.

    Args:
        path: The file, for its signature beside it and for messages.
        content: Its bytes, as they are used from here on: nobody can exchange them after the check.
        public_key: PEM file.

    Returns:
        The key's `fingerprint`.

    Raises:
        UserError: The file is not signed, was altered, or another key signed it; or `public_key` is
            none.
    """
    key, beside = load_public_key(public_key), signature_file(path)
    from cryptography.exceptions import InvalidSignature  # there, since the key could be read

    if not beside.exists():
        raise UserError(
            f"{path} is not signed (there is no {beside.name} beside it), and --trust {public_key} "
            "asks for it; write it with ilrobot export --sign"
        )
    signature = _read(beside)
    if len(signature) != _LENGTH:
        raise UserError(
            f"{beside} holds {len(signature)} bytes, and a signature has {_LENGTH}; copy it again"
        )
    try:
        key.verify(signature, content)
    except InvalidSignature as error:
        raise UserError(
            f"{path} was altered after it was signed, or signed by another key than {public_key}; "
            "do not run it; fetch file and signature again from who signed them"
        ) from error
    return fingerprint(key)


def _packages() -> tuple[Any, Any]:
    """Of `cryptography`, which only signatures need."""
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ModuleNotFoundError as error:
        raise UserError(
            "signatures need the package 'cryptography': pip install 'ilrobot[signing]'"
        ) from error
    return serialization, ed25519


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error

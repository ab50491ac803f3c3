"""A file that its owner did not sign is refused in C++ as in Python."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from exports.cpp.binding import CppController, Refused
from exports.cpp.building import SOURCE
from exports.runtime.session import OnnxPolicy
from exports.signature import sign, signature_file
from ilrobot.control.contract_parts import Limits
from ilrobot.errors import UserError
from tests.exports.identity import identity_policy

LIMITS = Limits(("absolute",), (-1.0,), (1.0,), (1.0,), (10.0,))
MINE, OTHER = ed25519.Ed25519PrivateKey.generate(), ed25519.Ed25519PrivateKey.generate()


def public_pem(key):
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.fixture
def signed(tmp_path):
    """A file that I signed, and my public key."""
    path, public = tmp_path / "policy.onnx", tmp_path / "key.pub"
    identity_policy(path, LIMITS)
    sign(path, MINE)
    public.write_bytes(public_pem(MINE))
    return path, public


def refused_alike(path, public, *words):
    """Both languages refuse it, in one line with these words; C++'s line."""
    for load, refusal in ((OnnxPolicy, UserError), (CppController, Refused)):
        with pytest.raises(refusal) as caught:
            load(path, trust=public)
        line = str(caught.value)
        assert "\n" not in line
        for word in words:
            assert word in line
    return line


@pytest.mark.usefixtures("cpp_library")
def test_what_its_owner_signed_is_run(signed):
    path, public = signed
    with CppController(path, trust=public) as cpp:
        assert cpp.action_size == 1
    signature_file(path).unlink()
    with CppController(path):  # where nobody asks, nobody need have signed it
        pass


@pytest.mark.usefixtures("cpp_library")
def test_what_was_altered_is_refused_also_where_its_digests_are_right(signed):
    path, public = signed
    identity_policy(path, LIMITS, stale_after=100.0)
    with CppController(path):
        pass
    refused_alike(path, public, "altered after it was signed, or signed by another key", "key.pub")


@pytest.mark.usefixtures("cpp_library")
def test_the_signature_is_looked_at_before_anything_that_the_file_says(signed):
    path, public = signed
    path.write_bytes(b"garbage")
    refused_alike(path, public, "altered after it was signed")


@pytest.mark.usefixtures("cpp_library")
def test_another_key_a_signature_cut_short_or_none_is_refused(signed):
    path, public = signed
    sign(path, OTHER)
    refused_alike(path, public, "signed by another key than", "do not run it")
    for length in (0, 63, 65):
        signature_file(path).write_bytes(bytes(length))
        refused_alike(path, public, f"policy.onnx.sig holds {length} bytes")
    signature_file(path).unlink()
    refused_alike(path, public, "is not signed", "policy.onnx.sig")


@pytest.mark.usefixtures("cpp_library")
def test_what_is_no_public_key_of_this_kind_is_refused(signed, tmp_path):
    path, _ = signed
    private = tmp_path / "key.pem"
    for encryption in (NoEncryption(), BestAvailableEncryption(b"secret")):
        private.write_bytes(MINE.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
        refused_alike(path, private, "is a private key, which no robot should hold")
    other_kind, text = tmp_path / "curve.pub", tmp_path / "text.pub"
    other_kind.write_bytes(public_pem(ec.generate_private_key(ec.SECP256R1())))
    refused_alike(path, other_kind, "a public key of another kind than Ed25519")
    for content in (b"", b"nothing", public_pem(MINE)[:60]):
        text.write_bytes(content)
        refused_alike(path, text, "is no public key in PEM form")
    refused_alike(path, tmp_path / "none.pub", "none.pub cannot be read")


@pytest.mark.usefixtures("cpp_library")
def test_nobody_is_asked_for_a_passphrase_at_the_terminal(signed, tmp_path):
    """OpenSSL by itself would wait for one, for ever."""
    path, _ = signed
    head, rest = public_pem(MINE).split(b"\n", 1)
    locked = b"Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00112233445566778899AABBCCDDEEFF\n\n"
    (tmp_path / "locked.pub").write_bytes(head + b"\n" + locked + rest)
    with pytest.raises(Refused, match="is no public key in PEM form"):
        CppController(path, trust=tmp_path / "locked.pub")


def test_a_build_that_cannot_check_refuses(tmp_path):
    """As CMake builds it where there is no OpenSSL."""
    if shutil.which("g++") is None:
        pytest.skip("there is no g++ here")
    program = tmp_path / "program.cpp"
    program.write_text("""
#include <cstdio>
#include "refused.hpp"
#include "signature.hpp"
int main() {
  try {
    ilrobot::require_signature("policy.onnx", "bytes", "key.pub");
  } catch (const ilrobot::Refused& error) {
    std::puts(error.what());
    return 2;
  }
}
""")
    built = tmp_path / "program"
    source = SOURCE / "src"
    words = ["g++", "-std=c++17", f"-I{source}", program, source / "signature.cpp", "-o", built]
    subprocess.run(words, check=True)
    done = subprocess.run([built], capture_output=True, text=True)
    assert done.returncode == 2
    assert "policy.onnx shall be signed by the owner of key.pub" in done.stdout
    assert "built without OpenSSL" in done.stdout
    assert done.stdout.count("\n") == 1

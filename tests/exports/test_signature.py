"""A file that is signed, and one that is not, was altered, or was signed by somebody else."""

import json
import shutil
import subprocess

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from exports.runtime.session import OnnxPolicy
from exports.signature import fingerprint, load_private_key, sign, signature_file
from ilrobot.cli import main
from ilrobot.control.model_file import read_model_file, seal
from ilrobot.errors import UserError
from tests.exports.exported import export, make_policy

PEM, PKCS8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
OPEN = serialization.NoEncryption()


def write_keys(folder, name, private=None):
    """Two PEM files: private and public."""
    private = private or ed25519.Ed25519PrivateKey.generate()
    files = folder / f"{name}.pem", folder / f"{name}.pub"
    files[0].write_bytes(private.private_bytes(PEM, PKCS8, OPEN))
    public = serialization.PublicFormat.SubjectPublicKeyInfo
    files[1].write_bytes(private.public_key().public_bytes(PEM, public))
    return files


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    path = tmp_path_factory.mktemp("exported") / "policy.onnx"
    export(make_policy(), path)
    return path


@pytest.fixture
def signed(exported, tmp_path):
    """A signed file, and the public key."""
    path = shutil.copy(exported, tmp_path / "policy.onnx")
    private, public = write_keys(tmp_path, "mine")
    sign(path, load_private_key(private))
    return path, public


def verify(*arguments):
    with pytest.raises(SystemExit) as stop:
        main(["verify", *map(str, arguments)])
    return stop.value.code


def test_a_signed_file_is_trusted_and_said_to_be(signed, capsys):
    path, public = signed
    assert OnnxPolicy(path, trust=public).verify() == 0
    assert len(signature_file(path).read_bytes()) == 64
    assert verify(path, "--trust", public, "--json") == 0
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    mine = fingerprint(load_private_key(public.with_suffix(".pem")))
    assert (said["signed"], said["signed_by"], said["holds"]) == (True, mine, True)
    assert len(said["golden_errors"]) == 4


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_other_tools_can_check_it(signed):
    path, public = signed
    arguments = ["openssl", "pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", public]
    arguments += ["-in", path, "-sigfile", signature_file(path)]
    done = subprocess.run(arguments, capture_output=True, text=True)
    assert "Successfully" in done.stdout, done.stderr


def test_a_resealed_file_with_right_digests_is_not_trusted(signed, capsys):
    path, public = signed
    contract, content = read_model_file(path)
    record = content.rindex(b"\n\x10ilrobot.contract")
    model = content[: content.rindex(b"\x72", 0, record)]
    forged = seal(model, type(contract)(**{**vars(contract), "stale_after": 100.0}))
    path.write_bytes(forged)
    assert OnnxPolicy(path).contract.stale_after == 100.0
    with pytest.raises(UserError, match="altered after it was signed, or signed by another key"):
        OnnxPolicy(path, trust=public)
    assert verify(path, "--trust", public) == 2
    assert "do not run it" in capsys.readouterr().err


def test_the_signature_is_told_of_before_anything_that_the_file_says_of_itself(signed):
    path, public = signed
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match="altered after it was signed"):
        OnnxPolicy(path, trust=public)
    path.write_bytes(b"garbage")
    with pytest.raises(UserError, match="altered after it was signed"):
        OnnxPolicy(path, trust=public)


def test_another_key_an_empty_signature_or_none_is_not_trusted(signed, tmp_path):
    path, public = signed
    _, other = write_keys(tmp_path, "other")
    with pytest.raises(UserError, match="signed by another key"):
        OnnxPolicy(path, trust=other)
    signature_file(path).write_bytes(b"")
    with pytest.raises(UserError, match="holds 0 bytes"):
        OnnxPolicy(path, trust=public)
    signature_file(path).unlink()
    with pytest.raises(UserError, match="is not signed"):
        OnnxPolicy(path, trust=public)


def test_a_file_that_replaces_a_signed_one_unsigned_takes_its_signature_along(signed):
    path, _ = signed
    sign(path, None)
    assert not signature_file(path).exists()


def test_keys_of_other_kinds_are_refused_in_a_line(signed, tmp_path):
    path, public = signed
    curve, curve_public = write_keys(tmp_path, "curve", ec.generate_private_key(ec.SECP256R1()))
    locked = tmp_path / "locked.pem"
    secret = serialization.BestAvailableEncryption(b"secret")
    private = ed25519.Ed25519PrivateKey.generate()
    locked.write_bytes(private.private_bytes(PEM, PKCS8, secret))
    (tmp_path / "text.pem").write_text("nothing")
    for key, words in (
        (curve, "another kind than Ed25519"),
        (locked, "locked by a passphrase"),
        (tmp_path / "text.pem", "no private key in PEM form"),
        (public, "no private key in PEM form"),
        (tmp_path / "none.pem", "cannot be read"),
    ):
        with pytest.raises(UserError, match=words) as caught:
            load_private_key(key)
        assert "\n" not in str(caught.value)
    for key, words in (
        (curve_public, "another kind than Ed25519"),
        (public.with_suffix(".pem"), "is a private key, which no robot should hold"),
        (tmp_path / "text.pem", "no public key in PEM form"),
    ):
        with pytest.raises(UserError, match=words) as caught:
            OnnxPolicy(path, trust=key)
        assert "\n" not in str(caught.value)


def test_verify_tells_a_broken_promise_and_what_promises_nothing(exported, tmp_path, capsys):
    contract, content = read_model_file(exported)
    record = content.rindex(b"\n\x10ilrobot.contract")
    model = content[: content.rindex(b"\x72", 0, record)]
    first, *others = contract.golden
    wrong = type(first)(first.observations, first.noise, first.action + 1.0)
    for golden, words in (((*others, wrong), "TOO MUCH"), ((), "no golden vectors")):
        path = tmp_path / "policy.onnx"
        path.write_bytes(seal(model, type(contract)(**{**vars(contract), "golden": golden})))
        assert verify(path, "--json") == 1
        said = capsys.readouterr()
        assert json.loads(said.out.splitlines()[-1])["holds"] is False
        assert words in said.out + said.err


def test_what_is_no_file_is_refused(tmp_path, capsys):
    assert verify(tmp_path) == 2
    assert verify(tmp_path / "none.onnx") == 2
    assert "cannot be read" in capsys.readouterr().err

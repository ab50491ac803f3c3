"""`ilrobot export` on the command line: signed, guarded, unrolled."""

import json
from dataclasses import replace
from itertools import pairwise

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from exports.graph import OPSET
from exports.limits import derive_limits
from exports.real_data import taught_actions
from exports.runtime.session import OnnxPolicy
from exports.signature import signature_file
from ilrobot.cli import main
from ilrobot.data.dataset import Dataset
from ilrobot.data.episode import Episode
from ilrobot.data.writing import write_episodes
from ilrobot.learners.behavioral_cloning import train
from ilrobot.learners.config import TrainConfig
from ilrobot.policies.config import PolicyConfig
from tests.ilrobot.policy_tester import CONTINUOUS, recordings


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    """A run of two steps, and its dataset beside it."""
    return trained(tmp_path_factory.mktemp("export"))


def trained(folder, **constant):
    """A run of two steps beside its dataset, in which last elements may be ``constant``."""
    data, names = recordings(CONTINUOUS), (*CONTINUOUS.observation_names, "action")
    columns = {name: data.column(name).copy() for name in names}
    for name, value in constant.items():
        columns[f"observation.{name}"][:, -1] = value
    episodes = [
        Episode(info, {name: columns[name][begin:end] for name in names})
        for info, (begin, end) in zip(data.infos, pairwise(data.starts), strict=True)
    ]
    dataset = write_episodes(folder / "data", CONTINUOUS, episodes)
    training = TrainConfig(steps=2, batch_size=8, device="cpu", held_out=0.0)
    train(dataset, PolicyConfig(width=16, blocks=1), training, folder / "run")
    return folder


def export(folder, output, *more):
    with pytest.raises(SystemExit) as stop:
        main(["export", "--policy", str(folder / "run"), "--output", str(output), *map(str, more)])
    return stop.value.code


def test_limits_are_those_of_what_a_person_says_that_the_actions_are(run_folder, tmp_path):
    guards, output = tmp_path / "guards.json", tmp_path / "policy.onnx"
    guards.write_text(json.dumps({"limits": {"mode": ["delta", "delta"]}}))
    assert export(run_folder, output, "--guards", guards) == 0
    steps = replace(CONTINUOUS, semantics="delta")
    taught = taught_actions(Dataset.open(run_folder / "data"))
    assert OnnxPolicy(output).contract.limits == derive_limits(steps, taught)


def test_it_is_signed_and_guarded_as_was_asked_and_then_no_more(run_folder, tmp_path, capsys):
    key, public = tmp_path / "key.pem", tmp_path / "key.pub"
    private = Ed25519PrivateKey.generate()
    pem = serialization.Encoding.PEM
    pkcs8 = serialization.PrivateFormat.PKCS8
    key.write_bytes(private.private_bytes(pem, pkcs8, serialization.NoEncryption()))
    subject = serialization.PublicFormat.SubjectPublicKeyInfo
    public.write_bytes(private.public_key().public_bytes(pem, subject))
    guards = tmp_path / "guards.json"
    guards.write_text(json.dumps({"fallback": "damp", "stale_after": 0.25}))

    output = tmp_path / "policy.onnx"
    assert export(run_folder, output, "--sign", key, "--guards", guards, "--json") == 0
    printed = capsys.readouterr().out
    assert "in place of" not in printed
    said = json.loads(printed.splitlines()[-1])
    assert len(said["signed_by"]) == 16
    assert said["plain_parity"]["relative"] <= 1e-5
    policy = OnnxPolicy(output, trust=public)
    assert (policy.contract.fallback, policy.contract.stale_after) == ("damp", 0.25)

    before = output.read_bytes()
    guards.write_text(json.dumps({"fallback": "jump"}))
    assert export(run_folder, output, "--guards", guards) == 2
    assert "unknown fallback 'jump'" in capsys.readouterr().err
    assert output.read_bytes() == before
    assert OnnxPolicy(output, trust=public)  # what was there is there, and signed

    assert export(run_folder, output) == 0
    assert f"opset {OPSET}), in place of the one before\n" in capsys.readouterr().out
    assert not signature_file(output).exists()


def test_a_sensor_that_never_moved_is_named_where_its_noise_would_stop_the_policy(tmp_path, capsys):
    folder = trained(tmp_path, state=0.06)
    guards, output = tmp_path / "guards.json", tmp_path / "policy.onnx"
    guards.write_text(json.dumps({"fallback_after": {"out_of_range": 0.5}}))
    assert export(folder, output, "--guards", guards) == 0
    said = capsys.readouterr().out
    assert f"still    {CONTINUOUS.observations[0].element_names[-1]} did not move" in said
    assert "acts after 0.5 s" in said
    assert export(folder, output) == 0
    assert "did not move" not in capsys.readouterr().out


def test_what_cannot_be_is_refused_before_anything_is_written(run_folder, tmp_path, capsys):
    output = tmp_path / "policy.onnx"
    for option, value, words in (
        ("--unroll", (), "--unroll is for a sampler"),
        ("--sign", (tmp_path / "none.pem",), "cannot be read"),
        ("--guards", (tmp_path / "none.json",), "cannot be read"),
    ):
        assert export(run_folder, output, option, *value) == 2
        assert words in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []

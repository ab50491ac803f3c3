"""A policy's file: what was written before is read, and what is something else is refused."""

import resource
from dataclasses import replace

import numpy as np
import pytest
import torch

from ilrobot.errors import UserError, WorkFailed
from ilrobot.policies.loading import load_policy
from ilrobot.policies.policy import Policy
from ilrobot.policies.tensor_file import load_tensors, save_tensors
from tests.ilrobot.policy_tester import CONTINUOUS, SMALL


def test_a_policy_that_was_cut_off_is_refused(tmp_path):
    file = tmp_path / "policy.pt"
    Policy(CONTINUOUS, SMALL).save(file)
    whole = file.read_bytes()
    for damaged in (whole[: len(whole) // 2], _flip(whole, len(whole) // 2), b"", b"{}"):
        file.write_bytes(damaged)
        with pytest.raises(UserError, match=r"policy\.pt cannot be read.*; copy it again"):
            load_policy(file)


def test_a_path_without_a_policy_is_refused(tmp_path):
    with pytest.raises(UserError, match="no policy at"):
        load_policy(tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"is no run: .*; give the folder of a run"):
        load_policy(tmp_path)
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(UserError, match=r"notes\.txt is no policy; give the folder of a run"):
        load_policy(tmp_path / "notes.txt")
    (tmp_path / "data/meta").mkdir(parents=True)
    (tmp_path / "data/meta/info.json").write_text("{}")
    with pytest.raises(UserError, match=r"is a dataset, not a run; .*ilrobot train --dataset"):
        load_policy(tmp_path / "data")
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(UserError, match=r"run\.json is damaged"):
        load_policy(tmp_path)
    (tmp_path / "policy.onnx").write_text("")
    with pytest.raises(UserError, match="is an exported policy; give the folder of the run"):
        load_policy(tmp_path / "policy.onnx")


def test_a_policy_from_before_there_were_members_is_read_as_the_single_net_that_it_is(tmp_path):
    policy = Policy(CONTINUOUS, SMALL)
    policy.save(tmp_path / "policy.pt")
    content = load_tensors(tmp_path / "policy.pt")
    del content["config"]["members"]
    save_tensors(tmp_path / "policy.pt", content)
    assert Policy.load(tmp_path / "policy.pt").config == policy.config


def test_a_policy_from_before_a_setting_was_renamed_is_read(tmp_path):
    policy = Policy(CONTINUOUS, replace(SMALL, head="diffusion"))
    policy.save(tmp_path / "policy.pt")
    content = load_tensors(tmp_path / "policy.pt")
    content["config"]["ddim_steps"] = content["config"].pop("sampler_steps")
    save_tensors(tmp_path / "policy.pt", content)
    assert Policy.load(tmp_path / "policy.pt").config == policy.config


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda content: content.pop("spec"), "no policy of this version"),
        (lambda content: content.pop("config"), "no policy of this version"),
        (lambda content: content.update(format=2), "no policy of this version"),
        (lambda content: content.update(spec=[]), "is damaged: "),
        (lambda content: content.update(spec=torch.zeros(3)), "is damaged: "),
        (lambda content: content["spec"].update(rate=-1), r"damaged \(rate -1.0 Hz\)"),
        (lambda content: _state(content).update(dtype="x"), "'observation.state' cannot hold x"),
        (lambda content: _state(content).update(units=["m"]), "has 3 elements and other units"),
        (lambda content: _state(content).update(shape=[-3]), "cannot have the shape"),
        (lambda content: content.update(config=3), "is damaged: "),
        (lambda content: content["config"].pop("head"), "'head' is missing"),
        (
            lambda content: content["config"].update(width="wide"),
            "'width' is \"wide\", not a whole",
        ),
        (lambda content: content["config"].update(width=32), "weights do not fit"),
        (lambda content: content["config"].update(channels=[8, None]), r"'channels\[1\]' is null"),
        (lambda content: content.update(weights=[]), "weights do not fit"),
        (lambda content: content["weights"].popitem(), "weights do not fit"),
    ],
)
def test_a_policy_file_that_is_something_else_is_one_line(change, words, tmp_path):
    file = tmp_path / "policy.pt"
    Policy(CONTINUOUS, SMALL).save(file)
    content = torch.load(file, weights_only=True)
    change(content)
    torch.save(content, file)
    with pytest.raises(UserError, match=words) as caught:
        load_policy(file)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def _state(content):
    return content["spec"]["observations"][0]


def test_a_policy_without_meaning_is_work_that_failed(tmp_path):
    policy = Policy(CONTINUOUS, SMALL)
    with torch.no_grad():
        next(policy.parameters())[0] = float("nan")
    policy.save(tmp_path / "policy.pt")
    with pytest.raises(WorkFailed, match=r"weights in .*policy\.pt are not finite"):
        load_policy(tmp_path / "policy.pt")
    frame = {f.name: np.zeros(f.shape, np.float32) for f in CONTINUOUS.observations}
    with pytest.raises(WorkFailed, match="the policy's action is not finite"):
        policy.actor().act(frame, 0.0)
    frame["observation.target"][:] = np.inf
    actor = Policy(CONTINUOUS, SMALL).actor()
    with pytest.raises(WorkFailed, match=r"it observed observation\.target that is not"):
        actor.act(frame, 0.0)


def _flip(content, position):
    return content[:position] + bytes([content[position] ^ 0xFF]) + content[position + 1 :]


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.9, 0.999])
def test_a_disk_that_is_full_anywhere_in_a_file_of_weights_is_an_error_of_the_disk(share, tmp_path):
    file = tmp_path / "checkpoint.pt"
    save_tensors(file, {"old": torch.zeros(3)})
    content = {f"layer{i}": torch.randn(10_000) for i in range(5)}
    save_tensors(tmp_path / "whole.pt", content)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    most = int(share * (tmp_path / "whole.pt").stat().st_size)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            save_tensors(file, content)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(load_tensors(file)) == ["old"]
    assert not list(tmp_path.glob("*.part"))

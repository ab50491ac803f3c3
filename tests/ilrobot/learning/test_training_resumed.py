"""A training that stops anywhere, however it is stopped, goes on to the same bits."""

import signal
import time
from dataclasses import replace

import pytest
import torch

from ilrobot.errors import UserError
from ilrobot.learners.behavioral_cloning import train
from ilrobot.lock import WriteLock
from ilrobot.policies.loading import load_policy
from tests.exhaustive import thinned
from tests.forked import Forked
from tests.ilrobot.learning.small_training import POLICY, TRAIN, Stop, metrics_of, stop_at
from tests.ilrobot.policy_tester import CONTINUOUS, assert_same_weights, recordings


@pytest.mark.parametrize("members", thinned([1, 3], [3]))
def test_an_interrupted_run_ends_as_an_unbroken_one(members, tmp_path):
    data, config = recordings(CONTINUOUS), replace(POLICY, members=members)
    whole = train(data, config, TRAIN, tmp_path / "whole")
    often = replace(TRAIN, checkpoint_seconds=1e-9)
    for step in (50, 100):
        with pytest.raises(Stop):
            train(data, config, often, tmp_path / "cut", resume=True, on_progress=stop_at(step))
        with pytest.raises(UserError, match="has not finished"):
            load_policy(tmp_path / "cut")
    cut = train(data, config, TRAIN, tmp_path / "cut", resume=True)
    assert_same_weights(whole, cut)
    states = [
        torch.load(tmp_path / run / "checkpoint.pt", weights_only=True)["training"]
        for run in ("whole", "cut")
    ]
    for state in states:
        del state["seconds"]
    assert_same_values(*states)
    metrics = [metrics_of(tmp_path / run) for run in ("whole", "cut")]
    keys = ("step", "loss", "validation_loss", "learning_rate")
    assert [[row[k] for k in keys] for row in metrics[0]] == [
        [row[k] for k in keys] for row in metrics[1]
    ]


def test_a_run_is_never_overwritten(tmp_path):
    data = recordings(CONTINUOUS)
    config = replace(TRAIN, steps=2)
    train(data, POLICY, config, tmp_path / "run")
    before = {file.name: file.read_bytes() for file in (tmp_path / "run").iterdir()}
    with pytest.raises(UserError, match="already holds a run"):
        train(data, POLICY, config, tmp_path / "run")
    with pytest.raises(UserError, match="begun with steps 2, not 3"):
        train(data, POLICY, replace(config, steps=3), tmp_path / "run", resume=True)
    with pytest.raises(UserError, match="begun with width 16, not 32"):
        train(data, replace(POLICY, width=32), config, tmp_path / "run", resume=True)
    with pytest.raises(UserError, match="begun with data of content hash"):
        train(recordings(CONTINUOUS, seed=1), POLICY, config, tmp_path / "run", resume=True)
    assert {file.name: file.read_bytes() for file in (tmp_path / "run").iterdir()} == before

    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("")
    with pytest.raises(UserError, match="not empty and no run"):
        train(data, POLICY, config, tmp_path / "mine", resume=True)
    for path in (tmp_path / "mine" / "thesis.tex", tmp_path / "mine" / "thesis.tex" / "run"):
        with pytest.raises(UserError, match=r"is a file|File exists"):
            train(data, POLICY, config, path)
    assert [file.name for file in (tmp_path / "mine").iterdir()] == ["thesis.tex"]


def test_a_run_that_is_done_is_read_though_another_process_is_at_work_there(tmp_path):
    data, config, run = recordings(CONTINUOUS), replace(TRAIN, steps=2), tmp_path / "run"
    made = train(data, POLICY, config, run)
    lock = WriteLock.take(run)
    assert lock is not None
    with lock:
        assert_same_weights(train(data, POLICY, config, run, resume=True), made)
        (run / "policy.pt").unlink()
        with pytest.raises(UserError, match="another process is at work there"):
            train(data, POLICY, config, run, resume=True)


def test_a_policy_that_was_lost_is_made_again_from_the_checkpoint(tmp_path):
    data, run = recordings(CONTINUOUS), tmp_path / "run"
    whole = train(data, POLICY, TRAIN, run)
    before = (run / "run.json").read_bytes(), (run / "metrics.jsonl").read_bytes()
    (run / "policy.pt").unlink()
    with pytest.raises(UserError, match=r"has lost its policy\.pt; make it again by --resume"):
        load_policy(run)
    assert_same_weights(train(data, POLICY, TRAIN, run, resume=True), whole)
    assert_same_weights(load_policy(run), whole)
    assert ((run / "run.json").read_bytes(), (run / "metrics.jsonl").read_bytes()) == before
    (run / "policy.pt").write_bytes(b"cut off")
    with pytest.raises(
        UserError, match=r"policy\.pt cannot be read .* delete it, and --resume makes"
    ):
        train(data, POLICY, TRAIN, run, resume=True)
    (run / "policy.pt").unlink()
    assert_same_weights(train(data, POLICY, TRAIN, run, resume=True), whole)
    (run / "policy.pt").write_bytes(b"cut off")
    (run / "checkpoint.pt").unlink()
    with pytest.raises(UserError, match=r"policy\.pt cannot be read "):
        train(data, POLICY, TRAIN, run, resume=True)
    (run / "policy.pt").unlink()
    with pytest.raises(UserError, match=r"is done and has lost its checkpoint\.pt"):
        train(data, POLICY, TRAIN, run, resume=True)


def test_a_checkpoint_from_another_device_goes_on(tmp_path):
    """The states of a CUDA generator are of another size; what is drawn then follows the step."""
    data, run = recordings(CONTINUOUS), tmp_path / "run"
    policies = []
    for name in ("one", "two"):
        run = tmp_path / name
        often = replace(TRAIN, checkpoint_seconds=1e-9)
        with pytest.raises(Stop):
            train(data, POLICY, often, run, on_progress=stop_at(50))
        content = torch.load(run / "checkpoint.pt", weights_only=True)
        cuda = torch.zeros(16, dtype=torch.uint8)
        content["training"]["rng"].update(batches=cuda, cuda=cuda)
        torch.save(content, run / "checkpoint.pt")
        policies.append(train(data, POLICY, TRAIN, run, resume=True))
    assert_same_weights(*policies)


def test_a_damaged_checkpoint_is_refused(tmp_path):
    data, run = recordings(CONTINUOUS), tmp_path / "run"
    with pytest.raises(Stop):
        train(data, POLICY, replace(TRAIN, checkpoint_seconds=1e-9), run, on_progress=stop_at(50))
    file = run / "checkpoint.pt"
    whole = file.read_bytes()
    middle = len(whole) // 2
    flipped = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
    for damaged in (whole[:-100], whole[:10], flipped):
        file.write_bytes(damaged)
        with pytest.raises(UserError, match=r"checkpoint\.pt cannot be read"):
            train(data, POLICY, TRAIN, run, resume=True)
    torch.save({"training": {"step": 3}}, file)
    with pytest.raises(UserError, match="does not fit its run"):
        train(data, POLICY, TRAIN, run, resume=True)


KILLED = replace(TRAIN, steps=400, patience=0)


def test_a_killed_process_leaves_a_run_that_goes_on(tmp_path):
    run = tmp_path / "run"
    steps = [0]
    for number in (signal.SIGKILL, signal.SIGINT, signal.SIGTERM):
        _start_and_send(number, run)
        steps.append(torch.load(run / "checkpoint.pt", weights_only=True)["training"]["step"])
    assert steps == sorted(set(steps))
    assert steps[-1] < KILLED.steps
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        resumed = train(recordings(CONTINUOUS), POLICY, KILLED, run, resume=True)
        whole = train(recordings(CONTINUOUS), POLICY, KILLED, tmp_path / "whole")
    finally:
        torch.set_num_threads(threads)
    assert_same_weights(resumed, whole)


def _train_often_saved(run):
    torch.set_num_threads(1)
    config = replace(KILLED, checkpoint_seconds=0.05)
    train(recordings(CONTINUOUS), POLICY, config, run, resume=True)


def _start_and_send(number, run):
    """Train in another process and send it a signal once it has saved a new checkpoint."""
    checkpoint = run / "checkpoint.pt"
    before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
    child = Forked(_train_often_saved, run, errors=run.with_name("errors"))
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and child.poll() is None:
        if checkpoint.exists() and checkpoint.stat().st_mtime_ns > before:
            break
        time.sleep(0.005)
    child.send_signal(number)
    child.wait()


def assert_same_values(one, other):
    assert type(one) is type(other)
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same_values(one[key], other[key])
    elif isinstance(one, list | tuple):
        assert len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            assert_same_values(a, b)
    else:
        assert one == other

"""A real process in real time, stopped by real signals."""

import gc
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from exports.runtime.process import StopSignals, quiet_collector
from exports.runtime.session import OnnxPolicy
from exports.runtime.tick_reading import read_ticks
from ilrobot.cli import main
from ilrobot.data.dataset import Dataset
from ilrobot.data.episode import Episode, MemoryRecorder, Outcome
from ilrobot.data.writing import write_episodes
from ilrobot.env import make_env
from ilrobot.learners.behavioral_cloning import train
from ilrobot.learners.config import TrainConfig
from ilrobot.learners.stop import stop_signals
from ilrobot.policies.config import PolicyConfig
from ilrobot.rollout import rollout
from ilrobot.scripted_actor import ScriptedActor
from sims.experts import make_expert

TASK = "ilrobot/PointPath-v0"
#: Of each episode: a second.
TICKS = 10
HANGUP = pytest.param(
    signal.SIGHUP,
    marks=[
        pytest.mark.exhaustive,
        pytest.mark.skipif(
            signal.getsignal(signal.SIGHUP) is signal.SIG_IGN, reason="under nohup it is ignored"
        ),
    ],
)


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    """A policy that was trained, for a moment, on a recorded dataset."""
    folder = tmp_path_factory.mktemp("deploy")
    env = make_env(TASK, {"max_episode_steps": TICKS})
    recorder = MemoryRecorder(env.spec)
    actor = ScriptedActor(make_expert(env.env), env)
    for seed in range(2):
        rollout(env, actor, seed=seed, recorder=recorder)
    episodes = [
        Episode(replace(episode.info, outcome=Outcome.SUCCESS), episode.columns)
        for episode in recorder.episodes
    ]
    dataset = write_episodes(folder / "data", env.spec, episodes)
    train(
        dataset,
        PolicyConfig(width=16, blocks=1),
        TrainConfig(steps=5, batch_size=8, device="cpu"),
        folder / "run",
    )
    return folder


@pytest.fixture(scope="module")
def policy_file(run_folder):
    path = run_folder / "policy.onnx"
    assert call("export", "--policy", run_folder / "run", "--output", path) == 0
    return path


def call(*arguments):
    with pytest.raises(SystemExit) as stop:
        main([*map(str, arguments)])
    return stop.value.code


def deploy(*arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "ilrobot", "deploy", *map(str, arguments), "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_export_tells_what_it_wrote(run_folder, tmp_path, capsys):
    output = tmp_path / "policy.onnx"
    assert call("export", "--policy", run_folder / "run", "--output", output, "--json") == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["size"] == output.stat().st_size
    assert result["parity"]["relative"] <= result["parity"]["tolerance"] == 1e-5
    assert result["outputs"]["action"][:2] == [1, 1]
    assert all(name.startswith("observation.") for name in result["inputs"])


def test_limits_of_another_dataset_are_told_and_named_in_the_contract(
    run_folder, policy_file, tmp_path, capsys
):
    trained_on = Dataset.open(run_folder / "data")
    same = OnnxPolicy(policy_file).contract.provenance
    assert same.limits == same.data == trained_on.content_hash
    first = trained_on.episode(0)
    other = write_episodes(tmp_path / "other", trained_on.spec, [first])
    output = tmp_path / "policy.onnx"
    arguments = ("--policy", run_folder / "run", "--output", output, "--dataset", other.path)
    assert call("export", *arguments) == 0
    told = capsys.readouterr()
    assert "the limits come from what it teaches now" in " ".join(told.err.split())
    assert f"limits   of {len(first)} ticks in {other.path}" in told.out
    provenance = OnnxPolicy(output).contract.provenance
    assert provenance.data == trained_on.content_hash
    assert provenance.limits == other.content_hash


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--policy", "{folder}/nowhere", "--output", "{tmp}/p.onnx"), "no policy at"),
        (("--policy", "{folder}/run", "--output", "{tmp}/p.pt"), "must end in .onnx"),
        (("--policy", "{folder}/p.onnx", "--output", "{tmp}/p.onnx"), "is exported already"),
        (("--policy", "{folder}/run/policy.pt", "--output", "{tmp}/p.onnx"), "give --dataset"),
        (
            ("--policy", "{folder}/run", "--output", "{folder}/run/policy.pt/p.onnx"),
            "cannot be written",
        ),
        (
            ("--policy", "{folder}/run", "--output", "{tmp}/p.onnx", "--dataset", "{tmp}"),
            "{tmp}",
        ),
        (
            ("--policy", "{folder}/run", "--output", "{tmp}/p.onnx", "--chunks", "ensemble"),
            "predicts one action at a time",
        ),
    ],
)
def test_an_export_that_cannot_begin(run_folder, tmp_path, capsys, arguments, words):
    places = {"folder": run_folder, "tmp": tmp_path}
    assert call("export", *(a.format(**places) for a in arguments)) == 2
    error = capsys.readouterr().err
    assert words.format(**places) in error
    assert len(error.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_deploy_runs_in_real_time_without_torch(policy_file, tmp_path):
    log = tmp_path / "run.ticks"
    process = deploy("--policy", policy_file, "--rate", 10, "--episodes", 1, "--log", log)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    result = json.loads(out.splitlines()[-1])
    assert result["torch_imported"] is False
    assert (result["task"], result["rate"], result["episodes"]) == (TASK, 10.0, 1)
    assert result["stopped_by"] is None
    assert result["ticks"] == result["episode_results"][0]["ticks"] == TICKS  # as it was trained
    for key in ("period_error_ms", "latency_ms", "read_ms", "write_ms"):
        assert set(result[key]) == {"p50", "p99", "p99.9", "max"}
    ticks = read_ticks(log)
    assert ticks.closed
    assert len(ticks.rows) == result["ticks"]
    assert np.isfinite(ticks.rows["command"]).all()
    np.testing.assert_allclose(ticks.rows["command"], ticks.rows["wanted"], atol=1e-6)
    assert ticks.layout.about["task"] == TASK
    names = [setting["name"] for setting in result["settings"]]
    assert names == ["garbage collection off", "memory locked", "fine timers"]
    assert all(f"{name:27}" in err for name in names)
    assert result["inference"] is None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, HANGUP])
def test_a_signal_stops_the_robot_and_the_summary_is_printed(policy_file, tmp_path, number):
    log = tmp_path / "run.ticks"
    process = deploy("--policy", policy_file, "--episodes", 1_000_000, "--log", log)
    assert any(
        line.startswith(f"running {TASK} at 10 Hz") for line in iter(process.stderr.readline, "")
    )
    process.send_signal(number)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 128 + number, err
    result = json.loads(out.splitlines()[-1])
    assert result["stopped_by"] == number.name
    assert ("episodes          none ended" in out) == (result["episodes"] == 0)
    assert ("nobody judges" in out) == (result["episodes"] > 0)
    assert len(read_ticks(log).rows) == result["ticks"] + result["guard"]["coming_to_rest"]


@pytest.mark.parametrize("how", ["signal SIGUSR1", "file"])
def test_an_emergency_stop_ends_the_run(policy_file, tmp_path, how):
    file = tmp_path / "stop"
    process = deploy("--policy", policy_file, "--episodes", 1_000_000, "--stop-file", file)
    assert any(line.startswith(f"running {TASK}") for line in iter(process.stderr.readline, ""))
    if how == "file":
        file.touch()
    else:
        process.send_signal(signal.SIGUSR1)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 1, err
    result = json.loads(out.splitlines()[-1])
    assert result["stopped_by"].startswith(f"emergency stop ({how}")
    assert f"stopped by emergency stop ({how}" in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--policy", "{file}", "--stop-file", "{file}"), "exists; remove it before you start"),
        (("--policy", "{file}", "--stop-file", "nowhere/stop"), "there is no folder nowhere"),
        (("--policy", "{file}", "--stop-file", "long" * 100), "cannot be looked for"),
        (("--policy", "{file}", "--task", "ilrobot/Junction-v0"), "in the policy but"),
        (("--policy", "{file}", "--robot", "pybullet"), "no option 'engine'"),
        (("--policy", "{file}", "--robot", "mujoco"), "no option 'engine'"),
        (("--policy", "{file}", "--rate", "0"), "--rate must be"),
        (("--policy", "{file}", "--rate", "40"), "runs at 10 Hz and at no other rate"),
        (("--policy", "{file}", "--episodes", "0"), "--episodes must be from 1 to 1,000,000"),
        (("--policy", "{file}", "--episodes", "-3"), "--episodes"),
        (("--policy", "{file}", "--episodes", "1000000000"), "--episodes"),
        (("--policy", "{file}", "--seed", "-1"), "--seed must be from 0"),
        (("--policy", "{file}", "--seed", "99999999999999999999"), "--seed"),
        (("--policy", "{file}", "--log", "{file}/run.ticks"), "nothing has moved"),
        (("--policy", "{file}", "--shadow"), "nobody else leads"),
        (("--policy", "{file}", "--shadow", "--record", "{tmp}/data"), "needs the person"),
        (("--policy", "{file}", "--port", "1"), "for --device browser"),
        (("--policy", "{file}", "--record", "{file}/data"), "cannot be written"),
        (("--policy", "{file}", "--log", "ticks.npz"), "must end in .ticks"),
        (("--policy", "{file}", "--chunks", "coherent"), "does not sample"),
        (("--policy", "{folder}/run"), "ilrobot export"),
        (("--policy", "{folder}/none.onnx"), "no policy at"),
        (("--policy", "{folder}/run/policy.pt"), "no ONNX model"),
    ],
)
def test_a_deployment_that_cannot_begin(
    policy_file, run_folder, tmp_path, capsys, arguments, words
):
    places = {"file": policy_file, "folder": run_folder, "tmp": tmp_path}
    assert call("deploy", *(a.format(**places) for a in arguments)) == 2
    error = capsys.readouterr().err
    assert words in error
    assert len(error.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_person_shares_control_of_the_robot_and_that_is_recorded(policy_file, tmp_path):
    """Whether they do is up to them; the next deployment adds to the same dataset."""
    data, log = tmp_path / "data", tmp_path / "run.ticks"
    for times in (1, 2):
        process = deploy(
            *("--policy", policy_file, "--device", "operator", "--seed", times),
            *("--record", data, "--log", log),
        )
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        result = json.loads(out.splitlines()[-1])
        assert len(result["recorded"]) == 1
        dataset = Dataset.open(data)
        assert dataset.num_episodes == times
    episode = dataset.episode(1)
    sources = [str(source) for source in episode.columns["control.source"]]
    assert set(sources) <= {"policy", "human", "blend"}
    assert episode.info.seed == 2
    assert episode.info.operator == "simulated"
    assert episode.info.policy_hash == OnnxPolicy(policy_file).contract.provenance.checkpoint
    human = np.array([source == "human" for source in sources])
    np.testing.assert_array_equal(episode.columns["intervention"], human)
    assert np.isfinite(episode.columns["control.human_action"][human]).all()
    ticks = read_ticks(log)
    logged = [ticks.layout.sources[code] for code in ticks.rows["source"]]
    assert logged == sources
    np.testing.assert_allclose(episode.columns["action"], ticks.rows["command"], atol=1e-6)
    assert result["disagreement"] is None


def test_in_shadow_the_person_drives_and_the_disagreement_is_told(policy_file, tmp_path):
    log = tmp_path / "run.ticks"
    process = deploy("--policy", policy_file, "--device", "operator", "--shadow", "--log", log)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    result = json.loads(out.splitlines()[-1])
    ticks = read_ticks(log)
    rows = ticks.rows
    assert {ticks.layout.sources[code] for code in rows["source"]} == {"demo"}
    apart = result["disagreement"]
    assert apart["ticks"] == result["ticks"] == len(rows)
    shares = np.abs(rows["wanted"] - rows["command"]) / ticks.layout.scale
    assert apart["max"] == pytest.approx(shares.max(), rel=1e-5)
    assert list(apart["mean"].values()) == pytest.approx(shares.mean(axis=0), rel=1e-5)
    assert "disagreement" in out
    assert result["recorded"] is None


def test_signals_are_remembered_once_and_handlers_come_back():
    before = signal.getsignal(signal.SIGTERM)
    with StopSignals() as signals:
        assert not signals
        os.kill(os.getpid(), signal.SIGTERM)
        assert signals
        assert signals.exit_code == 143
        assert signal.getsignal(signal.SIGTERM) is before
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_terminal_that_goes_away_asks_twice_and_is_remembered_once():
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    with StopSignals() as signals:
        os.kill(os.getpid(), signal.SIGHUP)
        os.kill(os.getpid(), signal.SIGHUP)
        assert signals.exit_code == 129
    signal.signal(signal.SIGHUP, before)


def test_under_nohup_a_terminal_that_goes_away_ends_nothing():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with StopSignals() as signals, stop_signals() as stop:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not signals
            assert not stop.is_set()
    finally:
        signal.signal(signal.SIGHUP, before)


def test_the_collector_rests():
    with quiet_collector():
        assert not gc.isenabled()
        assert gc.get_freeze_count() > 0
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0

"""``ilrobot deploy`` with ``ilrobot robot``: two real processes and a socket between them."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace

import pytest

from exports.real_data import observation_windows, taught_actions
from exports.robots.execution_log import read_executed
from exports.robots.messages import State
from exports.to_onnx import export_policy
from ilrobot.cli import main
from ilrobot.data.episode import Episode, MemoryRecorder, Outcome
from ilrobot.data.memory import MemoryRecordings
from ilrobot.data.windows import Windows
from ilrobot.env import make_env
from ilrobot.policies.config import PolicyConfig
from ilrobot.policies.policy import Policy
from ilrobot.rollout import rollout
from ilrobot.scripted_actor import ScriptedActor
from sims.experts import make_expert
from tests.exhaustive import thinned

TASK = "ilrobot/PointPath-v0"


@pytest.fixture(scope="module")
def policy(tmp_path_factory):
    """Random weights, but for this task's observations and actions, with limits from its data."""
    folder = tmp_path_factory.mktemp("policy")
    env = make_env(TASK, {"max_episode_steps": 20})
    recorder = MemoryRecorder(env.spec)
    for seed in range(2):
        rollout(env, ScriptedActor(make_expert(env.env), env), seed=seed, recorder=recorder)
    episodes = [
        Episode(replace(episode.info, outcome=Outcome.SUCCESS), episode.columns)
        for episode in recorder.episodes
    ]
    data = MemoryRecordings(env.spec, episodes)
    made = Policy(env.spec, PolicyConfig(width=16, blocks=1)).eval()
    made.fit_normalizers(Windows(data, n_obs=1, horizon=1))
    path = folder / "policy.onnx"
    windows = observation_windows(data, env.spec, 1, 20)
    export_policy(made, path, windows=windows, actions=taught_actions(data), data_hash="d" * 16)
    return path


@contextmanager
def robot(log, *arguments, listen="udp://127.0.0.1:0", steps=8):
    """The process of ``ilrobot robot`` and its address."""
    command = ["robot", "--task", TASK, "--listen", listen, "--log", str(log), "--timeout", "300"]
    command += ["--options", f"max_episode_steps={steps}"]
    process = subprocess.Popen(
        [sys.executable, "-m", "ilrobot", *command, *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    line = process.stderr.readline()
    try:
        yield process, line.split(" at ")[1].split(",")[0]
    finally:
        process.kill()
        process.communicate()


def deploy(policy, address, *arguments):
    with pytest.raises(SystemExit) as ended:
        main(["deploy", "--policy", str(policy), "--robot", address, *map(str, arguments)])
    return ended.value.code


@pytest.mark.parametrize("listen", ["udp://127.0.0.1:0", "zmq+tcp://127.0.0.1:0"])
def test_episodes_on_a_robot_behind_a_socket(policy, tmp_path, capsys, listen):
    log = tmp_path / "log.jsonl"
    with robot(log, listen=listen) as (_, address):
        assert deploy(policy, address, "--episodes", 2, "--seed", 40, "--json") == 0
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert summary["robot"] == f"{TASK} at {address}"
    assert [episode["seed"] for episode in summary["episode_results"]] == [40, 41]
    assert all(episode["ended"] for episode in summary["episode_results"])
    first, second = read_executed(log)
    assert len(first.command) == len(second.command) == 8
    assert set(first.state) | set(second.state) <= {State.MOVING, State.HOLDING}


def test_a_robot_that_dies_under_deploy(policy, tmp_path, capsys):
    log = tmp_path / "log.jsonl"
    with robot(log, steps=1000) as (process, address):
        ended = subprocess.Popen(
            [sys.executable, "-m", "ilrobot", "deploy", "--policy", policy, "--robot", address],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        end = time.monotonic() + 60
        while "executed" not in log.read_text() and time.monotonic() < end:
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
        report, said = ended.communicate(timeout=60)
    assert ended.returncode == 1
    assert "has been silent for 2 s" in said
    assert "episode 200000: failed after" in said
    assert "Traceback" not in said
    assert "deadlines missed" in report


@pytest.mark.parametrize(
    "number",
    thinned([signal.SIGTERM, signal.SIGKILL, signal.SIGSTOP], [signal.SIGTERM]),
)
def test_a_deploy_that_dies_leaves_a_robot_that_holds(policy, tmp_path, number):
    log = tmp_path / "log.jsonl"
    with robot(log, steps=1000) as (_, address):
        command = [sys.executable, "-m", "ilrobot", "deploy", "--policy", policy]
        ended = subprocess.Popen(
            [*command, "--robot", address], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        end = time.monotonic() + 60
        while log.read_text().count("executed") < 10 and time.monotonic() < end:
            time.sleep(0.02)
        ended.send_signal(number)
        while '"holding"' not in log.read_text() and time.monotonic() < end:
            time.sleep(0.02)
        if number == signal.SIGSTOP:
            ended.kill()
        assert ended.wait(timeout=60) == {signal.SIGTERM: 143}.get(number, -signal.SIGKILL)
        time.sleep(0.5)  # it would move on in this time, if it did
    (executed,) = read_executed(log)
    assert State.MOVING in executed.state
    assert executed.state[-1] is State.HOLDING
    assert (executed.velocity[-1] == 0.0).all()
    newest = executed.seq == executed.seq[-1]
    moved_on = sum(s is State.MOVING for s, new in zip(executed.state, newest, strict=True) if new)
    assert moved_on <= 0.3 * executed.rate + 2  # the robot's --timeout


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("udp://127.0.0.1:9", "no robot answers at udp://127.0.0.1:9"),
        ("udp://127.0.0.1", "is no address"),
        ("mujuco", "--robot 'mujuco' is none; robots are mujoco, pybullet, udp://HOST:PORT"),
        ("lerobot:nowhere.json", "no configuration of a LeRobot robot"),
        ("ros2:/arm/position", "must end in /joint_trajectory or /commands"),
    ],
)
def test_a_robot_that_is_none_is_one_line(policy, capsys, monkeypatch, name, line):
    monkeypatch.setattr("exports.robots.socket_robot._ANSWERS_WITHIN", 0.3)
    assert deploy(policy, name) == 2
    said = capsys.readouterr().err
    assert line in said
    assert "Traceback" not in said


def test_another_task_behind_the_socket_is_refused(policy, tmp_path, capsys):
    with robot(tmp_path / "log.jsonl", "--task", "ilrobot/Junction-v0") as (_, address):
        assert deploy(policy, address) == 2
    assert "policy" in capsys.readouterr().err
    assert (tmp_path / "log.jsonl").read_text() == ""

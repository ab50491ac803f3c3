"""deploy, its policy on a server that is killed and started again while the robot moves."""

import json
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from exports.runtime.tick_reading import read_ticks
from ilrobot.cli import main
from ilrobot.env import make_env
from tests.exhaustive import thinned
from tests.exports.handmade import write_policy
from tests.exports.serving import Process, serving

TASK = "ilrobot/PointPath-v0"
TICKS = 40


def written(path, ticks=TICKS, **changes):
    """A policy for episodes of so many ticks."""
    env = make_env(TASK, {"max_episode_steps": ticks})
    spec = env.spec
    env.close()
    return write_policy(path, spec=spec, **changes)


@pytest.fixture(scope="module")
def policy_file(tmp_path_factory):
    return written(tmp_path_factory.mktemp("remote") / "policy.onnx")


def deploy(*arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "ilrobot", "deploy", *map(str, arguments), "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def line_with(words, process):
    """The first line of its errors that holds these words."""
    return next((line for line in process.stderr if words in line), "")


@pytest.mark.parametrize("chunks", thinned(["receding", "realtime:2"], ["realtime:2"]))
def test_deploy_runs_a_policy_on_a_server(tmp_path, chunks):
    with serving(written(tmp_path / "policy.onnx", ticks=10)) as server:
        process = deploy("--policy", server.address, "--chunks", chunks)
        output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    result = json.loads(output.splitlines()[-1])
    assert result["policy"] == server.address
    assert result["ticks"] == 10
    assert result["inference"]["chunks"] > 0
    assert result["torch_imported"] is False


def test_the_robot_holds_while_the_server_is_gone(policy_file, tmp_path):
    log = tmp_path / "run.ticks"
    server = Process(policy_file)
    arguments = ("--chunks", "receding", "--log", log, "--episodes", 100)
    process = deploy("--policy", server.address, *arguments)
    assert line_with("episode", process)
    time.sleep(0.3)  # the second one has begun
    server.kill()
    assert server.address in line_with("no chunk", process)
    with serving(policy_file, server.port):
        assert server.address in line_with("chunks again", process)
        assert line_with("episode", process)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=120)
    assert process.returncode == 130
    result = json.loads(output.splitlines()[-1])
    assert result["guard"]["plan_run_out"] > 0
    assert result["guard"]["fallback"] >= result["guard"]["plan_run_out"]
    commands = read_ticks(log).rows["command"]
    assert len(commands) == result["ticks"]
    assert np.isfinite(commands[:TICKS]).all()
    assert np.isfinite(commands[-1]).all()
    assert np.nanmax(np.abs(commands)) <= 9


def test_a_server_that_stays_away_ends_the_run_with_its_report(
    policy_file, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr("exports.server.client.PATIENCE", 1.0)
    log = tmp_path / "run.ticks"
    server = Process(policy_file)

    def kill_server():
        while not log.exists():
            time.sleep(0.01)
        time.sleep(0.3)
        server.kill()

    killer = threading.Thread(target=kill_server)
    killer.start()
    words = ["--policy", server.address, "--log", str(log), "--episodes", "100", "--json"]
    with pytest.raises(SystemExit) as ended:
        main(["deploy", *words])
    killer.join()
    output, errors = capsys.readouterr()
    assert ended.value.code == 1
    assert "no chunk for 1 s: no policy server at" in errors.splitlines()[-1]
    assert errors.count("asking again for 1 s") == 1
    result = json.loads(output.splitlines()[-1])
    assert "no policy server" in result["failure"]
    *begun, failed = result["episode_results"]
    assert len(begun) < 4  # none begins without a chunk
    assert failed["failure"] == result["failure"]
    assert not failed["ended"]


def test_a_server_that_comes_back_with_another_policy_ends_the_run(policy_file, tmp_path):
    other = written(tmp_path / "other.onnx", gain=0.5)
    server = Process(policy_file)
    process = deploy("--policy", server.address, "--episodes", 100)
    assert line_with("running", process)
    server.kill()
    with serving(other, server.port):
        _, errors = process.communicate(timeout=120)
    assert process.returncode == 1
    assert f"{server.address} serves another policy than before; deploy again" in errors
    assert "Traceback" not in errors


def test_what_a_server_cannot_be_asked_for(tmp_path, policy_file):
    process = deploy("--policy", "ws://127.0.0.1:1")
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 2
    assert len(errors.strip().splitlines()) == 1
    assert "no policy server at ws://127.0.0.1:1" in errors

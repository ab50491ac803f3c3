"""``ilrobot robot``: a simulation behind a socket, as a person starts it."""

import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from exports.robots.execution_log import ExecutionLog, read_executed
from exports.robots.socket_robot import SocketRobot
from ilrobot.cli import main
from ilrobot.control.contract_parts import Limits
from ilrobot.env import make_env
from ilrobot.errors import UserError

TASK = "ilrobot/PointPath-v0"
FILMED = ["--task", "ilrobot/PushT-v0", "--options", "cameras=top", "render_size=160"]


def test_a_simulation_behind_a_socket(tmp_path):
    log = tmp_path / "log.jsonl"
    arguments = ["--task", TASK, "--listen", "udp://127.0.0.1:0", "--log", str(log), "--json"]
    arguments += ["--latency", "1", "--jitter", "1", "--loss", "0.05", "--noise", "0.001"]
    process = subprocess.Popen(
        [sys.executable, "-m", "ilrobot", "robot", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    line = process.stderr.readline()
    address = line[line.index("udp://") : line.index(",")]
    action = make_env(TASK).spec.action
    limits = Limits(
        ("delta",) * action.size, action.low, action.high, *[(np.inf,) * action.size] * 2
    )
    robot = SocketRobot(address, limits)
    assert robot.connect().spec == make_env(TASK).spec
    robot.reset(3)
    end = time.monotonic() + 30
    while log.read_text().count("executed") < 3 and time.monotonic() < end:
        reading = robot.read(0.0)
        robot.write(np.zeros(action.shape))
        time.sleep(0.02)
    assert all(np.isfinite(array).all() for array in reading.observation.values())
    robot.stop()
    robot.close()
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    summary = json.loads(output.splitlines()[-1])
    assert (summary["robot"], summary["address"]) == (TASK, address)
    assert summary["episodes"] == 1
    (executed,) = read_executed(log)
    assert summary["ticks"] == len(executed.command) > 0


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--task", "ilrobot/PandaLfit-v0"], "PandaLift"),
        (["--task", TASK, "--engine", "pybullet"], "no option 'engine'"),
        (["--task", TASK, "--listen", "5555"], "'5555' is no address"),
        (["--task", TASK, "--listen", "udp://127.0.0.1:99999"], "port 0 to 65535"),
        (["--task", TASK, "--listen", "udp://192.0.2.1:5555"], "cannot be listened on"),
        (["--task", TASK, "--rate", "500"], "states its rate and runs at no other"),
        ([*FILMED, "--listen", "udp://127.0.0.1:0"], "at most 65,507); listen on zmq+tcp://"),
        (["--task", TASK, "--timeout", "0"], "--timeout must be a positive number of ms"),
        (["--task", TASK, "--latency", "-1"], "--latency must be 0 or more"),
        (["--task", TASK, "--jitter", "nan"], "--jitter must be 0 or more"),
        (["--task", TASK, "--loss", "1.5"], "--loss must be from 0 to 1"),
        (["--task", TASK, "--seed", "-1"], "--seed must be 0 or more"),
    ],
)
def test_a_mistake_is_one_line(arguments, line, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["robot", *arguments])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert line in said
    assert "Traceback" not in said


def test_a_file_that_is_no_log_is_left_as_it_is(tmp_path):
    notes = tmp_path / "notes.txt"
    notes.write_text("mine\n")
    with pytest.raises(UserError, match=r"notes\.txt is no log of ilrobot robot"):
        ExecutionLog(notes)
    assert notes.read_text() == "mine\n"


def test_an_earlier_log_is_replaced(tmp_path):
    earlier = tmp_path / "log.jsonl"
    earlier.write_text('{"episode": 0, "seed": 0}\n')
    ExecutionLog(earlier).close()
    assert earlier.read_text() == ""
    ExecutionLog(earlier).close()  # of a bench to which no controller came

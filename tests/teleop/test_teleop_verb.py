"""``ilrobot teleop`` as a person calls it: its mistakes, and its end."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from ilrobot.cli.command import command
from ilrobot.cli.page import PageAddress
from ilrobot.cli.record import Record
from tests.called import called

ILROBOT = [sys.executable, "-c", "from ilrobot.cli import main; main()"]


def refused(verb: str, *arguments: str) -> str:
    done = called(verb, *arguments)
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    return done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--port", "70000"], "--port"),
        (["--port", "-1"], "--port"),
        (["--host", "no such host"], "--host"),
        (["--host", "192.0.2.1"], "--host"),
        (["--seed", "-1"], "--seed"),
        (["--device", "keyboard", "--port", "9000"], "--device browser"),
        (["--device", "pedals"], "--device"),
    ],
)
def test_mistakes_are_one_line(arguments: list[str], words: str) -> None:
    assert words in refused("teleop", "--task", "ilrobot/Junction-v0", *arguments)


def test_record_refuses_an_address_without_a_page() -> None:
    words = refused("record", "--task", "ilrobot/Junction-v0", "--output", "x", "--host", "0.0.0.0")
    assert "--device browser" in words


def test_ctrl_c_ends_it_in_one_line() -> None:
    arguments = ["teleop", "--task", "ilrobot/Junction-v0", "--port", "0"]
    with subprocess.Popen([*ILROBOT, *arguments], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert "http://127.0.0.1:" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert stderr.strip() == "ilrobot: stopped by Ctrl-C"


def test_beyond_this_machine_the_token_is_printed_once() -> None:
    arguments = ["teleop", "--task", "ilrobot/Junction-v0", "--port", "0", "--host", "0.0.0.0"]
    with subprocess.Popen([*ILROBOT, *arguments], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        token = process.stderr.readline().strip().partition("?token=")[2]
        assert "unencrypted" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=30)
    assert len(token) >= 20
    assert token not in stderr


def test_the_address_is_part_of_the_command_to_go_on_with() -> None:
    verb = Record("T-v0", "data", "browser", PageAddress(port=9000))
    assert command(verb) == "ilrobot record --task T-v0 --output data --device browser --port 9000"

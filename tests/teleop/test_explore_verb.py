"""``ilrobot explore`` as a person calls it: its mistakes, and its end."""

from __future__ import annotations

import signal
import subprocess

import pytest
from test_teleop_verb import ILROBOT

from ilrobot.cli import _main
from tests.exhaustive import thinned


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["irk"], "did you mean 'irl'?"),
        (["sailing"], "choose one of irl, drift"),
        (["irl", "--port", "70000"], "--port must be 0 … 65535"),
        (["irl", "--host", "no such host"], "--host"),
    ],
)
def test_mistakes_are_one_line(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _main(["explore", *arguments]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize("name", thinned(["irl", "drift"], ["drift"]))
def test_ctrl_c_ends_it_in_one_line(name: str) -> None:
    with subprocess.Popen(
        [*ILROBOT, "explore", name, "--port", "0"], stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        assert "http://127.0.0.1:" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        # It ends when nobody holds the pipe any more: its process for the work is gone as well.
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert stderr.strip() == "ilrobot: stopped by Ctrl-C"

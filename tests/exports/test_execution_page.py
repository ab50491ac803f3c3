"""`ilrobot view` of what a robot executed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from exports.robots.base import Capabilities
from exports.robots.execution_log import ExecutionLog
from exports.robots.messages import State
from ilrobot.cli import _main
from tests.exports.plant import LIMITS, plant_spec


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)


def write(path: Path, ticks: int) -> Path:
    log = ExecutionLog(path)
    robot = Capabilities("an <arm>", plant_spec(), any_rate=False, time_limit=None)
    for episode in (1, 2):
        log.begin(episode, 7, robot, ("absolute",) * 3, LIMITS)
        for tick in range(ticks):
            state = State.HOLDING if tick > 5 else State.MOVING
            log.tick(10.0 * episode + 0.01 * tick, state, tick, np.full(3, 0.005 * tick))
    log.begin(3, 7, robot, ("absolute",) * 3, LIMITS)  # and nobody commanded it
    log.close()
    return path


@pytest.mark.parametrize("ticks", [1, 2, 800])
def test_what_was_executed_becomes_a_page(tmp_path, capsys, ticks):
    assert _main(["view", str(write(tmp_path / "robot.jsonl", ticks))]) == 0
    page = Path(capsys.readouterr().out.strip()).read_text()
    assert "an &lt;arm&gt;" in page
    assert f"{2 * ticks} at 100 Hz" in page
    for name in ("shoulder", "elbow", "wrist", "velocity, rad/s"):
        assert name in page
    assert ("0.5 of 1" in page) == (ticks > 1)  # rad/s of its limit
    assert ("No command came in time" in page) == (ticks > 6)


def test_a_log_that_a_kill_cut_short_is_shown_up_to_there(tmp_path, capsys):
    path = write(tmp_path / "robot.log", 20)
    begun = path.read_bytes().rindex(b'{"episode"')
    path.write_bytes(path.read_bytes()[: begun - 30])
    assert _main(["view", str(path)]) == 0
    assert "39 at 100 Hz" in Path(capsys.readouterr().out.strip()).read_text()


def test_a_number_that_is_none_is_damage(tmp_path, capsys):
    path = write(tmp_path / "robot.jsonl", 20)
    path.write_text(path.read_text().replace('"seq": 7,', '"seq": 1e999,', 1))
    assert _main(["view", str(path)]) == 2
    assert "or a damaged one" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        ("", [], "is no log: neither of ilrobot deploy"),
        ("hello", [], "is no log: neither of ilrobot deploy"),
        ('{"episode": 1}\n{"time": 1}\n', [], "holds no tick"),
        ('{"episode": 1, "rate": 5.0}\n', [], "or a damaged one"),
        ('{"episode": 1,\n', [], "or a damaged one"),
        ('{"episode": 1}\n', ["--episode", "0"], "--episode is for datasets"),
    ],
)
def test_what_cannot_be_shown_is_one_line(tmp_path, capsys, text, options, words):
    (tmp_path / "robot.jsonl").write_text(text)
    assert _main(["view", "robot.jsonl", *options]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert len(error.strip().splitlines()) == 1
    assert not Path("runs").exists()

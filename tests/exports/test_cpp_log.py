"""The C++ library keeps its ticks in the file that Python keeps them in, whatever becomes of it."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from exports.cpp.binding import CppController, Refused
from exports.runtime.tick_layout import FALLBACK_SOURCE, layout
from exports.runtime.tick_log import TickLog
from exports.runtime.tick_reading import read_ticks
from ilrobot.actors import Source
from ilrobot.cli import _main
from ilrobot.control.activation import Activation
from ilrobot.control.contract_parts import Limits
from ilrobot.control.contract_signals import CriticScale
from ilrobot.control.guard import Guard
from tests.exports.identity import OBSERVATION, constant_policy, identity_policy
from tests.ilrobot.control.contracts import DISCRETE, contract_for

pytestmark = pytest.mark.usefixtures("cpp_library")

LIMITS = Limits(("absolute", "delta"), (-5.0, -0.1), (5.0, 0.1), (10.0,) * 2, (1e3,) * 2)
RATE = 100.0


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    identity_policy(tmp_path / "policy.onnx", LIMITS, rate=RATE)
    return tmp_path / "policy.onnx"


def seen(tick: int) -> dict[str, np.ndarray]:
    """What is observed; nothing finite at every seventh tick."""
    values = np.float32([np.sin(0.1 * tick), 0.01])
    return {OBSERVATION: values * np.float32(np.nan) if tick % 7 == 6 else values}


def drive(cpp: CppController, ticks: int) -> None:
    """Two episodes, in the second of which a person acts at every fifth tick."""
    for episode in range(2):
        cpp.reset(0, [0.0, 0.0])
        for tick in range(ticks):
            cpp.observe(seen(tick), tick / RATE - 0.004)
            if episode and tick % 5 == 0:
                cpp.override(tick / RATE, False, [0.5, 0.0])
            else:
                cpp.tick(tick / RATE, tick % 9 == 8)


def expected(path: Path, log: Path, ticks: int) -> None:
    """The same as Python has it."""
    contract = identity_policy(path, LIMITS, rate=RATE)
    about = {"policy": str(path), "robot": "", "task": ""}
    assert contract.limits is not None
    guard, kept = (
        Guard(contract),
        layout(contract.spec, RATE, contract.scale.tolist(), about),
    )
    with TickLog(log, kept, 1000) as rows:
        for episode in range(2):
            guard.reset(np.zeros(2))
            for tick in range(ticks):
                person, late = bool(episode and tick % 5 == 0), tick % 9 == 8
                now, observation = tick / RATE, seen(tick)
                late = late and not person
                action = np.array([0.5, 0.0]) if person else observation[OBSERVATION]
                admitted = guard.admit(observation, now - (now - 0.004), late, now - 0.004)
                command = guard.limit(action) if admitted else guard.hold()
                source = Source.HUMAN if person else Source.POLICY
                rows.append(
                    observation,
                    command,
                    action if admitted and not person else None,
                    None if Activation.FALLBACK in guard.flags else source,
                    *(now, episode, int(guard.flags), 0.004, 0.0, 0.0, 0.0, late),
                )


def test_it_is_the_log_that_python_writes(policy, tmp_path):
    with CppController(policy) as cpp:
        cpp.log(tmp_path / "cpp.ticks", 1000)
        drive(cpp, 60)
    expected(policy, tmp_path / "python.ticks", 60)
    ours, python = (read_ticks(tmp_path / f"{name}.ticks") for name in ("cpp", "python"))
    assert ours.closed
    assert len(ours.rows) == 120
    for name in ("rate", "row", "scale", "sources", "activations", "about"):
        assert getattr(ours.layout, name) == getattr(python.layout, name), name
    for name in ("elements", "units"):
        theirs = getattr(python.layout, name)
        assert {n: list(v) for n, v in getattr(ours.layout, name).items()} == {
            n: list(v) for n, v in theirs.items()
        }
    for name in python.layout.row.names:
        if name not in ("read_time", "act_time", "write_time"):
            np.testing.assert_array_equal(ours.rows[name], python.rows[name], err_msg=name)
    assert (ours.rows["act_time"] > 0).all()
    assert np.isnan(ours.rows["read_time"]).all()  # the library does not read


def test_the_ticks_that_brake_to_rest_are_kept_too(policy, tmp_path):
    with CppController(policy) as cpp:
        cpp.log(tmp_path / "run.ticks", 1000)
        cpp.reset(0, [0.0, 0.0])
        for tick in range(10):
            cpp.observe({OBSERVATION: np.float32([tick, 0.05])}, tick / RATE)
            cpp.tick(tick / RATE)
        sent = []
        while (command := cpp.brake((10 + len(sent)) / RATE, late=not sent)) is not None:
            sent.append(command)
    rows = read_ticks(tmp_path / "run.ticks").rows[10:]
    assert len(rows) == len(sent) > 0
    np.testing.assert_array_equal(rows["command"], sent)
    np.testing.assert_array_equal(rows["start"], (10 + np.arange(len(sent))) / RATE)
    assert np.isnan(rows["wanted"]).all()
    assert {int(code) for code in rows["source"]} == {FALLBACK_SOURCE}
    assert rows["late"].tolist() == [1] + [0] * (len(sent) - 1)
    assert {int(bits) for bits in rows["activations"]} == {int(Activation.COMING_TO_REST)}
    assert np.isnan(rows[OBSERVATION]).all()
    assert np.isnan(rows["age"]).all()


def test_what_the_policy_says_of_its_actions_is_kept_as_in_python(tmp_path):
    path = tmp_path / "policy.onnx"
    risky = {"risk": CriticScale(0.1, 0.5), "unsafe": CriticScale(0.1, None)}
    contract = identity_policy(path, LIMITS, rate=RATE, critics=risky)
    with CppController(path) as cpp:
        cpp.log(tmp_path / "run.ticks", 100)
        cpp.reset(0, [0.0, 0.0])
        said = []
        for tick in range(30):
            cpp.observe(seen(tick), tick / RATE)
            cpp.tick(tick / RATE)
            said.append(cpp.signals["risk"])
    ticks = read_ticks(tmp_path / "run.ticks")
    python = layout(contract.spec, RATE, contract.scale.tolist(), {}, tuple(risky))
    assert ticks.layout.row == python.row
    assert ticks.layout.elements["risk"] == list(python.elements["risk"])
    for name in risky:
        np.testing.assert_array_equal(ticks.rows[name], np.float32(said))
    assert np.isnan(said[6])  # nothing finite was seen
    assert np.isfinite(said[5])


def test_view_opens_it(policy, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DISPLAY", raising=False)
    with CppController(policy) as cpp:
        cpp.log(tmp_path / "run.ticks", 1000)
        drive(cpp, 40)
    assert _main(["view", "run.ticks"]) == 0
    assert "80 at 100 Hz" in Path(capsys.readouterr().out.strip()).read_text()


def test_the_oldest_ticks_make_room(policy, tmp_path):
    with CppController(policy) as cpp:
        cpp.log(tmp_path / "run.ticks", 10)
        drive(cpp, 30)
    ticks = read_ticks(tmp_path / "run.ticks")
    assert ticks.overwritten == 50
    np.testing.assert_array_equal(ticks.rows["tick"], np.arange(51, 61))


def test_choices_and_histories_are_kept_too(tmp_path):
    constant_policy(tmp_path / "policy.onnx", contract_for(DISCRETE))
    with CppController(tmp_path / "policy.onnx") as cpp:
        cpp.log(tmp_path / "run.ticks", 10)
        cpp.reset()
        cpp.tick(0.0)  # nothing was seen: nothing to send
        cpp.observe({OBSERVATION: np.float32([0.25, 0.5])}, 0.1)
        cpp.tick(0.1)
    ticks = read_ticks(tmp_path / "run.ticks")
    assert ticks.layout.scale is None
    np.testing.assert_array_equal(ticks.rows["wanted"], [np.nan, 0.0])
    np.testing.assert_array_equal(ticks.rows[OBSERVATION][1], [0.25, 0.5])
    assert [ticks.layout.sources[code] for code in ticks.rows["source"]] == ["fallback", "policy"]


def child(policy: Path, log: Path, then: str) -> subprocess.CompletedProcess[str]:
    program = f"""
import os, signal, resource
from pathlib import Path
from exports.cpp.binding import CppController
from tests.exports.test_cpp_log import drive
cpp = CppController(Path({str(policy)!r}))
{then}
"""
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)


def test_it_outlives_a_controller_that_is_killed(policy, tmp_path):
    log = tmp_path / "run.ticks"
    killed = child(
        policy,
        log,
        f"cpp.log(Path({str(log)!r}), 1000); drive(cpp, 25); os.kill(os.getpid(), signal.SIGKILL)",
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    ticks = read_ticks(log)
    assert not ticks.closed
    assert len(ticks.rows) == 50


def test_where_there_is_no_room_the_old_log_stays(policy, tmp_path):
    log = tmp_path / "run.ticks"
    log.write_bytes(old := b"ILTICKS1 of before")
    limit = f"resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, {resource.RLIM_INFINITY}))"
    done = child(policy, log, f"{limit}; cpp.log(Path({str(log)!r}), 100_000)")
    assert "run.ticks: File too large; nothing has moved" in done.stderr
    assert log.read_bytes() == old
    assert sorted(tmp_path.iterdir()) == [policy, log]


def test_a_place_that_cannot_be_written_to_is_refused(policy, tmp_path):
    with CppController(policy) as cpp, CppController(policy) as other:
        with pytest.raises(Refused, match=r"none/run\.ticks: No such file or directory"):
            cpp.log(tmp_path / "none" / "run.ticks", 10)
        with pytest.raises(Refused, match="Is a directory; nothing has moved"):
            cpp.log(tmp_path, 10)
        (tmp_path / "notes.ticks").write_bytes(b"mine")
        with pytest.raises(Refused, match="is no log of ticks, and would be lost"):
            cpp.log(tmp_path / "notes.ticks", 10)
        assert (tmp_path / "notes.ticks").read_bytes() == b"mine"
        (tmp_path / "empty.ticks").touch()
        cpp.log(tmp_path / "empty.ticks", 10)
        other.log(tmp_path / "run.ticks", 10)
        with pytest.raises(Refused, match="another process is writing its log there"):
            cpp.log(tmp_path / "run.ticks", 10)

"""`ilrobot doctor --device`: what is shown is what arrived."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from ilrobot.cli import main
from ilrobot.cli.diagnosis import arriving
from ilrobot.control.clock import SimulatedClock
from teleop.bindings import END_EFFECTOR
from teleop.devices import sdl
from teleop.devices.base import DeviceState
from teleop.devices.scripted import Scripted
from teleop.devices.virtual_gamepad import VirtualGamepad


def _doctor(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["doctor", *arguments])
    return ended.value.code


def _play(monkeypatch: pytest.MonkeyPatch, *moves) -> None:
    """Make the moves one by one, each right before a poll of SDL."""
    todo, pump = list(moves), sdl.pump

    def pump_after_a_move() -> None:
        if todo:
            todo.pop(0)()
        pump()

    monkeypatch.setattr(sdl, "pump", pump_after_a_move)


def test_a_pad_without_a_display(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pad = VirtualGamepad()
    _play(
        monkeypatch,
        lambda: None,
        lambda: pad.tap("a"),
        lambda: pad.set_axis("lefty", -1.0),
        lambda: pad.set_axis("lefty", 0.25),
        lambda: pad.press("rightshoulder"),
        lambda: pad.detach(),
    )
    assert _doctor("--device", "gamepad", "--seconds", "0.3", "--json") == 0
    out = capsys.readouterr().out.splitlines()
    assert any("a: gripper" in line for line in out)
    assert any("rightshoulder: engage" in line for line in out)
    heard = json.loads(out[-1])
    assert heard["pressed"] == {"a": 1, "rightshoulder": 1}
    assert heard["released"] == {"a": 1, "rightshoulder": 1}
    assert heard["axes"]["lefty"] == [-1.0, pytest.approx(0.25, abs=1e-4)]
    assert heard["lost"] == 1


def test_it_tells_the_bindings_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pad = VirtualGamepad()
    path = tmp_path / "mine.toml"
    path.write_text('[controls]\npause = "guide"\nrewind = "b"')
    _play(monkeypatch, lambda: None, lambda: pad.tap("b"))
    assert _doctor("--device", "gamepad", "--seconds", "0.1", "--bindings", str(path)) == 0
    assert "b: rewind" in capsys.readouterr().out


def test_a_terminal_sees_bars_and_what_each_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")  # nothing is drawn on a dumb one
    shown = io.StringIO()
    console = Console(file=shown, force_terminal=True, width=100, height=60)
    device = Scripted(
        [
            DeviceState(axes={"lefty": -1.0, "rightx": 0.5}, held=frozenset({"lefttrigger"})),
            DeviceState(connected=False, stamp=0.5),
        ],
        "a pad",
    )
    heard = arriving.watch(device, END_EFFECTOR, SimulatedClock(arriving.RATE), 1.0, console)
    text = shown.getvalue()
    for words in ("█" * 10 + "│", "−x", "x +1.00", "rewind", "a pad is unplugged", "−yaw"):
        assert words in text
    assert (heard.lost, heard.pressed) == (1, {"lefttrigger": 1})


def test_ctrl_c_ends_it_with_a_summary(capsys: pytest.CaptureFixture[str]) -> None:
    def script(now: float) -> DeviceState:
        if now > 0.2:
            raise KeyboardInterrupt
        return DeviceState()

    arriving.watch(Scripted(script, "a pad"), END_EFFECTOR, SimulatedClock(arriving.RATE), None)
    assert capsys.readouterr().out.splitlines()[-1] == "a pad: nothing arrived"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--device", "gamepad"], "no gamepad to listen to"),
        (["--device", "gamepad", "--seconds", "-1"], "--seconds must be more than 0"),
        (["--seconds", "1"], "are for: ilrobot doctor --device"),
        (["--device", "gamepad", "--bindings", "/nowhere.toml"], "/nowhere.toml: No such file"),
    ],
)
def test_mistakes_are_told_in_one_line(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _doctor(*arguments) == 2
    error = capsys.readouterr().err.strip()
    assert words in error
    assert "\n" not in error

"""A real process in a real terminal: a pseudo-terminal whose other end is this test."""

import json
import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from ilrobot.errors import UserError
from teleop.bindings import END_EFFECTOR
from teleop.bindings_file import read_bindings
from teleop.devices.terminal import Terminal

CHILD = """
import json, sys, time
from teleop.devices.terminal import Terminal
keys = Terminal()
seen, now = [], 0.0
try:
    print("ready", flush=True)
    while "back" not in seen:
        now += 1.0
        state = keys.poll(now)
        seen += state.pressed
        if state.pressed:
            print(json.dumps(state.pressed), flush=True)
        time.sleep(0.005)
except KeyboardInterrupt:
    print("interrupted", flush=True)
    {ending}
keys.close()
"""


class Shell:
    """A process that takes the terminal as a shell's foreground job does."""

    def __init__(self, *arguments: str) -> None:
        self.far, near = pty.openpty()
        self.near = near
        self.before = termios.tcgetattr(near)
        nowhere = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
        self.process = subprocess.Popen(
            [sys.executable, *arguments],
            stdin=near,
            env=nowhere,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=_take_terminal,
        )

    def type(self, characters: bytes) -> None:
        os.write(self.far, characters)

    def line(self) -> str:
        assert self.process.stdout is not None
        assert select.select([self.process.stdout], [], [], 20.0)[0], "it says nothing"
        return self.process.stdout.readline().strip()

    def end(self) -> int:
        code = self.process.wait(20.0)
        self.process.communicate()
        return code

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.far)
        os.close(self.near)


def _take_terminal() -> None:
    import fcntl

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@pytest.fixture
def shell(request: pytest.FixtureRequest):
    made = Shell("-c", CHILD.replace("{ending}", getattr(request, "param", "pass")))
    assert made.line() == "ready"
    yield made
    made.close()


def test_keys_do_the_same_as_in_the_window_and_the_terminal_comes_back(shell: Shell) -> None:
    pressed = [
        (b" ", ["a"]),
        (b"\n", ["start"]),
        (b"\x1b[3~", ["x"]),
        (b"P", ["b"]),
        (b"\x1b[A", None),  # an arrow would steer
        (b"w", None),
        ("é".encode(), None),
        (b"\x1b[15~r", ["lefttrigger"]),
        (b"\x7f", ["back"]),
    ]
    for characters, buttons in pressed:
        shell.type(characters)
        if buttons is not None:
            assert json.loads(shell.line()) == buttons
    assert shell.end() == 0
    assert termios.tcgetattr(shell.near) == shell.before


@pytest.mark.parametrize("shell", ["pass", "raise RuntimeError('nobody closes it')"], indirect=True)
def test_ctrl_c_works_on_and_the_terminal_comes_back(shell: Shell) -> None:
    shell.type(b"\x03")
    assert shell.line() == "interrupted"
    shell.end()
    assert termios.tcgetattr(shell.near) == shell.before


def test_a_signal_ends_it_too(shell: Shell) -> None:
    shell.process.send_signal(signal.SIGINT)
    assert shell.line() == "interrupted"
    assert shell.end() == 0


def test_doctor_listens_to_the_terminal_where_there_is_no_display() -> None:
    shell = Shell("-m", "ilrobot", "doctor", "--device", "keyboard", "--json")
    until = time.monotonic() + 30.0
    while termios.tcgetattr(shell.near)[3] & termios.ICANON:
        assert time.monotonic() < until, "it never took the terminal"
        time.sleep(0.01)
    shell.type(b"p")
    assert shell.line().endswith("b: pause")
    shell.type(b"\x03")
    out, error = shell.process.communicate(timeout=20.0)
    assert (shell.process.returncode, error) == (0, "")
    assert json.loads(out.splitlines()[-1])["pressed"] == {"b": 1}
    assert termios.tcgetattr(shell.near) == shell.before
    shell.close()


def test_without_a_terminal_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with open(os.devnull) as nothing:  # noqa: PTH123
        monkeypatch.setattr(sys, "stdin", nothing)
        with pytest.raises(UserError, match="terminal"):
            Terminal()


@pytest.mark.parametrize("delay", [0.25, 0.5, 0.66])
def test_a_key_held_down_is_one_press_that_is_held(
    delay: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the loop's clock does: a new episode begins in the midst of it."""
    characters = [0.0, *(delay + 0.04 * n for n in range(10))]
    last, clock = characters[-1], iter(range(1000))
    far, near = pty.openpty()
    with os.fdopen(near) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        monkeypatch.setattr(os, "tcgetpgrp", lambda _: os.getpgrp())
        keys = Terminal(clock=lambda: 0.02 * next(clock))
        states = []
        for poll in range(80):
            while characters and characters[0] <= 0.02 * poll:
                characters.pop(0)
                os.write(far, b"r")
                _wait_for_input(near)
            states.append(keys.poll(5000.0 if poll < 10 else 0.0))
        keys.close()
    os.close(far)
    assert [state.pressed for state in states] == [("lefttrigger",)] + [()] * 79
    held = [bool(state.held) for state in states]
    until = held.index(False)
    assert not any(held[until:])
    assert last <= 0.02 * until <= last + 0.2
    assert states[until].released == ("lefttrigger",)


def test_a_key_struck_again_is_a_new_press(monkeypatch: pytest.MonkeyPatch) -> None:
    far, near = pty.openpty()
    times = iter([0.0, 0.75, 0.8])
    with os.fdopen(near) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        monkeypatch.setattr(os, "tcgetpgrp", lambda _: os.getpgrp())
        keys = Terminal(clock=lambda: next(times))
        states = []
        for _ in range(3):
            os.write(far, b"r")
            _wait_for_input(near)
            states.append(keys.poll(0.0))
        keys.close()
    os.close(far)
    assert [state.pressed for state in states] == [("lefttrigger",), ("lefttrigger",), ()]


def test_no_key_takes_over_or_steers_whatever_it_is_called(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        '[keys]\nengage = "e"\n[steering]\nroll = ["rightstick", "b"]\n'
        '[controls]\nframe = "dpleft"\npause = "dpright"\n'
    )
    far, near = pty.openpty()
    with os.fdopen(near) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        monkeypatch.setattr(os, "tcgetpgrp", lambda _: os.getpgrp())
        keys = Terminal(read_bindings(path).change(END_EFFECTOR))
        os.write(far, b"ep ")
        _wait_for_input(near)
        state = keys.poll(0.0)
        keys.close()
    os.close(far)
    assert state.pressed == ("dpright", "a")


def _wait_for_input(file: int) -> None:
    assert select.select([file], [], [], 5.0)[0]
    time.sleep(0)

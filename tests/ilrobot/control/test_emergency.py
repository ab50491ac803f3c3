"""The emergency stop: whoever presses it, it stays pressed."""

import os
import signal

import pytest

from ilrobot.control.emergency import EmergencyStop


def test_it_stays_pressed_until_it_is_released():
    stop = EmergencyStop()
    assert not stop.pressed
    stop.press("the pad")
    stop.press("the robot")
    assert stop.pressed
    assert stop.reason == "the pad"
    stop.release()
    assert not stop.pressed


def test_a_file_that_appears_presses_it_and_keeps_it_pressed(tmp_path):
    file = tmp_path / "stop"
    stop = EmergencyStop(file)
    assert not any(stop.pressed for _ in range(2 * EmergencyStop.EVERY))
    file.touch()
    asked = [stop.pressed for _ in range(EmergencyStop.EVERY + 1)]
    assert asked[-1]
    file.unlink()
    assert stop.pressed
    assert stop.reason == f"file {file}"
    stop.release()
    assert not stop.pressed


@pytest.fixture
def own_handler():
    before = signal.getsignal(signal.SIGUSR1)
    yield
    signal.signal(signal.SIGUSR1, before)


@pytest.mark.usefixtures("own_handler")
def test_a_signal_presses_it():
    stop = EmergencyStop()
    stop.listen()
    os.kill(os.getpid(), signal.SIGUSR1)
    assert stop.pressed
    assert stop.reason == "signal SIGUSR1"

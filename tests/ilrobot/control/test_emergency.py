"""The emergency stop: whoever presses it, it stays pressed."""

import os
import signal

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
    file, ticks = tmp_path / "stop", iter(range(10**6))
    stop = EmergencyStop(file, clock=lambda: 0.01 * next(ticks))  # at 100 Hz
    assert not any(stop.pressed for _ in range(20))
    file.touch()
    assert stop.pressed  # within a tick
    file.unlink()
    assert stop.pressed
    assert stop.reason == f"file {file}"
    stop.release()
    assert not stop.pressed


def test_a_file_that_cannot_be_looked_for_presses_it(tmp_path):
    stop = EmergencyStop(tmp_path / ("long" * 100))
    assert stop.pressed
    assert "cannot be looked for" in stop.reason


def test_a_file_whose_folder_goes_away_presses_it(tmp_path):
    folder, now = tmp_path / "stop", 0.0
    folder.mkdir()
    stop = EmergencyStop(folder / "now", clock=lambda: now)
    assert not stop.pressed
    folder.rmdir()
    now += EmergencyStop.EVERY
    assert stop.pressed
    assert "whose folder is gone" in stop.reason


def test_a_signal_presses_it_while_it_listens():
    before = signal.getsignal(signal.SIGUSR1)
    stop = EmergencyStop()
    with stop.listening():
        os.kill(os.getpid(), signal.SIGUSR1)
        assert stop.pressed
    assert stop.reason == "signal SIGUSR1"
    assert signal.getsignal(signal.SIGUSR1) == before


def test_a_button_presses_it_and_letting_go_changes_nothing():
    down = False
    stop = EmergencyStop(button=lambda: down)
    assert not stop.pressed
    down = True
    assert stop.pressed
    down = False
    assert stop.pressed
    assert stop.reason == "button"

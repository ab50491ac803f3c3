"""What is asked of the operating system is told, and given back."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
import threading

import pytest

from exports.runtime import realtime
from exports.runtime.realtime import PRIORITY_SETTING, real_time

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="these settings are Linux's"
)


@pytest.fixture
def thread():
    """A thread that waits, as the operating system knows it."""
    done = threading.Event()
    waiting = threading.Thread(target=done.wait, daemon=True)
    waiting.start()
    yield waiting.native_id
    done.set()
    waiting.join()


def state() -> tuple[object, ...]:
    return (
        sys.getswitchinterval(),
        gc.isenabled(),
        os.sched_getscheduler(0),
        os.sched_getaffinity(0),
        ctypes.CDLL(None).prctl(30, 0, 0, 0, 0),
    )


def test_everything_is_as_before_afterwards(thread):
    before = state()
    with real_time(priority=True, inference=thread) as settings:
        had = {setting.name: setting.had for setting in settings}
        assert list(had) == [
            "garbage collection off",
            "memory locked",
            "fine timers",
            "own core for predictions",
            PRIORITY_SETTING,
        ]
        assert all(setting.note for setting in settings)
        assert not gc.isenabled()
        fifo = os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK == os.SCHED_FIFO
        assert fifo == had[PRIORITY_SETTING]
        if had["fine timers"]:
            assert state()[-1] in (0, 1)  # under SCHED_FIFO there is none
        if had["own core for predictions"]:
            assert len(os.sched_getaffinity(thread)) == 1
            assert not os.sched_getaffinity(thread) & os.sched_getaffinity(0)
    assert state() == before
    assert os.sched_getaffinity(thread) == before[3]


def test_a_thread_that_is_started_inside_has_no_priority():
    with real_time(priority=True) as settings:
        if not settings[-1].had:
            pytest.skip(settings[-1].note)
        seen = []
        started = threading.Thread(target=lambda: seen.append(os.sched_getscheduler(0)))
        started.start()
        started.join()
    assert seen == [os.SCHED_OTHER]


def test_without_being_asked_no_priority_is_taken():
    with real_time() as settings:
        assert os.sched_getscheduler(0) == os.SCHED_OTHER
        assert PRIORITY_SETTING not in [setting.name for setting in settings]


def test_what_cannot_be_had_is_told(thread, monkeypatch):
    def refused(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "sched_setscheduler", refused)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    monkeypatch.setattr(realtime.ctypes, "CDLL", lambda *_, **__: Refusing())
    with real_time(priority=True, inference=thread) as settings:
        notes = {setting.name: setting.note for setting in settings if not setting.had}
    assert "ulimit -l" in notes["memory locked"]
    assert "ulimit -r" in notes[PRIORITY_SETTING]
    assert notes["own core for predictions"] == "there is one core"
    assert "fine timers" in notes


class Refusing:
    """A C library of a system that grants nothing."""

    def mlockall(self, *_: object) -> int:
        return -1

    def prctl(self, *_: object) -> int:
        return -1


def test_a_thread_that_ended_meanwhile_is_no_mistake():
    done = threading.Event()
    waiting = threading.Thread(target=done.wait)
    waiting.start()
    with real_time(inference=waiting.native_id):
        done.set()
        waiting.join()

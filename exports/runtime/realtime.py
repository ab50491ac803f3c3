"""What the operating system can do for a control loop: asked for, and reported as had or not."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from exports.runtime.process import quiet_collector

#: Of SCHED_FIFO's 1 to 99: above all ordinary processes, below the kernel's own threads.
PRIORITY = 40
PRIORITY_SETTING = "real-time priority"
#: How long one thread may keep the interpreter from another that waits for it, s.
_SWITCH_INTERVAL = 1e-4

_MCL_CURRENT, _MCL_FUTURE, _MCL_ONFAULT = 1, 2, 4
_PR_SET_TIMERSLACK, _PR_GET_TIMERSLACK = 29, 30


@dataclass(frozen=True)
class Setting:
    """One thing that was asked of the operating system.

    Attributes:
        name: What.
        had: Whether it was granted.
        note: What it means, or why it was not granted.
    """

    name: str
    had: bool
    note: str

    def to_json(self) -> dict[str, Any]:
        """Its fields."""
        return asdict(self)


@contextlib.contextmanager
def real_time(*, priority: bool = False, inference: int | None = None) -> Iterator[list[Setting]]:
    """Make the calling thread a control thread while entered.

    No garbage is collected, memory is not swapped out, sleeps end on time, and the thread that
    predicts has a core of its own. Whatever cannot be had is left as it is.

    Args:
        priority: Schedule this thread before all ordinary ones (SCHED_FIFO). It must not spin then:
            what else runs on its core would starve.
        inference: Thread that predicts, as the operating system knows it (None: there is none).
    """
    before = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_INTERVAL)
    with contextlib.ExitStack() as undo:
        undo.callback(sys.setswitchinterval, before)
        undo.enter_context(quiet_collector())
        settings = [
            Setting("garbage collection off", True, "nothing is collected while the loop runs"),
            _lock_memory(undo),
            _sharpen_timers(undo),
        ]
        if inference is not None:
            settings.append(_part_cores(inference, undo))
        if priority:
            settings.append(_take_priority(undo))
        yield settings


def _lock_memory(undo: contextlib.ExitStack) -> Setting:
    name = "memory locked"
    if not sys.platform.startswith("linux"):
        return Setting(name, False, "this system is not Linux")
    import resource

    # Pages are locked as they are first used, so that room that is merely reserved costs nothing.
    flags = _MCL_CURRENT | _MCL_ONFAULT
    unlimited = resource.getrlimit(resource.RLIMIT_MEMLOCK)[0] == resource.RLIM_INFINITY
    if unlimited or os.geteuid() == 0:
        # Under a limit this would let a later allocation fail.
        flags |= _MCL_FUTURE
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mlockall(flags) != 0:
        reason = os.strerror(ctypes.get_errno())
        return Setting(name, False, f"mlockall: {reason}; raise the limit `ulimit -l`")
    undo.callback(libc.munlockall)
    return Setting(name, True, "the process is not swapped out")


def _sharpen_timers(undo: contextlib.ExitStack) -> Setting:
    name = "fine timers"
    if not sys.platform.startswith("linux"):
        return Setting(name, False, "this system is not Linux")
    libc = ctypes.CDLL(None, use_errno=True)
    before = libc.prctl(_PR_GET_TIMERSLACK, 0, 0, 0, 0)
    if before < 0 or libc.prctl(_PR_SET_TIMERSLACK, ctypes.c_ulong(1), 0, 0, 0) != 0:
        return Setting(name, False, f"prctl: {os.strerror(ctypes.get_errno())}")
    undo.callback(libc.prctl, _PR_SET_TIMERSLACK, ctypes.c_ulong(before), 0, 0, 0)
    return Setting(name, True, "the kernel does not gather this thread's wake-ups with others")


def _part_cores(inference: int, undo: contextlib.ExitStack) -> Setting:
    name = "own core for predictions"
    if not hasattr(os, "sched_setaffinity"):
        return Setting(name, False, "this system has no affinity of threads")
    mine = os.sched_getaffinity(0)
    if len(mine) < 2:
        return Setting(name, False, "there is one core")
    own = max(mine)
    try:
        os.sched_setaffinity(inference, {own})
        undo.callback(_ignoring_the_dead(os.sched_setaffinity), inference, mine)
        os.sched_setaffinity(0, mine - {own})
        undo.callback(os.sched_setaffinity, 0, mine)
    except OSError as error:
        return Setting(name, False, f"sched_setaffinity: {error.strerror}")
    return Setting(name, True, f"core {own}; the loop keeps to the others")


def _take_priority(undo: contextlib.ExitStack) -> Setting:
    name = PRIORITY_SETTING
    if not hasattr(os, "sched_setscheduler"):
        return Setting(name, False, "this system has no SCHED_FIFO")
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        # Threads that this one starts are ordinary ones.
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(PRIORITY))
    except OSError as error:
        return Setting(
            name, False, f"SCHED_FIFO: {error.strerror}; raise the limit `ulimit -r` to {PRIORITY}"
        )
    undo.callback(os.sched_setscheduler, 0, policy, parameters)
    return Setting(name, True, f"SCHED_FIFO {PRIORITY}, without spinning")


def _ignoring_the_dead(call: Callable[..., None]) -> Callable[..., None]:
    """The same where the thread may have ended meanwhile."""

    def called(*arguments: Any) -> None:
        with contextlib.suppress(ProcessLookupError):
            call(*arguments)

    return called

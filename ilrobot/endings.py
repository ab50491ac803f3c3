"""The signals by which a process is asked to end."""

from __future__ import annotations

import signal


def ending_signals() -> tuple[signal.Signals, ...]:
    """Ctrl-C, SIGTERM, and SIGHUP of a terminal that goes away.

    SIGHUP is left out where it is ignored, as under `nohup`.
    """
    always = (signal.SIGINT, signal.SIGTERM)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        return always
    return (*always, signal.SIGHUP)


def ignore_more(number: int) -> None:
    """Once SIGHUP has come: a terminal that goes away sends it twice, and is not impatient."""
    if number == signal.SIGHUP:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

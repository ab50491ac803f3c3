"""Processes to work, or to be killed, without the seconds in which each would import torch.

They are forked from one process, which has imported what they need and has one thread.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

from ilrobot import workers

#: Makes processes like any other context of `multiprocessing`.
SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(
    [
        "pytest",
        "pyarrow.compute",
        "stable_baselines3",
        "torch._dynamo",  # which the first optimizer of a process imports, in more than a second
        "ilrobot.cli.train",
        "ilrobot.cli.dagger",
        "ilrobot.cli.output",
        "ilrobot.learners.behavioral_cloning",
        "ilrobot.learners.interactive.dagger",
        "sims.experts",
        "teleop.hands",
        # A collector that looked through all of that would copy its pages into each process, and
        # what is blocked in the server would be in each.
        "tests.frozen",
    ]
)


class Forked:
    """A call in a process of its own; what it prints goes nowhere.

    Args:
        call: What is called there, importable by its name.
        *arguments: Of the call.
        errors: What it says on its standard error goes into this file.
    """

    def __init__(self, call: Callable[..., Any], *arguments: Any, errors: Path) -> None:
        forkserver.ensure_running()
        address = forkserver._forkserver._forkserver_address
        given = (address, errors, call, arguments)
        self._process = SERVER.Process(target=_begin, args=given)
        self._process.start()

    def send_signal(self, number: int) -> None:
        """To a process that lives; one that has ended is left alone."""
        if self._process.pid is not None and self.poll() is None:
            os.kill(self._process.pid, number)

    def kill(self) -> None:
        """SIGKILL, if it lives."""
        self._process.kill()

    def poll(self) -> int | None:
        """Its exit code, negative for a signal (None: it lives)."""
        return self._process.exitcode

    def wait(self, timeout: float = 120.0) -> int:
        """Its exit code, once it has ended."""
        self._process.join(timeout)
        code = self.poll()
        assert code is not None, f"it still runs after {timeout:g} s"
        return code


def _begin(
    address: str, errors: Path, call: Callable[..., Any], arguments: tuple[Any, ...]
) -> None:
    with Path(os.devnull).open("w") as nowhere, errors.open("w") as said:
        os.dup2(nowhere.fileno(), sys.__stdout__.fileno())
        os.dup2(said.fileno(), sys.__stderr__.fileno())
    workers.CONTEXT = SERVER
    # Its own workers are forked by the same server; another would have to import all that again.
    server = forkserver._forkserver
    server._forkserver_address = address
    server.ensure_running = lambda: None
    call(*arguments)

"""Processes that record and are killed: one server, which imports once, forks them.

Run as a script it reads one JSON command a line, forks a process for it, and prints its pid, then
whatever the process prints (one line for each thing that it was told is safe), then how it ended.
"""

import contextlib
import gc
import importlib
import io
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from ilrobot.cli import _main
from ilrobot.data import episode_table
from ilrobot.data.dataset import Dataset, DatasetRecorder
from ilrobot.data.editing import swap as edit_swap
from ilrobot.data.episode import EpisodeInfo, Judge, Outcome, frame_columns
from ilrobot.errors import UserError, WorkFailed
from ilrobot.spec import Feature, Spec

SPEC = Spec(
    observations=(
        Feature("observation.state", (5,)),
        Feature("observation.clock", (1,), "float64"),
    ),
    action=Feature("action", (2,), names=("x", "y"), units=("m", "m")),
    rate=200.0,
)
STATE_SIZE = 4
COLUMNS = frame_columns(SPEC, STATE_SIZE)


def frame(seed: int, tick: int) -> dict:
    """The values of a tick, the same whoever asks."""
    rng = np.random.default_rng((seed, tick))
    values = {}
    for column in COLUMNS:
        if column.dtype == "string":
            values[column.name] = str(rng.choice(["demo", "policy", "human"]))
        elif column.dtype == "bool":
            values[column.name] = bool(rng.integers(2))
        else:
            drawn = rng.normal(size=column.shape) * 100
            values[column.name] = np.asarray(drawn, dtype=column.dtype)
    if rng.integers(2):
        values["control.human_action"] = np.full(2, np.nan, dtype=np.float32)
    return values


#: System calls that change a file or a folder.
CHANGING = ("write", "fsync", "link", "rename", "replace", "unlink", "mkdir", "rmdir")
_write = os.write  # `arm` counts and cuts only what the recording writes


def say(*words: object) -> None:
    _write(1, (" ".join(str(word) for word in words) + "\n").encode())


def record(
    path: str,
    ticks: int,
    episodes: int,
    pause: float = 0.0,
    armed: dict | None = None,
    rows: int = 50,
):
    """Record, saying what was kept as soon as the call that keeps it has returned."""
    episode_table.ROWS_PER_FILE = rows
    with DatasetRecorder(path, SPEC, state_size=STATE_SIZE, resume=True) as recorder:
        for _ in range(episodes):
            seed = recorder.num_episodes
            recorder.begin(EpisodeInfo("toy", SPEC.rate, seed=seed))
            say("begun", seed)
            for tick in range(ticks):
                recorder.append(frame(seed, tick))
                say("kept", seed, tick)
                time.sleep(pause)
            if armed and seed == armed["episode"]:
                arm(**armed)
            recorder.end(Outcome.SUCCESS, Judge.PERSON)
            say("sealed", seed)


def arm(call: int, torn: bool, episode: int = 0, names: Sequence[str] = CHANGING) -> None:
    """Kill this process at its `call`-th system call, of those of these names.

    Torn: the call is a write, of which the first half happens.
    """
    count = 0

    def guard(module: object, name: str) -> None:
        genuine = getattr(module, name)

        def guarded(*arguments, **keywords):
            nonlocal count
            if count == call:
                if torn and name == "write":
                    genuine(arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            count += 1
            return genuine(*arguments, **keywords)

        setattr(module, name, guarded)

    for name in names:
        guard(os, name)
    guard(edit_swap, "exchange")


def open_and_mend(path: str, call: int, torn: bool) -> None:
    arm(call, torn)
    Dataset.open(path)


def edit(
    words: list[str], call: int | None = None, exchanges: bool = True, limit: int | None = None
) -> None:
    """The verb of that name, killed at a change of a folder, or on a disk that fills up.

    Args:
        words: Its arguments.
        call: Which change kills it (None: none).
        exchanges: Whether the system can let two folders change places.
        limit: Greatest size of a file in bytes (None: none).
    """
    if not exchanges:
        edit_swap.exchange = lambda one, other: False
    if call is not None:
        arm(call, torn=False, names=("rename", "unlink", "mkdir", "rmdir"))
    if limit is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    with (
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()) as err,
    ):
        code = _main(["edit", *words])
    say("done", code, err.getvalue().strip())


def fail(path: str, ticks: int, limit: int | None = None) -> None:
    """Record onto a disk that fills up, by a limit on the size of files or by itself."""
    if limit is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        record(path, ticks, episodes=1000)
    except (WorkFailed, UserError) as error:
        say("error", type(error).__name__, error)


def unprivileged(path: str, action: str) -> None:
    """Do something in a folder as somebody who may not write there."""
    os.chdir(path)  # before, because the folders above belong to the tester alone
    if os.getuid() == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
    try:
        if action == "open":
            say("opened", Dataset.open(".").num_episodes)
        else:
            record(".", ticks=3, episodes=1)
    except (WorkFailed, UserError) as error:
        say("error", type(error).__name__, error)


def serve() -> None:
    os.fsync = lambda descriptor: None  # no kill waits for the disk, so neither do the tests
    # What a verb imports when it is called is imported here, and not in each process.
    importlib.import_module("pyarrow.compute")
    with contextlib.redirect_stderr(io.StringIO()):
        _main(["edit", os.devnull, "delete", "--episodes", "0"])
    # A collector that looked through all of that would copy its pages into each process.
    gc.collect()
    gc.freeze()
    for line in sys.stdin:
        command = json.loads(line)
        pid = os.fork()
        if pid == 0:
            globals()[command.pop("do")](**command)
            os._exit(0)
        say("pid", pid)
        say("exit", os.waitpid(pid, 0)[1])


class Server:
    """The test's end of it."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        )

    def lines(self, **command: object) -> Iterator[list[str]]:
        """What a process says, word by word; it begins with its pid."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            words = line.strip().split(maxsplit=2)
            yield words
            if words[0] == "exit":
                return
        raise RuntimeError("the server of processes died")

    def close(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._process.communicate(timeout=30)


if __name__ == "__main__":
    serve()

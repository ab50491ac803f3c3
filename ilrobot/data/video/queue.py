"""The loop's end of the video encoder: a ring of shared memory that never makes it wait."""

from __future__ import annotations

import contextlib
import fcntl
import json
import math
import mmap
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ilrobot.errors import UserError

#: The ring holds so many seconds of pictures, if they fit into so many bytes.
RING_SECONDS, RING_BYTES = 2.0, 256 * 2**20
FEWEST_SLOTS = 4

#: Seconds without a word from the encoder after which it counts as hung.
_PATIENCE = 30.0


class EncoderLost(Exception):
    """The encoding process is gone or hangs; what it had written is safe."""


class VideoQueue:
    """Pictures on their way to the encoding process.

    The control loop pays for one copy into the ring and one short write to a pipe. If the ring is
    full, the tick's pictures are dropped, and the film shows those of the tick before.

    Args:
        cameras: Feature name to shape (H, W, 3), uint8.
        rate: Ticks per second.
        fps: Nominal frames per second, as ``info.json`` states them.
        lock: A file that the encoder locks as long as it lives, see `wait_for_encoder`.

    Raises:
        EncoderLost: The process cannot start.
    """

    def __init__(
        self, cameras: Mapping[str, tuple[int, ...]], rate: float, fps: int, lock: Path
    ) -> None:
        size = sum(math.prod(shape) for shape in cameras.values())
        fitting = min(math.ceil(RING_SECONDS * rate), RING_BYTES // size)
        slots = max(fitting, FEWEST_SLOTS)
        with _memory(slots * size) as ring:
            self._ring = mmap.mmap(ring.fileno(), slots * size)
            setup = {
                "ring": ring.fileno(),
                "size": slots * size,
                "cameras": {name: list(shape) for name, shape in cameras.items()},
                "fps": fps,
                "lock": str(lock),
                "parent": os.getpid(),
            }
            self._process = _start(setup, ring.fileno())
        self._views = [
            [
                (name, np.ndarray(shape, np.uint8, self._ring, slot * size + offset))
                for (name, shape), offset in zip(cameras.items(), _offsets(cameras), strict=True)
            ]
            for slot in range(slots)
        ]
        self._free = deque(range(slots))
        self._slots = slots
        self._heard = b""
        self._failure: Exception | None = None
        self._states: set[str] = set()
        self.written = 0
        """Leading ticks of the open episode whose pictures are written."""
        self._wait_for("ready")

    @property
    def pid(self) -> int:
        """The encoding process."""
        return int(self._process.pid)

    def begin(self, paths: Mapping[str, Path]) -> None:
        """Open an episode; each camera's film goes to its path.

        Raises:
            EncoderLost: The process is gone.
        """
        self.written = 0
        self._tell("begin " + json.dumps({name: str(path) for name, path in paths.items()}))

    def put(self, tick: int, frame: Mapping[str, Any], *, wait: bool = False) -> bool:
        """Keep a tick's pictures; False if there was no room for them, unless it is to wait.

        Raises:
            EncoderLost: The process is gone, or hangs.
            OSError: It could not write, for example because the disk is full.
            ValueError: A picture is missing, or of another shape or type.
        """
        self._listen(0.0)
        while wait and not self._free:
            self._hear()
        if not self._free:
            return False
        slot = self._free[0]
        for name, view in self._views[slot]:
            picture = frame.get(name)
            if picture is None:
                raise ValueError(f"the frame has no '{name}'")
            if np.shape(picture) != view.shape or np.asarray(picture).dtype != np.uint8:
                raise ValueError(
                    f"'{name}' is {np.asarray(picture).dtype} of shape {list(np.shape(picture))}, "
                    f"not uint8 of {list(view.shape)}"
                )
            np.copyto(view, picture)
        self._tell(f"frame {slot} {tick}")
        self._free.popleft()
        return True

    def end(self, frames: int) -> None:
        """Wait until the films of the open episode are whole, each of so many frames.

        Raises:
            EncoderLost: The process is gone, or hangs.
            OSError: It could not write, for example because the disk is full.
        """
        self._tell(f"end {frames}")
        self._wait_for("ended")

    def close(self) -> None:
        """Let the process write what it has, and end it; a second call does nothing."""
        with contextlib.suppress(BrokenPipeError, ValueError):
            # In words too: a process that was forked from this one may hold the pipe open.
            os.write(self._process.stdin.fileno(), b"quit\n")
            self._process.stdin.close()
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def _tell(self, line: str) -> None:
        self._listen(0.0)
        try:
            # At most a line per slot is under way: the pipe never fills.
            os.write(self._process.stdin.fileno(), f"{line}\n".encode())
        except BrokenPipeError:
            raise self._lost() from None

    def _wait_for(self, state: str) -> None:
        while state not in self._states:
            self._hear()
        self._states.discard(state)

    def _hear(self) -> None:
        """Wait until the encoder says something."""
        if not self._listen(_PATIENCE):
            self._process.kill()
            raise EncoderLost(f"the video encoder said nothing for {_PATIENCE:g} s")

    def _listen(self, seconds: float) -> bool:
        """Take in what the encoder says; whether it said anything."""
        if self._failure is not None:
            raise self._failure
        descriptor = self._process.stdout.fileno()
        if not select.select([descriptor], [], [], seconds)[0]:
            return False
        heard = os.read(descriptor, 1 << 16)
        if not heard:
            raise self._lost()
        *lines, self._heard = (self._heard + heard).split(b"\n")
        for line in lines:
            verb, _, rest = line.decode().partition(" ")
            if verb == "free":
                slot, tick = (int(word) for word in rest.split())
                self._free.append(slot)
                self.written = tick + 1
            elif verb == "failed":
                number, _, words = rest.partition(" ")
                known = int(number) != 0
                self._failure = OSError(int(number), words) if known else EncoderLost(words)
                raise self._failure
            else:
                self._states.add(verb)
        return True

    def _lost(self) -> EncoderLost:
        code = self._process.wait()
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
        self._failure = EncoderLost(f"the video encoder {how}")
        return self._failure


def wait_for_encoder(lock: Path) -> None:
    """Until the encoder of a recording that was killed has written what it still had.

    Raises:
        UserError: It hangs.
    """
    if not lock.exists():
        return
    deadline = time.monotonic() + _PATIENCE
    with lock.open("rb") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise UserError(
                        f"{lock}: the video encoder of a recording that was killed still runs; end "
                        "the process ilrobot.data.video.encoder"
                    ) from None
                time.sleep(0.01)
            else:
                lock.unlink(missing_ok=True)
                return


def _memory(size: int) -> Any:
    """An unnamed file of that size, in memory where the system has such files.

    It goes when the last process that holds it does, whatever kills them.
    """
    if sys.platform == "linux":
        file: Any = os.fdopen(os.memfd_create("ilrobot-video"), "r+b")
    else:
        file = tempfile.TemporaryFile()  # noqa: SIM115 (the caller closes it)
    file.truncate(size)
    return file


def _offsets(cameras: Mapping[str, tuple[int, ...]]) -> list[int]:
    sizes = [math.prod(shape) for shape in cameras.values()]
    return [sum(sizes[:index]) for index in range(len(sizes))]


def _start(setup: Mapping[str, Any], ring: int) -> Any:
    root = str(Path(__file__).parents[2])
    paths = [root, os.environ.get("PYTHONPATH", "")]
    return subprocess.Popen(
        [sys.executable, "-m", "ilrobot.data.video.encoder", json.dumps(setup)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        pass_fds=(ring,),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
        # Ctrl-C is for the recording, which then tells the encoder to end.
        start_new_session=True,
    )

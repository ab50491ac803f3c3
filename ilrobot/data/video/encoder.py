"""The process that encodes what the cameras see, so that the loop never waits for it.

`ilrobot.data.video.queue.VideoQueue` starts it and is the other end of its two pipes. Pictures come
in a ring of shared memory, one slot per tick; the pipes carry lines of text. It ends with its
parent: when the pipe closes it encodes what is still in the ring and is gone.
"""

from __future__ import annotations

import fcntl
import json
import mmap
import os
import select
import sys
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from ilrobot.data.video.film import available_codec
from ilrobot.data.video.parts import PartWriter

#: Every second frame is a key frame, as LeRobot has it: any frame is decoded from at most two.
GOP = 2

#: Lower priority than the loop's, which must not be late; the ring bridges what that costs.
_NICE = 5


class Film:
    """One camera's film of one episode, on its way to a part file."""

    def __init__(self, path: Path, shape: tuple[int, ...], fps: int) -> None:
        codec = available_codec()
        self._part = PartWriter(path, codec.raw)
        context: Any = av.CodecContext.create(codec.encoder, "w")
        context.height, context.width = shape[:2]
        context.pix_fmt = "yuv420p"
        context.time_base, context.framerate = Fraction(1, fps), Fraction(fps)
        context.gop_size, context.max_b_frames, context.thread_count = GOP, 0, 1
        context.options = codec.options
        self._context = context
        self._count = 0
        self._last: Any = None

    def add(self, tick: int, picture: NDArray[np.uint8]) -> None:
        """Encode the picture of a tick; ticks that were dropped before it show the last one."""
        shown = av.VideoFrame.from_ndarray(picture, format="rgb24")
        self._fill(tick, shown)
        self._encode(shown)

    def end(self, frames: int) -> None:
        """Fill up to so many frames, and flush the file."""
        self._fill(frames, None)
        self._write(self._context.encode(None))
        self._part.close()

    def _fill(self, count: int, otherwise: Any) -> None:
        shown = self._last if self._last is not None else otherwise
        while self._count < count and shown is not None:
            self._encode(shown)

    def _encode(self, picture: Any) -> None:
        picture.pts, picture.time_base = self._count, self._context.time_base
        self._write(self._context.encode(picture))
        self._last = picture
        self._count += 1

    def _write(self, packets: list[Any]) -> None:
        for packet in packets:
            self._part.append(bytes(packet))


class Encoder:
    """Does what the lines say.

    Args:
        ring: The shared memory, `slots` slots of one tick each.
        cameras: Name to shape, in the order of the pictures in a slot.
        fps: Frames per second.
    """

    def __init__(self, ring: mmap.mmap, cameras: Mapping[str, tuple[int, ...]], fps: int) -> None:
        self._ring, self._cameras, self._fps = ring, cameras, fps
        self._slot_size = sum(int(np.prod(shape)) for shape in cameras.values())
        self._films: dict[str, Film] = {}

    def obey(self, line: str) -> str:
        """Carry out one line; what to answer.

        Raises:
            OSError: The disk is full.
        """
        verb, _, rest = line.partition(" ")
        if verb == "frame":
            slot, tick = (int(word) for word in rest.split())
            offset = slot * self._slot_size
            for name, shape in self._cameras.items():
                picture = np.ndarray(shape, np.uint8, self._ring, offset)
                self._films[name].add(tick, picture)
                offset += picture.size
            return f"free {slot} {tick}"
        if verb == "begin":
            for name, path in json.loads(rest).items():
                self._films[name] = Film(Path(path), self._cameras[name], self._fps)
            return "begun"
        self.end(int(rest))
        return "ended"

    def end(self, frames: int) -> None:
        """End all films."""
        for film in self._films.values():
            film.end(frames)
        self._films = {}


def main() -> None:
    """Encode until the parent is gone."""
    setup = json.loads(sys.argv[1])
    os.nice(_NICE)
    if hasattr(os, "SCHED_BATCH"):  # so that a picture that arrives does not push the loop aside
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    cameras = {name: tuple(shape) for name, shape in setup["cameras"].items()}
    ring = mmap.mmap(setup["ring"], setup["size"])
    encoder = Encoder(ring, cameras, setup["fps"])
    lock = Path(setup["lock"]).open("wb")  # noqa: SIM115 (held until this process ends)
    fcntl.flock(lock, fcntl.LOCK_EX)
    _say("ready")
    failed = False
    for line in _lines(sys.stdin.fileno(), setup["parent"]):
        if line == "quit":
            break
        if failed:  # what comes now is on its way to an episode that has ended
            continue
        try:
            _say(encoder.obey(line))
        except Exception as error:  # of the disk or the codec: the other end tells the person
            failed = True
            number = error.errno if isinstance(error, OSError) else None
            _say(f"failed {number or 0} {' '.join(str(error).split())}")
    if not failed:
        encoder.end(0)


def _lines(descriptor: int, parent: int) -> Iterator[str]:
    buffer = b""
    while True:
        if not select.select([descriptor], [], [], 1.0)[0]:
            # The pipe stays open if a process that the parent forked holds its end.
            if os.getppid() != parent:
                return
            continue
        read = os.read(descriptor, 1 << 16)
        if not read:
            return
        *lines, buffer = (buffer + read).split(b"\n")
        yield from (line.decode() for line in lines)


def _say(line: str) -> None:
    try:
        os.write(sys.stdout.fileno(), f"{line}\n".encode())
    except BrokenPipeError:  # nobody listens any more, but what is in the ring is still kept
        return


if __name__ == "__main__":
    main()

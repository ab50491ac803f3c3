"""What a page is sent: one packet of JSON and the JPEGs of those pictures that are new to it."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from teleop.display import Pictures
from teleop.hud import HudState

QUALITY = 85


class Frame:
    """One moment of the task; each picture is encoded once, when the first page wants it.

    Args:
        number: Counts the frames.
        pictures: Camera to picture; they must not be changed afterwards.
        state: The HUD at this moment.
        sequence: The newest input of the page that had been read then.
    """

    def __init__(self, number: int, pictures: Pictures, state: HudState, sequence: int) -> None:
        self.number, self.pictures, self.state, self.sequence = number, pictures, state, sequence
        self._encoded: dict[str, bytes] = {}

    def jpeg(self, camera: str) -> bytes:
        """The picture of a camera."""
        if camera not in self._encoded:
            self._encoded[camera] = _encode(self.pictures[camera])
        return self._encoded[camera]

    def keep_encodings(self, before: Frame) -> None:
        """Take over what is encoded already of pictures that have stayed the same."""
        for camera, encoded in before._encoded.items():
            if self.pictures.get(camera) is before.pictures[camera]:
                self._encoded[camera] = encoded


def pack(frame: Frame, before: Frame | None, told: Mapping[str, Any]) -> bytes:
    """A packet for one page: length of the JSON (uint32, little endian), the JSON, the JPEGs.

    Args:
        frame: What to show.
        before: What the page shows already (None: nothing).
        told: What beside the frame this page shall know.
    """
    new = [
        camera
        for camera, picture in frame.pictures.items()
        if before is None or before.pictures.get(camera) is not picture
    ]
    jpegs = [frame.jpeg(camera) for camera in new]
    header = {
        "frame": frame.number,
        "sequence": frame.sequence,
        "hud": frame.state.as_json(),
        "shown": list(frame.pictures),
        "new": [
            {"camera": camera, "size": len(jpeg)} for camera, jpeg in zip(new, jpegs, strict=True)
        ],
        **told,
    }
    words = json.dumps(header, separators=(",", ":")).encode()
    return b"".join((struct.pack("<I", len(words)), words, *jpegs))


def _encode(picture: NDArray[np.uint8]) -> bytes:
    jpeg: bytes = simplejpeg.encode_jpeg(
        np.ascontiguousarray(picture), QUALITY, colorsubsampling="420", fastdct=True
    )
    return jpeg

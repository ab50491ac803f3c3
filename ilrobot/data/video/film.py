"""Films of a dataset: written from the parts of a recording, read frame by frame, summed up."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ilrobot.atomic import replacing
from ilrobot.data import stats
from ilrobot.data.video.parts import Part
from ilrobot.errors import UserError
from ilrobot.spec import Feature

#: Half the distance between two frames at 1 kHz; times in mp4 are rounded.
_TIME_TOLERANCE = 5e-4

#: How libswscale makes colours: in its quick way all that a policy learns from is darker, by 1.4 of
#: 255, than what the camera will show it.
_ROUNDED = "flags=bilinear+full_chroma_int+accurate_rnd"

#: Statistics are taken of so many to twice as many key frames of an episode, and of every fourth
#: pixel each way: LeRobot takes some hundred frames, made smaller too.
_SAMPLED_FRAMES, _PIXEL_STRIDE = 25, 4


@dataclass(frozen=True)
class Codec:
    """How films are encoded.

    Attributes:
        name: FFmpeg's name of the codec, as ``info.json`` states it.
        encoder: Its name of the encoder.
        raw: Its name of the raw stream.
        options: The encoder's.
    """

    name: str
    encoder: str
    raw: str
    options: dict[str, str]


#: The first that PyAV can encode is taken. ``zerolatency``: a frame is out as soon as it is in.
CODECS = (
    Codec("h264", "libx264", "h264", {"preset": "superfast", "crf": "18", "tune": "zerolatency"}),
    Codec("mpeg4", "mpeg4", "m4v", {"qmin": "2", "qmax": "3"}),
)


def available_codec() -> Codec:
    """What films are encoded with here.

    Raises:
        UserError: PyAV is missing, or can encode none of `CODECS`.
    """
    try:
        import av
    except ModuleNotFoundError as error:
        raise UserError("films are written with PyAV: pip install av") from error
    for codec in CODECS:
        if codec.encoder in av.codecs_available:
            return codec
    names = " or ".join(codec.encoder for codec in CODECS)
    raise UserError(f"this PyAV cannot encode with {names}; pip install --force-reinstall av")


def is_filmable(shape: tuple[int, ...], dtype: str) -> bool:
    """Whether pictures of this shape are bytes of three colours with even sides, as H.264 wants."""
    even = len(shape) == 3 and not shape[0] % 2 and not shape[1] % 2
    return even and shape[2] == 3 and dtype == "uint8"


@dataclass(frozen=True)
class VideoPlace:
    """Where the film of one camera in one episode lies.

    Attributes:
        file: The mp4.
        start: Time of its first frame there, s.
        end: Time just after its last one, s.
    """

    file: Path
    start: float
    end: float


def write_film(part: Part, target: Path, fps: int) -> int:
    """Put the frames of a part into an mp4, without encoding them again.

    Returns:
        How many frames it has.

    Raises:
        OSError: The disk is full, the folder cannot be written.
    """
    import av

    count, tick = 0, Fraction(1, fps)
    with replacing(target) as unfinished:
        source: Any = av.open(part, format=part.codec)
        film: Any = av.open(str(unfinished), "w", format="mp4")
        with source, film:
            stream = film.add_stream_from_template(source.streams.video[0])
            stream.time_base = tick
            for packet in source.demux(source.streams.video[0]):
                if packet.size:
                    packet.stream, packet.time_base = stream, tick
                    packet.pts = packet.dts = count
                    packet.duration = 1
                    film.mux(packet)
                    count += 1
    return count


def read_film(place: VideoPlace, frames: int) -> Iterator[NDArray[np.uint8]]:
    """Its pictures in order, H×W×3 uint8, one in memory at a time.

    Raises:
        UserError: The file is missing or damaged, or holds another number of frames there.
    """
    count = 0
    with _opened(place.file) as film:
        stream = film.streams.video[0]
        film.seek(int(place.start / float(stream.time_base or 1)), stream=stream)
        colours = _colours(stream)
        for frame in film.decode(stream):
            if frame.time is None or frame.time < place.start - _TIME_TOLERANCE:
                continue
            if frame.time >= place.end - _TIME_TOLERANCE:
                break
            colours.push(frame)
            yield np.asarray(colours.pull().to_ndarray(), dtype=np.uint8)
            count += 1
    if count != frames:
        raise UserError(
            f"{place.file}: holds {count} of the {frames} pictures between {place.start:g} and "
            f"{place.end:g} s; copy the dataset again from its source"
        )


@dataclass(frozen=True)
class Stream:
    """What the head of a film says.

    Attributes:
        frames: How many there are (0: it does not say).
        rate: Of them per second (0: it does not say).
        shape: Of each, (height, width, 3).
        start: Time of the first, s.
    """

    frames: int
    rate: float
    shape: tuple[int, ...]
    start: float


def describe_stream(path: Path) -> Stream:
    """What the head of a film says; nothing is decoded.

    Raises:
        UserError: The file is missing or damaged.
    """
    with _opened(path) as film:
        found = film.streams.video[0]
        start = float((found.start_time or 0) * (found.time_base or 0))
        return Stream(
            int(found.frames),
            float(found.average_rate or 0),
            (found.codec_context.height, found.codec_context.width, 3),
            start,
        )


def _colours(stream: Any) -> Any:
    """Takes frames of a film and gives them in red, green and blue."""
    from av.filter import Graph

    graph = Graph()
    scale, rgb = graph.add("scale", _ROUNDED), graph.add("format", "rgb24")
    graph.link_nodes(graph.add_buffer(template=stream), scale, rgb, graph.add("buffersink"))
    graph.configure()
    return graph


def film_stats(place: VideoPlace) -> stats.FeatureStats:
    """Statistics per channel, in [0, 1], of some of its key frames.

    Raises:
        UserError: The file is missing or damaged.
    """
    sampled = 0
    counts = np.zeros((3, 256), dtype=np.int64)
    with _opened(place.file) as film:
        stream = film.streams.video[0]
        stream.codec_context.thread_count = 1
        base = float(stream.time_base or 1)
        film.seek(int(place.start / base), stream=stream)
        keys: list[Any] = []
        seen, stride = 0, 1
        for packet in film.demux(stream):
            if packet.pts is not None and packet.pts * base >= place.end - _TIME_TOLERANCE:
                break
            if packet.is_keyframe and packet.size:
                if seen % stride == 0:
                    keys.append(packet)
                seen += 1
            if len(keys) > 2 * _SAMPLED_FRAMES:
                keys, stride = keys[::2], 2 * stride
        for packet in [*keys, None]:
            for frame in stream.codec_context.decode(packet):
                picture = frame.to_ndarray(format="rgb24")[::_PIXEL_STRIDE, ::_PIXEL_STRIDE]
                for channel in range(3):
                    values = picture[..., channel].ravel()
                    counts[channel] += np.bincount(values, minlength=256)
                sampled += 1
    if not sampled:
        raise UserError(f"{place.file}: holds no key frame; copy the dataset again")
    return {**stats.byte_stats(counts), "count": [sampled]}


def describe_film(feature: Feature, fps: int) -> dict[str, Any]:
    """A camera's entry among the features of ``info.json``, as LeRobot writes it."""
    height, width, channels = feature.shape
    return {
        "dtype": "video",
        "shape": [height, width, channels],
        "names": ["height", "width", "channels"],
        "info": {
            "video.height": height,
            "video.width": width,
            "video.codec": available_codec().name,
            "video.pix_fmt": "yuv420p",
            "video.is_depth_map": False,
            "video.fps": fps,
            "video.channels": channels,
            "has_audio": False,
        },
    }


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    import av

    try:
        with av.open(str(path)) as film:
            if not film.streams.video:
                raise UserError(f"{path}: holds no video; copy the dataset again from its source")
            yield film
    except FileNotFoundError as error:
        raise UserError(
            f"{path}: the video is missing; copy the dataset again from its source"
        ) from error
    except (OSError, av.FFmpegError) as error:
        words = " ".join(str(error).split())
        raise UserError(
            f"{path}: damaged or cut off ({words}); copy the dataset again from its source"
        ) from error

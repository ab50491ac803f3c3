"""Long arrays cut into episodes, and the checks that every source must pass."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ilrobot.data.episode import Episode, EpisodeInfo
from ilrobot.data.synonyms import misnamed
from ilrobot.errors import UserError
from ilrobot.spec import DEFAULT_RATE, MOST_CHOICES, Feature


def require(where: object, available: Iterable[str], wanted: str) -> None:
    """Refuse a source that lacks an array, and say so if it has it under another name.

    Raises:
        UserError: There is no `wanted` among the `available` names.
    """
    names = sorted(available)
    if wanted in names:
        return
    other = misnamed(names, wanted)
    if other is not None:
        raise UserError(
            f"{where}: the array '{other}' must be named '{wanted}'; save it again under that name"
        )
    listed = ", ".join(names) or "nothing"
    raise UserError(f"{where}: has no '{wanted}' (it has {listed}); save it with one")


def check_ends(where: object, ends: NDArray[Any], frames: int) -> NDArray[np.int64]:
    """Exclusive ends of episodes, increasing from above 0 to the number of frames.

    Raises:
        UserError: They are not.
    """
    if ends.ndim != 1 or not np.issubdtype(ends.dtype, np.integer) or not len(ends):
        raise UserError(
            f"{where}: 'episode_ends' must be a list of whole numbers, the exclusive end of each "
            f"episode, not {ends.dtype} of shape {list(ends.shape)}"
        )
    lengths = np.diff(ends.astype(np.int64), prepend=0)
    if (lengths <= 0).any():
        bad = int(np.argmax(lengths <= 0))
        before = int(ends[bad - 1]) if bad else 0
        raise UserError(
            f"{where}: 'episode_ends' must increase, but entry {bad} is {int(ends[bad])} after "
            f"{before}; they are exclusive ends counted from the first frame"
        )
    if ends[-1] != frames:
        raise UserError(
            f"{where}: 'episode_ends' ends at {int(ends[-1])}, but there are {frames} frames; the "
            "last end must be the number of frames"
        )
    return ends.astype(np.int64)


def check_lengths(where: object, columns: Mapping[str, Any]) -> int:
    """The length that all arrays share, those on disk too.

    Raises:
        UserError: They differ.
    """
    lengths = {name: int(values.shape[0]) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"'{name}' {length}" for name, length in lengths.items())
        raise UserError(f"{where}: the arrays differ in length ({listed}); they must be equal")
    return next(iter(lengths.values()))


def check_finite(where: object, episode: int, columns: Mapping[str, NDArray[Any]]) -> None:
    """Refuse NaN and infinities in observations and actions.

    Raises:
        UserError: There is one; the line names the episode and the frame.
    """
    for name, values in columns.items():
        if name.startswith(("observation.", "action")) and values.dtype.kind == "f":
            finite = np.isfinite(values.reshape(len(values), -1)).all(axis=1)
            if not finite.all():
                frame = int(np.argmin(finite))
                raise UserError(
                    f"{where}: '{name}' is not a finite number in episode {episode}, frame "
                    f"{frame}; mend or drop that episode"
                )


def check_alike(where: object, columns: Mapping[str, NDArray[Any]], feature: Feature) -> None:
    """Refuse an episode of other arrays than the first.

    Raises:
        UserError: It lacks one, or it is of another size or of a dtype that does not fit.
    """
    values = columns.get(feature.name)
    if values is None:
        raise UserError(
            f"{where}: has no '{feature.name}', which the first one has; mend or drop that episode"
        )
    size = int(np.prod(values.shape[1:]))
    if size != feature.size:
        raise UserError(
            f"{where}: '{feature.name}' has {size} elements, in the first one "
            f"{feature.size}; mend or drop that demonstration"
        )
    if not np.can_cast(values.dtype, feature.dtype, "safe"):
        raise UserError(
            f"{where}: '{feature.name}' is {values.dtype}, in the first one {feature.dtype}, which "
            "cannot hold it exactly; save all demonstrations alike"
        )


def cut(
    where: Path,
    columns: Mapping[str, NDArray[Any]],
    ends: NDArray[np.int64],
    info: EpisodeInfo,
    films: Mapping[str, Callable[[int, int], Iterable[NDArray[np.uint8]]]] | None = None,
) -> Iterator[Episode]:
    """The episodes of long arrays (N, ...), each with the same info.

    Args:
        where: The source.
        columns: The arrays by name.
        ends: See `check_ends`.
        info: Of each of them.
        films: For each camera its pictures from one frame to before another.

    Raises:
        UserError: An observation or action is not finite.
    """
    starts = np.concatenate(([0], ends[:-1]))
    for index, (start, end) in enumerate(zip(starts, ends, strict=True)):
        part = {name: values[start:end] for name, values in columns.items()}
        check_finite(where, index, part)
        pictures = {name: read(int(start), int(end)) for name, read in (films or {}).items()}
        yield Episode(info, part, pictures)


def vector(where: object, name: str, values: NDArray[Any]) -> NDArray[Any]:
    """Numbers as (N, D); a scalar per frame becomes a vector of one.

    Raises:
        UserError: They are not numbers of 64 bits at most, or not one vector per frame, or none.
    """
    if values.ndim in (1, 2) and not values.size:
        raise UserError(f"{where}: '{name}' is empty, of shape {list(values.shape)}")
    if not _numbers(values) or values.ndim not in (1, 2):
        raise UserError(
            f"{where}: '{name}' is {values.dtype} of shape {list(values.shape)}; it must be a "
            "vector of numbers per frame, of 64 bits each at most"
        )
    return values.reshape(len(values), -1)


def scalar(where: object, name: str, values: NDArray[Any]) -> NDArray[Any]:
    """Numbers as (N,), one per frame.

    Raises:
        UserError: They are not numbers of 64 bits at most, or not one per frame.
    """
    if not _numbers(values) or not values.ndim or values.size != len(values):
        raise UserError(
            f"{where}: '{name}' is {values.dtype} of shape {list(values.shape)}; it must be one "
            "number per frame, of 64 bits at most"
        )
    return values.reshape(-1)


def _numbers(values: NDArray[Any]) -> bool:
    return values.dtype.kind in "fiub" and values.dtype.itemsize <= 8


def plain_feature(name: str, values: NDArray[Any], **described: Any) -> Feature:
    """What an array (N, *shape) says about itself; its dtype is kept."""
    return Feature(name, values.shape[1:], values.dtype.name, **described)


def choices(where: object, actions: NDArray[Any]) -> int:
    """How many discrete actions there are: one more than the greatest.

    Raises:
        UserError: One is negative, or `MOST_CHOICES` or greater.
    """
    wrong = (actions < 0) | (actions >= MOST_CHOICES)
    if wrong.any():
        frame = int(np.argmax(wrong))
        raise UserError(
            f"{where}: the action is the whole number {int(actions[frame])} in frame {frame}; "
            f"discrete actions are 0, 1, 2, … up to {MOST_CHOICES - 1}; save continuous ones as "
            "floats of shape (N, 1)"
        )
    return int(actions.max()) + 1


def stated_rate(where: object, rate: float | None, stated: Any) -> tuple[float, tuple[str, ...]]:
    """The control rate in Hz, and a remark where it is a guess.

    Args:
        where: The source.
        rate: What the person says (None: nothing).
        stated: What the source says, whatever that is (None: nothing).

    Raises:
        UserError: Nobody says otherwise, and the source's is not a positive number.
    """
    if rate is not None:
        return rate, ()
    if stated is not None:
        try:
            found = float(stated)
        except (TypeError, ValueError):
            found = math.nan
        if not 0 < found < math.inf:
            raise UserError(
                f"{where}: states a control rate of {stated!r}, which is not a positive number of "
                "Hz; say the right one with --rate"
            )
        return found, ()
    guess = (
        f"no control rate is stated: taken as {DEFAULT_RATE:g} Hz; say the task's with --rate, for "
        "a task of another rate refuses what learns from these data"
    )
    return DEFAULT_RATE, (guess,)


def float64_remark(features: Iterable[Feature]) -> tuple[str, ...]:
    """A remark where values are kept in double precision."""
    names = [feature.name for feature in features if feature.dtype == "float64"]
    return (f"kept in double precision: {', '.join(names)}",) if names else ()

"""Editing recordings: episodes taken out, cut, renamed, judged anew, datasets put together.

Each operation says of which pieces the new dataset consists. It is written beside the old one and
takes its place in one step (`ilrobot.data.editing.swap`): a crash leaves the one or the other.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from ilrobot.data.agreement import limits
from ilrobot.data.dataset import Dataset
from ilrobot.data.editing.pieces import Original, Piece, whole
from ilrobot.data.editing.swap import new_version, settle
from ilrobot.data.editing.write import write_pieces
from ilrobot.data.episode import Outcome
from ilrobot.data.info import read_info
from ilrobot.data.repair import needs_repair, repair
from ilrobot.data.writing import check_output
from ilrobot.errors import UserError, explained
from ilrobot.lock import WriteLock

#: What an operation makes of a dataset: the episodes of the new one, in order.
Operation = Callable[[Original], list[Piece]]


def edit(path: Path | str, operation: Operation) -> list[Piece]:
    """Put the result of an operation in a dataset's place, whole or not at all.

    Args:
        path: The dataset's folder.
        operation: For example ``lambda original: delete(original, {3})``.

    Returns:
        The pieces of which the dataset consists now; their `Original` is what it was.

    Raises:
        UserError: There is no dataset, it is damaged, another process is recording or editing
            there, its folder cannot be replaced, or the operation does not fit; nothing changed.
        WorkFailed: The disk is full; nothing changed.
    """
    path = Path(path)
    with ExitStack() as stack:
        stack.enter_context(explained(path, "the dataset is as it was", "edit again"))
        settle(path)
        read_info(path)
        place = path.resolve()
        _check_movable(path, place)
        held = stack.enter_context(_locked(path))
        original = Original(place)
        pieces = operation(original)
        if not pieces:
            raise UserError(
                f"{path}: no episode would be left; to be rid of all, remove the folder yourself"
            )
        original.use({piece.episode for piece in pieces})
        with new_version(place, held) as beside:
            write_pieces(beside, pieces)
            Dataset.open(beside)
    return pieces


def merge(paths: Sequence[Path | str], output: Path | str) -> list[Piece]:
    """Put the episodes of several datasets one after the other into a new one.

    Raises:
        UserError: They have other features, another rate or another task, one is being recorded,
            something stands at `output` already, or that is inside one; nothing was written.
        WorkFailed: The disk is full; nothing was written.
    """
    sources, output = [Path(path) for path in paths], Path(output)
    if len({path.resolve() for path in sources}) < len(sources):
        raise UserError(f"{sources[0]}: a dataset is given twice; name each once")
    check_output(output)
    for path in sources:
        if path.resolve() in output.resolve().parents:
            raise UserError(
                f"{output}: lies inside {path}, a dataset to be merged; choose a folder outside it"
            )
    with ExitStack() as stack:
        stack.enter_context(explained(output, "nothing was written", "merge again"))
        originals = []
        for path in sources:
            settle(path)
            read_info(path)
            if os.access(path, os.W_OK):
                stack.enter_context(_locked(path))
            originals.append(Original(path.resolve()))
            _check_alike(sources[0], originals[0], path, originals[-1])
            originals[-1].use(range(originals[-1].dataset.num_episodes))
        _check_frames(originals)
        pieces = [whole(o, index) for o in originals for index in range(o.dataset.num_episodes)]
        output.parent.mkdir(parents=True, exist_ok=True)
        place = output.resolve()
        settle(place)
        with new_version(place) as beside:
            write_pieces(beside, pieces)
            Dataset.open(beside)
    return pieces


def delete(original: Original, episodes: Collection[int]) -> list[Piece]:
    """All but these episodes."""
    return [piece for piece in _all(original, episodes) if piece.episode not in episodes]


def keep(original: Original, episodes: Collection[int]) -> list[Piece]:
    """Only these episodes, in the order in which they were."""
    return [piece for piece in _all(original, episodes) if piece.episode in episodes]


def split(original: Original, episode: int, at: int) -> list[Piece]:
    """One episode becomes two; tick `at` is the first of the second.

    Raises:
        UserError: One of them would be empty.
    """
    pieces = _all(original, {episode})
    length = len(pieces[episode])
    if not 0 < at < length:
        raise UserError(
            f"{original.path}: episode {episode} has the frames 0 to {length - 1}; cut it at one "
            f"of 1 to {length - 1}, not at {at}"
        )
    halves = replace(pieces[episode], end=at), replace(pieces[episode], start=at)
    return [*pieces[:episode], *halves, *pieces[episode + 1 :]]


def trim(original: Original, episode: int, start: int, end: int | None) -> list[Piece]:
    """Of one episode only the ticks `start` … `end` - 1 stay (None: to its end).

    Raises:
        UserError: It has no such ticks, or none would be left.
    """
    pieces = _all(original, {episode})
    length = len(pieces[episode])
    stop = length if end is None else end
    if not 0 <= start < stop <= length:
        raise UserError(
            f"{original.path}: episode {episode} has {length} frames; what stays must begin at 0 "
            f"or later and end after that, at {length} at most, not go from {start} to {stop}"
        )
    pieces[episode] = replace(pieces[episode], start=start, end=stop)
    return pieces


def relabel(original: Original, episodes: Collection[int], task: str) -> list[Piece]:
    """These episodes get another instruction."""
    return [
        replace(piece, task=task) if piece.episode in episodes else piece
        for piece in _all(original, episodes)
    ]


def judge(original: Original, episodes: Collection[int], outcome: Outcome) -> list[Piece]:
    """A person says how these episodes ended."""
    return [
        replace(piece, outcome=outcome) if piece.episode in episodes else piece
        for piece in _all(original, episodes)
    ]


def _all(original: Original, episodes: Collection[int]) -> list[Piece]:
    """All episodes as they are, if there are those of which is spoken."""
    count = original.dataset.num_episodes
    for episode in sorted(episodes):
        if not 0 <= episode < count:
            raise UserError(
                f"{original.path}: has no episode {episode}; they go from 0 to {count - 1}"
            )
    return [whole(original, index) for index in range(count)]


def _locked(path: Path) -> WriteLock:
    """The right to write to a dataset, with what a crashed recording left behind mended."""
    place = path.resolve()
    lock = WriteLock.take(place)
    if lock is None:
        raise UserError(f"{path}: another process is recording or editing there; wait for it")
    try:
        info = read_info(path)
        if "ilrobot" in info and needs_repair(place, info):
            repair(place, info)
    except BaseException:
        lock.release()
        raise
    return lock


def _check_movable(path: Path, place: Path) -> None:
    if place == Path.cwd() or place in Path.cwd().parents:
        raise UserError(
            f"{path}: you are in this folder, and it is about to be replaced; go out of it first "
            f"(cd {place.parent})"
        )
    if place.is_mount():
        raise UserError(
            f"{path}: is where a disk is mounted, which cannot be replaced; move the dataset into "
            "a folder below it"
        )


def _check_alike(first: Path, one: Original, path: Path, other: Original) -> None:
    for what, left, right in _said(one, other):
        if left != right:
            raise UserError(
                f"{path}: has another {what} than {first} ({right}, there {left}); only datasets "
                "that are alike can be merged"
            )


def _check_frames(originals: Sequence[Original]) -> None:
    """Refuse datasets that state different frames of the task; those of before state none."""
    stated = {o.dataset.spec.task_frame: o.path for o in originals if o.dataset.spec.task_frame}
    if len(stated) > 1:
        (one, first), (other, second), *_ = stated.items()
        raise UserError(
            f"{second}: has another frame of the task than {first} ({':'.join(other)}, there "
            f"{':'.join(one)}); only datasets that are alike can be merged"
        )


def _said(one: Original, other: Original) -> list[tuple[str, Any, Any]]:
    """What must agree, of both."""
    writer = ("another program", "ilrobot")
    said: list[tuple[str, Any, Any]] = [
        ("writer", writer[one.is_ours], writer[other.is_ours]),
        ("control rate in Hz", one.dataset.fps, other.dataset.fps),
        ("robot type", one.info.get("robot_type"), other.info.get("robot_type")),
        ("set of features", _besides(one, other), _besides(other, one)),
    ]
    for name in sorted(one.features.keys() & other.features.keys()):
        for key in ("dtype", "shape", "names"):
            values = (o.features[name].get(key) for o in (one, other))
            said.append((f"{key} of '{name}'", *values))
    left, right = (o.dataset.spec.to_json() for o in (one, other))
    for key in ("task", "task_options", "controller", "semantics", "choices"):
        said.append((key.replace("task_", ""), left[key], right[key]))
    features = zip(
        [*left["observations"], left["action"]],
        [*right["observations"], right["action"]],
        strict=False,
    )
    for mine, theirs in features:
        for key in ("units", "frame"):
            said.append((f"{key} of '{mine['name']}'", mine[key], theirs[key]))
    here, there = limits(one.dataset.spec), limits(other.dataset.spec)
    if here and there:
        said.append(("range of 'action'", here, there))
    return said


def _besides(one: Original, other: Original) -> str:
    """Features that the other has not."""
    return ", ".join(sorted(one.features.keys() - other.features.keys())) or "nothing of its own"

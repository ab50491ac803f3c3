"""A dataset written from pieces of others: what did not change is linked, not copied."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa

from ilrobot.data.editing.pieces import Original, Piece, renewed
from ilrobot.data.editing.rows import check_statistics, new_row, new_schema, pooled
from ilrobot.data.episode_table import ROWS_PER_FILE
from ilrobot.data.layout import EPISODES, INFO, JOURNALS, STATS, place
from ilrobot.data.parquet import parquet_bytes
from ilrobot.data.tasks import write_tasks
from ilrobot.errors import UserError
from ilrobot.lock import LOCK_FILE

_NO_LINK = frozenset({errno.EXDEV, errno.EMLINK, errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS})


def write_pieces(root: Path, pieces: Sequence[Piece]) -> None:
    """Write a whole dataset into an empty folder; nothing is flushed to the disk yet.

    Args:
        root: The folder.
        pieces: Its episodes in order, at least one. Where they come from several datasets, these
            are alike (see `ilrobot.data.editing.operations.merge`).

    Raises:
        UserError: A data file is damaged, or one lies there that no episode names.
        OSError: The disk is full, the folder cannot be written.
    """
    _Writer(root, pieces).write()


class _Writer:
    def __init__(self, root: Path, pieces: Sequence[Piece]) -> None:
        self._root, self._pieces = root, pieces
        self._originals = list({id(p.original): p.original for p in pieces}.values())
        self._base = self._originals[0]
        for original in self._originals:
            check_statistics(original)
        self._tasks = _used_tasks(self._originals, pieces)
        self._films: dict[str, dict[Path, int]] = {key: {} for key in self._base.video_keys}
        self._rows: list[dict[str, Any]] = []

    def write(self) -> None:
        first = 0
        for number, group in enumerate(_by_file(self._pieces)):
            self._write_data(number, group, first)
            first += sum(map(len, group))
        schema = new_schema(self._originals, self._rows)
        table = pa.Table.from_pylist(self._rows, schema=schema)
        for begin in range(0, len(self._rows), ROWS_PER_FILE):
            file = self._root / EPISODES.format(**place(begin // ROWS_PER_FILE))
            _write(file, parquet_bytes(table.slice(begin, ROWS_PER_FILE)))
        write_tasks(self._root, self._tasks)
        if (self._base.path / STATS).exists():
            _write_json(self._root / STATS, pooled(self._base.path, table))
        _write_json(self._root / INFO, self._info(first))
        if len(self._originals) == 1:
            self._carry_others()

    def _write_data(self, number: int, group: Sequence[Piece], first: int) -> None:
        """A data file of one or more pieces, and their rows."""
        task_numbers = {task: index for index, task in enumerate(self._tasks)}
        tables, is_same = [], _is_all_of_its_file(group)
        place_of_data = {f"data/{k}": v for k, v in self._base.place(number).items()}
        for piece in group:
            index = len(self._rows)
            changed = renewed(piece, index, first, task_numbers)
            row = new_row(piece, index, first, changed) | place_of_data
            row |= {f"meta/episodes/{k}": v for k, v in place(index // ROWS_PER_FILE).items()}
            for key in self._films:
                film = self._link_film(piece, key, index)
                row |= {f"videos/{key}/{k}": v for k, v in self._base.place(film).items()}
            self._rows.append(row)
            is_same = is_same and not changed
            tables.append((piece, changed))
            first += len(piece)
        target = self._root / self._base.data_path(number)
        if is_same:
            _link(group[0].original.data_file(group[0].episode), target)
        else:
            parts = [_frames(piece, changed) for piece, changed in tables]
            together = pa.concat_tables(parts, promote_options="permissive")
            _write(target, parquet_bytes(together.combine_chunks()))

    def _link_film(self, piece: Piece, key: str, index: int) -> int:
        """The new number of a piece's film; episodes that share one go on sharing it."""
        film, known = piece.video_place(key).file, self._films[key]
        if film not in known:
            # Of ours the next recording numbers its own by its episode: so are these.
            known[film] = index if self._base.is_ours else len(known)
            _link(film, self._root / self._base.video_path(key, known[film]))
        return known[film]

    def _info(self, frames: int) -> dict[str, Any]:
        splits = {"train": f"0:{len(self._pieces)}"}
        if len(self._originals) == 1:
            splits = _new_splits(self._base.info.get("splits"), self._pieces) or splits
        return self._stated() | {
            "total_episodes": len(self._pieces),
            "total_frames": frames,
            "total_tasks": len(self._tasks),
            "splits": splits,
        }

    def _stated(self) -> dict[str, Any]:
        """What the first dataset says, and the frame of the task if only a later one states it."""
        info = self._base.info
        frames = (original.dataset.spec.task_frame for original in self._originals)
        if self._base.dataset.spec.task_frame or not (frame := next(filter(None, frames), ())):
            return info
        ours = info["ilrobot"]
        return info | {"ilrobot": ours | {"spec": ours["spec"] | {"task_frame": list(frame)}}}

    def _carry_others(self) -> None:
        """Whatever else lies in the folder, a card or somebody's notes, goes along."""
        base = self._base
        known = base.listed_files()
        for folder, inner, names in os.walk(base.path):
            for name in [*names, *(n for n in inner if Path(folder, n).is_symlink())]:
                file = Path(folder, name)
                short = file.relative_to(base.path)
                written = short.parts[0] in ("data", "videos") or short.parent.parts[:2] == (
                    "meta",
                    "episodes",
                )
                if written and file.suffix in (".parquet", ".mp4") and file not in known:
                    raise UserError(
                        f"{file}: lies among the dataset's files, but no episode names it; move it "
                        "out of the folder first"
                    )
                if file in known or name == LOCK_FILE or short.parts[0] == JOURNALS:
                    continue
                if file.is_symlink():
                    (self._root / short).parent.mkdir(parents=True, exist_ok=True)
                    (self._root / short).symlink_to(file.readlink())
                else:
                    _link(file, self._root / short)


def _used_tasks(originals: Sequence[Original], pieces: Sequence[Piece]) -> list[str]:
    """The instructions that are still used: those that were there first, then new ones."""
    used = dict.fromkeys(task for piece in pieces for task in piece.tasks)
    before = dict.fromkeys(task for original in originals for task in original.tasks)
    return [t for t in before if t in used] + [t for t in used if t not in before]


def _by_file(pieces: Sequence[Piece]) -> list[list[Piece]]:
    """Pieces that share a data file: with ours none do, with others' those that did."""
    if pieces[0].original.is_ours:
        return [[piece] for piece in pieces]
    grouped = groupby(pieces, lambda p: (id(p.original), p.original.data_file(p.episode)))
    return [list(group) for _, group in grouped]


def _is_all_of_its_file(group: Sequence[Piece]) -> bool:
    original = group[0].original
    there = original.episodes_in(original.data_file(group[0].episode))
    return all(p.is_whole for p in group) and [p.episode for p in group] == there


def _frames(piece: Piece, changed: dict[str, Any]) -> Any:
    table = piece.original.frames(piece.episode, piece.start, piece.end)
    for name, values in changed.items():
        index = table.schema.get_field_index(name)
        field = table.schema.field(index)
        table = table.set_column(index, field, pa.array(values).cast(field.type))
    return table


def _new_splits(splits: Any, pieces: Sequence[Piece]) -> dict[str, str]:
    """LeRobot's ``name: "first:end"`` in the new numbers; empty if they are no such thing."""
    found = {}
    for name, text in (splits or {}).items():
        begin, _, end = str(text).partition(":")
        if not (begin.isdigit() and end.isdigit()):
            return {}
        before, within = (sum(p.episode < int(edge) for p in pieces) for edge in (begin, end))
        found[name] = f"{before}:{within}"
    return found


def _link(source: Path, target: Path) -> None:
    """The same file under another name; a copy where the file system knows no such thing."""
    target.parent.mkdir(parents=True, exist_ok=True)
    source = source.resolve()  # the cache of a hub holds links to its files
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        shutil.copyfile(source, target)


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _write_json(path: Path, value: Any) -> None:
    _write(path, json.dumps(value, indent=2, allow_nan=False).encode())

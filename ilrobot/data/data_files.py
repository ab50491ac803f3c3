"""The data files of a dataset: all are whole, or a line says how to do without."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ilrobot.data.parquet import first_line, read_footer, read_parquet
from ilrobot.errors import UserError

T = TypeVar("T")


class DataFiles:
    """The data files of some or all episodes with their footers, in order.

    Attributes:
        holds: Which of the dataset's ticks they hold, (num_frames,).

    Args:
        path: The dataset's folder.
        info: From `ilrobot.data.info.read_info`.
        rows: From `ilrobot.data.episode_table.read_episodes`.
        episodes: Those whose files are opened (None: all); what is wrong with others does not show.

    Raises:
        UserError: One of these files is missing, damaged, or not as long as its episodes say.
    """

    def __init__(
        self,
        path: Path,
        info: dict[str, Any],
        rows: Sequence[dict[str, Any]],
        episodes: Collection[int] | None = None,
    ) -> None:
        self._path = path
        files = []
        for row in rows:
            place = {"chunk_index": row["data/chunk_index"], "file_index": row["data/file_index"]}
            files.append(path / info["data_path"].format(**place))
        self._of_episode = files
        self._lengths: NDArray[np.int64] = np.array([r["length"] for r in rows], dtype=np.int64)
        wanted = set(files if episodes is None else (files[index] for index in episodes))
        self._wanted = [file for file in dict.fromkeys(files) if file in wanted]
        held = np.array([file in wanted for file in files], dtype=bool)
        self.holds: NDArray[np.bool_] = np.repeat(held, self._lengths)
        self._footers = dict(zip(self._wanted, self._of_each(self._footer), strict=True))

    def read(self, names: Sequence[str]) -> Any:
        """These columns of all the files as one table, their checksums verified.

        Raises:
            UserError: A file is missing or damaged, or they disagree.
        """
        tables = self._of_each(lambda file: read_parquet(file, names, self._footers[file]))
        try:
            return pa.concat_tables(tables, promote_options="permissive")
        except pa.ArrowException as error:
            raise UserError(
                f"{self._path}: its data files disagree ({first_line(error)}); copy it again from "
                "its source"
            ) from error

    def _footer(self, file: Path) -> Any:
        footer = read_footer(file)
        length = int(self._lengths[self._episodes_in({file})].sum())
        if footer.num_rows != length:
            raise UserError(
                f"{file}: holds {footer.num_rows} ticks, but meta/episodes lists {length}; copy it "
                "again from its source"
            )
        return footer

    def _of_each(self, read: Callable[[Path], T]) -> list[T]:
        """What it gives for each file; where it fails, the line names the cure for all of them."""
        found: list[T] = []
        failed: dict[Path, UserError] = {}
        for file in self._wanted:
            try:
                found.append(read(file))
            except UserError as error:
                failed[file] = error
        if failed:
            # What is left out already has to be named too: an edit makes all of the new version.
            lost = failed.keys() | (set(self._of_episode) - set(self._wanted))
            first = next(iter(failed.values()))
            raise or_without(first, self._path, self._episodes_in(lost), len(self._of_episode))
        return found

    def _episodes_in(self, files: Collection[Path]) -> list[int]:
        return [index for index, file in enumerate(self._of_episode) if file in files]


def or_without(error: UserError, path: Path, episodes: Sequence[int], count: int) -> UserError:
    """The same, and how to go on without what cannot be read.

    Args:
        error: Says which file cannot be read.
        path: The dataset's folder.
        episodes: Those that need such files.
        count: How many there are in all.
    """
    if len(episodes) == count or isinstance(error.__cause__, PermissionError):
        return error
    return UserError(
        f"{error}, or go on without: ilrobot edit {path} delete --episodes {as_ranges(episodes)}"
    )


def as_ranges(numbers: Sequence[int]) -> str:
    """``3 7-9`` from 3, 7, 8, 9, as ``edit`` takes them."""
    runs: list[list[int]] = []
    for number in numbers:
        if not runs or number > runs[-1][-1] + 1:
            runs.append([])
        runs[-1].append(number)
    return " ".join(str(r[0]) if len(r) == 1 else f"{r[0]}-{r[-1]}" for r in runs)

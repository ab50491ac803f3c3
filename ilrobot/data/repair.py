"""Sealing an episode, and mending what a crash in the midst of it left behind.

Sealing goes journal → films → data file → tasks → table of episodes → statistics → ``info.json`` →
journal removed. Films are the open episode's parts put into mp4, and are put there again where a
crash came before the rest. The data file appears where none stands; the other files are replaced,
each whole or not at all. The table of episodes is what makes an episode count as sealed: what comes
before it can be done again from the journal, what comes after it from the table. `repair` does so
after a crash at any point, and doing it twice changes nothing.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ilrobot.atomic import sync_folder
from ilrobot.data.catalogue import Catalogue, is_current
from ilrobot.data.episode import Episode, Judge, Outcome
from ilrobot.data.journal import read_journal
from ilrobot.data.layout import (
    ENCODER_LOCK,
    data_file,
    film_part,
    journal_file,
    journals,
    leftovers,
    video_file,
)
from ilrobot.data.parquet import read_footer
from ilrobot.data.video.film import write_film
from ilrobot.data.video.parts import Part
from ilrobot.data.video.queue import wait_for_encoder
from ilrobot.errors import UserError

_log = logging.getLogger(__name__)


def needs_repair(root: Path, info: Mapping[str, Any]) -> bool:
    """Whether a crash left something behind, or a recording is running."""
    return bool(journals(root) or leftovers(root)) or not is_current(root, info)


def repair(root: Path, info: Mapping[str, Any]) -> Catalogue:
    """Mend whatever a crash left behind; the caller holds the `WriteLock`.

    The journal of a sealed episode is removed; an unsealed one is sealed with what it holds, or
    removed if it holds no tick. Half-written files are removed, statistics and totals renewed.

    Args:
        root: The dataset's folder.
        info: From `ilrobot.data.info.read_info`.

    Returns:
        What is sealed then.

    Raises:
        UserError: Something is there that no crash brings about; it is left as it is.
        OSError: The disk is full, the folder cannot be written.
    """
    wait_for_encoder(root / ENCODER_LOCK)
    for path in leftovers(root):
        path.unlink()
    catalogue = Catalogue.load(root, info)
    if not catalogue.is_current(info):
        catalogue.write()
    for path in journals(root):
        index = _index(path)
        if index > catalogue.num_episodes:
            raise UserError(
                f"{path}: comes after an episode that is missing; rename it to "
                f"{journal_file(catalogue.num_episodes)} to recover it"
            )
        if index == catalogue.num_episodes:
            seal_journal(catalogue, path)
        else:
            _remove_sealed(root, index, path)
    return catalogue


def seal_journal(catalogue: Catalogue, journal: Path) -> None:
    """Seal what a journal holds as the next episode; without any tick it is only removed.

    Raises:
        UserError: The journal is not of this dataset, or another data file stands in its place.
        OSError: The disk is full, the folder cannot be written.
    """
    found = read_journal(journal)
    if found is not None and catalogue.spec.cameras:
        found = _filmed(catalogue, found)
    if found is not None and len(found):
        _check_columns(catalogue, found, journal)
        for camera, part in _parts(catalogue).items():
            film = catalogue.root / video_file(camera, catalogue.num_episodes)
            write_film(Part(part, len(found)), film, catalogue.fps)
        catalogue.seal(found)
        catalogue.write()
    _remove(journal)


def _parts(catalogue: Catalogue) -> dict[str, Path]:
    """Camera → where the open episode's film lies."""
    index = catalogue.num_episodes
    return {c.name: catalogue.root / film_part(c.name, index) for c in catalogue.spec.cameras}


def _filmed(catalogue: Catalogue, found: Episode) -> Episode:
    """The leading ticks of which every camera's picture was kept."""
    length = min(Part(part).count() for part in _parts(catalogue).values())
    if length < len(found):
        _log.warning(
            "%s: the last %d of %d ticks of episode %d were cut off, their pictures were not "
            "encoded yet",
            *(catalogue.root, len(found) - length, len(found), catalogue.num_episodes),
        )
        columns = {name: values[:length] for name, values in found.columns.items()}
        cut = replace(found.info, outcome=Outcome.UNFINISHED, judge=Judge.NOBODY)
        found = Episode(cut, columns)
    return found


def _check_columns(catalogue: Catalogue, found: Episode, journal: Path) -> None:
    wanted = {column.name: column for column in catalogue.columns}
    if found.columns.keys() != wanted.keys() or any(
        values.shape[1:] != wanted[name].shape
        or values.dtype != (object if wanted[name].dtype == "string" else wanted[name].dtype)
        for name, values in found.columns.items()
    ):
        raise UserError(
            f"{journal}: is the journal of another dataset, with other columns; move it out of "
            "this one's folder"
        )


def _remove_sealed(root: Path, index: int, journal: Path) -> None:
    """A crash came between sealing and removing it; then both hold the same ticks."""
    found = read_journal(journal)
    sealed = read_footer(root / data_file(index)).num_rows
    if found is None or len(found) != sealed:
        raise UserError(
            f"{journal}: holds {0 if found is None else len(found)} ticks, but episode {index} is "
            f"sealed with {sealed}; move it out of the dataset's folder"
        )
    _remove(journal)


def _remove(journal: Path) -> None:
    for part in journal.parent.glob(f"{journal.stem}.*.film"):
        part.unlink()
    journal.unlink()
    sync_folder(journal.parent)


def _index(journal: Path) -> int:
    number = re.fullmatch(r"episode-(\d{6,})", journal.stem)
    if number is None or not journal.is_file():
        raise UserError(
            f"{journal}: is not named as a journal is (episode-000012.journal); rename it, or move "
            "it out of the dataset's folder"
        )
    return int(number[1])

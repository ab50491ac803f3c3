"""Which of two clips somebody likes better: an append-only file, a line for each answer.

The first line says which dataset the clips are of; each line after it is one `Comparison`. A line
is on the disk before the next pair is shown, so that a kill loses nothing that was answered; a
line that a kill cut off is dropped.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np

from ilrobot.atomic import make_folder, write_fully, write_text
from ilrobot.data.dataset import Dataset
from ilrobot.data.episode import Outcome
from ilrobot.data.recordings import Recordings
from ilrobot.errors import UserError, explained
from ilrobot.lock import WriteLock
from ilrobot.typed_json import parse_fields

FILE = "preferences.jsonl"
_VERSION = 1


class Answer(StrEnum):
    """What the judge said; a skipped pair teaches nothing."""

    LEFT = "left"
    RIGHT = "right"
    EQUAL = "equal"
    SKIP = "skip"


@dataclass(frozen=True)
class Clip:
    """Ticks `begin` to `end` (exclusive) of an episode, all counted from 0."""

    episode: int
    begin: int
    end: int

    def __len__(self) -> int:
        return self.end - self.begin


@dataclass(frozen=True)
class Comparison:
    """One answer of one judge: ``person``, ``return`` or ``success``."""

    left: Clip
    right: Clip
    answer: Answer
    judge: str

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Comparison:
        """Inverse of `dataclasses.asdict`.

        Raises:
            KeyError, TypeError, ValueError: Something is missing or of another type.
        """
        left, right = (parse_fields(Clip, data[side], side) for side in ("left", "right"))
        return cls(left, right, Answer(data["answer"]), str(data["judge"]))


@dataclass(frozen=True)
class Compared:
    """What the clips are of, and how they are drawn.

    Attributes:
        dataset: Its folder.
        episodes: How many episodes it had.
        content_hash: Over these, see `Dataset.hash_of_first`.
        ticks: Length of a clip (None: whole episodes).
        seed: Of the draw of the pairs.
    """

    dataset: str
    episodes: int
    content_hash: str
    ticks: int | None
    seed: int

    @classmethod
    def of(
        cls, dataset: Dataset, ticks: int | None, seed: int, episodes: int | None = None
    ) -> Compared:
        """Those of the first `episodes` of a dataset (None: of all that there are)."""
        count = dataset.num_episodes
        episodes = count if episodes is None else min(episodes, count)
        content_hash = dataset.hash_of_first(episodes)
        return cls(str(dataset.path.resolve()), episodes, content_hash, ticks, seed)

    def pair(self, recordings: Recordings, number: int) -> tuple[Clip, Clip]:
        """The clips of comparison `number`: of two episodes, the same whenever it is asked for.

        Raises:
            UserError: There are no two episodes that were not discarded.
        """
        infos = recordings.infos[: self.episodes]
        kept = [n for n, info in enumerate(infos) if info.outcome is not Outcome.DISCARDED]
        if len(kept) < 2:
            raise UserError(
                f"{recordings.path}: {len(kept)} of its episodes are not discarded, and it takes "
                "two to compare; record more"
            )
        rng = np.random.default_rng([self.seed, number])
        left, right = (kept[place] for place in rng.choice(len(kept), size=2, replace=False))
        return self._clip(recordings, left, rng), self._clip(recordings, right, rng)

    def check(self, comparison: Comparison) -> None:
        """Refuse clips of no episode.

        Raises:
            ValueError: There is no such episode, or no such tick.
        """
        for clip in (comparison.left, comparison.right):
            if not (0 <= clip.episode < self.episodes and 0 <= clip.begin < clip.end):
                raise ValueError(f"there is no such clip as {asdict(clip)}")

    def _clip(self, recordings: Recordings, episode: int, rng: np.random.Generator) -> Clip:
        length = int(recordings.lengths[episode])
        if self.ticks is None or self.ticks >= length:
            return Clip(episode, 0, length)
        begin = int(rng.integers(length - self.ticks + 1))
        return Clip(episode, begin, begin + self.ticks)


class Comparisons:
    """The file in a folder; use `read` to look at it and `writing` to add to it.

    Attributes:
        path: The file.
        compared: What it compares.
        answers: In order.
    """

    def __init__(self, path: Path, compared: Compared, answers: list[Comparison]) -> None:
        self.path, self.compared, self.answers = path, compared, answers
        self._descriptor = -1

    @staticmethod
    def begun(folder: Path) -> bool:
        """Whether there is one."""
        return (folder / FILE).exists()

    @property
    def content_hash(self) -> str:
        """16 hex digits over the answers."""
        content = json.dumps([asdict(answer) for answer in self.answers], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    @classmethod
    def read(cls, folder: Path) -> Comparisons:
        """What is there.

        Raises:
            UserError: There is nothing, or it is damaged.
        """
        path = folder / FILE
        try:
            lines = path.read_bytes().splitlines(keepends=True)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise UserError(
                f"{folder} holds no comparisons ({FILE}); make some with `ilrobot prefer`"
            ) from error
        except OSError as error:
            raise UserError(f"{path} cannot be read: {error.strerror}") from error
        if lines and not lines[-1].endswith(b"\n"):
            lines.pop()
        number = 1
        try:
            header = json.loads(lines[0])
            if header.pop("version") != _VERSION:
                raise ValueError("it is of another version of ilrobot")
            compared = parse_fields(Compared, header)
            answers = []
            for line in lines[1:]:
                number += 1
                answers.append(Comparison.from_json(json.loads(line)))
                compared.check(answers[-1])
        except (AttributeError, IndexError, KeyError, TypeError, ValueError, UserError) as error:
            raise UserError(
                f"{path}: line {number} is damaged ({error}); mend it or begin in another folder"
            ) from error
        return cls(path, compared, answers)

    @classmethod
    @contextmanager
    def writing(cls, folder: Path, compared: Compared) -> Iterator[Comparisons]:
        """Begin a file, or go on with the one that is there; nobody else writes to it.

        Raises:
            UserError: What is there compares something else, is damaged, another process writes
                to it, or the folder cannot be written.
            WorkFailed: The disk is full.
        """
        with explained(folder, "nothing was changed", "try again"):
            make_folder(folder)
            lock = WriteLock.take(folder)
        if lock is None:
            raise UserError(f"{folder}: another process is at work there; wait for it")
        with lock:
            path = folder / FILE
            if not path.exists():
                with explained(path, "nothing was changed", "try again"):
                    write_text(path, json.dumps({"version": _VERSION, **asdict(compared)}) + "\n")
            found = cls.read(folder)
            found._check(compared)
            with explained(path, "all answers are safe", "go on with the same command"):
                descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
                try:
                    whole = path.read_bytes().rfind(b"\n") + 1
                    os.ftruncate(descriptor, whole)
                    os.lseek(descriptor, 0, os.SEEK_END)
                    found._descriptor = descriptor
                    yield found
                finally:
                    os.close(descriptor)

    def append(self, comparison: Comparison) -> None:
        """Add an answer; when this returns it is on the disk."""
        write_fully(self._descriptor, (json.dumps(asdict(comparison)) + "\n").encode())
        os.fsync(self._descriptor)
        self.answers.append(comparison)

    def open_dataset(self) -> Dataset:
        """What the clips are of.

        Raises:
            UserError: It is gone or its first episodes are no longer the same.
        """
        dataset = Dataset.open(self.compared.dataset)
        enough = dataset.num_episodes >= self.compared.episodes
        if (
            not enough
            or dataset.hash_of_first(self.compared.episodes) != self.compared.content_hash
        ):
            raise UserError(
                f"{self.path}: {self.compared.dataset} has changed since it was compared; compare "
                "it anew in another folder"
            )
        return dataset

    def _check(self, wanted: Compared) -> None:
        for name, now in asdict(wanted).items():
            before = getattr(self.compared, name)
            if before != now:
                words = {"ticks": "clips of", "content_hash": "content hash"}
                raise UserError(
                    f"{self.path} was begun with {words.get(name, name)} {_say(name, before)}, "
                    f"not {_say(name, now)}; go on with the same options or give another --output"
                )


def _say(name: str, value: Any) -> str:
    if name == "ticks":
        return "whole episodes" if value is None else f"{value} ticks"
    return str(value)

"""``ilrobot edit``: episodes deleted, cut, renamed, judged anew; datasets put together."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro
from tyro.conf import Positional

from ilrobot.cli.usage import optional
from ilrobot.errors import UserError

if TYPE_CHECKING:
    from ilrobot.data.editing.pieces import Original, Piece

Episodes = Annotated[tuple[str, ...], tyro.conf.arg(metavar="NUMBERS")]
Place = Annotated[str, tyro.conf.arg(metavar="FRAME|SECONDS")]


@dataclass
class Delete:
    """Take episodes out for good; those after them move up.

    Example: ilrobot edit data/lift delete --episodes 3 7-9
    """

    episodes: Episodes
    """Which ones, counted from 0: numbers and ranges, e.g. 3 7-9 (9 included)."""

    def pieces(self, original: Original) -> list[Piece]:
        """What stays."""
        from ilrobot.data.editing.operations import delete

        return delete(original, _numbers(self.episodes, original))


@dataclass
class Keep:
    """Take out all episodes but these; they stay in their order.

    Example: ilrobot edit data/lift keep --episodes 0-19
    """

    episodes: Episodes
    """Which ones, counted from 0: numbers and ranges, e.g. 3 7-9 (9 included)."""

    def pieces(self, original: Original) -> list[Piece]:
        """What stays."""
        from ilrobot.data.editing.operations import keep

        return keep(original, _numbers(self.episodes, original))


@dataclass
class Split:
    """Make two episodes of one; those after it move down.

    Example: ilrobot edit data/lift split --episode 4 --at 2.5s
    """

    episode: int
    """Which one, counted from 0."""

    at: Place
    """Where the second one begins: a frame counted from 0, e.g. 120, or seconds, e.g. 2.5s."""

    def pieces(self, original: Original) -> list[Piece]:
        """All, with two in the place of one."""
        from ilrobot.data.editing.operations import split

        return split(original, self.episode, _frame("--at", self.at, original))


@dataclass
class Trim:
    """Cut frames off the beginning or the end of an episode.

    Example: ilrobot edit data/lift trim --episode 4 --start 0.5s --end 60
    """

    episode: int
    """Which one, counted from 0."""

    start: Place = "0"
    """The first frame that stays, counted from 0, or seconds, e.g. 0.5s."""

    end: Annotated[str | None, optional("FRAME|SECONDS", "all to the end stay")] = None
    """The first frame that goes, or seconds, e.g. 3.2s."""

    def pieces(self, original: Original) -> list[Piece]:
        """All, one of them shorter."""
        from ilrobot.data.editing.operations import trim

        if self.end is None and _frame("--start", self.start, original) == 0:
            raise UserError("nothing to cut off: give --start, --end or both")
        end = None if self.end is None else _frame("--end", self.end, original)
        return trim(original, self.episode, _frame("--start", self.start, original), end)


@dataclass
class Relabel:
    """Give episodes another instruction.

    Example: ilrobot edit data/lift relabel --episodes 0-9 --task "lift the red cube"
    """

    episodes: Episodes
    """Which ones, counted from 0: numbers and ranges, e.g. 3 7-9 (9 included)."""

    task: Annotated[str, tyro.conf.arg(metavar="TEXT")]
    """The instruction in words."""

    def pieces(self, original: Original) -> list[Piece]:
        """All, some renamed."""
        from ilrobot.data.editing.operations import relabel

        if not self.task.strip() or not self.task.isprintable():
            raise UserError(f"--task must be words on one line, not {self.task!r}")
        return relabel(original, _numbers(self.episodes, original), self.task)


@dataclass
class Judge:
    """Say how episodes ended; the judge is a person then.

    Example: ilrobot edit data/lift outcome --episodes 12 --outcome failure
    """

    episodes: Episodes
    """Which ones, counted from 0: numbers and ranges, e.g. 3 7-9 (9 included)."""

    outcome: Literal["success", "failure", "timeout", "unknown", "discarded"]
    """How they ended; unknown ones teach, discarded ones stay on disk and never do."""

    def pieces(self, original: Original) -> list[Piece]:
        """All, some judged anew."""
        from ilrobot.data.editing.operations import judge
        from ilrobot.data.episode import Outcome

        return judge(original, _numbers(self.episodes, original), Outcome(self.outcome))


@dataclass
class Merge:
    """Put the episodes of several datasets one after the other into a new one.

    All must have the same features, rate and task; they stay as they are.

    Example: ilrobot edit data/monday merge data/tuesday data/friday --output data/week
    """

    others: Positional[tuple[Path, ...]]
    """Folders of the datasets whose episodes come after those of the first."""

    output: Path
    """Folder for the new dataset; must not exist yet, or be empty."""


_Operation = (
    Annotated[Delete, tyro.conf.subcommand("delete")]
    | Annotated[Keep, tyro.conf.subcommand("keep")]
    | Annotated[Split, tyro.conf.subcommand("split")]
    | Annotated[Trim, tyro.conf.subcommand("trim")]
    | Annotated[Relabel, tyro.conf.subcommand("relabel")]
    | Annotated[Judge, tyro.conf.subcommand("outcome")]
    | Annotated[Merge, tyro.conf.subcommand("merge")]
)


@dataclass
class Edit:
    """Delete, cut, rename and judge episodes of a dataset, or merge datasets.

    Each operation takes effect as a whole or not at all: the new version is written beside the old
    one and takes its place in one step, so that neither a crash nor a full disk loses anything.
    Episodes are numbered from 0 as in `ilrobot view`, and anew after each operation. Works on any
    LeRobot v3.0 dataset.

    Examples: ilrobot edit data/lift delete --episodes 3 7-9; ilrobot edit data/lift split --help
    """

    path: Positional[Path]
    """The dataset's folder."""

    operation: tyro.conf.OmitArgPrefixes[_Operation]

    json: tyro.conf.CascadeSubcommandArgs[bool] = False
    """Print one JSON object as the last line."""

    def run(self) -> int:
        """Do it and say what changed."""
        from ilrobot.cli.output import counted, print_json
        from ilrobot.data.editing.operations import edit, merge
        from ilrobot.data.editing.pieces import begun_again

        if isinstance(self.operation, Merge):
            if not self.operation.others:
                raise UserError(f"merge {self.path} with what? give the folders of other datasets")
            output = self.operation.output
            pieces = merge([self.path, *self.operation.others], output)
        else:
            output = self.path
            pieces = edit(output, self.operation.pieces)
        changes = _changes(pieces)
        before = {id(p.original): p.original.dataset for p in pieces}.values()
        frames = sum(map(len, pieces))
        counts = {
            "episodes_before": sum(dataset.num_episodes for dataset in before),
            "frames_before": sum(dataset.num_frames for dataset in before),
            "episodes": len(pieces),
            "frames": frames,
        }
        for line in changes:
            print(line)
        if again := begun_again(pieces):
            print(
                f"mind: {again} of them {'begins' if again == 1 else 'begin'} at the same seed as "
                "one of another dataset, so from the same start; record with another --seed for "
                "other starts"
            )
        if any("(by nobody) now" in line for line in changes):
            print(f"say how those ended with: ilrobot edit {output} outcome --episodes ...")
        print(
            f"{output}: {counted(len(pieces), 'episode')}, {counted(frames, 'frame')} (before: "
            f"{counts['episodes_before']}, {counts['frames_before']})"
        )
        if self.json:
            print_json({"output": str(output), **counts, "changes": changes})
        return 0


def _numbers(words: Sequence[str], original: Original) -> set[int]:
    """``("3", "7-9")`` as {3, 7, 8, 9}; of those that do not exist one per range is named."""
    if not words:
        raise UserError("--episodes needs numbers, such as 3 7-9")
    found: set[int] = set()
    for word in words:
        form = re.fullmatch(r"(\d{1,9})(?:-(\d{1,9}))?", word)
        first, last = (int(form[1]), int(form[2] or form[1])) if form else (1, 0)
        if first > last:
            raise UserError(
                f"--episodes takes numbers from 0 on and ranges, such as 3 7-9, not '{word}'"
            )
        found |= set(range(first, min(last, max(first, original.dataset.num_episodes)) + 1))
    return found


def _frame(option: str, text: str, original: Original) -> int:
    """A frame, or the one nearest to so many seconds from the episode's beginning."""
    if re.fullmatch(r"\d{1,12}", text):
        return int(text)
    if re.fullmatch(r"(\d{1,12}(\.\d*)?|\.\d+)s", text):
        return round(float(text[:-1]) * original.dataset.fps)
    raise UserError(
        f"{option} takes a frame counted from 0, such as 120, or seconds, such as 2.5s, not "
        f"'{text}'"
    )


def _changes(pieces: Sequence[Piece]) -> list[str]:
    """What became of each episode that did not just stay, in words."""
    from ilrobot.data.data_files import as_ranges
    from ilrobot.data.editing.rows import judged

    lines: list[str] = []
    several = len({id(piece.original) for piece in pieces}) > 1
    seen: dict[int, set[int]] = {}
    for index, piece in enumerate(pieces):
        info = piece.original.dataset.infos[piece.episode]
        seen.setdefault(id(piece.original), set()).add(piece.episode)
        said = []
        if not piece.is_whole:
            said.append(f"its frames {piece.start} to {piece.end - 1} are episode {index} now")
        if piece.task is not None and piece.task != info.task:
            said.append(f"'{info.task}' is '{piece.task}' now")
        outcome, by = judged(piece)
        if (outcome, by) != (info.outcome, info.judge):
            said.append(f"{info.outcome} (by {info.judge}) is {outcome} (by {by}) now")
        if piece.start and info.seed is not None:
            said.append(f"its seed {info.seed} no longer gives its first frame and is left out")
        if said:
            lines.append(f"episode {piece.episode}: {'; '.join(said)}")
    for original in {id(p.original): p.original for p in pieces}.values():
        gone = sorted(set(range(original.dataset.num_episodes)) - seen[id(original)])
        if gone:
            frames = int(original.dataset.lengths[gone].sum())
            lines.append(f"deleted: episodes {as_ranges(gone)} ({frames} frames)")
        if several:
            count = original.dataset.num_episodes
            begin = next(i for i, p in enumerate(pieces) if p.original is original)
            lines.append(
                f"{original.path}: its {count} episodes are {begin} to {begin + count - 1}"
            )
    return lines

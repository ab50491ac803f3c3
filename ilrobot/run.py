"""The folder of a run: what it holds, who may write there, and that it is never overwritten.

``run.json`` describes the run; ``metrics.jsonl`` has one line per report; ``checkpoint.pt`` is
everything needed to go on; ``policy.pt`` is the result, and ``checkpoints`` holds the policies of
before that were to be kept. Nothing here loads torch.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from ilrobot.atomic import PART, make_folder, write_json, write_text
from ilrobot.errors import UserError, explained
from ilrobot.lock import LOCK_FILE, WriteLock
from ilrobot.run_description import KINDS, Description
from ilrobot.typed_json import dump, parse_fields

RUN_FILE = "run.json"
POLICY_FILE = "policy.pt"
_KEPT = "checkpoints"

_GO_ON = "go on with --resume"

D = TypeVar("D", bound=Description)


class Run(Generic[D]):
    """A run's folder; use `Run.read` to look at one and `Run.claim` to write to one.

    Attributes:
        path: Where it is.
        description: What ``run.json`` says.
    """

    def __init__(self, path: Path, description: D) -> None:
        self.path, self.description = path, description
        self.policy_file = path / POLICY_FILE
        self.checkpoint_file = path / "checkpoint.pt"
        self._metrics = path / "metrics.jsonl"

    @staticmethod
    def read(path: Path) -> Run[Description]:
        """A run that is there, whoever writes to it.

        Raises:
            UserError: There is none, or its ``run.json`` is damaged or of another version.
        """
        return Run(path, _read(path))

    @staticmethod
    def read_as(path: Path, kind: type[D]) -> Run[D]:
        """The same, of this kind only.

        Raises:
            UserError: It is of another kind, or as `read` says.
        """
        description = _read(path)
        if not isinstance(description, kind):
            raise UserError(f"{path} is a run of '{description.kind}'; give another one")
        return Run(path, description)

    @staticmethod
    def check_place(path: Path, *, resume: bool) -> None:
        """Refuse a folder where no run can be, whatever it shall be; nothing is changed.

        Raises:
            UserError: It is a file or holds something else than a run, or, without `resume`, there
                is a run already.
        """
        with explained(path, "nothing was changed", "try again"):
            if not resume and (path / RUN_FILE).exists() and WriteLock.is_held(path):
                raise _at_work(path)
            _there(path, resume)

    @staticmethod
    def check(path: Path, wanted: D, *, resume: bool) -> Run[D] | None:
        """Refuse what `claim` would refuse, but going on where another process is at work.

        Nothing is changed: a run that is done may be read whoever is at work there.

        Returns:
            The run that is there, to be read (None: there is none yet).
        """
        Run.check_place(path, resume=resume)
        with explained(path, "nothing was changed", "try again"):
            known = _look(path, wanted, resume)
        return None if known is None else Run(path, known)

    @staticmethod
    @contextmanager
    def claim(path: Path, wanted: D, *, resume: bool) -> Iterator[Run[D]]:
        """Begin a run, or with `resume` go on with the one that is there; nobody else writes to it.

        Args:
            path: The folder; made if it is missing.
            wanted: What it shall be.
            resume: Whether a run that is there shall be continued.

        Raises:
            UserError: Something is there and `resume` was not asked for, it is something else
                than a run of the same settings on the same data, another process is at work
                there, or the folder cannot be written.
            WorkFailed: The disk is full.
        """
        Run.check(path, wanted, resume=resume)  # before the lock, so that the refused is untouched
        with explained(path, "nothing was changed", "try again"):
            make_folder(path)
            lock = WriteLock.take(path)
        if lock is None:
            raise _at_work(path)
        with lock:
            known = _look(path, wanted, resume)  # again: who had the lock may have changed it
            run = Run(path, wanted if known is None else known)
            for leftover in path.glob(f"*{PART}"):
                if leftover.is_file():
                    leftover.unlink()
            if known is None:
                run.update()
            yield run

    @property
    def done(self) -> bool:
        """Whether the policy is ready."""
        return self.description.status == "done"

    def kept_policy(self, step: int) -> Path:
        """File of the policy that is kept as it was after this step."""
        return self.path / _KEPT / f"step-{step}.pt"

    @property
    def kept_policies(self) -> list[Path]:
        """The files of those that there are."""
        return list((self.path / _KEPT).glob("step-*.pt"))

    def update(self, **changes: Any) -> None:
        """Change fields of the description and replace ``run.json``."""
        self.description = replace(self.description, **changes)
        with self.writing():
            write_json(self.path / RUN_FILE, dump(self.description))

    def append_metrics(self, row: dict[str, Any]) -> None:
        """Add a line to ``metrics.jsonl``."""
        with self.writing(), self._metrics.open("a") as file:
            file.write(json.dumps(row) + "\n")

    def drop_metrics_after(self, step: int) -> None:
        """Forget what was reported after a step that training goes back to."""
        if self._metrics.exists():
            rows = [row for row in read_metrics(self._metrics) if row["step"] <= step]
            with self.writing():
                write_text(self._metrics, "".join(json.dumps(row) + "\n" for row in rows))

    def writing(self) -> AbstractContextManager[None]:
        """Around whatever is written into the folder: a full disk becomes one clear line."""
        return explained(self.path, "what was done up to the last checkpoint is safe", _GO_ON)


def policy_hash(path: Path) -> str:
    """SHA-256 over the bytes of a run's policy or of the file itself: its name in recordings.

    An exported policy's contract states it as ``checkpoint``.

    Raises:
        UserError: There is none.
    """
    file = path if path.is_file() else path / POLICY_FILE
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}") from error


def run_of(policy: Path) -> Path:
    """The run of a policy: the folder itself, or the one that a kept policy's file lies in."""
    kept = policy.is_file() and policy.parent.name == _KEPT
    return policy.parents[1] if kept else policy


def read_metrics(file: Path) -> list[dict[str, Any]]:
    """The rows of a ``metrics.jsonl``, at least ``step`` and ``loss`` (or null) in each.

    Raises:
        UserError: A line is damaged, other than the last one of a run that was cut off.
    """
    rows = []
    lines = file.read_bytes().splitlines(keepends=True)
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
            if not (isinstance(row["step"], int) and isinstance(row["loss"], float | int | None)):
                raise ValueError("no numbers")
        except (ValueError, KeyError, TypeError) as error:
            if number == len(lines) and not line.endswith(b"\n"):
                break
            raise UserError(f"{file}: line {number} is damaged; delete it") from error
        rows.append(row)
    return rows


def _read(path: Path) -> Description:
    file = path / RUN_FILE
    try:
        content = json.loads(file.read_bytes())
        if not isinstance(content, dict):
            raise ValueError("it is not a JSON object")
        kind = str(content.get("kind"))
        if kind not in KINDS:
            raise ValueError(f"'kind' is none of {', '.join(KINDS)}")
        return parse_fields(KINDS[kind], content)
    except (FileNotFoundError, NotADirectoryError) as error:
        if path.suffix == ".onnx":
            found = f"{path} is an exported policy; give the folder of the run it came from"
        elif not path.exists():
            found = f"{path} does not exist; give the folder of a run"
        else:
            found = f"{path} is no run: it has no {RUN_FILE}; give the folder of a run"
        raise UserError(found) from error
    except (OSError, ValueError, UserError) as error:
        raise UserError(
            f"{file} is damaged or of another version: {error}; copy the run again, or make it anew"
        ) from error


def _at_work(path: Path) -> UserError:
    return UserError(
        f"{path}: another process is at work there; wait for it, or give another --output"
    )


def _there(path: Path, resume: bool) -> Description | None:
    """What the run that is there was begun with (None: there is nothing yet)."""
    if not (path / RUN_FILE).exists():
        if path.is_file():
            raise UserError(f"{path} is a file; give a folder as --output")
        if path.exists() and any(_counts(file) for file in path.iterdir()):
            raise UserError(f"{path} is not empty and no run; give another --output")
        return None
    known = _read(path)
    if not resume:
        done = known.status == "done"
        cure = "or give another" if done else "delete the folder to begin anew, or give another"
        raise UserError(f"{path} already holds a run; go on with it by --resume, {cure} --output")
    return known


def _look(path: Path, wanted: D, resume: bool) -> D | None:
    """The description to go on with (None: there is nothing yet)."""
    known = _there(path, resume)
    if known is None:
        return None
    if not isinstance(known, type(wanted)):
        raise UserError(f"{path} is a run of '{known.kind}'; give another --output")
    before, now = known.fixed(), wanted.fixed()
    for name in {**before, **now}:
        if before.get(name) != now.get(name):
            raise UserError(
                f"{path} was begun with {name} {_say(before.get(name))}, not "
                f"{_say(now.get(name))}; resume it with the same settings or give another --output"
            )
    return known.resumed(wanted)


def _counts(file: Path) -> bool:
    """Whether it is more than what a kill leaves of a run's first moment."""
    return file.suffix != PART and file.name != LOCK_FILE


def _say(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)

"""The folder of a training run: what it holds, and that it is never overwritten.

``run.json`` says what is trained on what and whether it is done; ``metrics.jsonl`` has one line
per report; ``checkpoint.pt`` is everything needed to go on; ``policy.pt`` is the result.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ilrobot import __version__
from ilrobot.atomic import PART, write_json, write_text
from ilrobot.errors import UserError
from ilrobot.learners.config import TrainConfig
from ilrobot.policies.config import PolicyConfig
from ilrobot.policies.loading import POLICY_FILE
from ilrobot.policies.tensor_file import load_tensors, save_tensors

#: Settings that may change when a run goes on.
_FREE = frozenset({"checkpoint_seconds", "device"})


class TrainingRun:
    """A run's folder.

    Attributes:
        path: Where it is.
        description: Contents of ``run.json``.
    """

    def __init__(self, path: Path, description: dict[str, Any]) -> None:
        self.path, self.description = path, description
        self.policy_file = path / POLICY_FILE
        self._checkpoint = path / "checkpoint.pt"
        self._metrics = path / "metrics.jsonl"

    @classmethod
    def open(cls, path: Path, description: dict[str, Any], *, resume: bool) -> TrainingRun:
        """Begin a run, or with `resume` go on with the one that is there.

        Args:
            path: The folder; made if it is missing.
            description: ``kind``, ``config``, ``spec`` and ``dataset``, plain JSON.
            resume: Whether a run that is there shall be continued.

        Raises:
            UserError: Something is there and `resume` was not asked for, or it is something else
                than a run of the same configuration on the same data.
        """
        description = {**description, "version": __version__, "status": "running", "seconds": 0.0}
        file = path / "run.json"
        if file.exists():
            known = _read(file)
            if not resume:
                raise UserError(
                    f"{path} already holds a run; go on with it by --resume or give another "
                    "--output"
                )
            _require_same(path, known, description)
            return cls(path, known)
        if path.exists() and (not path.is_dir() or holds_something(path)):
            raise UserError(f"{path} is not empty and no run; give another --output")
        try:
            path.mkdir(parents=True, exist_ok=True)
            run = cls(path, description)
            run._save()
        except OSError as error:
            raise UserError(f"cannot write to {path}: {error.strerror}") from error
        return run

    @property
    def done(self) -> bool:
        """Whether the policy is ready."""
        return self.description["status"] == "done"

    def load_checkpoint(self) -> dict[str, Any] | None:
        """State at the last checkpoint (None: there is none yet); later metrics are dropped.

        Raises:
            UserError: It is cut off or altered.
        """
        state = load_tensors(self._checkpoint) if self._checkpoint.exists() else None
        last = -1 if state is None else state["training"]["step"]
        if self._metrics.exists():
            lines = self._metrics.read_text().splitlines(keepends=True)
            kept = [line for line in lines if line.endswith("\n") and _step(line) <= last]
            write_text(self._metrics, "".join(kept))
        return None if state is None else state["training"]

    def save_checkpoint(self, state: dict[str, Any]) -> None:
        """Replace the checkpoint."""
        save_tensors(self._checkpoint, {"training": state})

    def append_metrics(self, row: dict[str, Any]) -> None:
        """Add a line to ``metrics.jsonl``."""
        with self._metrics.open("a") as file:
            file.write(json.dumps(row) + "\n")

    def finish(self, seconds: float, result: dict[str, Any]) -> None:
        """The policy is in place: say so."""
        self.description.update(status="done", seconds=seconds, result=result)
        self._save()

    def _save(self) -> None:
        write_json(self.path / "run.json", self.description)


def holds_something(folder: Path) -> bool:
    """Whether there is more in it than what a kill left of a file that was being written."""
    return any(path.suffix != PART for path in folder.iterdir())


def read_settings(path: Path) -> tuple[PolicyConfig, TrainConfig]:
    """How the policy of a run was made; of an interactive run, that of its last round.

    Raises:
        UserError: There is no run at the path, or its description is damaged.
    """
    file = path / "run.json"
    if not file.exists():
        raise UserError(f"{path} is no run: it has no run.json; give the folder of a trained run")
    rounds = sorted(path.glob("round-*/run.json"), key=lambda f: int(f.parent.name[6:]))
    config = _read(rounds[-1] if rounds else file)["config"]
    try:
        return PolicyConfig.from_json(config["policy"]), TrainConfig(**config["train"])
    except TypeError as error:
        raise UserError(f"{file} is of another version of ilrobot; train again") from error


def _read(file: Path) -> dict[str, Any]:
    try:
        known: dict[str, Any] = json.loads(file.read_text())
        known["config"]["train"], known["config"]["policy"], known["dataset"]["content_hash"]
        known["status"], known["kind"]
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{file} is damaged or of no training run; give another --output"
        ) from error
    return known


def _require_same(path: Path, known: dict[str, Any], wanted: dict[str, Any]) -> None:
    if known["kind"] != wanted["kind"]:
        raise UserError(f"{path} is a run of '{known['kind']}'; give another --output")
    for part in ("policy", "train"):
        old, new = known["config"][part], wanted["config"][part]
        for name in new:
            if name not in _FREE and old.get(name) != new[name]:
                raise UserError(
                    f"{path} was begun with {name} {old.get(name)}, not {new[name]}; resume it "
                    "with the same settings or give another --output"
                )
    if known["dataset"]["content_hash"] != wanted["dataset"]["content_hash"]:
        raise UserError(
            f"{path} was begun on other data than {wanted['dataset']['path']} holds now; give "
            "another --output"
        )


def _step(line: str) -> int:
    return int(json.loads(line)["step"])

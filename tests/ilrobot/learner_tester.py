"""What every learner must do, whatever it learns from: from its command line to a run like any.

A learner takes part by `Case`: the options with which it learns something within a second or two,
without ``--output`` and ``--seed``, and ways of being misused with what is to be said.
"""

from __future__ import annotations

import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from ilrobot.cli import _main, main
from ilrobot.policies.loading import load_policy
from ilrobot.run import Run, read_metrics
from ilrobot.run_description import TrainDescription
from tests.forked import Forked
from tests.ilrobot.policy_tester import assert_same_weights

#: Where `line_world` lies, so that a process of its own finds that task by its namespace.
WORLDS = Path(__file__).parent / "learning"
_PATIENCE = 120.0


@dataclass(frozen=True)
class Case:
    """One learner and how it is called.

    Attributes:
        name: As in ``--learner NAME``.
        options: Without those of the output and the seed.
        more: Options that make it learn far longer, so that it can be killed meanwhile.
        task: It is evaluated there.
        leaves: Files of its run beside the usual ones.
    """

    name: str
    options: tuple[str, ...]
    more: tuple[str, ...]
    task: str
    leaves: tuple[str, ...] = ()

    def arguments(self, output: Path, *more: str) -> list[str]:
        """Of its command line."""
        return ["train", "--learner", self.name, *self.options, "--output", str(output), *more]


def check_run(case: Case, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It learns, is measured, exported and left alone when it is done."""
    run = folder / "run"
    assert _main(case.arguments(run, "--json")) == 0
    said = capsys.readouterr().out
    assert "next " in said
    assert said.rstrip().splitlines()[-1].startswith("{")
    for name in ("run.json", "policy.pt", "checkpoint.pt", "metrics.jsonl", *case.leaves):
        assert (run / name).exists(), name
    description = Run.read_as(run, TrainDescription).description
    assert (description.learner, description.status) == (case.name, "done")
    assert description.dataset.episodes > 0
    losses = [row["loss"] for row in read_metrics(run / "metrics.jsonl")]
    assert losses[-1] is not None  # of what is learnt; before anything is there is none
    assert all(loss is None or np.isfinite(loss) for loss in losses)
    policy = load_policy(run)

    assert _main(["eval", "--policy", str(run), "--task", case.task, "--episodes", "2"]) == 0
    exported = folder / "policy.onnx"
    assert _main(["export", "--policy", str(run), "--output", str(exported)]) == 0
    assert exported.exists()
    assert _main(["info", str(run)]) == 0
    assert _main(["view", str(run)]) == 0

    before = (run / "policy.pt").read_bytes()
    assert _main(case.arguments(run)) == 2
    assert "already holds a run" in capsys.readouterr().err
    assert _main(case.arguments(run, "--resume", "--seed", "5")) == 2
    assert "begun with seed 0, not 5" in capsys.readouterr().err
    assert _main(case.arguments(run, "--resume")) == 0
    assert (run / "policy.pt").read_bytes() == before
    assert_same_weights(load_policy(run), policy)


def check_kill(case: Case, folder: Path) -> None:
    """Ctrl-C ends it with a checkpoint, a kill at any moment loses nothing before, both resume."""
    run = folder / "run"
    for number, ending in enumerate((signal.SIGINT, signal.SIGKILL)):
        before = _steps(run)
        arguments = case.arguments(run, *case.more, *(["--resume"] if number else []))
        errors = folder / f"errors-{number}"
        process = Forked(_train, arguments, errors=errors)
        try:
            _wait_beyond(before, run, process, errors)
            process.send_signal(ending)
            code = process.wait(_PATIENCE)
        finally:
            process.kill()
        if ending is signal.SIGINT:
            error = errors.read_text()
            assert code == 130, error
            assert "Go on with: ilrobot train --learner" in error
            assert (run / "checkpoint.pt").exists()
        assert Run.read(run).description.status == "running"
    steps = [row["step"] for row in read_metrics(run / "metrics.jsonl")]
    assert steps == sorted(steps)


def check_mistake(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A mistake is one line; ``--output`` is the last of the arguments, and nothing is there."""
    assert _main(arguments) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not Path(arguments[-1]).exists()


def _train(arguments: list[str]) -> None:
    """The command, in a process of its own."""
    sys.path.insert(0, str(WORLDS))
    torch.set_num_threads(1)
    main(arguments)


def _wait_beyond(step: int, run: Path, process: Forked, errors: Path) -> None:
    end = time.monotonic() + _PATIENCE
    while _steps(run) <= step:
        assert process.poll() is None, errors.read_text()
        assert time.monotonic() < end, "nothing was reported in time"
        time.sleep(0.02)


def _steps(run: Path) -> int:
    """Last step that was reported."""
    file = run / "metrics.jsonl"
    rows = read_metrics(file) if file.exists() else []
    return int(rows[-1]["step"]) if rows else 0

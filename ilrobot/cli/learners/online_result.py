"""What an online learner says when it is done."""

from __future__ import annotations

import json as json_file
import math
from pathlib import Path
from typing import Any

from ilrobot.cli.output import print_json
from ilrobot.cli.training_progress import pace
from ilrobot.learners.finetuning.keeping import KEPT_FILE
from ilrobot.rewards.model import REWARD_FILE
from ilrobot.run import Run, read_metrics
from ilrobot.run_description import TrainDescription


def print_online_result(output: Path, counted: str, *, json: bool, last: int, told: str) -> None:
    """Print what came of a run, and what to do next.

    Args:
        output: Folder of the run, which is done.
        counted: What its steps are, such as ``steps``.
        json: Whether one JSON object is the last line.
        last: How many of the last reports a mean is taken over.
        told: What these are of.
    """
    run = Run.read_as(output, TrainDescription).description
    result = run.result
    assert result is not None  # it is done
    reports = read_metrics(output / "metrics.jsonl")
    tried = sum(row.get("tried", 0) for row in reports)
    # Further tries from a beginning that was reported already have no return of their own.
    rows = [row for row in reports if "tried" not in row or "return" in row][-last:]
    means: dict[str, Any] = {}
    for name, digits in (("return", 3), ("length", 1), ("success", 3)):
        seen = [row[name] for row in rows if row.get(name) is not None]
        if seen:
            means[name] = round(math.fsum(seen) / len(seen), digits)
    kept: dict[str, Any] = {}
    if (output / KEPT_FILE).exists():
        kept = json_file.loads((output / KEPT_FILE).read_text())
    asked = run.config.train.steps
    over = ""
    if result.steps > asked:
        by = (
            f" and, by {kept['last_steps']:,}, the attempts at the end"
            if "last_steps" in kept
            else ""
        )
        over = f" (the last round{by} {'go' if by else 'goes'} beyond the {asked:,} asked for)"
    if tried:
        over = f", {tried:,.0f} steps{over}"
    timed = result.steps - kept.get("last_steps", 0)
    print(f"policy     {output / 'policy.pt'}")
    print(
        f"{counted:10} {result.steps:,} in the task{over}, {run.seconds:.0f} s, "
        f"{pace(timed / max(run.seconds, 1e-9), counted)}"
    )
    words = ", ".join(f"{name} {value:g}" for name, value in means.items())
    print(f"at last    {words or 'no episode has ended'} ({told})")
    if kept:
        share = f"{kept['kept']:.0%} of {kept['attempts']} fresh attempts, not exploring"
        if kept.get("learnt", True):
            print(f"kept       {share}; the clone {kept['clone']:.0%}")
        else:
            print(f"kept       the clone, since nothing learnt did as well: {share}")
        if kept["kept"] == 0:
            print("           success alone teaches; begin with a clone that succeeds at times")
    print(f"next       ilrobot eval --policy {output}")
    print(f"           ilrobot export --policy {output} --output policy.onnx")
    if (output / REWARD_FILE).exists():
        print(f"           ilrobot reward {output}")
    if json:
        print_json(
            {
                "learner": run.learner,
                counted: result.steps,
                "seconds": run.seconds,
                "parameters": run.parameters,
                **means,
                **kept,
                "output": str(output),
            }
        )

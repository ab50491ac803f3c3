"""``ilrobot demo``: the whole path once, each step by the verb that a person would type."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from ilrobot.cli.usage import optional
from ilrobot.required import require


@dataclass
class Demo:
    """The whole path once: record, learn, intervene, evaluate, export, run on another engine.

    A demo that was stopped goes on where it was when it is called again. With a gamepad and a
    display you are offered the pad; otherwise a simulated operator moves a virtual one.

    Example: ilrobot demo --fast
    """

    output: Annotated[
        Path | None, optional("FOLDER", "runs/demo, or runs/demo-fast with --fast")
    ] = None
    """Where everything goes."""

    fast: bool = False
    """Take a few minutes only: few demonstrations, short training, small evaluation."""

    seed: int = 0
    """Seed of the demonstrations and of the training."""

    workers: int = 2
    """Processes for the evaluations."""

    json: bool = False
    """Print one JSON object as the last line."""

    def run(self) -> int:
        """Run what is not done yet, and end with a table and a report."""
        require("demo", "matplotlib.figure", "gymnasium", "mujoco", "onnxscript", "pygame", "torch")
        from ilrobot.cli.cores import check_workers
        from ilrobot.cli.demo_plan import DAGGER_SEED, FAST, FULL
        from ilrobot.cli.demo_report import print_table, summary, write_demo_report
        from ilrobot.cli.demo_stations import DemoPath
        from ilrobot.cli.output import print_json
        from ilrobot.errors import UserError

        check_workers(self.workers)
        if not 0 <= self.seed < DAGGER_SEED // 2:
            raise UserError(
                f"--seed must be from 0 to {DAGGER_SEED // 2 - 1}, not {self.seed}; other seeds "
                "are kept for interventions and evaluations"
            )
        output = self.output or Path("runs/demo-fast" if self.fast else "runs/demo")
        path = DemoPath(output, FAST if self.fast else FULL, self.seed, self.workers)
        began = time.monotonic()
        path.walk()
        report = write_demo_report(path)
        print_table(path)
        print(f"report: {report}")
        print(f"policy: {path.exported}")
        print(f"this took {(time.monotonic() - began) / 60:.1f} minutes")
        if self.json:
            print_json({**summary(path), "report": str(report)})
        return 0

"""The study `identifiability`: which rewards adversarial inverse reinforcement learning finds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from ilrobot.cli.output import progress_bar
from ilrobot.cli.studies.page import print_row, write_page
from ilrobot.learners.inverse.identifiability import ACTIONS, STATES, Dynamics, identify
from ilrobot.learners.inverse.tabular_airl import RewardInputs
from ilrobot.report.identifiability import (
    HEADERS,
    identifiability_json,
    identifiability_report,
    identifiability_rows,
)


@dataclass(frozen=True)
class Plan:
    """How much: MDPs of each kind of dynamics."""

    worlds: int = 20


PLAN = Plan()


def run(file: Path) -> dict[str, Any]:
    """Run it, write its page to `file`, print its table and return its JSON."""
    asked = [(d, i) for d in get_args(Dynamics) for i in get_args(RewardInputs)]
    found = {}
    with progress_bar() as bars:
        bar = bars.add_task("MDPs", total=len(asked) * PLAN.worlds, note="")
        for dynamics, inputs in asked:
            results = []
            for seed in range(PLAN.worlds):
                results.append(identify(dynamics, inputs, seed))
                bars.advance(bar)
            found[dynamics, inputs] = results
    write_page(file, identifiability_report(found))
    print(
        f"AIRL, {STATES} states, {ACTIONS} actions, {PLAN.worlds} MDPs; residual 0: learnt and "
        "true reward differ by a constant; return 1: the best, 0: random actions"
    )
    for title, *cells in (HEADERS, *identifiability_rows(found)):
        print_row(f"{title:27}", *(f"{cell:>12}" for cell in cells))
    return {
        "states": STATES,
        "actions": ACTIONS,
        "worlds": PLAN.worlds,
        "found": {f"{d}, {i}": identifiability_json(r) for (d, i), r in found.items()},
    }

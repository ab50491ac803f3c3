"""The study `compounding`: regret against horizon, exactly in tables and measured on PointPath."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from ilrobot.cli.output import progress_bar
from ilrobot.cli.studies.compounding_path import TASK, regrets_on_the_path
from ilrobot.cli.studies.page import print_row, write_page
from ilrobot.report.compounding import WALK_HEADERS, bound, compounding_report, walk_rows
from ilrobot.report.compounding_path import HEADERS, path_rows
from ilrobot.theory.compounding import (
    EPSILON,
    HORIZONS,
    METHODS,
    WORKED_EPSILON,
    WORKED_HORIZON,
    compounding,
)


def run(file: Path) -> dict[str, Any]:
    """Run it, write its page to `file`, print its table and return its JSON."""
    found = compounding()
    with progress_bar() as bars:
        bar = bars.add_task("trainings", total=0, note="")
        path = regrets_on_the_path(
            on_training=lambda total: bars.update(bar, total=total, advance=1)
        )
    write_page(file, compounding_report(found, path))
    print(
        f"regret ~ T^slope, ε = {EPSILON:g}, T = {HORIZONS[0]} to {HORIZONS[-1]}; then one example"
    )
    example = f"ε = {WORKED_EPSILON:g}, T = {WORKED_HORIZON}"
    print_row("method", "predicted", "fitted", "bound", f"regret at {example}")
    for name, method in METHODS.items():
        print_row(
            method.title,
            str(method.exponent),
            f"{found.slopes[name]:.3f}",
            bound(found, name),
            f"{found.worked[name]:.2f}",
        )
    print(f"\nthe walk to the right, {example}")
    for row in (WALK_HEADERS, *walk_rows(found)):
        print_row(*row)
    print(
        f"\nthe same with networks on {TASK}, measured: ε = {path.epsilon:g}, "
        f"T = {path.horizons[0]} to {path.horizons[-1]}"
    )
    for title, *cells in (HEADERS, *path_rows(path)):
        print_row(title, *(f"{cell:>13}" for cell in cells))
    return {
        "epsilon": EPSILON,
        "horizons": HORIZONS,
        "predicted": {name: method.exponent for name, method in METHODS.items()},
        **asdict(found),
        "path": path.to_json(),
    }

"""``ilrobot bench``: measure speed against goals."""

from __future__ import annotations

import importlib
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import Positional

from ilrobot.cli.usage import optional
from ilrobot.errors import UserError, WorkFailed


@dataclass
class Bench:
    """Measure speed on this machine: each row beside its reference and its goal.

    A missed goal is reported and is no failure.

    Example: ilrobot bench startup
    """

    name: Annotated[Positional[str], optional("NAME", "list them")] = ""
    """Which benchmark; 'all' runs each of them, and goes on where one fails."""

    minutes: Annotated[float | None, optional("M", "half a minute")] = None
    """How long 'soak' records."""

    json: bool = False
    """Print one JSON object as the last line."""

    def run(self) -> int:
        """Run it and print its rows."""
        from ilrobot.cli.diagnosis.machine import describe_machine
        from ilrobot.cli.output import console, print_json

        known = benchmark_names(source_checkout())
        if self.name not in ("", "all", *known):
            raise UserError(f"no benchmark '{self.name}'; choose one of {', '.join(known)} or all")
        if self.minutes is not None and (self.name != "soak" or not 0 < self.minutes < math.inf):
            raise UserError("--minutes is for 'ilrobot bench soak', and more than 0")
        if not self.name:
            print("\n".join(known))
            if self.json:
                print_json({"names": known})
            return 0
        options = {} if self.minutes is None else {"minutes": self.minutes}
        machine = describe_machine()
        print(machine)
        rows: list[dict[str, Any]] = []
        failures: list[str] = []
        for name in known if self.name == "all" else (self.name,):
            try:
                with console.status(f"measuring {name}"):
                    measured = run_benchmark(name, **options)
            except (UserError, WorkFailed) as error:
                if self.name != "all":
                    raise
                failures.append(name)
                console.print(f"{name}: {error}", markup=False)
                continue
            _print(name, measured)
            rows += [{"benchmark": name, **row} for row in measured]
        if self.json:
            print_json({"name": self.name, "machine": machine, "rows": rows, "failures": failures})
        if failures:
            raise WorkFailed(f"benchmarks that failed: {', '.join(failures)}")
        return 0


def source_checkout() -> Path:
    """The folder that holds ``benchmarks``.

    Raises:
        UserError: The package was installed without it.
    """
    import ilrobot

    root = Path(ilrobot.__file__).parents[1]
    if not (root / "benchmarks" / "__init__.py").exists():
        raise UserError("benchmarks come with the source checkout; clone it and call make setup")
    return root


def benchmark_names(root: Path) -> list[str]:
    """Names of the benchmarks in a checkout: of the files that have a ``run``."""
    files = (root / "benchmarks").glob("[!_]*.py")
    return sorted(file.stem for file in files if "\ndef run(" in file.read_text())


def run_benchmark(name: str, **options: float) -> list[dict[str, Any]]:
    """The rows of one benchmark, run with these options.

    Raises:
        WorkFailed: It raised.
    """
    root = str(source_checkout())
    if root not in sys.path:
        sys.path.insert(0, root)
    try:
        rows: list[dict[str, Any]] = importlib.import_module(f"benchmarks.{name}").run(**options)
    except (UserError, WorkFailed):
        raise
    except Exception as error:
        words = " ".join(str(error).split()) or type(error).__name__
        raise WorkFailed(f"benchmark '{name}' failed: {words}") from error
    return rows


def _print(name: str, rows: Sequence[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=name, title_justify="left", title_style="bold", box=None)
    table.add_column("what", overflow="fold")
    for column in ("value", "unit", "reference", "ratio", "goal", "met"):
        table.add_column(column, justify="left" if column in ("unit", "goal") else "right")
    for row in rows:
        met = {True: "[green]yes[/]", False: "[red]no[/]", None: ""}[row["met"]]
        numbers = [_number(row[key]) for key in ("value", "reference", "ratio")]
        value, reference, ratio = numbers
        goal = row["goal"]
        words = escape(goal) if isinstance(goal, str) else _number(goal)
        table.add_row(escape(row["what"]), value, row["unit"], reference, ratio, words, met)
    Console(highlight=False).print(table)


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"

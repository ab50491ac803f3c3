"""``ilrobot info``: what a path holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from ilrobot.errors import UserError
from ilrobot.run import RUN_FILE


@dataclass
class Info:
    """Say what a dataset, a run or an exported policy holds.

    Opening a dataset mends what a crashed recording left behind.

    Example: ilrobot info data/pusht --json
    """

    path: Annotated[Path, tyro.conf.Positional]
    """A dataset's folder, a run's folder, or an .onnx file."""

    json: bool = False
    """Print one JSON object as the last line."""

    def run(self) -> int:
        """Look and print."""
        from ilrobot.cli.output import print_json

        found = self._look()
        if self.json:
            print_json(found)
        elif found["kind"] == "policy":
            from ilrobot.cli.info_policy import print_file

            print_file(self.path)
        else:
            if "config" in found:
                from ilrobot.policies.heeded import heeded

                found["config"]["policy"] = heeded(found["config"]["policy"])
            _print_table(found)
        return 0

    def _look(self) -> dict[str, Any]:
        from ilrobot.data.editing.swap import settle

        settle(self.path)
        if not self.path.exists():
            raise UserError(f"{self.path}: does not exist; check the path")
        if self.path.is_file():
            if self.path.suffix != ".onnx":
                raise UserError(
                    f"{self.path}: is neither an .onnx file nor a folder; `ilrobot import` reads "
                    "demonstrations of other formats"
                )
            from ilrobot.cli.info_policy import describe_file

            return describe_file(self.path)
        if (self.path / RUN_FILE).exists():
            return _run(self.path)
        from ilrobot.data.dataset import Dataset
        from ilrobot.data.summary import summarize

        return summarize(Dataset.open(self.path))


def _run(path: Path) -> dict[str, Any]:
    from ilrobot.gates.log import total
    from ilrobot.run import Run
    from ilrobot.run_description import DaggerDescription
    from ilrobot.typed_json import dump

    description = Run.read(path).description
    found = dump(description)
    spec = found.pop("spec")
    kind = found.pop("kind")
    if isinstance(description, DaggerDescription):
        logs = [row.log for row in description.rounds if row.log is not None]
        found["control"] = total(logs).to_json() if logs else {}
    return {"kind": kind, "path": str(path), "task": spec["task"], "rate": spec["rate"], **found}


def _print_table(found: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for key, value in found.items():
        if value not in ("", [], {}, None):
            table.add_row(key.replace("_", " "), _words(key, value))
    Console(highlight=False).print(table)


def _flat(value: dict[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, inner in value.items():
        if isinstance(inner, dict):
            yield from _flat(inner, f"{above}{key}.")
        elif inner not in ("", [], None):
            yield f"{above}{key}", inner


def _words(key: str, value: Any) -> str:
    if key == "features":
        return "\n".join(f"{name}  {f['dtype']} {f['shape']}" for name, f in value.items())
    if key == "rounds":
        return "\n".join(
            f"{row['round']}: {row['autonomous']} of {row['episodes']} without help, "
            f"{row['interventions']} interventions, {row['human_steps']} of {row['steps']} steps "
            "by the expert"
            for row in value
        )
    if isinstance(value, dict):
        return "\n".join(
            f"{name}: {_doubts(inner) if name == 'doubts' else _words('', inner)}"
            for name, inner in _flat(value)
        )
    if isinstance(value, list):
        return ", ".join(str(item) for item in value)
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _doubts(doubts: list[float]) -> str:
    """Of the takeovers, and the bound that follows from them."""
    from statistics import median

    from ilrobot.gates.human import risk_threshold

    return (
        f"at {len(doubts)} takeovers, median {median(doubts):.3g}, τ {risk_threshold(doubts):.3g} "
        "(--json has each)"
    )

"""The report of a run, from what its folder holds: settings, metrics, rounds of interventions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ilrobot.report import html, plots
from ilrobot.report.risk import risk_section
from ilrobot.report.rounds import GATE_HEADERS, gate_rows, round_strips
from ilrobot.report.trying import trying_section
from ilrobot.run import Run, read_metrics
from ilrobot.run_description import DaggerDescription, Description, TrainDescription
from ilrobot.typed_json import dump

_KINDS = {"train": "training", "dagger": "DAgger"}
_STATUS = {"done": "finished", "running": "not finished yet", "failed": "failed"}
#: The specification is for programs; the rest stands elsewhere in the report.
_SHOWN_ELSEWHERE = frozenset({"spec", "rounds", "kind", "status", "version"})


def run_report(path: Path) -> html.Report:
    """Read a run and say what it came to.

    Args:
        path: Its folder, with ``run.json``.

    Raises:
        UserError: ``run.json`` or a ``metrics.jsonl`` is damaged.
    """
    run = Run.read(path).description
    trying = _trying(path, run)
    sections = [] if trying is None else [trying]
    learning = _learning(path, whole=trying is None)
    sections += [] if learning is None else [learning]
    if isinstance(run, DaggerDescription) and run.rounds:
        sections.append(_rounds(path, run))
        risk = risk_section(path, run)
        sections += [] if risk is None else [risk]
    settings = _flat(dump(run), skip=_SHOWN_ELSEWHERE)
    sections.append(html.Section("Settings", [html.definitions(settings)]))
    return html.Report(
        title=path.resolve().name,
        summary=f"A {_KINDS[run.kind]} run, {_STATUS[run.status]}.",
        figures=_figures(run),
        sections=sections,
        facts={"folder": str(path), "made by": f"ilrobot {run.version}"},
    )


def _figures(run: Description) -> dict[str, str]:
    own = f" and {run.dataset.besides:,} of its own" if run.dataset.besides else ""
    figures = {
        "episodes": f"{run.dataset.episodes:,}{own}",
        "frames": f"{run.dataset.frames:,}",
        "training time": _duration(run.seconds),
    }
    if isinstance(run, DaggerDescription) and run.rounds:
        figures["rounds"] = str(len(run.rounds))
        figures["interventions"] = str(sum(row.interventions for row in run.rounds))
    return figures


def _trying(path: Path, run: Description) -> html.Section | None:
    """What a learner that tries came to; None of one that does not."""
    file = path / "metrics.jsonl"
    if not isinstance(run, TrainDescription) or not file.exists():
        return None
    return trying_section(read_metrics(file), run.learner)


def _learning(path: Path, *, whole: bool) -> html.Section | None:
    """Curves of the loss: the run's own, if `whole`, and those of its rounds."""
    files = sorted(path.glob("round-*/metrics.jsonl"), key=_number)
    if whole:
        files.insert(0, path / "metrics.jsonl")
    curves = {file.parent.resolve().name: read_metrics(file) for file in files if file.exists()}
    curves = {name: rows for name, rows in curves.items() if rows}
    if not curves and not whole:
        return None
    if not curves:
        return html.Section("Learning curves", [html.note("This run has logged no metrics yet.")])
    caption = (
        "Loss by training step, and the sampling error: how far chunks to act by are from "
        "what was done in held-out episodes (root mean square, as a share of the range)."
    )
    chart = html.figure(plots.learning_curves(curves), caption)
    last = ("step", "loss", "validation_loss", "sampling_error")
    cells = [
        [name, *(_last(rows, key) for key in last), _least(rows, "sampling_error")]
        for name, rows in curves.items()
    ]
    headers = ["", "steps", "last loss", "last held-out loss", "last sampling error", "least"]
    return html.Section("Learning curves", [chart, html.table(headers, cells)])


def _rounds(path: Path, run: DaggerDescription) -> html.Section:
    cells = [
        [
            f"Round {row.round}",
            f"{row.autonomous} of {row.episodes}",
            f"{row.successes} of {row.episodes}",
            str(row.interventions),
            f"{row.human_steps / max(1, row.steps):.0%}",
        ]
        for row in run.rounds
    ]
    headers = ["", "done without help", "done at all", "interventions", "steps by the expert"]
    blocks = [html.table(headers, cells)]
    logged = gate_rows(run)
    if logged:
        blocks.append(html.table(GATE_HEADERS, logged))
    strips = round_strips(path, run)
    if strips:
        timeline = plots.intervention_timeline(strips)
        blocks.insert(0, html.figure(timeline, "One strip per episode, in the order of recording."))
    return html.Section("Who acted when", blocks)


def _flat(value: Any, name: str = "", skip: frozenset[str] = frozenset()) -> dict[str, str]:
    if isinstance(value, dict):
        found: dict[str, str] = {}
        for key, inner in value.items():
            if key not in skip:
                found.update(_flat(inner, f"{name}.{key}" if name else str(key)))
        return found
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return {name: text}


def _last(rows: list[dict[str, Any]], key: str) -> str:
    values = [row[key] for row in rows if row.get(key) is not None]
    if not values:
        return ""
    return f"{values[-1]:,}" if isinstance(values[-1], int) else f"{values[-1]:.4g}"


def _least(rows: list[dict[str, Any]], key: str) -> str:
    found = [(row[key], row["step"]) for row in rows if row.get(key) is not None]
    return f"{min(found)[0]:.4g} at step {min(found)[1]:,}" if found else ""


def _number(file: Path) -> int:
    digits = file.parent.name.removeprefix("round-")
    return int(digits) if digits.isdigit() else 0


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.1f} min"

"""The page of a log of ticks: how time was kept, what the guards did, what was sent and seen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from exports.runtime.tick_reading import Ticks
from exports.tick_panels import Panel, groups, lines, panels, spans
from ilrobot.report import html, plots
from ilrobot.report.figures import BLUE, VERMILION, colour_key, responsive


def tick_report(path: Path, ticks: Ticks) -> html.Report:
    """What happened in a run of ``ilrobot deploy``.

    Args:
        path: Where the log lies.
        ticks: What it holds, at least one.
    """
    rows, layout = ticks.rows, ticks.layout
    period = 1.0 / layout.rate
    seconds = rows["start"] - rows["start"][0]
    late = int(np.count_nonzero(rows["late"]))
    sections = [
        html.Section(
            "How time was kept",
            [
                html.figure(
                    plots.latency_histogram(rows["act_time"], period),
                    "From observation to command, one count per tick.",
                ),
                html.figure(_times(ticks, seconds), "The greatest of each moment."),
            ],
        ),
        html.Section("What the guards did", _activations(ticks, seconds)),
        html.Section(
            "Commands and observations",
            [
                html.figure(
                    lines(seconds, list(_panels(ticks))),
                    "Of commands, the thin line is what the policy wanted.",
                )
            ],
        ),
    ]
    notes = []
    if not ticks.closed:
        notes.append("The process was killed, or is writing still: the log was never closed.")
    if ticks.overwritten:
        notes.append(f"The first {ticks.overwritten} ticks had to make room for later ones.")
    if notes:
        sections.insert(0, html.Section("What is missing", [html.note(note) for note in notes]))
    return html.Report(
        title=f"Deployment {path.stem}",
        summary=layout.about.get("robot", ""),
        figures={
            "ticks": f"{len(rows)} at {layout.rate:g} Hz",
            "episodes": str(len(np.unique(rows["episode"]))),
            "deadlines missed": str(late),
            "latency, 99 %": f"{1e3 * np.percentile(rows['act_time'], 99):.2f} ms",
        },
        facts={name: text for name, text in layout.about.items() if text},
        sections=sections,
    )


def _times(ticks: Ticks, seconds: NDArray[np.float64]) -> str:
    rows = ticks.rows
    same = np.diff(rows["episode"]) == 0
    errors = np.abs(np.diff(rows["start"]) - 1.0 / ticks.layout.rate)
    errors = np.concatenate([[0.0], np.where(same, errors, 0.0)])
    curves = (
        ("guards and policy", rows["act_time"], BLUE),
        ("error of the period", errors, VERMILION),
    )
    starts = groups(len(rows))

    def draw(width: float) -> Figure:
        figure = Figure((width, 2.1), layout="constrained")
        axes = figure.add_subplot()
        for name, values, colour in curves:
            highest = np.maximum.reduceat(1e3 * values.astype(np.float64), starts)
            axes.plot(seconds[starts], np.maximum(highest, 1e-4), color=colour, label=name)
        axes.set(yscale="log", xlabel="seconds", ylabel="milliseconds")
        axes.margins(x=0)
        return figure

    key = colour_key((colour, name) for name, _, colour in curves)
    return key + responsive(draw, "Latency and error of the period over the run")


def _activations(ticks: Ticks, seconds: NDArray[np.float64]) -> list[html.Html]:
    had = {_words(name): ticks.had(name) for name in ticks.layout.activations}
    had = {name: at for name, at in had.items() if at.any()}
    if not had:
        return [html.paragraph("Nothing: every observation and every command passed.")]
    counts = [[name, str(int(at.sum()))] for name, at in had.items()]
    about = "Ticks at which the guards did something"
    picture = spans(seconds, 1.0 / ticks.layout.rate, had, about)
    return [html.table(["", "ticks"], counts), html.figure(picture)]


def _panels(ticks: Ticks) -> Iterator[Panel]:
    """Of every field, commands first."""
    layout, rows = ticks.layout, ticks.rows
    for field in sorted(layout.elements, key=lambda name: name != "command"):
        if field == "wanted" or layout.row[field].ndim > 1:
            continue
        wanted = _columns(rows["wanted"]) if field == "command" else None
        units = layout.units.get(field) or ()
        yield from panels(field, layout.elements[field], units, _columns(rows[field]), wanted)


def _columns(values: NDArray[Any]) -> NDArray[np.float64]:
    return values.reshape(len(values), -1).astype(np.float64)


def _words(name: str) -> str:
    return name.replace("_", " ")

"""The page of a log of ticks: how time was kept, what the guards did, what was sent and seen."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from exports.runtime.tick_reading import Ticks
from ilrobot.report import html, plots
from ilrobot.report.figures import BLUE, COLOURS, MUTED, VERMILION, colour_key, responsive

#: Points along the time axis; of a longer run each shows the least and the greatest of several.
_POINTS = 600
#: Lines in one panel beyond which names and colours no longer help.
_MOST_LINES = 6


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
                    _elements(ticks, seconds),
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
    lines = (
        ("guards and policy", rows["act_time"], BLUE),
        ("error of the period", errors, VERMILION),
    )
    groups = _groups(len(rows))

    def draw(width: float) -> Figure:
        figure = Figure((width, 2.1), layout="constrained")
        axes = figure.add_subplot()
        for name, values, colour in lines:
            highest = np.maximum.reduceat(1e3 * values.astype(np.float64), groups)
            axes.plot(seconds[groups], np.maximum(highest, 1e-4), color=colour, label=name)
        axes.set(yscale="log", xlabel="seconds", ylabel="milliseconds")
        axes.margins(x=0)
        return figure

    key = colour_key((colour, name) for name, _, colour in lines)
    return key + responsive(draw, "Latency and error of the period over the run")


def _activations(ticks: Ticks, seconds: NDArray[np.float64]) -> list[html.Html]:
    had = {name: ticks.had(name) for name in ticks.layout.activations}
    had = {name: at for name, at in had.items() if at.any()}
    if not had:
        return [html.paragraph("Nothing: every observation and every command passed.")]
    groups = _groups(len(seconds))
    width_of = np.diff(np.append(seconds[groups], seconds[-1] + 1.0 / ticks.layout.rate))

    def draw(width: float) -> Figure:
        figure = Figure((width, 0.28 * len(had) + 0.5), layout="constrained")
        axes = figure.add_subplot()
        for place, at in enumerate(had.values()):
            share = np.add.reduceat(at.astype(np.float64), groups) / np.diff(
                np.append(groups, len(at))
            )
            active = share > 0
            spans = list(zip(seconds[groups][active], width_of[active], strict=True))
            axes.broken_barh(spans, (place - 0.35, 0.7), color=VERMILION, linewidth=0)
        axes.set(ylim=(len(had) - 0.5, -0.5), xlabel="seconds")
        axes.set_xlim(0.0, max(float(seconds[-1]), 1.0 / ticks.layout.rate))
        axes.set_yticks(range(len(had)), [_words(name) for name in had])
        return figure

    counts = [[_words(name), str(int(at.sum()))] for name, at in had.items()]
    picture = responsive(draw, "Ticks at which the guards did something")
    return [html.table(["", "ticks"], counts), html.figure(picture)]


@dataclass(frozen=True)
class _Panel:
    title: str
    field: str
    indexes: tuple[int, ...]
    names: tuple[str, ...]


def _panels(ticks: Ticks) -> Iterator[_Panel]:
    """Elements of one field that share a unit, commands first."""
    layout = ticks.layout
    fields = sorted(layout.elements, key=lambda name: name != "command")
    for field in fields:
        if field == "wanted" or layout.row[field].ndim > 1:
            continue
        names = tuple(layout.elements[field])
        units = tuple(layout.units.get(field) or ("",) * len(names))
        for unit in dict.fromkeys(units):
            of_unit = [index for index, other in enumerate(units) if other == unit]
            title = f"{field}, {unit}" if unit not in ("", "1") else field
            for first in range(0, len(of_unit), _MOST_LINES):
                some = tuple(of_unit[first : first + _MOST_LINES])
                yield _Panel(title, field, some, tuple(names[index] for index in some))


def _elements(ticks: Ticks, seconds: NDArray[np.float64]) -> str:
    panels, groups = list(_panels(ticks)), _groups(len(seconds))
    time = np.repeat(seconds[groups], 2)

    def values(field: str, index: int) -> NDArray[np.float64]:
        """The least and the greatest of each group in turns: the envelope as one line."""
        column = ticks.rows[field].reshape(len(seconds), -1)[:, index].astype(np.float64)
        both = [f.reduceat(column, groups) for f in (np.fmin, np.fmax)]
        return np.stack(both, axis=1).reshape(-1)

    def draw(width: float) -> Figure:
        figure = Figure((width, 1.45 * len(panels) + 0.3), layout="constrained")
        grid = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
        for axes, panel in zip(grid, panels, strict=True):
            for index, name, colour in zip(panel.indexes, panel.names, COLOURS, strict=False):
                line = values(panel.field, index)
                axes.plot(time, line, color=colour, label=name, linewidth=1.2)
                if panel.field == "command":
                    wanted = values("wanted", index)
                    axes.plot(time, wanted, color=MUTED, linewidth=0.6)
            axes.set_title(panel.title)
            axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.05), handlelength=1.0)
            axes.margins(x=0)
            axes.locator_params(axis="y", nbins=4)
        grid[-1].set_xlabel("seconds")
        return figure

    return responsive(draw, f"{len(seconds)} ticks of {', '.join(p.title for p in panels)}")


def _groups(count: int) -> NDArray[np.intp]:
    """Where each of at most `_POINTS` groups of ticks begins."""
    return np.arange(0, count, math.ceil(count / _POINTS))


def _words(name: str) -> str:
    return name.replace("_", " ")

"""What a policy came to while it learnt by trying: return and success by the steps it took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter

from ilrobot.report import html
from ilrobot.report.figures import BLUE, NARROW, responsive
from ilrobot.report.plots import curve

_SHOWN = ("return", "success")
_CAPTION = (
    "Of the attempts that ended in each round, in which the policy also explores where its learner "
    "does: an evaluation (ilrobot eval) says what it comes to without. The loss of such a learner "
    "measures nothing by itself; metrics.jsonl has it."
)


def trying_section(rows: Sequence[Mapping[str, Any]], learner: str) -> html.Section | None:
    """The section of a run's page (None: no attempt has ended yet).

    Args:
        rows: Of its ``metrics.jsonl``.
        learner: Its name, as in ``run.json``.
    """
    curves = {key: curve(rows, key) for key in _SHOWN}
    curves = {key: found for key, found in curves.items() if found[0]}
    if not curves:
        return None
    steps = "beginnings" if learner == "raft" else "environment steps"

    def draw(width: float) -> Figure:
        columns = 1 if width <= NARROW else len(curves)
        lines = -(-len(curves) // columns)
        figure = Figure((width, 1.9 * lines), layout="constrained")
        grid = figure.subplots(lines, columns, squeeze=False)
        for axes, (key, (at, values)) in zip(grid.flat, curves.items(), strict=True):
            axes.plot(at, values, ".-" if len(at) < 30 else "-", color=BLUE, markersize=4)
            axes.set_title(key)
            axes.set_xlabel(steps)
            axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
            axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
            if key == "success":
                axes.set_ylim(-0.02, 1.02)
                axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        return figure

    chart = responsive(draw, f"{' and '.join(curves)} by {steps}")
    last = {key: next(row[key] for row in reversed(rows) if key in row) for key in curves}
    cells = [f"{max(row['step'] for row in rows):,}"]
    cells += [f"{value:.0%}" if key == "success" else f"{value:.4g}" for key, value in last.items()]
    headers = [steps, *(f"last {key}" for key in last)]
    return html.Section(
        "Learning by trying", [html.figure(chart, _CAPTION), html.table(headers, [cells])]
    )

"""The page of the study `chunks`: success against how many actions are executed unseen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from ilrobot.intervals import runs_interval
from ilrobot.report import html
from ilrobot.report.figures import BLUE, SURFACE, responsive


@dataclass(frozen=True)
class ChunkRow:
    """What one chunk length came to.

    Attributes:
        chunk: Actions predicted, and all executed before the next prediction.
        effective_horizon: Decisions in an episode: the demonstrations' mean length over `chunk`.
        by_seed: Success of each policy, in [0, 1].
        attempts: Attempts of each.
    """

    chunk: int
    effective_horizon: float
    by_seed: tuple[float, ...]
    attempts: int

    @property
    def success(self) -> float:
        """Over all attempts."""
        return float(np.mean(self.by_seed))

    @property
    def interval(self) -> tuple[float, float]:
        """95 %, over policies and over attempts; see `runs_interval`."""
        return runs_interval(self.by_seed, self.attempts)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "chunk": self.chunk,
            "effective_horizon": self.effective_horizon,
            "success": self.success,
            "interval": list(self.interval),
            "by_seed": list(self.by_seed),
        }


HEADERS = ("chunk", "decisions", "success", "95 % interval", "least", "most")


def chunk_rows(rows: Sequence[ChunkRow]) -> list[tuple[str, ...]]:
    """The rows of a table with `HEADERS`; least and most are of one policy."""
    return [
        (
            f"{row.chunk}",
            f"{row.effective_horizon:.1f}",
            f"{row.success:.1%}",
            "{:.0%} to {:.0%}".format(*row.interval),
            f"{min(row.by_seed):.0%}",
            f"{max(row.by_seed):.0%}",
        )
        for row in rows
    ]


def chunks_report(rows: Sequence[ChunkRow], task: str) -> html.Report:
    """The study as a page."""
    best = max(rows, key=lambda row: row.success)
    return html.Report(
        title="How far to commit",
        summary=(
            f"Cloned from a simulated person at {task}: policies that execute {best.chunk} actions "
            f"of each prediction succeed most often, in {best.success:.0%} of their attempts."
        ),
        figures={f"success, chunk {row.chunk}": f"{row.success:.0%}" for row in rows},
        sections=[
            html.Section(
                "Success against chunk length",
                [
                    html.figure(
                        responsive(lambda width: _draw(rows, width), _described(rows)),
                        f"Success with its 95 % interval over {len(best.by_seed)} policies; each "
                        "small dot is one of them. Below each length the decisions in an episode.",
                    ),
                    html.table(HEADERS, chunk_rows(rows)),
                ],
            )
        ],
    )


def _described(rows: Sequence[ChunkRow]) -> str:
    return "Success by chunk length: " + "; ".join(f"{r.chunk} {r.success:.0%}" for r in rows)


def _draw(rows: Sequence[ChunkRow], width: float) -> Figure:
    figure = Figure((width, 2.9), layout="constrained")
    axes = figure.add_subplot()
    places = np.arange(len(rows))
    bounds = np.array([row.interval for row in rows])
    axes.vlines(places, bounds[:, 0], bounds[:, 1], color=BLUE, alpha=0.45, linewidth=5)
    axes.plot(places, [row.success for row in rows], "o-", color=BLUE, markersize=7)
    for place, row in zip(places, rows, strict=True):
        apart = place + np.linspace(-0.12, 0.12, len(row.by_seed))
        axes.plot(apart, row.by_seed, "o", color=BLUE, markeredgecolor=SURFACE, markersize=4)
    axes.set_xticks(places, [f"{row.chunk}\n{row.effective_horizon:.1f}" for row in rows])
    axes.set(
        ylim=(-0.03, 1.03), xlabel="actions executed per prediction, and decisions per episode"
    )
    axes.set_ylabel("success")
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    return figure

"""The page of the study `multimodal`: crash rates by head, and where each head drove."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

from ilrobot.intervals import runs_interval
from ilrobot.report import html
from ilrobot.report.figures import BLUE, INK, MUTED, NARROW, SURFACE, VERMILION, responsive

#: The Junction as it is drawn: the obstacle where it stands on average, and the road's half width.
_OBSTACLE, _RADIUS, _ROAD, _END = (3.0, 0.0), 0.5, 1.5, 6.0
#: Paths drawn of each head.
_PATHS = 30


@dataclass(frozen=True)
class CrashRate:
    """How often the policies of one head crashed.

    Attributes:
        by_seed: Share of crashed attempts of each policy, in [0, 1].
        attempts: Attempts of each.
    """

    by_seed: tuple[float, ...]
    attempts: int

    @classmethod
    def of(cls, crashed: Sequence[Sequence[bool]]) -> CrashRate:
        """From whether each attempt crashed, for each policy the same number of attempts."""
        return cls(tuple(float(np.mean(one)) for one in crashed), len(crashed[0]))

    @property
    def mean(self) -> float:
        """Over all attempts."""
        return float(np.mean(self.by_seed))

    @property
    def interval(self) -> tuple[float, float]:
        """95 %, over policies and over attempts; see `runs_interval`."""
        return runs_interval(self.by_seed, self.attempts)


def multimodal_report(
    rates: Mapping[str, CrashRate], paths: Mapping[str, Sequence[NDArray[np.float32]]]
) -> html.Report:
    """The study as a page.

    Args:
        rates: Crash rates by head.
        paths: x and y in metres at each tick, shape (T, 2), per attempt, by head.
    """
    policies = len(next(iter(rates.values())).by_seed)
    return html.Report(
        title="Two right answers, one wrong average",
        summary=(
            "The demonstrator passes the obstacle on either side. A head that averages what it was "
            "shown drives into it; one that keeps the two ways apart takes one of them."
        ),
        figures={f"crashes, {head}": f"{rate.mean:.0%}" for head, rate in rates.items()},
        sections=[
            html.Section(
                "Crashes by head",
                [
                    html.figure(
                        responsive(lambda width: _draw_rates(rates, width), _described(rates)),
                        f"Share of attempts that crashed, with its 95 % interval over {policies} "
                        "policies; each small dot is one of them.",
                    ),
                    html.table(HEADERS, crash_rows(rates)),
                ],
            ),
            html.Section(
                "Where they drove",
                [
                    html.figure(
                        responsive(
                            lambda width: _draw_paths(paths, width),
                            "Paths of each head along the road, around the obstacle or into it.",
                        ),
                        "Some attempts of all policies of a head, to scale in neither axis; the "
                        "obstacle stands within 20 cm of where it is drawn.",
                    )
                ],
            ),
        ],
    )


HEADERS = ("head", "crashes", "95 % interval", "least", "most")


def crash_rows(rates: Mapping[str, CrashRate]) -> list[tuple[str, str, str, str, str]]:
    """The rows of a table with `HEADERS`; least and most are of one policy."""
    rows = []
    for head, rate in rates.items():
        low, high = rate.interval
        least, most = min(rate.by_seed), max(rate.by_seed)
        span = f"{low:.0%} to {high:.0%}"
        rows.append((head, f"{rate.mean:.1%}", span, f"{least:.0%}", f"{most:.0%}"))
    return rows


def _described(rates: Mapping[str, CrashRate]) -> str:
    return "Crashes by head: " + "; ".join(f"{h} {rate.mean:.0%}" for h, rate in rates.items())


def _draw_rates(rates: Mapping[str, CrashRate], width: float) -> Figure:
    figure = Figure((width, 0.36 * len(rates) + 0.6), layout="constrained")
    axes = figure.add_subplot()
    for y, rate in enumerate(rates.values()):
        low, high = rate.interval
        axes.barh(y, rate.mean, height=0.55, color=BLUE, alpha=0.35)
        axes.plot([low, high], [y, y], color=BLUE, linewidth=2)
        apart = y + np.linspace(-0.16, 0.16, len(rate.by_seed))
        axes.plot(rate.by_seed, apart, "o", color=BLUE, markeredgecolor=SURFACE, markersize=5)
    axes.set(xlim=(-0.02, 1.02), xlabel="attempts that crashed")
    axes.set_yticks(range(len(rates)), list(rates))
    axes.invert_yaxis()
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    axes.grid(visible=False, axis="y")
    return figure


def _draw_paths(paths: Mapping[str, Sequence[NDArray[np.float32]]], width: float) -> Figure:
    columns = 1 if width <= NARROW else 2
    lines = -(-len(paths) // columns)
    figure = Figure((width, 1.3 * lines), layout="constrained")
    grid = figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=True)
    for axes in grid.flat[len(paths) :]:
        axes.set_visible(False)
    for axes, (head, driven) in zip(grid.flat, paths.items(), strict=False):
        axes.add_patch(Circle(_OBSTACLE, _RADIUS, color=MUTED, alpha=0.5))
        for side in (-_ROAD, _ROAD):
            axes.axhline(side, color=INK, linewidth=0.8)
        for path in driven[:: max(1, len(driven) // _PATHS)]:
            through = path[-1, 0] > _END - 0.2
            axes.plot(*path.T, color=BLUE if through else VERMILION, linewidth=0.7, alpha=0.45)
        axes.set_title(head)
        axes.set(xlim=(0, _END), ylim=(-1.1 * _ROAD, 1.1 * _ROAD))
        axes.grid(visible=False)
    return figure

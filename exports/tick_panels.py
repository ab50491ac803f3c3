"""Plots over the ticks of a run: lines of elements, and when something was the case."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ilrobot.report.figures import COLOURS, MUTED, VERMILION, responsive

#: Points along the time axis; of a longer run each shows the least and the greatest of several.
_POINTS = 600
#: Lines in one panel beyond which names and colours no longer help.
_MOST_LINES = 6


@dataclass(frozen=True)
class Panel:
    """Lines that share an axis.

    Attributes:
        title: Above it.
        names: Of the lines.
        values: Shape (ticks, lines); NaN is left out.
        beside: Drawn thin and pale, of the same shape (None: nothing is).
    """

    title: str
    names: tuple[str, ...]
    values: NDArray[np.float64]
    beside: NDArray[np.float64] | None = None


def panels(
    field: str,
    names: Sequence[str],
    units: Sequence[str],
    values: NDArray[np.float64],
    beside: NDArray[np.float64] | None = None,
) -> Iterator[Panel]:
    """The elements of a field, those of one unit together.

    Args:
        field: Named in the titles.
        names: Of its elements.
        units: Likewise (empty: none are stated).
        values: Shape (ticks, elements).
        beside: See `Panel`.
    """
    stated = tuple(units) or ("",) * len(names)
    for unit in dict.fromkeys(stated):
        of_unit = [index for index, other in enumerate(stated) if other == unit]
        title = f"{field}, {unit}" if unit not in ("", "1") else field
        for first in range(0, len(of_unit), _MOST_LINES):
            some = of_unit[first : first + _MOST_LINES]
            yield Panel(
                title,
                tuple(names[index] for index in some),
                values[:, some],
                None if beside is None else beside[:, some],
            )


def groups(count: int) -> NDArray[np.intp]:
    """Where each of at most `_POINTS` groups of ticks begins."""
    return np.arange(0, count, math.ceil(count / _POINTS))


def lines(seconds: NDArray[np.float64], shown: Sequence[Panel]) -> str:
    """Panels one below the other, over the same time."""
    starts = groups(len(seconds))
    time = np.repeat(seconds[starts], 2)

    def envelope(column: NDArray[np.float64]) -> NDArray[np.float64]:
        """The least and the greatest of each group in turns, as one line."""
        both = [f.reduceat(column, starts) for f in (np.fmin, np.fmax)]
        return np.stack(both, axis=1).reshape(-1)

    def draw(width: float) -> Figure:
        figure = Figure((width, 1.45 * len(shown) + 0.3), layout="constrained")
        grid = figure.subplots(len(shown), 1, sharex=True, squeeze=False)[:, 0]
        for axes, panel in zip(grid, shown, strict=True):
            for index, (name, colour) in enumerate(zip(panel.names, COLOURS, strict=False)):
                line = envelope(panel.values[:, index])
                axes.plot(time, line, color=colour, label=name, linewidth=1.2)
                if panel.beside is not None:
                    axes.plot(time, envelope(panel.beside[:, index]), color=MUTED, linewidth=0.6)
            axes.set_title(panel.title)
            axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.05), handlelength=1.0)
            axes.margins(x=0)
            axes.locator_params(axis="y", nbins=4)
        grid[-1].set_xlabel("seconds")
        return figure

    return responsive(draw, f"{len(seconds)} ticks of {', '.join(p.title for p in shown)}")


def spans(
    seconds: NDArray[np.float64], period: float, had: Mapping[str, NDArray[np.bool_]], about: str
) -> str:
    """A row each, marked at the ticks at which it was the case.

    Args:
        seconds: When each tick began.
        period: Of a tick, s.
        had: By the name of the row.
        about: What the picture shows, for those who cannot see it.
    """
    starts = groups(len(seconds))
    width_of = np.diff(np.append(seconds[starts], seconds[-1] + period))

    def draw(width: float) -> Figure:
        figure = Figure((width, 0.28 * len(had) + 0.5), layout="constrained")
        axes = figure.add_subplot()
        for place, at in enumerate(had.values()):
            active = np.add.reduceat(at.astype(np.float64), starts) > 0
            marked = list(zip(seconds[starts][active], width_of[active], strict=True))
            axes.broken_barh(marked, (place - 0.35, 0.7), color=VERMILION, linewidth=0)
        axes.set(ylim=(len(had) - 0.5, -0.5), xlabel="seconds")
        axes.set_xlim(0.0, max(float(seconds[-1]), period))
        axes.set_yticks(range(len(had)), list(had))
        return figure

    return responsive(draw, about)

"""One episode over time: what was observed, what was done, and who did it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ilrobot.actors import Source
from ilrobot.data.episode import Episode
from ilrobot.report.figures import COLOURS, responsive
from ilrobot.report.plots import SOURCE_COLOURS, source_key
from ilrobot.spec import Feature, Spec

#: Lines in one panel beyond which names and colours no longer help.
_MOST_LINES = 6


@dataclass(frozen=True)
class _Panel:
    """Elements of one feature that share a unit."""

    title: str
    names: tuple[str, ...]
    values: NDArray[Any]  # (T, len(names))


def episode_chart(episode: Episode, spec: Spec) -> str:
    """Actions and observations over time, above coloured bands of who acted.

    Elements of a feature that share a unit share a panel; images and features that the episode
    lacks are left out.

    Args:
        episode: At least one tick.
        spec: What its columns mean.
    """
    panels = [
        panel
        for feature in (spec.action, *spec.observations)
        if feature.name in episode.columns and len(feature.shape) <= 1
        for panel in _panels(feature, episode.columns[feature.name])
    ]
    sources = [str(source) for source in episode.columns.get("control.source", ())]
    time = np.arange(len(episode)) / episode.info.rate

    def draw(width: float) -> Figure:
        figure = Figure((width, 1.45 * len(panels) + 0.3), layout="constrained")
        grid = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
        for axes, panel in zip(grid, panels, strict=True):
            _shade(axes, sources, episode.info.rate)
            for name, values, colour in zip(panel.names, panel.values.T, COLOURS, strict=False):
                axes.plot(time, values, color=colour, label=name, linewidth=1.2)
            axes.set_title(panel.title)
            axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.05), handlelength=1.0)
            axes.margins(x=0)
            axes.locator_params(axis="y", nbins=4)
        grid[-1].set_xlabel("seconds")
        return figure

    return source_key(sources) + responsive(
        draw, f"{len(episode)} ticks of {', '.join(panel.title for panel in panels)}"
    )


def _panels(feature: Feature, values: NDArray[Any]) -> Iterator[_Panel]:
    flat = values.reshape(len(values), -1)
    names = feature.element_names
    units = feature.units or ("",) * feature.size
    for unit in dict.fromkeys(units):
        indexes = [i for i, other in enumerate(units) if other == unit]
        title = f"{feature.name}, {unit}" if unit not in ("", "1") else feature.name
        for first in range(0, len(indexes), _MOST_LINES):
            chunk = indexes[first : first + _MOST_LINES]
            yield _Panel(title, tuple(names[i] for i in chunk), flat[:, chunk])


def _shade(axes: Axes, sources: list[str], rate: float) -> None:
    start = 0
    for source, ticks in itertools.groupby(sources):
        count = sum(1 for _ in ticks)
        colour = SOURCE_COLOURS[Source(source)]
        axes.axvspan(start / rate, (start + count) / rate, color=colour, alpha=0.16, linewidth=0)
        start += count

"""The plots of a report, each as a piece of HTML; see `ilrobot.report.html`."""

from __future__ import annotations

import itertools
import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import (
    FuncFormatter,
    LogLocator,
    MaxNLocator,
    NullFormatter,
    PercentFormatter,
)
from numpy.typing import ArrayLike

from ilrobot.actors import Source
from ilrobot.data.branches import surviving
from ilrobot.data.episode import Episode, Outcome
from ilrobot.report.figures import (
    BLUE,
    GREEN,
    GRID,
    INK,
    MUTED,
    NARROW,
    ORANGE,
    PURPLE,
    SURFACE,
    VERMILION,
    colour_key,
    responsive,
)

#: The colour of whoever acts, the same in every plot.
SOURCE_COLOURS: dict[Source, str] = {
    Source.DEMO: GREEN,
    Source.POLICY: BLUE,
    Source.HUMAN: ORANGE,
    Source.BLEND: PURPLE,
    Source.PAUSED: "#8a929a",
}
_SOURCE_WORDS = {
    Source.DEMO: "demonstration",
    Source.POLICY: "policy acts",
    Source.HUMAN: "expert acts",
    Source.BLEND: "both, blended",
    Source.PAUSED: "paused",
}
_CURVE_POINTS = 300
_CURVES = (
    ("loss", "training", BLUE),
    ("validation_loss", "held-out episodes", VERMILION),
    ("sampling_error", "sampling error there", GREEN),
)


@dataclass(frozen=True)
class SuccessRow:
    """How often one method succeeded.

    Attributes:
        method: Its name.
        rate: Share of successful episodes, in [0, 1].
        low: Lower bound of the interval of `rate`.
        high: Upper bound.
    """

    method: str
    rate: float
    low: float
    high: float


@dataclass(frozen=True)
class Strip:
    """One episode of the intervention timeline.

    Attributes:
        round: Round of interactive learning it belongs to.
        sources: Who acted at each tick: values of `Source`.
        rate: Control rate in Hz.
        outcome: How it ended.
    """

    round: int
    sources: Sequence[str]
    rate: float
    outcome: Outcome

    @classmethod
    def of(cls, episode: Episode, round: int) -> Strip:
        """The strip of a recorded episode, without what a rewind undid."""
        lives = surviving(episode.columns)
        sources = [str(source) for source in episode.columns["control.source"][lives]]
        return cls(round, sources, episode.info.rate, episode.info.outcome)


def success_chart(rows: Sequence[SuccessRow]) -> str:
    """Success by method: a point with its interval on a scale from 0 to 100 %."""

    def draw(width: float) -> Figure:
        names = [row.method for row in rows]
        if width <= NARROW:
            names = [textwrap.fill(name, 26, break_on_hyphens=False) for name in names]
        lines = max(name.count("\n") for name in names) + 1
        figure = Figure((width, (0.37 + 0.15 * lines) * len(rows) + 0.35), layout="constrained")
        axes = figure.add_subplot()
        thick: dict[str, Any] = {"linewidth": 5, "solid_capstyle": "round"}
        top = 0.28 / lines
        for y, (row, name) in enumerate(zip(rows, names, strict=True)):
            axes.plot([0, 1], [y, y], color=GRID, **thick)
            axes.plot([row.low, row.high], [y, y], color=BLUE, alpha=0.45, **thick)
            axes.plot([row.rate], [y], "o", markersize=8, color=BLUE, markeredgecolor=SURFACE)
            axes.text(-0.01, y - top, name, fontweight="bold", va="bottom")
            value = f"{row.rate:.0%}   [{row.low:.0%}, {row.high:.0%}]"
            axes.text(1.01, y - top, value, ha="right", va="bottom")
        axes.set(xlim=(-0.02, 1.02), ylim=(len(rows) - 0.6, -0.85), yticks=[])
        axes.xaxis.set_major_formatter(PercentFormatter(1.0))
        axes.grid(visible=False)
        for spine in axes.spines.values():
            spine.set_visible(False)
        axes.tick_params(length=0)
        return figure

    words = "; ".join(f"{row.method} {row.rate:.0%}" for row in rows)
    return responsive(draw, f"Success by method: {words}")


def learning_curves(runs: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """Loss over training steps, one panel per run, since losses of two methods do not compare.

    Args:
        runs: Name of a run → the rows of its ``metrics.jsonl``, with ``step``, ``loss`` and, where
            one was measured, ``validation_loss`` and ``sampling_error``. Long curves are drawn
            as means of neighbouring rows.
    """
    logged = [row for rows in runs.values() for row in rows]
    series = [line for line in _CURVES if any(_finite(row.get(line[0])) for row in logged)]

    def draw(width: float) -> Figure:
        columns = 1 if width <= NARROW else min(2, len(runs))
        lines = math.ceil(len(runs) / columns)
        figure = Figure((width, 1.9 * lines), layout="constrained")
        grid = figure.subplots(lines, columns, squeeze=False)
        for axes in grid.flat[len(runs) :]:
            axes.set_visible(False)
        for axes, (name, rows) in zip(grid.flat, runs.items(), strict=False):
            for key, _, colour in series:
                steps, losses = curve(rows, key)
                style = ".-" if len(steps) < 30 else "-"
                axes.plot(steps, losses, style, color=colour, markersize=4)
            axes.set_title(name)
            if _all_positive(rows):
                axes.set_yscale("log")
                _label_decades(axes)
            axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
            axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
            axes.set_xlabel("training steps")
        grid[0, 0].set_ylabel("loss")
        return figure

    return colour_key((colour, name) for _, name, colour in series) + responsive(
        draw, f"Loss over training steps of {', '.join(runs)}"
    )


def intervention_timeline(episodes: Sequence[Strip]) -> str:
    """Who acted when: a strip per episode, grouped by round, its end marked by the outcome."""

    def draw(width: float) -> Figure:
        rounds = sorted({strip.round for strip in episodes})
        height = 0.125 * len(episodes) + 0.3 * len(rounds) + 0.3
        figure = Figure((width, height), layout="constrained")
        axes = figure.add_subplot()
        longest = max(len(strip.sources) / strip.rate for strip in episodes)
        y = 0.0
        for number in rounds:
            strips = [strip for strip in episodes if strip.round == number]
            axes.text(0, y + 1.0, f"Round {number}", fontweight="bold", va="center")
            at_right = axes.get_yaxis_transform()
            axes.text(
                1, y + 1, _shares(strips), color=MUTED, ha="right", va="center", transform=at_right
            )
            y += 2.0
            for strip in strips:
                _draw_strip(axes, strip, y, gap=(0.012 if width > NARROW else 0.02) * longest)
                y += 1.0
            y += 0.4
        axes.set(xlim=(0, longest * 1.03), ylim=(y, 0.2), yticks=[], xlabel="seconds")
        axes.grid(visible=False)
        axes.spines["left"].set_visible(False)
        return figure

    return (
        source_key(source for strip in episodes for source in strip.sources)
        + '<ul class="key"><li>● success</li><li>× no success</li></ul>'
        + responsive(draw, f"Who acted when in {len(episodes)} episodes")
    )


def latency_histogram(latencies: ArrayLike, deadline: float) -> str:
    """How long the control loop took from observation to command, against its deadline.

    Args:
        latencies: Seconds, one per tick.
        deadline: Seconds; the period of the loop.
    """
    milliseconds = 1e3 * np.asarray(latencies, dtype=np.float64)
    limit = 1e3 * deadline
    low, high = float(milliseconds.min()), float(max(milliseconds.max(), limit))
    bins = np.geomspace(max(low, 1e-3) * 0.9, high * 1.15, 60).tolist()
    late = int(np.sum(milliseconds > limit))
    middle, tail, worst = np.percentile(milliseconds, [50, 99, 100])

    def draw(width: float) -> Figure:
        figure = Figure((width, 2.1), layout="constrained")
        axes = figure.add_subplot()
        axes.hist(np.clip(milliseconds, bins[0], None), bins=bins, color=BLUE)
        axes.axvline(limit, color=VERMILION, linewidth=1.5)
        at_top, words = axes.get_xaxis_transform(), f"deadline {limit:g} ms "
        axes.text(limit, 1.0, words, ha="right", va="bottom", transform=at_top)
        axes.set(xscale="log", yscale="log", xlabel="milliseconds", ylabel="ticks")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        _label_decades(axes)
        return figure

    words = (
        f"half of {milliseconds.size} ticks within {middle:.2f} ms, 99 % within {tail:.2f} ms, "
        f"the slowest {worst:.2f} ms; {late} later than the deadline of {limit:g} ms"
    )
    return f"<p>{words[0].upper()}{words[1:]}.</p>" + responsive(draw, f"Latency: {words}")


def source_key(sources: Iterable[str]) -> str:
    """The legend of who acted, of those that occur."""
    present = set(sources)
    return colour_key(
        (SOURCE_COLOURS[source], _SOURCE_WORDS[source]) for source in Source if source in present
    )


def _draw_strip(axes: Axes, strip: Strip, y: float, gap: float) -> None:
    start = 0
    for source, ticks in itertools.groupby(strip.sources):
        count = sum(1 for _ in ticks)
        axes.broken_barh(
            [(start / strip.rate, count / strip.rate)],
            (y - 0.38, 0.76),
            color=SOURCE_COLOURS[Source(source)],
            linewidth=0,
        )
        start += count
    success = strip.outcome is Outcome.SUCCESS
    marker, colour = ("o", INK) if success else ("x", MUTED)
    axes.plot([start / strip.rate + gap], [y], marker, markersize=3.2, color=colour)


def _label_decades(axes: Axes) -> None:
    """Plain numbers on a logarithmic vertical axis, also where it spans less than a decade."""
    low, high = axes.get_ylim()
    axes.yaxis.set_major_locator(LogLocator(subs=(1,) if high / low > 30 else (1, 2, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _shares(strips: Sequence[Strip]) -> str:
    ticks = sum(len(strip.sources) for strip in strips)
    expert = sum(s in (Source.HUMAN, Source.BLEND) for strip in strips for s in strip.sources)
    return f"expert {expert / ticks:.0%} of the time" if ticks else ""


def curve(rows: Sequence[Mapping[str, Any]], key: str) -> tuple[list[float], list[float]]:
    """Steps and values of the rows that have one; a long curve as means of neighbouring rows."""
    points = np.array(
        [(row["step"], row[key]) for row in rows if _finite(row.get(key))], dtype=np.float64
    ).reshape(-1, 2)
    if len(points) > _CURVE_POINTS:
        chunks = np.array_split(points, _CURVE_POINTS)
        points = np.array([chunk.mean(axis=0) for chunk in chunks])
    return points[:, 0].tolist(), points[:, 1].tolist()


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _all_positive(rows: Sequence[Mapping[str, Any]]) -> bool:
    values = [row[key] for row in rows for key, _, _ in _CURVES if key in row]
    return all(value > 0 for value in values if _finite(value))

"""The page of ``compare``: what each method came to, and what the expert gave for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from ilrobot.comparison import Row
from ilrobot.intervals import apart
from ilrobot.report import html
from ilrobot.report.figures import colour_key, responsive, styles

_HEADERS = (
    "method",
    "round",
    "runs",
    "labels",
    "with help",
    "takeovers",
    "expert steps",
    "policies",
)


def compare_report(
    rows: Sequence[Row], seeds: range, options: Mapping[str, Any] | None = None
) -> html.Report:
    """The comparison as a page.

    Args:
        rows: Of all methods, the rounds of each in order.
        seeds: Of the episodes by which each policy was measured.
        options: Of the environment, beyond those of the training.
    """
    judged = all(row.success is not None for row in rows)
    what = "success without help" if judged else "return"
    known = [row for row in rows if row.labels is not None]
    blocks = []
    if known:
        words = "; ".join(f"{row.method} {score_text(row, judged)}" for row in known)
        methods = list(dict.fromkeys(row.method for row in known))
        key = zip(styles(len(methods)), methods, strict=True)
        blocks.append(
            html.figure(
                responsive(lambda width: _draw(known, judged, width), f"{what}: {words}")
                + colour_key((style.colour, style.mark + method) for style, method in key),
                f"{what.capitalize()} over {len(seeds)} fresh episodes per policy, with 95 % "
                "intervals, against the expert's labels that were learnt from.",
            )
        )
    blocks.append(
        html.table((*_HEADERS[:4], what, *_HEADERS[4:]), [_cells(row, judged) for row in rows])
    )
    return html.Report(
        title="Methods compared",
        summary=_summary(rows) if judged else "",
        facts={"measured by": measured_by(seeds, options or {})},
        sections=[html.Section(f"{what.capitalize()} against labels", blocks)],
    )


def measured_by(seeds: range, options: Mapping[str, Any]) -> str:
    """The episodes that each policy acted in, in words."""
    words = " ".join(f"{name}={value}" for name, value in sorted(options.items()))
    by = f"with --options {words}" if words else "by the options of the training"
    return f"{len(seeds)} episodes of each policy, from seed {seeds.start} on, {by}"


def score_text(row: Row, judged: bool) -> str:
    """Success or return, with its interval where it has one."""
    if judged and row.success is not None and row.success_interval is not None:
        low, high = row.success_interval
        return f"{row.success:.1%} [{low:.0%}, {high:.0%}]"
    if row.return_interval is None:
        return f"{row.mean_return:.1f} [one episode]"
    low, high = row.return_interval
    return f"{row.mean_return:.1f} [{low:.1f}, {high:.1f}]"


def _summary(rows: Sequence[Row]) -> str:
    """Who did best, where the intervals allow to say so."""
    best = max(rows, key=lambda row: row.success or 0.0)
    if not best.success:
        return "No policy succeeded without help."
    labels = "" if best.labels is None else f" from {best.labels:,.0f} labels of the expert"
    came_to = f"{_name(best, rows)}: {score_text(best, True)}{labels}"
    # A first policy stands in the rows of every method that began with it.
    others = {_known_by(row): row for row in reversed(rows) if _known_by(row) != _known_by(best)}
    if not others:
        return f"{came_to}."
    near = [_name(row, rows) for row in reversed(others.values()) if not _apart(row, best)]
    if not near:
        return f"Best was {came_to}; its interval lies above all others."
    if len(near) == len(others):
        return f"Not told apart: every interval overlaps that of the highest, {came_to}."
    return f"Highest was {came_to}. Not told apart from it, by their intervals: {', '.join(near)}."


def _name(row: Row, rows: Sequence[Row]) -> str:
    """Its method, with the round where it has several."""
    several = sum(other.method == row.method for other in rows) > 1
    return f"{row.method} after round {row.round}" if several else row.method


def _known_by(row: Row) -> tuple[Path, ...]:
    return tuple(Path(policy).resolve() for policy in row.policies)


def _apart(row: Row, other: Row) -> bool:
    assert row.success_interval is not None
    assert other.success_interval is not None
    return apart(row.success_interval, other.success_interval)


def _cells(row: Row, judged: bool) -> list[str]:
    return [
        row.method,
        str(row.round),
        str(row.runs),
        "?" if row.labels is None else f"{row.labels:,.0f}",
        score_text(row, judged),
        "" if row.helped is None else f"{row.helped:.0%}",
        f"{row.takeovers:.1f}",
        f"{row.expert_steps:,.0f}",
        ", ".join(row.policies),
    ]


def _draw(rows: Sequence[Row], judged: bool, width: float) -> Figure:
    drawn = Figure(figsize=(width, 3.6), layout="constrained")
    axes = drawn.subplots()
    methods = list(dict.fromkeys(row.method for row in rows))
    for style, method in zip(styles(len(methods)), methods, strict=True):
        line = [row for row in rows if row.method == method]
        labels = [row.labels or 0.0 for row in line]
        scores = [
            row.mean_return if row.success is None or not judged else row.success for row in line
        ]
        intervals = [row.success_interval if judged else row.return_interval for row in line]
        axes.plot(labels, scores, style.marker + "-", color=style.colour, markersize=5)
        for x, interval in zip(labels, intervals, strict=True):
            if interval is not None:
                axes.plot([x, x], interval, color=style.colour, alpha=0.45, linewidth=3)
    if judged:
        axes.set_ylim(-0.02, 1.02)
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_xlim(left=0)
    axes.set_xlabel("labels by the expert, demonstrations included")
    axes.set_ylabel("success without help" if judged else "return")
    return drawn

"""What a policy that doubts itself may be trusted with, in the report of a run of dagger."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ilrobot.gates.human import risk_threshold
from ilrobot.report import html
from ilrobot.report.figures import BLUE, GRID, INK, MUTED, VERMILION, colour_key, responsive
from ilrobot.report.rounds import recordings_of
from ilrobot.run_description import DaggerDescription

if TYPE_CHECKING:
    from ilrobot.learners.interactive.risk_map import RiskMap


def risk_section(path: Path, run: DaggerDescription) -> html.Section | None:
    """Doubt at takeovers, and where the latest policy doubts more than τ.

    Args:
        path: The run's folder.
        run: What its ``run.json`` holds.

    Returns:
        None for a policy that is a single net, or that nobody took over from.
    """
    doubts = [row.log.doubts if row.log is not None else () for row in run.rounds]
    known = [[doubt for doubt in of if np.isfinite(doubt)] for of in doubts]
    if run.config.policy.members < 2 or not any(known):
        return None
    bound = risk_threshold([doubt for of in known for doubt in of])
    blocks = [
        html.figure(
            responsive(
                lambda width: _draw_doubts(known, bound, width),
                f"The policy's doubt at each takeover; τ is {bound:.3g}.",
            ),
            "How much the policy doubted itself whenever the expert took over, in their order, and "
            f"τ = {bound:.3g}, the mean of the last quarter (HG-DAgger).",
        ),
        *_map(path, run, bound),
    ]
    return html.Section("What the policy may be trusted with", blocks)


def _map(path: Path, run: DaggerDescription, bound: float) -> list[html.Html]:
    data = recordings_of(path, run)
    if data is None or not (path / "policy.pt").exists():
        return []
    if importlib.util.find_spec("torch") is None:
        return [html.note("The map of risk needs torch: pip install 'ilrobot[train]'.")]
    from ilrobot.learners.interactive.risk_map import risk_map
    from ilrobot.policies.loading import load_policy

    drawn = risk_map(load_policy(path), data)
    if drawn is None:
        return []
    share = float(np.mean(drawn.doubt > bound))
    return [
        html.figure(
            responsive(
                lambda width: draw_map(drawn, bound, width),
                f"Visited states by {drawn.axes[0]} and {drawn.axes[1]}; in {share:.0%} of them "
                "the policy doubts itself more than τ.",
            )
            + colour_key(((BLUE, "doubt up to τ"), (VERMILION, "more: risky"))),
            f"States of demonstrations and attempts ({len(drawn.doubt):,} of them), and how the "
            f"latest policy sees them: in {share:.0%} it doubts itself more than τ.",
        )
    ]


def draw_map(drawn: RiskMap, bound: float, width: float) -> Figure:
    """The map."""
    figure = Figure((width, min(width, 4.2)), layout="constrained")
    axes = figure.add_subplot()
    risky = drawn.doubt > bound
    for which, colour in ((~risky, BLUE), (risky, VERMILION)):
        axes.plot(*drawn.states[which].T, ".", color=colour, alpha=0.55, markersize=4)
    axes.set(xlabel=drawn.axes[0], ylabel=drawn.axes[1])
    return figure


def _draw_doubts(rounds: Sequence[Sequence[float]], bound: float, width: float) -> Figure:
    figure = Figure((width, 2.3), layout="constrained")
    axes = figure.add_subplot()
    begin = 0
    for number, doubts in enumerate(rounds, start=1):
        if doubts:
            axes.plot(np.arange(begin, begin + len(doubts)) + 1, doubts, "o", color=BLUE, ms=4)
            axes.text(
                begin + 0.6,
                1.0,
                f"round {number}",
                color=MUTED,
                transform=axes.get_xaxis_transform(),
            )
        begin += len(doubts)
        axes.axvline(begin + 0.5, color=GRID, linewidth=0.8)
    axes.axhline(bound, color=VERMILION, linewidth=1.2)
    axes.text(
        1.0, bound, "τ ", color=INK, ha="right", va="bottom", transform=axes.get_yaxis_transform()
    )
    axes.set(xlim=(0.5, begin + 0.5), xlabel="takeover", ylabel="doubt")
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure

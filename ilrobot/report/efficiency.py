"""The page of the study `efficiency`: a return, and what it cost whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ilrobot.intervals import t_interval
from ilrobot.report import html
from ilrobot.report.figures import (
    BLUE,
    GREEN,
    INK,
    NARROW,
    ORANGE,
    PURPLE,
    VERMILION,
    colour_key,
    responsive,
)

#: Title and colour of each method.
METHODS = {
    "bc": ("cloning", BLUE),
    "dagger": ("DAgger", VERMILION),
    "gail": ("GAIL", GREEN),
    "airl": ("AIRL", PURPLE),
    "ppo": ("PPO from scratch", ORANGE),
}
#: Points of a curve over environment steps.
_POINTS = 60


@dataclass(frozen=True)
class Learnt:
    """One policy and what it cost.

    Attributes:
        method: One of `METHODS`.
        seed: Of its training.
        trajectories: Of the expert that it learnt from, demonstrated or labelled.
        steps: Of the environment that were tried for it.
        returns: Of fresh episodes without exploring.
        curve: Environment steps and mean return of the episodes that ended since the pair before,
            while it explored; empty for those that try little.
    """

    method: str
    seed: int
    trajectories: int
    steps: int
    returns: tuple[float, ...]
    curve: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class Point:
    """The policies of one method with as many trajectories, over all seeds.

    Attributes:
        method: One of `METHODS`.
        trajectories: As of `Learnt`.
        steps: Mean.
        mean: Mean return.
        interval: 95 %: Student's t over seeds; of one seed over its episodes.
        by_seed: Mean return of each.
    """

    method: str
    trajectories: int
    steps: float
    mean: float
    interval: tuple[float, float]
    by_seed: tuple[float, ...]


@dataclass(frozen=True)
class Efficiency:
    """What the study found.

    Attributes:
        task: Gymnasium id.
        expert: Mean return of the demonstrations.
        attempts: Fresh episodes of each policy.
        learnt: Every policy.
    """

    task: str
    expert: float
    attempts: int
    learnt: tuple[Learnt, ...]

    def points(self) -> list[Point]:
        """Method by method, by ascending trajectories."""
        found = []
        for method in METHODS:
            of = [one for one in self.learnt if one.method == method]
            for count in sorted({one.trajectories for one in of}):
                alike = [one for one in of if one.trajectories == count]
                means = tuple(float(np.mean(one.returns)) for one in alike)
                single = len(alike) == 1
                found.append(
                    Point(
                        method=method,
                        trajectories=count,
                        steps=float(np.mean([one.steps for one in alike])),
                        mean=float(np.mean(means)),
                        interval=t_interval(alike[0].returns if single else means),
                        by_seed=means,
                    )
                )
        return found

    def curves(self, method: str, trajectories: int) -> tuple[NDArray[np.float64], ...]:
        """Environment steps, and mean, least and greatest return over seeds at each, (P,) each."""
        alike = [
            np.array(one.curve, dtype=np.float64)
            for one in self.learnt
            if (one.method, one.trajectories) == (method, trajectories) and one.curve
        ]
        if not alike:
            return (np.zeros(0),) * 4
        first = max(curve[0, 0] for curve in alike)
        last = min(curve[-1, 0] for curve in alike)
        steps = np.linspace(first, last, _POINTS)
        returns = np.stack([np.interp(steps, *curve.T) for curve in alike])
        return steps, returns.mean(axis=0), returns.min(axis=0), returns.max(axis=0)

    @property
    def shown(self) -> int:
        """Trajectories of the adversarial learners that are drawn over environment steps."""
        counts = sorted({one.trajectories for one in self.learnt if one.method == "gail"})
        return counts[len(counts) // 2] if counts else 0

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "task": self.task,
            "expert_return": self.expert,
            "attempts": self.attempts,
            "points": [vars(point) for point in self.points()],
            "curves": [
                {
                    "method": one.method,
                    "seed": one.seed,
                    "trajectories": one.trajectories,
                    "steps": [step for step, _ in one.curve],
                    "returns": [ret for _, ret in one.curve],
                }
                for one in self.learnt
                if one.curve
            ],
        }


HEADERS = ("method", "trajectories", "steps", "return", "95 % interval", "of the expert")


def efficiency_rows(found: Efficiency) -> list[tuple[str, ...]]:
    """The rows of a table with `HEADERS`."""
    rows: list[tuple[str, ...]] = []
    for point in found.points():
        low, high = point.interval
        beyond = point.mean - found.expert
        rows.append(
            (
                METHODS[point.method][0],
                f"{point.trajectories}",
                f"{point.steps:,.0f}",
                f"{point.mean:.4g}",
                f"{low:.4g} to {high:.4g}",
                f"{beyond:+.4g}",
            )
        )
    return rows


def efficiency_report(found: Efficiency) -> html.Report:
    """The study as a page."""
    seeds = len({one.seed for one in found.learnt})
    key = colour_key((colour, title) for title, colour in METHODS.values())
    return html.Report(
        title="What a return costs",
        summary=(
            "Cloning pays with expert trajectories, adversarial imitation with environment steps "
            "and few trajectories, reinforcement with environment steps and a reward. DAgger asks "
            "the expert where the learner goes."
        ),
        figures={"task": found.task, "return of the expert": f"{found.expert:.4g}"},
        sections=[
            html.Section(
                "Return by what was paid",
                [
                    html.figure(
                        responsive(lambda width: _draw(found, width), _described(found)) + key,
                        "Left: fresh episodes without exploring, against trajectories of the "
                        "expert, demonstrated or labelled; PPO has none. Right: against "
                        "environment steps, while exploring, with "
                        f"{found.shown} trajectories for GAIL and AIRL; DAgger's rounds as dots, "
                        "cloning as a line at the left end. Bands: least and greatest of "
                        f"{seeds} trainings; bars: 95 %. Dashed: the expert.",
                    ),
                    html.table(HEADERS, efficiency_rows(found)),
                    html.note(
                        f"Every policy tried {found.attempts} fresh episodes, the same for all. "
                        "The interval is Student's t over trainings, or, of a single one, over "
                        "its episodes. 'Of the expert' is the return beyond the expert's."
                    ),
                ],
            )
        ],
    )


def _described(found: Efficiency) -> str:
    best = {point.method: point for point in found.points()}
    said = "; ".join(
        f"{METHODS[name][0]} {point.mean:.3g} from {point.trajectories} trajectories and "
        f"{point.steps:.0f} steps"
        for name, point in best.items()
    )
    return f"Two panels of return: against expert trajectories and environment steps. {said}."


def _draw(found: Efficiency, width: float) -> Figure:
    stacked = width <= NARROW
    figure = Figure((width, 5.6 if stacked else 3.2), layout="constrained")
    left, right = figure.subplots(2 if stacked else 1, 1 if stacked else 2, squeeze=False).flat
    _by_trajectories(left, found)
    _by_steps(right, found)
    for axes in (left, right):
        axes.axhline(found.expert, color=INK, linewidth=0.9, linestyle=(0, (4, 3)))
        axes.set_ylabel("return")
    return figure


def _by_trajectories(axes: Axes, found: Efficiency) -> None:
    points = found.points()
    for name, (_, colour) in METHODS.items():
        of = [point for point in points if point.method == name]
        if not of:
            continue
        if name == "ppo":
            axes.axhline(of[0].mean, color=colour)
            continue
        counts = [point.trajectories for point in of]
        means = [point.mean for point in of]
        axes.errorbar(counts, means, yerr=_bars(of), color=colour, marker="o", markersize=4)
    counts = sorted({point.trajectories for point in points if point.trajectories})
    axes.set_xscale("log", base=2)
    axes.set_xticks(counts, [str(count) for count in counts])
    axes.minorticks_off()
    axes.set_xlabel("expert trajectories")


def _by_steps(axes: Axes, found: Efficiency) -> None:
    points = found.points()
    for name, trajectories in (("gail", found.shown), ("airl", found.shown), ("ppo", 0)):
        steps, mean, least, most = found.curves(name, trajectories)
        if steps.size:
            colour = METHODS[name][1]
            axes.plot(steps, mean, color=colour)
            axes.fill_between(steps, least, most, color=colour, alpha=0.15, linewidth=0)
    tried = [point for point in points if point.method == "dagger"]
    axes.plot([p.steps for p in tried], [p.mean for p in tried], "o", color=VERMILION, markersize=4)
    cloned = [point for point in points if point.method == "bc"]
    if cloned:
        best = max(cloned, key=lambda point: point.trajectories)
        axes.axhline(best.mean, xmax=0.06, color=BLUE, linewidth=3)
    axes.set_xlabel("environment steps")


def _bars(points: Sequence[Point]) -> NDArray[np.float64]:
    """How far each interval reaches below and above its mean, (2, N)."""
    reach = [(p.mean - p.interval[0], p.interval[1] - p.mean) for p in points]
    return np.maximum(np.array(reach, dtype=np.float64).T, 0.0)

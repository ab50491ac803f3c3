"""Regret against horizon from real runs on PointPath: the numbers, and their part of the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ilrobot.intervals import t_interval, t_quantile
from ilrobot.report import html
from ilrobot.report.figures import COLOURS, INK, colour_key, responsive

#: Method → its name, and the exponent that the theory predicts.
METHODS: Mapping[str, tuple[str, int]] = {
    "expert": ("expert that errs", 1),
    "bc": ("BC", 2),
    "forward": ("Forward training", 1),
    "smile": ("SMILe", 1),
    "dagger": ("DAgger", 1),
    "aggrevate": ("AggreVaTe", 1),
}
HEADERS = (
    "method, on PointPath",
    "predicted",
    "fitted",
    "95 % interval",
    "regret at the longest T",
)


@dataclass(frozen=True)
class PathRegrets:
    """What each method's policies cost beyond the expert.

    Attributes:
        epsilon: Probability of a wrong action at a step.
        horizons: T, steps.
        trainings: Method → for each horizon the regret of each training, steps off the path in an
            episode.
    """

    epsilon: float
    horizons: Sequence[int]
    trainings: Mapping[str, Sequence[Sequence[float]]]

    def means(self, method: str) -> list[float]:
        """Regret at each horizon."""
        return [float(np.mean(regrets)) for regrets in self.trainings[method]]

    def intervals(self, method: str) -> list[tuple[float, float] | None]:
        """95 % intervals of `means` over the trainings, by Student's t (None: of a single one)."""
        return [
            t_interval(regrets) if len(regrets) > 1 else None for regrets in self.trainings[method]
        ]

    def slope(self, method: str) -> float | None:
        """The exponent k of regret ∝ T^k, by least squares of the logarithms over all trainings.

        None: a regret is not positive.
        """
        line = self._line(method)
        return None if line is None else line[0]

    def slope_interval(self, method: str) -> tuple[float, float] | None:
        """95 % interval of `slope`, by Student's t from how the trainings scatter about the line.

        None: there is no slope, or there are too few trainings to know their scatter.
        """
        line = self._line(method)
        if line is None or line[1] is None:
            return None
        return line[0] - line[1], line[0] + line[1]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "epsilon": self.epsilon,
            "horizons": list(self.horizons),
            "predicted": {name: METHODS[name][1] for name in self.trainings},
            "slopes": {name: self.slope(name) for name in self.trainings},
            "slope_intervals": {name: self.slope_interval(name) for name in self.trainings},
            "regrets": {name: self.means(name) for name in self.trainings},
            "regret_intervals": {name: self.intervals(name) for name in self.trainings},
        }

    def _line(self, method: str) -> tuple[float, float | None] | None:
        """Slope of the line and half of its interval."""
        regrets = np.array([r for at in self.trainings[method] for r in at], dtype=np.float64)
        if not (regrets > 0).all():
            return None
        sizes = [len(at) for at in self.trainings[method]]
        logs = np.log(np.repeat(np.asarray(self.horizons, dtype=np.float64), sizes))
        slope, offset = np.polyfit(logs, np.log(regrets), 1)
        freedom = len(regrets) - 2
        if freedom < 1:
            return float(slope), None
        residuals = np.log(regrets) - slope * logs - offset
        spread = np.sqrt(np.sum(residuals**2) / freedom / np.sum((logs - logs.mean()) ** 2))
        return float(slope), t_quantile(freedom) * float(spread)


def path_rows(found: PathRegrets) -> list[tuple[str, str, str, str, str]]:
    """The slopes as rows of a table with `HEADERS`."""
    rows = []
    for name in found.trainings:
        title, predicted = METHODS[name]
        slope, interval = found.slope(name), found.slope_interval(name)
        rows.append(
            (
                title,
                f"{predicted}",
                "none" if slope is None else f"{slope:.2f}",
                "none" if interval is None else "{:.2f} to {:.2f}".format(*interval),
                f"{found.means(name)[-1]:.2f}",
            )
        )
    return rows


def path_section(found: PathRegrets) -> html.Section:
    """The measured half of the page."""
    key = colour_key(
        (colour, METHODS[name][0]) for colour, name in zip(COLOURS, found.trainings, strict=False)
    )
    return html.Section(
        "The same with networks, on PointPath",
        [
            html.figure(
                responsive(lambda width: _draw(found, width), _DESCRIPTION) + key,
                "Measured: steps off the path beyond the expert's, where an action is wrong with "
                f"probability {found.epsilon:g}. Each dot is one training, the lines join their "
                "means; dashed: slopes 2 and 1.",
            ),
            html.table(HEADERS, path_rows(found)),
            html.note(
                "The expert that errs shows what one error costs who knows the way back: u, its "
                "regret over εT. Intervals are Student's t, from the scatter of the trainings "
                "about the line."
            ),
        ],
    )


_DESCRIPTION = (
    "Measured regret against horizon on logarithmic axes for an expert that errs, behavioural "
    "cloning, Forward training, SMILe, DAgger and AggreVaTe, with two dashed lines of slope two "
    "and one."
)


def _draw(found: PathRegrets, width: float) -> Figure:
    drawn = Figure(figsize=(width, 3.4), layout="constrained")
    axes = drawn.subplots()
    horizons = np.asarray(found.horizons, dtype=np.float64)
    for colour, name in zip(COLOURS, found.trainings, strict=False):
        for horizon, regrets in zip(found.horizons, found.trainings[name], strict=True):
            axes.plot([horizon] * len(regrets), regrets, "o", color=colour, markersize=3, alpha=0.6)
        axes.plot(horizons, found.means(name), color=colour)
    start = found.means(next(iter(found.trainings)))[0] or 1.0
    for exponent in (2, 1):
        line = start * (horizons / horizons[0]) ** exponent
        axes.plot(horizons, line, color=INK, linewidth=0.9, linestyle=(0, (4, 3)))
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(horizons.tolist(), [f"{horizon:g}" for horizon in horizons])
    axes.minorticks_off()
    axes.set_xlabel("horizon T, steps")
    axes.set_ylabel("regret, steps")
    return drawn

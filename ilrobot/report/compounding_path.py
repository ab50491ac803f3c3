"""Regret against horizon from real runs on PointPath: the numbers, and their part of the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ilrobot.evaluate import mean_interval
from ilrobot.report import html
from ilrobot.report.figures import COLOURS, INK, colour_key, responsive

#: Method → its name, and the exponent that the theory predicts.
METHODS: Mapping[str, tuple[str, int]] = {
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
_RESAMPLES = 2_000


@dataclass(frozen=True)
class PathRegrets:
    """What each method's policies cost beyond the expert.

    Attributes:
        epsilon: Probability of a wrong action at a step.
        horizons: T, steps.
        episodes: Method → for each horizon the regret of every judged episode, steps off the path.
    """

    epsilon: float
    horizons: Sequence[int]
    episodes: Mapping[str, Sequence[Sequence[float]]]

    def means(self, method: str) -> list[float]:
        """Regret at each horizon."""
        return [float(np.mean(regrets)) for regrets in self.episodes[method]]

    def intervals(self, method: str) -> list[tuple[float, float]]:
        """95 % intervals of `means`, over the judged episodes."""
        return [mean_interval(regrets) for regrets in self.episodes[method]]

    def slope(self, method: str) -> float | None:
        """The exponent k of regret ∝ T^k, by least squares (None: a regret is not positive)."""
        means = np.array(self.means(method))
        return float(self._slopes(means[None])[0]) if (means > 0).all() else None

    def slope_interval(self, method: str) -> tuple[float, float] | None:
        """95 % interval of `slope` by the bootstrap over episodes, for these very policies."""
        generator = np.random.default_rng(0)
        means = np.stack(
            [
                generator.choice(np.asarray(regrets), (_RESAMPLES, len(regrets))).mean(axis=1)
                for regrets in self.episodes[method]
            ],
            axis=1,
        )
        if not (means > 0).all(axis=1).mean() > 0.975:
            return None
        slopes = self._slopes(means[(means > 0).all(axis=1)])
        low, high = np.quantile(slopes, [0.025, 0.975])
        return float(low), float(high)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "epsilon": self.epsilon,
            "horizons": list(self.horizons),
            "predicted": {name: METHODS[name][1] for name in self.episodes},
            "slopes": {name: self.slope(name) for name in self.episodes},
            "slope_intervals": {name: self.slope_interval(name) for name in self.episodes},
            "regrets": {name: self.means(name) for name in self.episodes},
            "regret_intervals": {name: self.intervals(name) for name in self.episodes},
        }

    def _slopes(self, means: NDArray[np.float64]) -> NDArray[np.float64]:
        logs = np.log(np.asarray(self.horizons, dtype=np.float64))
        slopes: NDArray[np.float64] = np.polyfit(logs, np.log(means).T, 1)[0]
        return slopes


def path_rows(found: PathRegrets) -> list[tuple[str, str, str, str, str]]:
    """The slopes as rows of a table with `HEADERS`."""
    rows = []
    for name in found.episodes:
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
        (colour, METHODS[name][0]) for colour, name in zip(COLOURS, found.episodes, strict=False)
    )
    return html.Section(
        "The same with networks, on PointPath",
        [
            html.figure(
                responsive(lambda width: _draw(found, width), _DESCRIPTION) + key,
                "Measured: steps off the path beyond the expert's, where an action is wrong with "
                f"probability {found.epsilon:g}; bars: 95 % over the judged episodes; dashed: "
                "slopes 2 and 1.",
            ),
            html.table(HEADERS, path_rows(found)),
            html.note(
                "Each point is one training; its bar does not tell how another training would do."
            ),
        ],
    )


_DESCRIPTION = (
    "Measured regret against horizon on logarithmic axes for behavioural cloning, Forward "
    "training, SMILe, DAgger and AggreVaTe, with two dashed lines of slope two and one."
)


def _draw(found: PathRegrets, width: float) -> Figure:
    drawn = Figure(figsize=(width, 3.4), layout="constrained")
    axes = drawn.subplots()
    horizons = np.asarray(found.horizons, dtype=np.float64)
    positive = [mean for name in found.episodes for mean in found.means(name) if mean > 0]
    floor = 0.1 * min(positive, default=1.0)
    for colour, name in zip(COLOURS, found.episodes, strict=False):
        means = np.array(found.means(name))
        low, high = np.array(found.intervals(name)).T
        below = means - np.maximum(low, floor)
        axes.errorbar(
            horizons, means, yerr=(np.maximum(below, 0), high - means), color=colour, fmt="o-"
        )
    start = max(floor, found.means(next(iter(found.episodes)))[0])
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

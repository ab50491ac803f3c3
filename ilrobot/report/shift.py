"""The page of the study `shift`: where learners go, how they go there, and what they do there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ilrobot.intervals import t_interval, wilson_interval
from ilrobot.report import html
from ilrobot.report.figures import BLUE, GREEN, NARROW, VERMILION, colour_key, responsive
from ilrobot.theory.distance import Distance, energy_distance

Array = NDArray[np.float64]

COLOURS = {"expert": GREEN, "BC": VERMILION, "DAgger": BLUE}
HEADERS = ("who drives", "success", "distance", "first quarter", "last quarter")
_SHOWN_STATES, _SHOWN_EPISODES = 500, 6


@dataclass(frozen=True)
class Driven:
    """Episodes that one of them drove.

    Attributes:
        states: For each episode the states, (T, n).
        seen: For each episode what the first figure shows of them, (T, 2).
        path: For each episode what the second figure shows of them, (T, 2).
        errors: For each episode how far the action was from the expert's at each step, (T,), in
            shares of the action's range.
        successes: Episodes in which the task was done.
    """

    states: Sequence[Array]
    seen: Sequence[Array]
    path: Sequence[Array]
    errors: Sequence[Array]
    successes: int

    @property
    def success_interval(self) -> tuple[float, float]:
        """95 % of the share of successes."""
        return wilson_interval(self.successes, len(self.states))

    def quarter(self, last: bool) -> tuple[float, tuple[float, float]]:
        """Mean error in the first or last quarter of each episode, and its 95 % interval."""
        means = []
        for errors in self.errors:
            length = max(1, len(errors) // 4)
            means.append(float(np.mean(errors[-length:] if last else errors[:length])))
        return float(np.mean(means)), t_interval(means)

    def per_step(self) -> tuple[Array, Array, Array]:
        """Mean error at each step that most episodes reach, and its 95 % interval."""
        longest = int(np.median([len(errors) for errors in self.errors]))
        rows = [
            [float(errors[t]) for errors in self.errors if len(errors) > t] for t in range(longest)
        ]
        low, high = np.array([t_interval(row) for row in rows]).T
        return np.array([np.mean(row) for row in rows]), low, high


@dataclass(frozen=True)
class Shift:
    """What was found on one task.

    Attributes:
        task: Its id.
        labels: ``BC`` and ``DAgger`` → steps with labels that it was given.
        driven: ``expert``, ``BC`` and ``DAgger`` → what happened under each.
        others: Further episodes of the expert, what a distance of nothing but chance looks like.
        seen: The two quantities of the first figure, with units.
        path: Likewise of the second.
    """

    task: str
    labels: Mapping[str, int]
    driven: Mapping[str, Driven]
    others: Driven
    seen: tuple[str, str]
    path: tuple[str, str]

    def distances(self) -> dict[str, Distance]:
        """From the expert's states to those of each, its own other episodes among them."""
        expert = self.driven["expert"].states
        return {
            name: energy_distance(expert, (self.others if name == "expert" else driven).states)
            for name, driven in self.driven.items()
        }

    def labelled(self) -> str:
        """How much each learner was given."""
        return ", ".join(f"{count:,} labels for {name}" for name, count in self.labels.items())

    def rows(self) -> list[tuple[str, str, str, str, str]]:
        """A table with `HEADERS`."""
        distances = self.distances()
        rows = []
        for name, driven in self.driven.items():
            far = distances[name]
            low, high = driven.success_interval
            rate = driven.successes / len(driven.states)
            rows.append(
                (
                    name,
                    f"{rate:.0%} [{low:.0%}, {high:.0%}]",
                    f"{far.value:.2f} [{far.low:.2f}, {far.high:.2f}]",
                    f"{driven.quarter(last=False)[0]:.3f}",
                    f"{driven.quarter(last=True)[0]:.3f}",
                )
            )
        return rows


def shift_report(found: Sequence[Shift]) -> html.Report:
    """The study as a page: three figures and a table for each task."""
    first = found[0]
    distances = first.distances()
    return html.Report(
        title="Where a clone goes",
        summary=(
            f"On {first.task} the clone's states lie {distances['BC'].value:.2f} from the "
            f"expert's, those of DAgger {distances['DAgger'].value:.2f} after as many episodes; "
            f"other episodes of the expert {distances['expert'].value:.2f}."
        ),
        sections=[_section(shift) for shift in found],
    )


def _section(shift: Shift) -> html.Section:
    key = colour_key((colour, name) for name, colour in COLOURS.items())
    return html.Section(
        shift.task,
        [
            html.figure(
                responsive(partial(_states, shift), f"States met on {shift.task}"),
                "Where each of them was: states of all its episodes.",
            ),
            html.figure(
                responsive(partial(_paths, shift), f"Trajectories on {shift.task}") + key,
                "The same starts, driven by the expert and by the learners.",
            ),
            html.figure(
                responsive(partial(_errors, shift), f"Error per step on {shift.task}") + key,
                "Distance of the learner's action from the expert's at the same state, over the "
                "episode; band: 95 % over episodes. Green: the clone where the expert drives.",
            ),
            html.table(HEADERS, shift.rows()),
            html.note(
                f"There were {shift.labelled()}. Distance: energy distance to the "
                "expert's states, in their standard deviations. Errors: root mean square over the "
                "action, in shares of its range; in the row of the expert it is the clone's."
            ),
        ],
    )


def _states(shift: Shift, width: float) -> Figure:
    across = 1 if width <= NARROW else len(shift.driven)
    down = len(shift.driven) // across
    drawn = Figure(figsize=(width, 2.4 * down), layout="constrained")
    grid = drawn.subplots(down, across, squeeze=False, sharex=True, sharey=True)
    for axes, (name, driven) in zip(grid.flat, shift.driven.items(), strict=True):
        points = np.concatenate(list(driven.seen))
        kept = np.linspace(0, len(points) - 1, min(_SHOWN_STATES, len(points))).astype(int)
        axes.plot(*points[kept].T, ".", color=COLOURS[name], markersize=2.5, alpha=0.5)
        axes.set_title(name)
        axes.set_xlabel(shift.seen[0])
    grid[0, 0].set_ylabel(shift.seen[1])
    return drawn


def _paths(shift: Shift, width: float) -> Figure:
    drawn = Figure(figsize=(width, 3.0), layout="constrained")
    axes = drawn.subplots()
    for name, driven in shift.driven.items():
        for path in driven.path[:_SHOWN_EPISODES]:
            axes.plot(*path.T, color=COLOURS[name], linewidth=1.1, alpha=0.8)
    axes.set_xlabel(shift.path[0])
    axes.set_ylabel(shift.path[1])
    return drawn


def _errors(shift: Shift, width: float) -> Figure:
    drawn = Figure(figsize=(width, 2.8), layout="constrained")
    axes = drawn.subplots()
    for name, driven in shift.driven.items():
        mean, low, high = driven.per_step()
        steps = np.arange(len(mean))
        axes.plot(steps, mean, color=COLOURS[name])
        axes.fill_between(steps, low, high, color=COLOURS[name], alpha=0.2, linewidth=0)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("step")
    axes.set_ylabel("error, share of range")
    return drawn

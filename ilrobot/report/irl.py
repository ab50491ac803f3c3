"""The page of the study `irl`: true and recovered rewards of grids, and how long it took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from ilrobot.learners.inverse.world import Array
from ilrobot.report import html
from ilrobot.report.figures import INK, NARROW, responsive


@dataclass(frozen=True)
class Row:
    """What one method came to on one world.

    Attributes:
        name: World and method.
        reward: (S,), as recovered.
        iterations: Of the method.
        gap: Between feature expectations, in the method's own norm.
        correlation: With the true reward over states (None: that one is of state and action).
        score: Return of the best policy for the recovered reward, by the true one: 1 is the best
            that can be, 0 what random actions get.
        seconds: Of the processor, that it took.
    """

    name: str
    reward: Array
    iterations: int
    gap: float
    correlation: float | None
    score: float
    seconds: float

    def cells(self) -> tuple[str, ...]:
        """In the order of `HEADERS`."""
        return (
            self.name,
            f"{self.iterations}",
            f"{self.gap:.4f}",
            "none" if self.correlation is None else f"{self.correlation:.3f}",
            f"{self.score:.3f}",
            f"{self.seconds:.2f}",
        )


HEADERS = ("world, method", "iterations", "gap", "correlation", "return", "CPU s")


@dataclass(frozen=True)
class Recoveries:
    """Everything that the study did.

    Attributes:
        true: (N, N), reward of the first grid.
        methods: The first grid by every method, from exact expectations of the expert.
        sampled: The same from demonstrations.
        episodes: How many those were.
        sizes: Grids of random rewards by MaxEnt, of growing side.
        tasks: Gymnasium's environments by MaxEnt.
    """

    true: Array
    methods: Sequence[Row]
    sampled: Sequence[Row]
    episodes: int
    sizes: Sequence[Row]
    tasks: Sequence[Row]

    def tables(self) -> Mapping[str, Sequence[Row]]:
        """Every row under the title of its table."""
        return {
            "From exact expectations": self.methods,
            f"From {self.episodes} demonstrations": self.sampled,
            "Random rewards, MaxEnt": self.sizes,
            "Gymnasium's own, MaxEnt": self.tasks,
        }


def irl_report(found: Recoveries) -> html.Report:
    """The study as a page."""
    largest = found.sizes[-1]
    return html.Report(
        title="What does the expert want?",
        summary=(
            "From what an expert does on a grid MaxEnt recovers its reward to a constant; "
            f"{largest.name} take {largest.seconds:.1f} seconds of one core."
        ),
        figures={f"{row.name}: correlation": f"{row.correlation:.3f}" for row in found.methods[:1]},
        sections=[
            html.Section(
                "True and recovered rewards",
                [
                    html.figure(
                        responsive(lambda width: _draw(found, width), _DESCRIPTION),
                        "Each from its least (dark) to its greatest; a ring marks the peak. "
                        "Feature matching needs some reward that tells expert and apprentice "
                        "apart, MaxEnt the one by which the expert acts.",
                    )
                ],
            ),
            *(
                html.Section(title, [html.table(HEADERS, [row.cells() for row in rows])])
                for title, rows in found.tables().items()
            ),
        ],
    )


_DESCRIPTION = "Heat maps of the true reward of a grid and of those that three methods recovered."


def _draw(found: Recoveries, width: float) -> Figure:
    panels = {"true": found.true} | {
        row.name: row.reward.reshape(found.true.shape) for row in found.methods
    }
    columns = 2 if width <= NARROW else len(panels)
    lines = -(-len(panels) // columns)
    figure = Figure((width, 2.1 * lines), layout="constrained")
    for axes, (name, reward) in zip(
        figure.subplots(lines, columns, squeeze=False).flat, panels.items(), strict=False
    ):
        axes.imshow(reward, cmap="cividis")
        row, column = np.unravel_index(int(reward.argmax()), reward.shape)
        axes.plot([column], [row], "o", markersize=11, markerfacecolor="none", color=INK)
        axes.set(title=name, xticks=[], yticks=[])
        axes.grid(visible=False)
    return figure

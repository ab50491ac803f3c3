"""The page of the study `interventions`: every gate beside cloning, and what the papers say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from ilrobot.comparison import Row
from ilrobot.intervals import apart
from ilrobot.report import html
from ilrobot.report.figures import MORE_COLOURS, NARROW, colour_key, responsive

#: What each gate is called in its paper.
TITLES = {
    "bc": "BC",
    "beta": "DAgger",
    "human": "HG-DAgger",
    "safe": "SafeDAgger",
    "lazy": "LazyDAgger",
    "ensemble": "EnsembleDAgger",
    "thrifty": "ThriftyDAgger",
    "benefit": "By benefit",
    "dart": "DART",
}


@dataclass(frozen=True)
class InterventionRow:
    """What a method came to on a task.

    Attributes:
        task: Gymnasium id.
        method: A key of `TITLES`.
        demonstrations: Episodes that it began with.
        shown: Mean number of steps of these.
        came_to: Of its last policies.
    """

    task: str
    method: str
    demonstrations: int
    shown: float
    came_to: Row

    @property
    def title(self) -> str:
        """Of a line of the table."""
        name = TITLES[self.method]
        return f"{name}, {self.demonstrations} episodes" if self.method == "bc" else name

    @property
    def expert_steps(self) -> float:
        """All that the expert drove, demonstrations included; a mean over runs."""
        return self.shown + self.came_to.expert_steps

    @property
    def success(self) -> float:
        """Without help, in [0, 1]."""
        assert self.came_to.success is not None
        return self.came_to.success

    @property
    def interval(self) -> tuple[float, float]:
        """95 % of `success`."""
        assert self.came_to.success_interval is not None
        return self.came_to.success_interval

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        row = asdict(self.came_to)
        kept = ("runs", "labels", "success", "success_interval", "helped", "helped_interval")
        return {
            "task": self.task,
            "method": self.method,
            "title": self.title,
            "demonstrations": self.demonstrations,
            "rounds": self.came_to.round,
            **{name: row[name] for name in kept},
            "expert_steps": self.expert_steps,
            "takeovers": row["takeovers"],
            "switches": row["switches"],
        }


_COLUMNS = (
    "Without help: the last policy alone. With help: the attempts of the last round, under the "
    "gate, by the policy before. Expert steps: all that the expert drove, demonstrations included. "
    "Labels: actions of the expert that were learnt from, executed or not. Switches: of control, "
    "in all rounds. DAgger, EnsembleDAgger and DART ask at every step, and so have the task's "
    "script for an expert; the others have the simulated person, who also demonstrates. Intervals "
    "are the wider of Student's t over persons and Wilson's over all attempts."
)

HEADERS = ("", "without help", "95 %", "with help", "95 %", "expert steps", "labels", "switches")


def intervention_rows(rows: Sequence[InterventionRow]) -> list[tuple[str, ...]]:
    """The rows of a table with `HEADERS`, of one task."""
    return [
        (
            row.title,
            f"{row.success:.0%}",
            _span(row.interval),
            "" if row.came_to.helped is None else f"{row.came_to.helped:.0%}",
            _span(row.came_to.helped_interval),
            f"{row.expert_steps:,.0f}",
            "?" if row.came_to.labels is None else f"{row.came_to.labels:,.0f}",
            "?" if row.came_to.switches is None else f"{row.came_to.switches:,.1f}",
        )
        for row in rows
    ]


@dataclass(frozen=True)
class Reference:
    """What a paper says, beside what was found here.

    Attributes:
        source: The paper.
        claim: What it says.
        found: What came out here.
    """

    source: str
    claim: str
    found: str


def references(rows: Sequence[InterventionRow], peg: str) -> list[Reference]:
    """What the field's papers say that these methods do, and what they did here.

    Args:
        rows: Of all tasks.
        peg: The task that stands for the paper's insertion of a peg.
    """
    return [
        Reference(
            "Hoque et al. 2021, arXiv:2109.08273",
            "inserting a peg without help, of 100: ThriftyDAgger 73, HG-DAgger 57, BC 24",
            _order([row for row in rows if row.task == peg]),
        ),
        Reference(
            "Hoque et al. 2021, arXiv:2104.00053",
            "LazyDAgger switches 60 % less often than SafeDAgger",
            _each(rows, _fewer_switches),
        ),
        Reference(
            "Laskey et al. 2017, arXiv:1703.09327",
            "grasping in clutter from people's demonstrations, DART does 62 % better than BC on "
            "average",
            _each(rows, _better_than_cloning),
        ),
    ]


def interventions_report(
    rows: Mapping[str, Sequence[InterventionRow]], told: Sequence[Reference], how: str
) -> html.Report:
    """The study as a page.

    Args:
        rows: By task.
        told: From `references`.
        how: How much was done, in a sentence.
    """
    papers = html.Section(
        "What the papers say, and what was found here",
        [
            *(html.paragraph(f"{one.source}: {one.claim}. Here: {one.found}.") for one in told),
            html.note(
                "The papers' tasks, experts and amounts are others. Told apart is what has "
                "95 % intervals that do not overlap."
            ),
        ],
    )
    measured = html.Section("How it was measured", [html.paragraph(how), html.paragraph(_COLUMNS)])
    return html.Report(
        title="Who should intervene, and when",
        summary=(
            "Every gate begins with the same policy and gets as many attempts as cloning gets more "
            "demonstrations. Success without help against the steps that the expert drove."
        ),
        sections=[*(_task_section(task, of) for task, of in rows.items()), papers, measured],
    )


def _task_section(task: str, rows: Sequence[InterventionRow]) -> html.Section:
    methods = dict.fromkeys(row.method for row in rows)
    figure = html.figure(
        responsive(lambda width: _draw(rows, width), _described(rows))
        + colour_key((_COLOURS[method], TITLES[method]) for method in methods),
        "Success without help against all that the expert drove, demonstrations included, with "
        "95 % intervals.",
    )
    return html.Section(task, [figure, html.table(HEADERS, intervention_rows(rows))])


def _order(rows: Sequence[InterventionRow]) -> str:
    """The three of the paper, best first, and what of its order the intervals bear out."""
    methods = ("thrifty", "human", "bc")
    # Of BC the paper's row is what everybody began with.
    by_method = {row.method: row for row in reversed(rows) if row.method in methods}
    if len(by_method) < len(methods):
        return "not measured"
    best = sorted(by_method.values(), key=lambda row: -row.success)
    said = ", ".join(f"{row.title} {row.success:.0%} ({_span(row.interval)})" for row in best)
    told = [
        (better, worse)
        for better, worse in combinations(best, 2)
        if apart(better.interval, worse.interval)
    ]
    if any(methods.index(better.method) > methods.index(worse.method) for better, worse in told):
        return f"{said}: another order"
    if len(told) == len(methods):
        return f"{said}: the same order"
    known = ", ".join(f"{better.title} above {worse.title}" for better, worse in told)
    return f"{said}: not told apart" + (f", but for {known}" if known else "")


def _fewer_switches(rows: Mapping[str, InterventionRow]) -> str:
    if "safe" not in rows or "lazy" not in rows:
        return "not measured"
    safe, lazy = (rows[name].came_to.switches for name in ("safe", "lazy"))
    if safe is None or lazy is None:
        return "switches were not counted"
    if not safe:
        return f"SafeDAgger never switched, LazyDAgger {lazy:.1f} times"
    change = 1 - lazy / safe
    return f"{abs(change):.0%} {'fewer' if change >= 0 else 'more'} ({lazy:.1f} and {safe:.1f})"


def _better_than_cloning(rows: Mapping[str, InterventionRow]) -> str:
    """Beside the clone for which the expert drove as many steps, or the next more."""
    clones = [row for row in rows.values() if row.method == "bc"]
    if "dart" not in rows or not clones:
        return "not measured"
    dart = rows["dart"]
    clones.sort(key=lambda row: row.expert_steps)
    clone = next((row for row in clones if row.expert_steps >= dart.expert_steps), clones[-1])
    said = (
        f"{dart.success:.0%}, BC {clone.success:.0%} with "
        f"{clone.expert_steps / dart.expert_steps:.1f} times its expert steps"
    )
    if not clone.success:
        return said
    change = dart.success / clone.success - 1
    chance = "" if apart(dart.interval, clone.interval) else ", not told apart"
    return f"{abs(change):.0%} {'better' if change >= 0 else 'worse'} ({said}){chance}"


def _each(
    rows: Sequence[InterventionRow], say: Callable[[Mapping[str, InterventionRow]], str]
) -> str:
    tasks = dict.fromkeys(row.task for row in rows)
    said = []
    for task in tasks:
        own = {
            f"bc-{r.demonstrations}" if r.method == "bc" else r.method: r
            for r in rows
            if r.task == task
        }
        said.append(f"{_short(task)}: {say(own)}")
    return "; ".join(said)


def _short(task: str) -> str:
    return task.removeprefix("ilrobot/").removesuffix("-v0")


def _span(interval: tuple[float, float] | None) -> str:
    return "" if interval is None else "{:.0%} to {:.0%}".format(*interval)


_COLOURS = dict(zip(TITLES, MORE_COLOURS, strict=True))


def _described(rows: Sequence[InterventionRow]) -> str:
    return "Success without help: " + "; ".join(f"{row.title} {row.success:.0%}" for row in rows)


def _draw(rows: Sequence[InterventionRow], width: float) -> Figure:
    figure = Figure((width, 3.2 if width > NARROW else 2.8), layout="constrained")
    axes = figure.add_subplot()
    for method in dict.fromkeys(row.method for row in rows):
        line = sorted((r for r in rows if r.method == method), key=lambda row: row.expert_steps)
        colour = _COLOURS[method]
        for row in line:
            axes.plot([row.expert_steps] * 2, row.interval, color=colour, alpha=0.45, linewidth=3)
        axes.plot(
            [row.expert_steps for row in line],
            [row.success for row in line],
            "o-" if method == "bc" else "o",
            color=colour,
            markersize=6,
        )
    axes.set(ylim=(-0.03, 1.03), xlabel="steps by the expert, demonstrations included")
    axes.set_xlim(left=0)
    axes.set_ylabel("success without help")
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    return figure

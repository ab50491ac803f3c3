"""The page of the study `compounding`: regret against horizon, fitted beside predicted."""

from __future__ import annotations

from matplotlib.figure import Figure

from ilrobot.report import html
from ilrobot.report.compounding_path import PathRegrets, path_section
from ilrobot.report.figures import COLOURS, INK, colour_key, responsive
from ilrobot.theory.compounding import (
    EPSILON,
    HORIZONS,
    METHODS,
    WORKED_EPSILON,
    WORKED_HORIZON,
    Compounding,
    cloning_bound,
    interactive_bound,
)
from ilrobot.theory.tasks import cliff


def compounding_report(found: Compounding, path: PathRegrets) -> html.Report:
    """The study as a page: the exact figure and slopes, the measured ones, the examples."""
    key = colour_key(zip(COLOURS, (m.title for m in METHODS.values()), strict=True))
    return html.Report(
        title="Do errors compound?",
        summary=(
            f"Regret over T steps grows as T^{found.slopes['bc']:.2f} if a learner is taught in "
            f"the expert's states (BC), and as T^{found.slopes['dagger']:.2f} in its own (DAgger)."
        ),
        figures={
            f"slope of {METHODS[m].title}": f"{found.slopes[m]:.2f}" for m in ("bc", "dagger")
        },
        sections=[
            html.Section(
                "Regret against horizon",
                [
                    html.figure(
                        responsive(lambda width: _draw(found, width), _DESCRIPTION) + key,
                        f"Exact regret at an error of {EPSILON:g} per step; dashed: the bounds εT² "
                        "and εT. Where lines lie on each other, each has dots at its own horizons.",
                    ),
                    html.table(
                        ("method", "predicted slope", "fitted slope"),
                        [
                            (m.title, f"{m.exponent}", f"{found.slopes[name]:.3f}")
                            for name, m in METHODS.items()
                        ],
                    ),
                ],
            ),
            path_section(path),
            html.Section(
                f"The worked example: ε = {WORKED_EPSILON:g}, T = {WORKED_HORIZON}",
                [
                    html.table(
                        ("method", "bound", "regret"),
                        [
                            (m.title, bound(found, name), f"{found.worked[name]:.2f}")
                            for name, m in METHODS.items()
                        ],
                    ),
                    html.note(
                        f"No regret over {WORKED_HORIZON} steps can exceed {WORKED_HORIZON}. The "
                        "theory of SMILe is for another α."
                    ),
                ],
            ),
            html.Section("The walk to the right", [html.table(WALK_HEADERS, walk_rows(found))]),
        ],
    )


WALK_HEADERS = ("steps behind the expert", "predicted", "found", "standard error")


def walk_rows(found: Compounding) -> list[tuple[str, str, str, str]]:
    """The walk as rows of a table with `WALK_HEADERS`."""
    walk = found.walk
    return [
        (
            "after T steps: 2εT",
            f"{walk.displacement_predicted:.2f}",
            f"{walk.displacement:.2f}",
            f"{walk.displacement_error:.2f}",
        ),
        (
            "summed over T: εT(T+1)",
            f"{walk.cumulative_predicted:.1f}",
            f"{walk.cumulative:.1f}",
            f"{walk.cumulative_error:.1f}",
        ),
    ]


def bound(found: Compounding, method: str) -> str:
    """The worked example's bound for a method."""
    at_most = found.worked_bounds[method]
    return "none" if at_most is None else f"{at_most:g}"


_DESCRIPTION = (
    "Regret against horizon on logarithmic axes: two lines of slope two for behavioural cloning, "
    "four of slope one for Forward training, SMILe, DAgger and AggreVaTe."
)


def _draw(found: Compounding, width: float) -> Figure:
    drawn = Figure(figsize=(width, 3.4), layout="constrained")
    axes = drawn.subplots()
    for place, (colour, regrets) in enumerate(zip(COLOURS, found.regrets.values(), strict=True)):
        axes.plot(HORIZONS, regrets, "o-", color=colour, markersize=6, markevery=(place % 4, 4))
    for at_most in (
        [cloning_bound(cliff(horizon), EPSILON) for horizon in HORIZONS],
        [interactive_bound(cliff(horizon), EPSILON) for horizon in HORIZONS],
    ):
        axes.plot(HORIZONS, at_most, color=INK, linewidth=0.9, linestyle=(0, (4, 3)))
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(HORIZONS, [str(horizon) for horizon in HORIZONS])
    axes.minorticks_off()
    axes.set_xlabel("horizon T, steps")
    axes.set_ylabel("regret, steps")
    return drawn

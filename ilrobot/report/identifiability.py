"""The page of the study `identifiability`: learnt rewards beside the true ones, then elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ilrobot.learners.inverse.identifiability import ACTIONS, STATES, Identified
from ilrobot.report import html
from ilrobot.report.figures import BLUE, MUTED, VERMILION, colour_key, responsive

#: Dynamics and inputs of the reward → one result per MDP.
Found = Mapping[tuple[str, str], Sequence[Identified]]

HEADERS = ("dynamics, reward", "residual", "identified", "here", "elsewhere", "policy there")
_COLOURS = {"state": BLUE, "state-action": VERMILION}
#: A residual below this is a difference by a constant.
_CONSTANT = 1e-3


def identified_share(results: Sequence[Identified]) -> float:
    """The share of the MDPs whose reward came out to a constant."""
    return float(np.mean([result.residual < _CONSTANT for result in results]))


def identifiability_rows(found: Found) -> list[tuple[str, ...]]:
    """Rows of a table with `HEADERS`; medians over MDPs."""
    return [
        (
            f"{dynamics}, {inputs}",
            f"{_median(results, 'residual'):.4f}",
            f"{identified_share(results):.0%}",
            *(f"{_median(results, name):.2f}" for name in ("here", "elsewhere", "reused")),
        )
        for (dynamics, inputs), results in found.items()
    ]


def identifiability_json(results: Sequence[Identified]) -> dict[str, Any]:
    """Every MDP's numbers, plain JSON."""
    names = ("residual", "correlation", "distance", "here", "elsewhere", "reused", "unidentified")
    return {
        "identified": identified_share(results),
        **{name: [getattr(result, name) for result in results] for name in names},
    }


def identifiability_report(found: Found) -> html.Report:
    """The study as a page."""
    state, joint = (found["random", inputs] for inputs in _COLOURS)
    hidden = [r for results in found.values() for r in results if r.unidentified > 1]
    return html.Report(
        title="Can the reward be told from the behaviour?",
        summary=(
            f"AIRL on {len(state)} random MDPs of {STATES} states and {ACTIONS} actions: a reward "
            f"of the state comes out to a constant in {identified_share(state):.0%} of them, one "
            f"of state and action in {identified_share(joint):.0%}, and only the former is of use "
            "where the dynamics change."
        ),
        figures={
            "return elsewhere, state": f"{_median(state, 'elsewhere'):.2f}",
            "return elsewhere, state-action": f"{_median(joint, 'elsewhere'):.2f}",
        },
        sections=[
            html.Section(
                "Learnt against true reward",
                [
                    colour_key(
                        (colour, f"reward of the {inputs.replace('-', ' and ')}")
                        for inputs, colour in _COLOURS.items()
                    ),
                    html.figure(
                        responsive(lambda width: _draw(found, width), _DESCRIPTION),
                        "Left: each state of each MDP with random transitions, the learnt reward "
                        "averaged over actions, means taken off; on the line they differ by a "
                        "constant. Right: returns of the best policy for the learnt reward in "
                        "dynamics that it was not learnt in, one dot per MDP.",
                    ),
                    html.table(HEADERS, identifiability_rows(found)),
                    html.note(
                        "Returns are by the true reward: 1 is the best policy, 0 random actions. "
                        "All learnt policies visit what the expert does. Of the deterministic MDPs "
                        f"{len(hidden) // 2} are not decomposable: there the state's reward is "
                        "free in more than a constant, too."
                    ),
                ],
            )
        ],
    )


_DESCRIPTION = (
    "Learnt against true rewards: those of the state lie on a line, those of state and action do "
    "not; and returns in other dynamics, which are one for the former and low for the latter."
)


def _median(results: Sequence[Identified], name: str) -> float:
    return float(np.median([getattr(result, name) for result in results]))


def _draw(found: Found, width: float) -> Figure:
    figure = Figure((width, 3.0), layout="constrained")
    rewards, returns = figure.subplots(1, 2, width_ratios=(3, 2))
    for inputs, colour in reversed(_COLOURS.items()):
        results = found["random", inputs]
        true, learnt = (
            np.concatenate([getattr(result, name) for result in results])
            for name in ("true", "recovered")
        )
        rewards.plot(true, learnt, ".", color=colour, markersize=3, alpha=0.7)
    rewards.axline((0, 0), slope=1, color=MUTED, linewidth=0.8)
    rewards.set(xlabel="true reward", ylabel="learnt reward")
    for place, ((_, inputs), results) in enumerate(found.items()):
        apart = place + np.linspace(-0.25, 0.25, len(results))
        elsewhere = [result.elsewhere for result in results]
        returns.plot(apart, elsewhere, ".", color=_COLOURS[inputs], markersize=4)
    names = list(dict.fromkeys(dynamics for dynamics, _ in found))
    returns.set_xticks([0.5 + 2 * place for place in range(len(names))], names)
    returns.set_ylabel("return elsewhere")
    return figure

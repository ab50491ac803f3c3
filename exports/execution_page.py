"""The page of what ``ilrobot robot`` executed: its commands, how fast they moved, when it held."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from exports.robots.execution_log import Executed
from exports.robots.messages import State
from exports.tick_panels import Panel, lines, panels, spans
from ilrobot.report import html


def execution_report(path: Path, episodes: Sequence[Executed]) -> html.Report:
    """What a robot did, whatever it was told.

    Args:
        path: Where the log lies.
        episodes: Of it, at least one tick in all, of one robot.
    """
    episodes = [episode for episode in episodes if len(episode.time)]
    first = episodes[0]
    seconds = np.concatenate([_and_a_gap(e.time, e.time[-1] + 1 / e.rate) for e in episodes])
    seconds -= first.time[0]
    held = np.concatenate(
        [[*(state is State.HOLDING for state in episode.state), False] for episode in episodes]
    )
    holding: list[html.Html] = [html.paragraph("Never: a command came in time for every tick.")]
    if held.any():
        rows = {"held": held}
        picture = spans(seconds, 1.0 / first.rate, rows, "Ticks at which it held by itself")
        holding = [html.figure(picture, "No command came in time, or it was told to stop.")]
    return html.Report(
        title=f"What the robot executed: {path.stem}",
        summary=first.robot,
        figures={
            "ticks": f"{sum(len(e.time) for e in episodes)} at {first.rate:g} Hz",
            "episodes": str(len(episodes)),
            "held": f"{np.count_nonzero(held)} ticks",
        },
        sections=[
            html.Section("What it executed", [html.figure(lines(seconds, _shown(episodes)))]),
            html.Section("Greatest motion of the commanded target", [_greatest(episodes)]),
            html.Section("When it held", holding),
        ],
    )


def _shown(episodes: Sequence[Executed]) -> list[Panel]:
    first = episodes[0]
    velocity = np.concatenate(
        [_and_a_gap(_from_the_end(e.velocity, len(e.time)), np.nan) for e in episodes]
    )
    command = np.concatenate([_and_a_gap(episode.command, np.nan) for episode in episodes])
    per_second = [f"{unit.removesuffix('/tick')}/s" for unit in first.units]
    return [
        *panels("command", first.names, first.units, command),
        *panels("velocity", first.names, per_second, velocity),
    ]


def _and_a_gap(values: NDArray[np.float64], gap: float) -> NDArray[np.float64]:
    """With one row more, so that no line goes from one episode to the next."""
    return np.concatenate([values, np.full_like(values[:1], gap)])


def _from_the_end(values: NDArray[np.float64], ticks: int) -> NDArray[np.float64]:
    """With NaN for the ticks before the first value."""
    missing = np.full((ticks - len(values), values.shape[1]), np.nan)
    return np.concatenate([missing, values])


def _greatest(episodes: Sequence[Executed]) -> html.Html:
    """Each element's greatest velocity, acceleration and jerk beside its limit."""
    limits, rows = episodes[0].limits, []
    for index, name in enumerate(episodes[0].names):
        row = [name]
        for what in ("velocity", "acceleration", "jerk"):
            parts = [np.abs(getattr(episode, what)[:, index]) for episode in episodes]
            found = np.concatenate(parts)
            limit = math.inf if limits is None else getattr(limits, what)[index]
            bound = f" of {limit:.4g}" if math.isfinite(limit) else ""
            row.append(f"{found.max():.4g}{bound}" if len(found) else "")
        rows.append(row)
    return html.table(["", "velocity, /s", "acceleration, /s²", "jerk, /s³"], rows)

"""Recordings to give advice on: along a line with what is wanted wrong with them, or of a task."""

from __future__ import annotations

import numpy as np

from ilrobot.advice.evidence import Available
from ilrobot.data.episode import Episode, EpisodeInfo, Outcome
from ilrobot.data.memory import MemoryRecordings
from ilrobot.spec import Feature, Spec

SPEC = Spec(
    observations=(Feature("observation.state", (2,)),),
    action=Feature("action", (1,)),
    rate=10.0,
)


SIMULATOR = Available("ilrobot/PointPath-v0", simulator=True, judges=True, expert="scripted")


def made(
    count: int = 20,
    *,
    ticks: int = 40,
    noise: float = 0.0,
    sides: bool = False,
    rewards: list[float] | None = None,
    outcomes: list[Outcome] | None = None,
    spec: Spec = SPEC,
) -> MemoryRecordings:
    """Episodes along a line; the action is a smooth function of the place, noise, and a side."""
    rng = np.random.default_rng(0)
    episodes = []
    for number in range(count):
        x = np.linspace(0, 1, ticks) + rng.normal(scale=0.01, size=ticks)
        state = np.stack([x, rng.normal(scale=0.01) + 0 * x], axis=1)
        side = (number % 2 * 2 - 1) if sides else 0
        action = (
            np.sin(3 * x)
            + noise * rng.normal(size=ticks)
            + 2 * side / (1 + np.exp((0.5 - x) / 0.05))
        )
        columns = {
            "observation.state": state.astype(np.float32),
            "action": action[:, None].astype(np.float32),
        }
        if rewards is not None:
            columns["next.reward"] = np.full(ticks, rewards[number] / ticks, np.float32)
            columns["next.reward"][0] += 1e-3
        outcome = Outcome.UNKNOWN if outcomes is None else outcomes[number]
        episodes.append(Episode(EpisodeInfo("line", spec.rate, outcome=outcome), columns))
    return MemoryRecordings(spec, episodes)

"""What rejection sampling learns from: the best attempts beside the demonstrations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ilrobot.actors import Source
from ilrobot.data.branches import DISCARDED
from ilrobot.data.dataset import Dataset
from ilrobot.data.episode import Episode, EpisodeInfo, Outcome
from ilrobot.data.labels import LABEL_COLUMNS
from ilrobot.data.memory import MemoryRecordings
from ilrobot.data.recordings import Recordings
from ilrobot.observed import vector_spec


def best_attempts(
    beginnings: Sequence[int], outcomes: Sequence[Outcome], returns: Sequence[float]
) -> list[int]:
    """Which attempts are learnt from: of each beginning the one of the greatest return.

    Where anybody judges, only successes are; a beginning without one teaches nothing. Where nobody
    does, nothing is known of an attempt whose return is not a finite number.

    Args:
        beginnings: What each attempt began from.
        outcomes: How it ended.
        returns: Sum of its rewards.

    Returns:
        Their indices, ascending.
    """
    judged = any(outcome is not Outcome.UNKNOWN for outcome in outcomes)
    best: dict[int, int] = {}
    for index, (begin, outcome, value) in enumerate(
        zip(beginnings, outcomes, returns, strict=True)
    ):
        if (judged and outcome is not Outcome.SUCCESS) or (not judged and not math.isfinite(value)):
            continue
        if begin not in best or value > returns[best[begin]]:
            best[begin] = index
    return sorted(best.values())


def lessons(
    demonstrations: Dataset, attempts: Dataset, tried: Sequence[Sequence[tuple[int, EpisodeInfo]]]
) -> tuple[Recordings, list[int]]:
    """Demonstrations, and the best attempts as such.

    Args:
        demonstrations: All of them teach.
        attempts: Where the attempts were recorded.
        tried: Of each beginning its attempts: index in that dataset, and description.

    Returns:
        What to clone, and the beginnings of which an attempt is among it, counted from 0.
    """
    chosen = [(begin, *attempt) for begin, made in enumerate(tried) for attempt in made]
    episodes = [attempts.episode(index) for _, index, _ in chosen]
    best = best_attempts(
        [begin for begin, _, _ in chosen],
        [info.outcome for _, _, info in chosen],
        [float(episode.columns["next.reward"].sum()) for episode in episodes],
    )
    spec = vector_spec(demonstrations.spec)
    names = [*spec.observation_names, "action"]
    names += [n for n in LABEL_COLUMNS if demonstrations.has_column(n)]
    shown = [demonstrations.episode(index) for index in range(demonstrations.num_episodes)]
    known = [Episode(e.info, {n: e.columns[n] for n in names}) for e in shown]
    known += [_as_demonstration(episodes[index], names) for index in best]
    taught = MemoryRecordings(spec, known, str(demonstrations.path))
    return taught, [chosen[index][0] for index in best]


def _as_demonstration(episode: Episode, names: Sequence[str]) -> Episode:
    nothing_undone = {DISCARDED: np.zeros(len(episode), dtype=bool)}
    known: dict[str, NDArray[Any]] = {**nothing_undone, **episode.columns}
    columns = {name: known[name] for name in names}
    if "control.source" in columns:
        columns["control.source"] = np.full(len(episode), Source.DEMO.value, dtype=object)
    return Episode(replace(episode.info, outcome=Outcome.SUCCESS), columns)

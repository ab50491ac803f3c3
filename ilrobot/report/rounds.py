"""Which episode of a run of dagger belongs to which round."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ilrobot.data.dataset import Dataset
from ilrobot.data.episode import Outcome
from ilrobot.report.plots import Strip

_NOT_LEARNT = (Outcome.DISCARDED, Outcome.UNFINISHED)


def round_strips(path: Path, run: Mapping[str, Any]) -> list[Strip]:
    """A strip per episode that was tried and kept, in the order of recording.

    The seed says the round, not the place in the dataset: an episode that was discarded or cut off
    stands there too, before the one that repeats it.

    Args:
        path: The run's folder.
        run: What its ``run.json`` holds.
    """
    if not (path / "dataset").is_dir():
        return []
    data, plan = Dataset.open(path / "dataset"), run["plan"]
    strips = []
    for index in range(run["demonstration_episodes"], data.num_episodes):
        info = data.infos[index]
        if info.seed is not None and info.outcome not in _NOT_LEARNT:
            number = (info.seed - plan["seed"]) // plan["episodes"] + 1
            strips.append(Strip.of(data.episode(index), number))
    return strips

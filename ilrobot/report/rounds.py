"""Which episode of a run of dagger belongs to which round."""

from __future__ import annotations

from pathlib import Path

from ilrobot.data.dataset import Dataset
from ilrobot.data.episode import UNCOUNTED
from ilrobot.report.plots import Strip
from ilrobot.run_description import DaggerDescription


def round_strips(path: Path, run: DaggerDescription) -> list[Strip]:
    """A strip per episode that was tried and kept, in the order of recording.

    The seed says the round, not the place in the dataset: an episode that was discarded or cut off
    stands there too, before the one that repeats it.

    Args:
        path: The run's folder.
        run: What its ``run.json`` holds.
    """
    if not (path / "dataset").is_dir():
        return []
    data = Dataset.open(path / "dataset")
    strips = []
    for index in range(run.demonstrations.episodes, data.num_episodes):
        info = data.infos[index]
        if info.seed is not None and info.outcome not in UNCOUNTED:
            number = (info.seed - run.plan.seed) // run.plan.episodes + 1
            strips.append(Strip.of(data.episode(index), number))
    return strips

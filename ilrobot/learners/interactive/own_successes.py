"""What a policy did well before the rounds, alone, as lessons of the next fit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ilrobot.data.dataset import Dataset
from ilrobot.data.episode import Episode, Outcome
from ilrobot.data.labels import LABEL_COLUMNS
from ilrobot.data.memory import MemoryRecordings
from ilrobot.data.recordings import Recordings
from ilrobot.observed import vector_spec


def with_own_successes(dataset: Dataset, rehearsals: Sequence[Path]) -> Recordings:
    """The recordings of the rounds and, after them, the rehearsals that succeeded.

    Nobody's time was spent on these, so that there are many: what the policy does well already is
    then not forgotten over a few corrections. That nobody judged is no success here.

    Args:
        dataset: Demonstrations and the attempts of the rounds.
        rehearsals: Datasets that `ilrobot.learners.interactive.rehearsal` recorded.
    """
    names = [*vector_spec(dataset.spec).observation_names, "action"]
    names += [name for name in LABEL_COLUMNS if dataset.has_column(name)]
    alone = [Dataset.open(path) for path in rehearsals]
    own = [
        (data, index)
        for data in alone
        for index, info in enumerate(data.infos)
        if info.outcome is Outcome.SUCCESS
    ]
    if not own:
        return dataset
    known = [(dataset, index) for index in range(dataset.num_episodes)]
    episodes = [data.episode(index) for data, index in (*known, *own)]
    lessons = [Episode(e.info, {name: e.columns[name] for name in names}) for e in episodes]
    return MemoryRecordings(
        dataset.spec,
        lessons,
        str(dataset.path),
        films=(*known, *own),
        besides=len(own),
        content_hash=dataset.content_hash,
    )

"""What a dataset holds, in a few numbers."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from ilrobot.data.branches import TAKEOVER
from ilrobot.data.dataset import Dataset
from ilrobot.data.episode import REPEATED
from ilrobot.data.known_tasks import suggested_tasks
from ilrobot.data.recordings import Recordings, lives
from ilrobot.gates.log import total


def summarize(dataset: Dataset) -> dict[str, Any]:
    """Counts, rate, features, outcomes and interventions as plain JSON.

    ``interventions`` counts takeovers, ``intervention_steps`` the ticks at which a person acted,
    ``discarded_frames`` those that a rewind undid, which count as neither. ``repeated_pictures``
    counts the ticks whose own pictures were dropped.
    ``control`` adds up the `GateLog` of the episodes that have one (empty: none has).
    ``seconds`` is nominal: frames divided by the rate.
    """
    left = lives(dataset)
    takeovers = steps = 0
    if dataset.has_column("intervention"):
        acted = dataset.column("intervention").astype(bool).reshape(-1)[left]
        episode = np.repeat(np.arange(dataset.num_episodes), dataset.lengths)[left]
        begins = acted & ~(np.r_[False, acted[:-1]] & (np.diff(episode, prepend=-1) == 0))
        if dataset.has_column(TAKEOVER):
            # Who goes back and takes over there again does so without a tick between.
            numbers = dataset.column(TAKEOVER).reshape(-1)[left]
            begins |= acted & (np.diff(numbers, prepend=-1) != 0)
        takeovers, steps = int(begins.sum()), int(acted.sum())
    shared = [info.control for info in dataset.infos if info.control is not None]
    return {
        "kind": "dataset",
        "path": str(dataset.path),
        "episodes": dataset.num_episodes,
        "frames": dataset.num_frames,
        "fps": dataset.fps,
        "seconds": dataset.num_frames / dataset.fps,
        "longest": int(np.max(dataset.lengths)),
        "task": dataset.spec.task,
        "suggested_tasks": list(suggested_tasks(dataset.spec)),
        "instructions": sorted({info.task for info in dataset.infos}),
        "outcomes": dict(Counter(str(info.outcome) for info in dataset.infos)),
        "interventions": takeovers,
        "intervention_steps": steps,
        "discarded_frames": int((~left).sum()),
        "cameras": [key.removeprefix("observation.images.") for key in dataset.camera_keys],
        "repeated_pictures": repeated_pictures(dataset),
        "control": total(shared).to_json() if shared else {},
        "operators": sorted({info.operator for info in dataset.infos if info.operator}),
        "features": {
            name: {
                "dtype": feature["dtype"],
                "shape": feature["shape"],
                "names": feature.get("names"),
            }
            for name, feature in dataset.features.items()
        },
        "content_hash": dataset.content_hash,
    }


def repeated_pictures(dataset: Recordings) -> int:
    """Ticks that show the pictures of the tick before, because the encoder could not keep up."""
    return int(dataset.column(REPEATED).sum()) if dataset.has_column(REPEATED) else 0

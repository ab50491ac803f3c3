"""What ``ilrobot train`` is called with, and how."""

import numpy as np
import pytest

from ilrobot.cli import main
from ilrobot.data.episode import Episode, EpisodeInfo, Outcome
from ilrobot.data.writing import write_episodes
from tests.ilrobot.policy_tester import recordings


def write_dataset(path, spec, outcome=Outcome.SUCCESS, spoil=None):
    data = recordings(spec)
    names = (*spec.observation_names, "action")
    episodes = []
    for start, end in zip(data.starts[:-1], data.starts[1:], strict=True):
        columns = {name: data.column(name)[start:end].copy() for name in names}
        if spoil:
            spoil(columns)
        info = EpisodeInfo("test", spec.rate, outcome=outcome)
        episodes.append(Episode(info, {k: _narrow(v) for k, v in columns.items()}))
    write_episodes(path, spec, episodes)
    return path


def _narrow(values):
    return values.astype(np.float32) if values.dtype.kind == "f" else values


def run_train(*arguments):
    with pytest.raises(SystemExit) as stop:
        main(["train", *map(str, arguments)])
    return stop.value.code

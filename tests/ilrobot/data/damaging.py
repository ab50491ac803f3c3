"""A small dataset, and what is told of it once it was changed."""

import json

import numpy as np

from ilrobot.actors import Source
from ilrobot.cli import _main
from ilrobot.data.episode import Episode, EpisodeInfo, Judge, Outcome, frame_columns
from ilrobot.spec import Feature, Spec

SPEC = Spec(
    (Feature("observation.state", (3,)),),
    Feature("action", (2,), names=("x", "y")),
    10.0,
    task="ilrobot/Toy-v0",
)


def episode(length=4, seed=0):
    rng = np.random.default_rng(seed)
    columns = {
        "observation.state": rng.normal(size=(length, 3)).astype(np.float32),
        "action": rng.normal(size=(length, 2)).astype(np.float32),
    }
    return Episode(EpisodeInfo("toy", 10.0, Outcome.SUCCESS, Judge.PERSON, seed=seed), columns)


def frame(tick=0):
    zeros = {
        column.name: np.zeros(column.shape, column.dtype)
        for column in frame_columns(SPEC)
        if column.dtype != "string"
    }
    return {**zeros, "action": np.full(2, tick, np.float32), "control.source": Source.DEMO.value}


def snapshot(path):
    return {p: p.read_bytes() for p in path.rglob("*") if p.is_file()}


def refuse(capsys, path, *arguments):
    """What the verb says in one line, exit code 2, nothing changed."""
    before = snapshot(path)
    assert _main(list(arguments)) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1, said
    assert snapshot(path) == before
    return said[0]


def edit(path, **changes):
    """Change keys of info.json, dots leading into it; None removes, `null` is JSON's."""
    file = path / "meta/info.json"
    info = json.loads(file.read_text())
    for key, value in changes.items():
        *above, last = key.split("__")
        place = info
        for name in above:
            place = place[name]
        if value is None:
            del place[last]
        else:
            place[last] = None if value == "null" else value
    file.write_text(json.dumps(info))

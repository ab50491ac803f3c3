"""What training sees of recordings with rewinds: as if the undone ticks had never been."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ilrobot.data.branches import DISCARDED, LATER, discarded, takeovers
from ilrobot.data.dataset import Dataset, DatasetRecorder
from ilrobot.data.episode import Episode, EpisodeInfo, Judge, Outcome, frame_columns
from ilrobot.data.info import read_info
from ilrobot.data.labels import labels
from ilrobot.data.memory import MemoryRecordings
from ilrobot.data.windows import Windows
from ilrobot.spec import Feature, Spec

SPEC = Spec((Feature("observation.state", (2,)),), Feature("action", (1,)), 10.0)


def _episode(rng: np.random.Generator, length: int) -> Episode:
    """Demonstrated and corrected ticks in runs; some of them were undone."""
    source = np.repeat(rng.choice(["demo", "policy", "human", "paused", "blend"], 12), 5)[:length]
    human = np.where(source == "human", rng.random(length), np.nan)
    rewinds = [
        (first, first + int(rng.integers(1, 5)))
        for first in sorted(rng.integers(0, length - 4, rng.integers(0, 4)))
    ]
    columns: dict[str, NDArray[Any]] = {
        "observation.state": rng.random((length, 2)).astype(np.float32),
        "action": rng.random((length, 1)).astype(np.float32),
        "intervention": np.isin(source, ["human", "blend"]),
        "control.source": source.astype(object),
        "control.human_action": human.reshape(-1, 1).astype(np.float32),
        DISCARDED: discarded(length, rewinds),
    }
    outcome = rng.choice([Outcome.SUCCESS, Outcome.FAILURE])
    return Episode(EpisodeInfo("", 10.0, outcome=Outcome(outcome)), columns)


def _without(episode: Episode) -> Episode:
    """The slow way: the undone ticks taken out one by one."""
    kept = [t for t in range(len(episode)) if not episode.columns[DISCARDED][t]]
    return Episode(episode.info, {name: v[kept] for name, v in episode.columns.items()})


@pytest.mark.parametrize("seed", range(8))
def test_windows_are_those_of_a_recording_without_what_was_undone(seed: int) -> None:
    rng = np.random.default_rng(seed)
    episodes = [_episode(rng, int(rng.integers(10, 50))) for _ in range(6)]
    data = MemoryRecordings(SPEC, episodes)
    slow = MemoryRecordings(SPEC, [_without(episode) for episode in episodes])
    weights = rng.random(data.num_frames)
    kept = ~data.column(DISCARDED)
    chosen = [0, 2, 3, 5]
    ours = Windows(data, n_obs=3, horizon=4, episodes=chosen, frame_weights=weights)
    reference = Windows(slow, n_obs=3, horizon=4, episodes=chosen, frame_weights=weights[kept])
    assert len(ours) == len(reference) > 0
    index = torch.arange(len(ours))
    one, other = ours.take(index), reference.take(index)
    assert torch.equal(
        one.observations["observation.state"], other.observations["observation.state"]
    )
    for name in ("actions", "mask", "weight"):
        assert torch.equal(getattr(one, name), getattr(other, name))
    assert np.array_equal(ours.actions, reference.actions)


def test_undone_ticks_teach_nothing_and_neither_do_blended_and_paused_ones() -> None:
    rng = np.random.default_rng(0)
    episodes = [_episode(rng, 50) for _ in range(5)]
    data = MemoryRecordings(SPEC, episodes)
    teaches, _ = labels(data)
    assert not teaches[data.column(DISCARDED)].any()
    assert set(data.column("control.source")[teaches]) == {"demo", "human"}


def test_an_expert_that_was_asked_at_every_surviving_tick_labels_them_all() -> None:
    rng = np.random.default_rng(0)
    episode = _episode(rng, 20)
    columns = episode.columns
    columns["control.source"][:] = "policy"
    columns["intervention"][:] = False
    columns["control.human_action"][:] = 1.0
    columns["control.human_action"][5:8] = np.nan
    columns[DISCARDED][:] = False
    columns[DISCARDED][4:9] = True
    teaches, _ = labels(MemoryRecordings(SPEC, [episode]))
    assert np.array_equal(teaches, ~columns[DISCARDED])


def test_takeovers_that_were_undone_do_not_count() -> None:
    numbers = np.array([-1, 0, 0, -1, 1, 1, 2, -1])
    undone = np.array([0, 0, 1, 1, 1, 1, 0, 0], bool)
    assert takeovers({"control.intervention_id": numbers, DISCARDED: undone}) == 2
    assert takeovers({"control.intervention_id": numbers}) == 3


def test_a_recording_from_before_there_were_rewinds_is_read_and_added_to(tmp_path: Path) -> None:
    path = tmp_path / "old"
    _record(path)
    info = json.loads((path / "meta/info.json").read_text())
    for name in LATER:
        del info["features"][name]
    (path / "meta/info.json").write_text(json.dumps(info))
    read_info(path)
    _record(path, resume=True)
    old = Dataset.open(path)
    assert not old.has_column(DISCARDED)
    # There is no place to mark what was undone, so it is not kept.
    assert old.lengths.tolist() == [4, 2]
    assert len(Windows(old, n_obs=2, horizon=2)) == 6


def _record(path: Path, *, resume: bool = False) -> None:
    spec = replace(SPEC, action=replace(SPEC.action, low=(0.0,), high=(1.0,)))
    with DatasetRecorder(path, spec, resume=resume) as recorder:
        recorder.begin(EpisodeInfo("task", 10.0))
        for tick in range(4):
            frame: dict[str, Any] = {
                column.name: "demo" if column.dtype == "string" else np.zeros(column.shape)
                for column in frame_columns(spec)
            }
            recorder.append({**frame, "action": np.full(1, tick / 10)})
            if tick == 2 and resume:
                recorder.rewind(1)
        recorder.end(Outcome.SUCCESS, Judge.PERSON)

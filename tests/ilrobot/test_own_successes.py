"""What the policy did well alone, as lessons of the next fit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from gate_tester import DEMONSTRATIONS, EPISODES, TASK, make_novice, run_gate

from ilrobot.actors import Actor, Decision, Observation, Source
from ilrobot.contenders import Contender
from ilrobot.data.dataset import Dataset, DatasetRecorder
from ilrobot.data.episode import EpisodeInfo, Outcome
from ilrobot.data.labels import Origin, labels, origins, split_episodes
from ilrobot.data.memory import MemoryRecordings
from ilrobot.env import make_env
from ilrobot.learners.behavioral_cloning import train
from ilrobot.learners.config import preset
from ilrobot.learners.interactive.dart import held_out_episodes
from ilrobot.learners.interactive.own_successes import with_own_successes
from ilrobot.learners.interactive.rehearsal import rehearsal_folder
from ilrobot.rollout import rollout
from ilrobot.run import Run
from ilrobot.run_description import TrainDescription
from ilrobot.scripted_actor import ScriptedActor
from sims.experts import make_expert


class Novice(Actor):
    """Does what the expert does, or nothing, and is recorded as a policy."""

    def __init__(self, expert: Actor, *, able: bool) -> None:
        self._expert, self._able = expert, able

    def reset(self, seed: int | None = None) -> None:
        self._expert.reset(seed)

    def act(self, observation: Observation, now: float) -> Decision:
        action = self._expert.act(observation, now).action
        return Decision(action if self._able else 0.0 * action, Source.POLICY)


@pytest.fixture(scope="module")
def novice(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_novice(tmp_path_factory.mktemp("novice"), members=1)


@pytest.fixture(scope="module")
def rehearsal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An attempt that fails between two that succeed."""
    path, env = tmp_path_factory.mktemp("rehearsal") / "alone", make_env(TASK)
    env.reset(0)
    expert = ScriptedActor(make_expert(env.env), env)
    with DatasetRecorder(path, env.spec, state_size=env.state_size) as recorder:
        for seed, able in ((500, True), (501, False), (502, True)):
            info = EpisodeInfo(TASK, env.spec.rate, seed=seed)
            rollout(env, Novice(expert, able=able), seed=seed, recorder=recorder, info=info)
    env.close()
    return path


def test_successes_alone_come_after_what_was_recorded(
    novice: tuple[Path, Path], rehearsal: Path
) -> None:
    data, alone = Dataset.open(novice[0]), Dataset.open(rehearsal)
    assert [info.outcome for info in alone.infos][::2] == [Outcome.SUCCESS] * 2
    assert alone.infos[1].outcome is not Outcome.SUCCESS
    lessons = with_own_successes(data, [rehearsal])
    assert [info.seed for info in lessons.infos] == [0, 1, 2, 3, 500, 502]
    assert lessons.besides == 2
    own = slice(data.num_frames, None)
    assert set(origins(lessons)[own]) == {Origin.ROBOT}
    taught, values = labels(lessons, "own")
    assert taught[own].all()
    np.testing.assert_array_equal(
        values[own],
        np.concatenate([alone.episode(index).columns["action"] for index in (0, 2)]),
    )
    assert not labels(lessons, "plain")[0][own].any()


def test_a_run_is_taught_its_rehearsals_by_the_weightings_that_learn_from_its_own(
    novice: tuple[Path, Path], rehearsal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "ilrobot.learners.interactive.rounds.rehearsal_folder",
        lambda run, number: rehearsal if rehearsal_folder(run, number).exists() else run / "none",
    )
    runs = {}
    for weighting in ("plain", "own"):
        runs[weighting] = tmp_path / weighting
        run_gate("benefit", *novice, runs[weighting], weighting=weighting)
        for number, successes in ((1, 2), (2, 4)):
            known = Run.read_as(runs[weighting] / f"round-{number}", TrainDescription).description
            assert known.dataset.besides == (successes if weighting == "own" else 0)
            assert known.dataset.episodes == DEMONSTRATIONS + number * EPISODES
    policies = [(run / "policy.pt").read_bytes() for run in runs.values()]
    assert policies[0] != policies[1]
    # They are no part of the recording, nor of what the expert said.
    data = Dataset.open(runs["own"] / "dataset")
    assert data.num_episodes == DEMONSTRATIONS + 2 * EPISODES
    known = Run.read(runs["own"]).description.dataset
    assert (known.episodes, known.besides) == (data.num_episodes, 4)
    assert known.content_hash == data.content_hash
    for run in runs.values():
        assert all(policy.labels is not None for policy in Contender.read(run).policies)


def test_what_was_held_out_is_found_beside_successes_alone(
    novice: tuple[Path, Path], rehearsal: Path, tmp_path: Path
) -> None:
    data = Dataset.open(novice[0])
    lessons = with_own_successes(data, [rehearsal] * 4)
    policy, training = preset("bc", data.spec)
    small = replace(policy, width=16, blocks=1)
    for seed in range(4):
        short = replace(training, steps=1, held_out=0.5, device="cpu", weighting="own", seed=seed)
        run = tmp_path / str(seed)
        train(lessons, small, short, run)
        _, kept = split_episodes(lessons, labels(lessons, "own")[0], 0.5, seed)
        wanted = [episode for episode in kept if episode < data.num_episodes]
        assert wanted
        assert held_out_episodes(data, run).tolist() == wanted


def test_what_was_learnt_of_ones_own_is_not_held_out_when_recordings_are_added(
    novice: tuple[Path, Path], rehearsal: Path
) -> None:
    data = Dataset.open(novice[0])
    before = with_own_successes(data, [rehearsal] * 8)
    spec, episodes = data.spec, [data.episode(index) for index in range(data.num_episodes)]
    own = [Dataset.open(rehearsal).episode(0)] * before.besides
    grown = MemoryRecordings(spec, [*episodes, episodes[1], *own], besides=before.besides)
    for seed in range(20):
        held = []
        for lessons in (before, grown):
            recorded = lessons.num_episodes - lessons.besides
            kept = split_episodes(lessons, labels(lessons, "own")[0], 0.2, seed)[1]
            assert (kept < recorded).any()
            held.append([episode - recorded for episode in kept if episode >= recorded])
        assert held[0] == held[1]

"""Cameras on the way from a task through the loop into a dataset, and what reads it then."""

import json

import numpy as np
import pytest

from ilrobot.actors import Actor, Decision, Event, Source
from ilrobot.cli import _main
from ilrobot.control.clock import RealTimeClock
from ilrobot.data.dataset import Dataset, DatasetRecorder
from ilrobot.data.episode import REPEATED
from ilrobot.data.video import queue as video_queue
from ilrobot.env import make_env
from ilrobot.observed import vector_spec
from ilrobot.rollout import rollout

TASK, CAMERA = "ilrobot/PushT-v0", "observation.images.top"
OPTIONS = {"cameras": "top", "render_size": 64}


class Circling(Actor):
    """Moves, so that pictures differ, keeps those that it was shown, and declares success."""

    def __init__(self, ticks):
        self.ticks = ticks

    def reset(self, seed=None):
        self.shown = []

    def act(self, observation, now):
        angle = 0.3 * len(self.shown)
        self.shown.append(observation[CAMERA])
        action = 256 + 150 * np.array([np.cos(angle), np.sin(angle)], np.float32)
        event = Event.SUCCESS if len(self.shown) == self.ticks else None
        return Decision(action, Source.DEMO, event=event)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    path = tmp_path_factory.mktemp("films") / "pusht"
    env, actor = make_env(TASK, OPTIONS), Circling(30)
    with DatasetRecorder(path, env.spec, state_size=env.state_size) as recorder:
        for seed in range(2):
            rollout(env, actor, seed=seed, recorder=recorder)
    return Dataset.open(path), actor.shown


def test_what_the_actor_saw_is_what_the_film_shows(recorded):
    dataset, shown = recorded
    seen = list(dataset.video(1, CAMERA))
    assert len(seen) == len(shown) == 30
    for one, other in zip(seen, shown, strict=True):
        assert np.abs(one.astype(int) - other).mean() < 4  # flat colours, thin lines
    other = np.array([np.abs(seen[t].astype(int) - shown[t - 5]).mean() for t in range(5, 30)])
    same = np.array([np.abs(seen[t].astype(int) - shown[t]).mean() for t in range(5, 30)])
    assert (same < other).all()


def test_an_import_brings_the_films_of_a_dataset_of_ours_along(recorded, tmp_path, capsys):
    dataset, _ = recorded
    assert _main(["import", str(dataset.path), "--output", str(tmp_path / "copy")]) == 0
    assert "left out" not in capsys.readouterr().err
    copied = Dataset.open(tmp_path / "copy")
    assert copied.spec == dataset.spec
    for episode in range(dataset.num_episodes):
        films = (d.video(episode, CAMERA) for d in (copied, dataset))
        for one, other in zip(*films, strict=True):
            assert np.abs(one.astype(int) - other).mean() < 2
    assert np.array_equal(copied.column("action"), dataset.column("action"))
    assert [info.seed for info in copied.infos] == [info.seed for info in dataset.infos]


def test_simulated_time_waits_for_the_encoder(tmp_path, monkeypatch):
    monkeypatch.setattr(video_queue, "RING_BYTES", 1)
    env = make_env(TASK, OPTIONS)
    with DatasetRecorder(tmp_path, env.spec) as recorder:
        rollout(env, Circling(100), seed=0, recorder=recorder)
    assert not Dataset.open(tmp_path).column(REPEATED).any()


def test_real_time_keeps_its_stamps_with_cameras(tmp_path):
    env = make_env(TASK, OPTIONS, rate=50.0)
    with DatasetRecorder(tmp_path, env.spec) as recorder:
        rollout(env, Circling(25), seed=0, recorder=recorder, clock=RealTimeClock(50.0))
    dataset = Dataset.open(tmp_path)
    observed = dataset.column("time.observed")
    assert len(list(dataset.video(0, CAMERA))) == 25
    assert (np.diff(observed) > 0).all()
    np.testing.assert_allclose(dataset.column("timestamp"), np.arange(25) / 50, atol=1e-4)


def test_policies_read_vectors_and_ask_for_no_pictures(recorded):
    spec = vector_spec(recorded[0].spec)
    assert spec.observation_names == ("observation.state",)
    assert spec.task_options == {"render_size": 64}


def test_info_names_the_cameras_and_train_says_that_they_are_not_used(recorded, tmp_path, capsys):
    path = str(recorded[0].path)
    assert _main(["info", path, "--json"]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (found["cameras"], found["repeated_pictures"]) == (["top"], 0)
    arguments = ["--policy", "bc", "--output", str(tmp_path / "bc"), "--steps", "2"]
    assert _main(["train", "--dataset", path, *arguments]) == 0
    assert (
        f"not used   {CAMERA}; a policy sees those that --cameras names" in capsys.readouterr().out
    )

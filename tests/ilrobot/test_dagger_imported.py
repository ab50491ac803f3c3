"""DAgger that begins with demonstrations from elsewhere, and what is refused before any of it."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import zarr

from ilrobot.cli.dagger import Dagger
from ilrobot.cli.import_ import Import
from ilrobot.cli.replay import ReplayVerb
from ilrobot.cli.train import Train
from ilrobot.data.dataset import Dataset, DatasetRecorder
from ilrobot.data.episode import EpisodeInfo
from ilrobot.env import make_env
from ilrobot.errors import UserError
from ilrobot.rollout import rollout
from ilrobot.run import Run
from ilrobot.scripted_actor import ScriptedActor
from sims.experts import make_expert

PUSHT = "ilrobot/PushT-v0"
POINT = "ilrobot/PointPath-v0"
EPISODES = 3


@pytest.fixture(scope="module")
def foreign_looking(tmp_path_factory) -> Path:
    """A few demonstrations of pushing the T, as arrays that say nothing of a simulator."""
    env = make_env(PUSHT)
    env.reset(0)
    expert = ScriptedActor(make_expert(env.env), env)
    states, actions, ends = [], [], []
    for seed in range(EPISODES):
        observation = env.reset(seed)
        expert.reset(seed)
        for _ in range(25):
            action = expert.act(observation, 0.0).action
            states.append(observation["observation.state"])
            actions.append(action)
            observation = env.step(action).observation
        ends.append(len(states))
    file = tmp_path_factory.mktemp("source") / "pusht.npz"
    np.savez(
        file,
        observation=np.array(states, np.float64),
        action=np.array(actions, np.float64),
        episode_ends=ends,
    )
    return file


@pytest.fixture(scope="module")
def imported(foreign_looking, tmp_path_factory) -> tuple[Path, Path]:
    """The same imported, and a policy of few steps."""
    folder = tmp_path_factory.mktemp("imported")
    assert Import(foreign_looking, folder / "data", rate=10.0).run() == 0
    return folder / "data", _trained(folder / "data", folder / "bc")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory) -> tuple[Path, Path]:
    """Recordings of our own of another task."""
    folder = tmp_path_factory.mktemp("recorded")
    env = make_env(POINT)
    env.reset(0)
    expert = ScriptedActor(make_expert(env.env), env)
    with DatasetRecorder(folder / "data", env.spec, state_size=env.state_size) as recorder:
        for seed in range(EPISODES):
            info = EpisodeInfo(POINT, env.spec.rate, seed=seed)
            rollout(env, expert, seed=seed, recorder=recorder, info=info)
    return folder / "data", _trained(folder / "data", folder / "bc")


def _trained(data: Path, run: Path) -> Path:
    verb = Train(data, "bc", run, steps=5, width=16, blocks=1, held_out=0.0, device="cpu")
    assert verb.run() == 0
    return run


def _verb(task: str, data: Path, policy: Path, output: Path) -> Dagger:
    given = {"dataset": data, "policy": policy, "rounds": 1, "episodes": 1, "workers": 1}
    return Dagger(task=task, output=output, **given)


def test_imported_demonstrations_are_corrected_by_hand(imported, tmp_path, capsys):
    data, policy = imported
    before = Dataset.open(data)
    verb = _verb(PUSHT, data, policy, tmp_path / "run")
    assert verb.run() == 0
    grown = Dataset.open(tmp_path / "run" / "dataset")
    assert grown.num_episodes == EPISODES + 1
    for index in range(EPISODES):
        old, new = before.episode(index), grown.episode(index)
        assert new.states is None
        assert old.info == new.info
        for name, values in old.columns.items():
            assert np.array_equal(values, new.columns[name], equal_nan=values.dtype.kind == "f")
    added = grown.episode(EPISODES)
    assert added.states is not None
    assert np.isfinite(added.states).all()
    assert (added.columns["control.source"] == "human").any()
    assert Run.read(tmp_path / "run").done
    # What was recorded can be played again, what was not says so.
    replay = ReplayVerb(tmp_path / "run" / "dataset", episode=EPISODES, task=PUSHT)
    assert replay.run() == 0
    with pytest.raises(UserError, match="neither a seed nor recorded states"):
        replace(replay, episode=0).run()
    # It goes on as any other.
    assert replace(verb, rounds=2, resume=True).run() == 0
    assert Dataset.open(tmp_path / "run" / "dataset").num_episodes == EPISODES + 2


def test_films_of_imported_demonstrations_are_left_where_the_task_has_none(tmp_path):
    group = zarr.open_group(str(tmp_path / "a.zarr"), mode="w")
    rng = np.random.default_rng(0)
    arrays = {
        "state": rng.uniform(100, 400, (9, 5)).astype(np.float32),
        "action": rng.uniform(100, 400, (9, 2)).astype(np.float32),
        "keypoint": np.zeros((9, 9, 2)),
        "img": rng.integers(0, 255, (9, 32, 32, 3)).astype(np.float32),
    }
    for name, values in arrays.items():
        group.create_array(f"data/{name}", data=values)
    group.create_array("meta/episode_ends", data=np.array([4, 9]))
    data = tmp_path / "data"
    assert Import(tmp_path / "a.zarr", data).run() == 0
    verb = _verb(PUSHT, data, _trained(data, tmp_path / "bc"), tmp_path / "run")
    assert verb.run() == 0
    grown = Dataset.open(tmp_path / "run" / "dataset")
    assert (grown.num_episodes, grown.camera_keys) == (3, ())
    assert np.array_equal(grown.column("action")[:9], Dataset.open(data).column("action"))


def _without_our_part(data: Path, into: Path) -> Path:
    """The dataset as another program would have written it."""
    shutil.copytree(data, into)
    file = into / "meta" / "info.json"
    info = json.loads(file.read_text())
    del info["ilrobot"]
    file.write_text(json.dumps(info))
    return into


def test_a_dataset_of_another_program_is_refused_at_once_and_welcome_once_imported(
    recorded, tmp_path
):
    foreign = _without_our_part(recorded[0], tmp_path / "foreign")
    policy = _trained(foreign, tmp_path / "bc")
    verb = _verb(POINT, foreign, policy, tmp_path / "run")
    said = f"{foreign}: was written by another program.*ilrobot import {foreign} --output DIR"
    with pytest.raises(UserError, match=said):
        verb.run()
    assert not (tmp_path / "run").exists()
    assert Import(foreign, tmp_path / "copy").run() == 0
    assert replace(verb, dataset=tmp_path / "copy").run() == 0


def test_demonstrations_of_another_task_are_named_before_anything_is_made(
    recorded, imported, tmp_path
):
    data = recorded[0]
    verb = _verb(PUSHT, data, imported[1], tmp_path / "run")
    said = f"{data}: was recorded with another task ({POINT}, now {PUSHT}); give demonstrations"
    with pytest.raises(UserError, match=re.escape(said)):
        verb.run()
    assert not (tmp_path / "run").exists()


def test_other_options_are_named_before_anything_is_made(recorded, tmp_path):
    verb = _verb(POINT, *recorded, tmp_path / "run")
    said = f"{recorded[0]}: was recorded with another value of --options (none, now max_epis"
    with pytest.raises(UserError, match=re.escape(said)):
        replace(verb, options=("max_episode_steps=7",)).run()
    assert not (tmp_path / "run").exists()


def test_numbers_in_another_unit_are_not_mixed(imported, tmp_path):
    data = tmp_path / "metres"
    shutil.copytree(imported[0], data)
    file = data / "meta" / "info.json"
    info = json.loads(file.read_text())
    info["ilrobot"]["spec"]["action"]["units"] = ["m", "m"]
    file.write_text(json.dumps(info))
    said = f"{data}: was recorded with another units of 'action'"
    with pytest.raises(UserError, match=re.escape(said)):
        _verb(PUSHT, data, imported[1], tmp_path / "run").run()

"""``ilrobot replay``: the same in the world of the recording, and how far it strays elsewhere."""

import json
from dataclasses import replace

import numpy as np
import pytest

from ilrobot.actors import Actor, Decision, Source
from ilrobot.cli import _main
from ilrobot.data.dataset import Dataset, DatasetRecorder
from ilrobot.data.episode import Episode, EpisodeInfo, Outcome
from ilrobot.data.writing import write_episodes
from ilrobot.env import make_env
from ilrobot.replay import replay
from ilrobot.rollout import rollout
from ilrobot.scripted_actor import ScriptedActor
from ilrobot.spec import Feature, Spec
from sims.experts import make_expert

TASK = "ilrobot/PandaReach-v0"


def record(path, task, options=None, *, states=True):
    env = make_env(task, options)
    actor = ScriptedActor(make_expert(env.env), env)
    size = env.state_size if states else 0
    with DatasetRecorder(path, env.spec, state_size=size) as recorder:
        for seed in (3, 4):
            rollout(env, actor, seed=seed, recorder=recorder)
    env.close()
    return path


@pytest.fixture(scope="module")
def reach(tmp_path_factory):
    return record(tmp_path_factory.mktemp("data") / "reach", TASK)


def changed(path, output, **columns):
    """A copy of episode 0 with other values; a value may be a function of the old one."""
    dataset = Dataset.open(path)
    episode = dataset.episode(0)
    for name, change in columns.items():
        episode.columns[name] = change(episode.columns[name].copy())
    write_episodes(output, dataset.spec, [episode])
    return output


def said(capsys, *words):
    code = _main(["replay", *map(str, words), "--json"])
    return code, json.loads(capsys.readouterr().out.splitlines()[-1])


@pytest.mark.parametrize("task", [TASK, "ilrobot/PushT-v0", "ilrobot/PointPath-v0"])
def test_in_its_own_world_a_replay_is_the_same_to_the_bit(task, tmp_path, capsys):
    path = record(tmp_path / "data", task)
    for episode in (0, 1):
        code, found = said(capsys, path, "--episode", episode, "--tolerance", 0)
        assert code == 0
        assert found["restored"]
        assert (found["success_then"], found["success_now"]) == (True, True)
        assert found["frames"] == found["recorded"] == Dataset.open(path).lengths[episode]
        assert all(one["greatest"] == one["final"] == 0 for one in found["deviations"])


class Pausing(Actor):
    """Moves a little, and holds the robot for a while."""

    def act(self, observation, now):
        paused = 1.0 <= now < 2.5
        action = np.array([0, 0, 0 if paused else 0.001, 0, 0, 0, 1], np.float32)
        return Decision(action, Source.PAUSED if paused else Source.DEMO)


def test_a_pause_does_not_run_the_time_limit_down(tmp_path, capsys):
    env = make_env(TASK)
    with DatasetRecorder(tmp_path / "data", env.spec, state_size=env.state_size) as recorder:
        length = rollout(env, Pausing(), seed=0, recorder=recorder).length
    env.close()
    code, found = said(capsys, tmp_path / "data", "--tolerance", 0)
    assert code == 0
    assert found["frames"] == found["recorded"] == length == 130


def test_another_action_strays_from_the_next_frame_on(reach, tmp_path, capsys):
    def pushed(actions):
        actions[5, 0] = -actions[5, 0] - 0.01
        return actions

    path = changed(reach, tmp_path / "pushed", action=pushed)
    code, found = said(capsys, path, "--tolerance", 1e-6)
    assert code == 1
    assert found["strays_at"] == 6
    (metres,) = (d for d in found["deviations"] if d["strays_at"] == 6 and d["unit"] == "m")
    assert metres["element"] == "ee_x"
    assert 1e-4 < metres["greatest"] < 0.05
    assert metres["final"] <= metres["greatest"]
    # The same within a wider tolerance.
    assert said(capsys, path, "--tolerance", 1)[0] == 0


def test_on_another_engine_it_begins_from_the_seed_and_may_stray(reach, capsys):
    code, found = said(capsys, reach, "--options", "engine=pybullet")
    assert code == 0
    assert not found["restored"]
    assert not found["exact_expected"]
    assert found["options"] == {"engine": "pybullet"}
    greatest = max(one["greatest"] for one in found["deviations"])
    assert 0 < greatest < 0.1
    assert found["success_now"]


def test_an_option_that_says_what_holds_anyway_is_no_other_world(reach, capsys):
    code, found = said(capsys, reach, "--options", "engine=mujoco", "--tolerance", 0)
    assert (code, found["restored"]) == (0, True)


def test_without_states_it_begins_from_the_seed(tmp_path, capsys):
    path = record(tmp_path / "data", "ilrobot/PointPath-v0", states=False)
    code, found = said(capsys, path)
    assert (code, found["restored"], found["strays_at"]) == (0, False, None)


def test_a_piece_of_an_episode_begins_from_its_own_first_state(tmp_path, capsys):
    path = record(tmp_path / "data", TASK)
    assert _main(["edit", str(path), "trim", "--episode", "0", "--start", "4"]) == 0
    capsys.readouterr()
    code, found = said(capsys, path, "--tolerance", 0)
    assert (code, found["seed"], found["restored"]) == (0, None, True)
    assert _main(["replay", str(path), "--options", "engine=pybullet"]) == 2
    assert "replay it in its own world" in capsys.readouterr().err


def test_discarded_frames_are_left_out():
    """A rewound episode: three frames, two steps back, and on from there."""
    env = make_env("ilrobot/PointPath-v0")
    rng = np.random.default_rng(0)
    observation, frames = env.reset(1), []

    def step(discarded):
        nonlocal observation
        action = rng.uniform(-1, 1, env.spec.action.shape).astype(np.float32)
        frames.append((observation, action, env.get_state(), discarded))
        observation = env.step(action).observation

    for discarded in (False, True, True):
        step(discarded)
    env.set_state(frames[1][2])
    observation = frames[1][0]
    for _ in range(3):
        step(False)
    columns = {
        name: np.array([frame[0][name] for frame in frames]) for name in env.spec.observation_names
    }
    columns["action"] = np.array([frame[1] for frame in frames])
    columns["sim.state"] = np.array([frame[2] for frame in frames])
    columns["control.discarded"] = np.array([frame[3] for frame in frames])
    episode = Episode(EpisodeInfo("x", env.spec.rate, Outcome.UNKNOWN, seed=1), columns)
    found = replay(env, episode, restore=True, tolerance=0.0)
    assert (found.frames, found.recorded, found.strays_at) == (4, 4, None)
    del columns["control.discarded"]
    assert replay(env, episode, restore=True, tolerance=1e-6).strays_at == 3
    columns["control.discarded"] = np.ones(6, bool)
    with pytest.raises(Exception, match="all frames of the episode were discarded"):
        replay(env, episode, restore=True, tolerance=0.0)


def test_angles_wrap(tmp_path):
    """A full turn apart is no deviation."""
    env = make_env("ilrobot/PushT-v0")
    angle = env.spec.observations[0].units.index("rad")
    episode = Dataset.open(record(tmp_path / "data", "ilrobot/PushT-v0")).episode(0)
    turned = episode.columns["observation.state"].copy()
    turned[:, angle] += 2 * np.pi
    episode.columns["observation.state"] = turned
    found = replay(env, episode, restore=True, tolerance=1e-3)
    assert found.strays_at is None


def test_what_cannot_be_replayed_is_one_line(reach, tmp_path, capsys):
    spec = Spec((Feature("observation.state", (2,)),), Feature("action", (2,)), 20.0)
    columns = {name: np.zeros((3, 2), np.float32) for name in ("observation.state", "action")}
    bare = tmp_path / "bare"
    write_episodes(bare, spec, [Episode(EpisodeInfo("", 20.0), columns)])
    seeded = tmp_path / "seeded"
    write_episodes(seeded, spec, [Episode(EpisodeInfo("", 20.0, seed=1), columns)])
    dataset = Dataset.open(reach)
    forgetful = dataset.episode(0)
    del forgetful.columns["sim.state"]
    forgetful.info = replace(forgetful.info, seed=None)
    lost = tmp_path / "lost"
    write_episodes(lost, dataset.spec, [forgetful])
    for words, expected in (
        ([bare], "neither a seed nor recorded states"),
        ([seeded], "does not say which task it was recorded on; name it with --task"),
        ([lost], "neither a seed nor recorded states"),
        ([reach, "--episode", 2], "--episode goes from 0 to 1"),
        ([reach, "--task", "ilrobot/PushT-v0"], "choose another --task"),
        ([reach, "--tolerance", "nan"], "--tolerance must be 0 or more"),
        ([reach, "--options", "engine=none"], "engine must be"),
        ([tmp_path / "nothing"], "does not exist"),
    ):
        assert _main(["replay", *map(str, words)]) == 2, words
        error = capsys.readouterr().err
        assert expected in error, error
        assert error.count("\n") == 1

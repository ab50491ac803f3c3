"""A run's folder is exported to be served; a damaged one is not."""

from dataclasses import replace

import pytest

from exports.server.client import RemotePolicy
from ilrobot.data.episode import Episode, MemoryRecorder, Outcome
from ilrobot.data.writing import write_episodes
from ilrobot.env import make_env
from ilrobot.learners.behavioral_cloning import train
from ilrobot.learners.config import TrainConfig
from ilrobot.policies.config import PolicyConfig
from ilrobot.rollout import rollout
from ilrobot.scripted_actor import ScriptedActor
from sims.experts import make_expert
from tests.exports.serving import refused_to_serve, serving


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    env = make_env("ilrobot/PointPath-v0", {"max_episode_steps": 20})
    recorder = MemoryRecorder(env.spec)
    actor = ScriptedActor(make_expert(env.env), env)
    for seed in range(2):
        rollout(env, actor, seed=seed, recorder=recorder)
    episodes = [
        Episode(replace(episode.info, outcome=Outcome.SUCCESS), episode.columns)
        for episode in recorder.episodes
    ]
    train(
        write_episodes(folder / "data", env.spec, episodes),
        PolicyConfig(width=16, blocks=1, horizon=4, execute=2),
        TrainConfig(steps=5, batch_size=8, device="cpu"),
        folder / "run",
    )
    return folder / "run"


def test_a_run_is_exported_and_served_by_several_threads(run):
    before = sorted(run.rglob("*"))
    with serving(run, 0, "--threads", "2") as server:
        remote = RemotePolicy(server.address)
        remote.verify()
        assert remote.contract.horizon == 4
        remote.close()
    assert sorted(run.rglob("*")) == before


def test_a_folder_without_a_run_is_refused(tmp_path):
    code, errors = refused_to_serve(tmp_path)
    assert code == 2
    assert len(errors.strip().splitlines()) == 1
    assert f"{tmp_path} cannot be exported to be served" in errors

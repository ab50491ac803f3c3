"""Demonstrations, clones of them, and the verb ``dagger`` on both."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from ilrobot.cli.dagger import Dagger
from ilrobot.data.dataset import Dataset, DatasetRecorder
from ilrobot.data.episode import EpisodeInfo
from ilrobot.env import make_env
from ilrobot.learners.behavioral_cloning import train
from ilrobot.learners.config import preset
from ilrobot.rollout import rollout
from ilrobot.run import Run
from ilrobot.scripted_actor import ScriptedActor
from sims.experts import make_expert

TASK = "ilrobot/PointPath-v0"
DEMONSTRATIONS = 10


def demonstrated_and_cloned(
    folder: Path, steps: int, rate: float | None = None
) -> tuple[Path, Path]:
    """Demonstrations by the expert, at another rate than the task's if one is given; a clone."""
    env = make_env(TASK, rate=rate)
    env.reset(0)
    expert = ScriptedActor(make_expert(env.env), env)
    with DatasetRecorder(folder / "data", env.spec, state_size=env.state_size) as recorder:
        for seed in range(DEMONSTRATIONS):
            info = EpisodeInfo(TASK, env.spec.rate, seed=seed)
            rollout(env, expert, seed=seed, recorder=recorder, info=info)
    data = Dataset.open(folder / "data")
    policy_config, train_config = preset("bc", data.spec)
    small = replace(policy_config, width=64, blocks=2, dropout=0.0, observation_noise=0.0)
    short = replace(train_config, steps=steps, batch_size=128, ema=0.99, device="cpu")
    train(data, small, short, folder / "bc")
    return folder / "data", folder / "bc"


def retrained(cloned: tuple[Path, Path], folder: Path, **changes: Any) -> Path:
    """The clone trained with other settings."""
    config = Run.read(cloned[1]).description.config
    train(Dataset.open(cloned[0]), config.policy, replace(config.train, **changes), folder)
    return folder


def dagger_of(cloned: tuple[Path, Path], output: Path, **changes: Any) -> Dagger:
    """The verb on demonstrations and a clone; by default two rounds under the beta gate."""
    given = {"gate": "beta", "device": "expert", "rounds": 2, "episodes": 5, "workers": 1}
    both = {"dataset": cloned[0], "policy": cloned[1]}
    return Dagger(task=TASK, output=output, **both, **{**given, **changes})

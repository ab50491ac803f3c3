"""DAgger and HG-DAgger end to end: they learn, they label what they should, they survive a kill."""

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ilrobot.cli.dagger import Dagger
from ilrobot.data.dataset import Dataset, DatasetRecorder
from ilrobot.data.episode import EpisodeInfo, Outcome
from ilrobot.env import ScriptedActor, make_env
from ilrobot.errors import UserError
from ilrobot.evaluate import evaluate
from ilrobot.learners.behavioral_cloning import train
from ilrobot.learners.config import preset
from ilrobot.policies.loading import load_policy
from ilrobot.rollout import rollout
from sims.experts import make_expert

TASK = "ilrobot/PointPath-v0"
DEMONSTRATIONS = 10


@pytest.fixture(scope="module")
def cloned(tmp_path_factory) -> tuple[Path, Path]:
    """Demonstrations by the expert and a clone of it."""
    folder = tmp_path_factory.mktemp("cloned")
    env = make_env(TASK)
    env.reset(0)
    expert = ScriptedActor(make_expert(env.env), env)
    with DatasetRecorder(folder / "data", env.spec, state_size=env.state_size) as recorder:
        for seed in range(DEMONSTRATIONS):
            info = EpisodeInfo(TASK, env.spec.rate, seed=seed)
            rollout(env, expert, seed=seed, recorder=recorder, info=info)
    data = Dataset.open(folder / "data")
    policy_config, train_config = preset("bc", data.spec)
    small = replace(policy_config, width=64, blocks=2, dropout=0.0, observation_noise=0.0)
    short = replace(train_config, steps=2_000, batch_size=128, ema=0.99, device="cpu")
    train(data, small, short, folder / "bc")
    return folder / "data", folder / "bc"


def _verb(cloned: tuple[Path, Path], output: Path, **changes) -> Dagger:
    given = {"gate": "beta", "device": "expert", "rounds": 2, "episodes": 5, **changes}
    return Dagger(task=TASK, dataset=cloned[0], policy=cloned[1], output=output, **given)


def _cost(run: Path) -> float:
    """Mean deviation from the path, summed over an episode."""

    def setup():
        return make_env(TASK), load_policy(run).actor()

    return -evaluate(setup, range(50_000, 50_020)).to_json()["return_mean"]


def test_dagger_stays_where_cloning_drifts_off(cloned, tmp_path):
    assert _verb(cloned, tmp_path / "run", rounds=3, episodes=8).run() == 0
    clone, learnt = _cost(cloned[1]), _cost(tmp_path / "run")
    print(f"cost: cloned {clone:.2f}, after DAgger {learnt:.2f}")
    assert learnt <= 0.5 * clone


def test_with_the_beta_gate_every_step_is_labelled_by_the_expert(cloned, tmp_path):
    _verb(cloned, tmp_path / "run", rounds=1).run()
    data = Dataset.open(tmp_path / "run" / "dataset")
    added = slice(data.starts[DEMONSTRATIONS], None)
    assert np.isfinite(data.column("control.human_action")[added]).all()
    assert set(data.column("control.source")[added]) == {"policy", "human"}
    executed = data.column("action")[added]
    wanted = data.column("control.human_action")[added]
    by_expert = data.column("control.source")[added] == "human"
    assert np.array_equal(executed[by_expert], wanted[by_expert])


def test_with_the_human_gate_an_episode_keeps_the_attempt_and_its_corrections(cloned, tmp_path):
    verb = _verb(cloned, tmp_path / "run", gate="human", device="operator", rounds=1)
    assert verb.run() == 0
    data = Dataset.open(tmp_path / "run" / "dataset")
    added = slice(data.starts[DEMONSTRATIONS], None)
    source = data.column("control.source")[added]
    assert set(source) == {"policy", "human"}
    human = source == "human"
    assert np.isfinite(data.column("control.policy_action")[added]).all()
    assert np.isnan(data.column("control.human_action")[added][~human]).all()
    assert np.array_equal(human, data.column("intervention")[added])
    assert "pad" in data.infos[-1].device
    summary = json.loads((tmp_path / "run" / "run.json").read_text())["rounds"][0]
    assert summary["human_steps"] == human.sum()
    assert summary["steps"] == len(human)


def test_the_demonstrations_are_not_touched_and_a_second_run_is_refused(cloned, tmp_path):
    before = Dataset.open(cloned[0]).content_hash
    _verb(cloned, tmp_path / "run", rounds=1, episodes=1).run()
    assert Dataset.open(cloned[0]).content_hash == before
    with pytest.raises(UserError, match="--resume"):
        _verb(cloned, tmp_path / "run", rounds=1, episodes=1).run()
    with pytest.raises(UserError, match="resume it with the same"):
        _verb(cloned, tmp_path / "run", episodes=2, resume=True).run()


def test_a_run_that_was_killed_goes_on_and_ends_as_if_it_had_not_been(cloned, tmp_path):
    command = [
        *(sys.executable, "-m", "ilrobot", "dagger", "--task", TASK, "--gate", "beta"),
        *("--device", "expert", "--dataset", str(cloned[0]), "--policy", str(cloned[1])),
        *("--rounds", "2", "--episodes", "5", "--output", str(tmp_path / "run")),
    ]
    killed = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    sealed = tmp_path / "run" / "dataset" / "data" / "chunk-000"
    deadline = time.monotonic() + 60
    while len(list(sealed.glob("*.parquet"))) < DEMONSTRATIONS + 7:  # inside the second round
        assert killed.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline, "it got nowhere"
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert subprocess.run([*command, "--resume"], capture_output=True).returncode == 0
    _verb(cloned, tmp_path / "unbroken").run()

    data = Dataset.open(tmp_path / "run" / "dataset")
    finished = [i for i in data.infos[DEMONSTRATIONS:] if i.outcome is not Outcome.UNFINISHED]
    assert [info.seed for info in finished] == list(range(10_000, 10_010))
    run = json.loads((tmp_path / "run" / "run.json").read_text())
    unbroken = json.loads((tmp_path / "unbroken" / "run.json").read_text())
    assert run["status"] == "done"
    assert run["rounds"][0] == unbroken["rounds"][0]
    assert (tmp_path / "run" / "policy.pt").exists()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"rounds": 0}, "--rounds"),
        ({"episodes": -1}, "--episodes"),
        ({"gate": "human"}, "hand on the bumper"),
        ({"device": "operator"}, "label at every step"),
        ({"dataset": Path("nowhere")}, "nowhere"),
        ({"policy": Path("nowhere")}, "nowhere"),
        ({"task": "ilrobot/PandaReach-v0"}, "observation.state"),
        ({"task": "CartPole-v1"}, "observation.state"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(cloned, tmp_path, changes, said):
    verb = replace(_verb(cloned, tmp_path / "run"), **changes)
    with pytest.raises(UserError, match=said) as caught:
        verb.run()
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_run_of_dagger_is_described_and_exported_like_any_other(cloned, tmp_path, capsys):
    from ilrobot.cli.export import Export
    from ilrobot.cli.info import Info

    _verb(cloned, tmp_path / "run", rounds=1, episodes=2).run()
    assert Info(path=tmp_path / "run").run() == 0
    assert "damaged" not in capsys.readouterr().out
    assert Export(policy=tmp_path / "run", output=tmp_path / "policy.onnx").run() == 0
    assert (tmp_path / "policy.onnx").exists()

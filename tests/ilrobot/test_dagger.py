"""DAgger and HG-DAgger end to end: they learn, and they label what they should."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ilrobot.actors import Actor, Event
from ilrobot.atomic import write_json
from ilrobot.cli.dagger import Dagger
from ilrobot.data.dataset import Dataset
from ilrobot.data.episode import EpisodeInfo, Outcome
from ilrobot.env import make_env
from ilrobot.errors import UserError
from ilrobot.evaluate import evaluate
from ilrobot.gates.beta import BetaGate
from ilrobot.learners.behavioral_cloning import train
from ilrobot.learners.interactive.dagger import describe_dagger, run_dagger
from ilrobot.policies.loading import load_policy
from ilrobot.run import Run, policy_hash
from ilrobot.run_description import DaggerDescription, DaggerPlan
from ilrobot.scripted_actor import ScriptedActor
from ilrobot.shared_control import SharedControl
from ilrobot.task_env import TaskEnv
from ilrobot.typed_json import dump
from sims.experts import make_expert
from tests.ilrobot.dagger_runs import (
    DEMONSTRATIONS,
    TASK,
    dagger_of,
    demonstrated_and_cloned,
    retrained,
)
from tests.ilrobot.gate_tester import OPTIONS, make_novice


@pytest.fixture(scope="module")
def sketched(tmp_path_factory) -> tuple[Path, Path]:
    """With a policy of so few steps that its rounds take no time."""
    return demonstrated_and_cloned(tmp_path_factory.mktemp("sketched"), steps=30)


def _cost(run: Path) -> float:
    """Mean deviation from the path, summed over an episode."""

    def setup():
        return make_env(TASK), load_policy(run).actor()

    return -evaluate(setup, range(50_000, 50_020)).to_json()["return_mean"]


@pytest.mark.exhaustive  # that it learns at all: test_interactive_methods
def test_dagger_stays_where_cloning_drifts_off(sketched, tmp_path):
    cloned = sketched[0], retrained(sketched, tmp_path / "bc", steps=2_000)
    assert dagger_of(cloned, tmp_path / "run", rounds=3, episodes=8).run() == 0
    clone, learnt = _cost(cloned[1]), _cost(tmp_path / "run")
    print(f"cost: cloned {clone:.2f}, after DAgger {learnt:.2f}")
    assert learnt <= 0.5 * clone


def test_with_the_beta_gate_every_step_is_labelled_by_the_expert(sketched, tmp_path):
    dagger_of(sketched, tmp_path / "run", rounds=1).run()
    data = Dataset.open(tmp_path / "run" / "dataset")
    added = slice(data.starts[DEMONSTRATIONS], None)
    assert np.isfinite(data.column("control.human_action")[added]).all()
    assert set(data.column("control.source")[added]) == {"policy", "human"}
    executed = data.column("action")[added]
    wanted = data.column("control.human_action")[added]
    by_expert = data.column("control.source")[added] == "human"
    assert np.array_equal(executed[by_expert], wanted[by_expert])


@pytest.mark.parametrize(("gate", "device"), [("beta", "expert"), ("human", "operator")])
def test_a_task_recorded_at_a_rate_of_its_own_is_gone_on_with_at_that(tmp_path, gate, device):
    cloned = demonstrated_and_cloned(tmp_path, steps=2, rate=4.0)
    verb = dagger_of(
        cloned, tmp_path / "run", gate=gate, device=device, rounds=1, episodes=2, workers=2
    )
    assert verb.run() == 0
    data = Dataset.open(tmp_path / "run" / "dataset")
    assert data.spec.rate == 4.0
    assert data.num_episodes == DEMONSTRATIONS + 2
    assert {info.rate for info in data.infos} == {4.0}


def test_with_the_human_gate_an_episode_keeps_the_attempt_and_its_corrections(sketched, tmp_path):
    verb = dagger_of(sketched, tmp_path / "run", gate="human", device="operator", rounds=1)
    assert verb.run() == 0
    data = Dataset.open(tmp_path / "run" / "dataset")
    added = slice(data.starts[DEMONSTRATIONS], None)
    source = data.column("control.source")[added]
    assert set(source) == {"policy", "human", "blend"}
    human = source == "human"
    assert np.isfinite(data.column("control.policy_action")[added]).all()
    assert np.isnan(data.column("control.human_action")[added][~human]).all()
    assert np.array_equal(human, data.column("intervention")[added])
    assert "pad" in data.infos[-1].device
    summary = json.loads((tmp_path / "run" / "run.json").read_text())["rounds"][0]
    assert summary["human_steps"] == human.sum()
    assert summary["steps"] == len(human)


def test_a_simulated_person_does_the_same_in_any_number_of_processes(sketched, tmp_path):
    by_hand = {"gate": "human", "device": "operator", "rounds": 2, "episodes": 4}
    dagger_of(sketched, tmp_path / "one", **by_hand).run()
    dagger_of(sketched, tmp_path / "two", **by_hand, workers=2).run()
    one, two = (Dataset.open(tmp_path / name / "dataset") for name in ("one", "two"))
    assert [info.seed for info in one.infos] == [info.seed for info in two.infos]
    assert (one.column("control.source") == "human").any()
    assert one.content_hash == two.content_hash
    assert policy_hash(tmp_path / "one") == policy_hash(tmp_path / "two")


def test_each_fit_has_the_weighting_that_was_asked_for(sketched, tmp_path):
    dagger_of(sketched, tmp_path / "run", rounds=1, episodes=1, weighting="iwr").run()
    fitted = Run.read(tmp_path / "run" / "round-1").description.config.train
    assert fitted.weighting == "iwr"
    first = Run.read(sketched[1]).description.config.train
    assert replace(fitted, weighting="plain", device=first.device) == first


def test_every_episode_knows_the_policy_that_shared_control(sketched, tmp_path):
    dagger_of(sketched, tmp_path / "run", rounds=2, episodes=1).run()
    first, second = Dataset.open(tmp_path / "run" / "dataset").infos[DEMONSTRATIONS:]
    assert first.policy_hash == policy_hash(sketched[1])
    assert second.policy_hash == policy_hash(tmp_path / "run" / "round-1")
    described = Run.read_as(tmp_path / "run", DaggerDescription).description
    assert described.initial.policy_hash == first.policy_hash


def test_a_policy_from_a_machine_with_a_gpu_learns_on_here(sketched, tmp_path):
    first = Run.read(sketched[1]).description
    train_config = replace(first.config.train, device="cuda")
    shutil.copytree(sketched[1], tmp_path / "bc")
    described = replace(first, config=replace(first.config, train=train_config))
    write_json(tmp_path / "bc" / "run.json", dump(described))
    verb = dagger_of((sketched[0], tmp_path / "bc"), tmp_path / "run", rounds=1, episodes=1)
    assert verb.run() == 0


class _Choosy(Actor):
    """A person who drives all the time and discards the first attempt at one seed."""

    def __init__(self, expert: Actor, seed: int) -> None:
        self._expert, self._seed = expert, seed
        self._discards = False

    def reset(self, seed=None):
        self._expert.reset(seed)
        self._discards = seed == self._seed
        if self._discards:
            self._seed = -1

    def act(self, observation, now):
        decision = self._expert.act(observation, now)
        return replace(decision, event=Event.DISCARD if self._discards else None)


class _Driving:
    """Casts an expert that has all the control."""

    def __init__(self, expert: Actor) -> None:
        self._expert = expert

    def make_env(self) -> TaskEnv:
        return make_env(TASK)

    def prepare(self, number, dataset, policy_run, on_steps) -> None:
        pass

    @contextmanager
    def share_control(self, env, policy_run, number) -> Iterator[Actor]:
        yield SharedControl(load_policy(policy_run).actor(), self._expert, BetaGate(1.0))


def test_a_discarded_attempt_is_kept_but_does_not_count_and_is_made_again(sketched, tmp_path):
    env = make_env(TASK)
    env.reset(0)
    expert = _Choosy(ScriptedActor(make_expert(env.env), env), 10_001)
    plan = DaggerPlan(rounds=1, episodes=2, seed=10_000)
    config = Run.read(sketched[1]).description.config
    told = []
    (row,) = run_dagger(
        env=env,
        description=describe_dagger(env, sketched[0], sketched[1], plan, {}),
        output=tmp_path / "run",
        cast=_Driving(expert),
        fit=lambda data, run, _: train(data, config.policy, replace(config.train, steps=2), run),
        info=EpisodeInfo(TASK, env.spec.rate),
        on_episode=lambda number, kept: told.append((number, kept)),
    )
    infos = Dataset.open(tmp_path / "run" / "dataset").infos[DEMONSTRATIONS:]
    assert [info.seed for info in infos] == [10_000, 10_001, 10_001]
    assert [info.outcome is Outcome.DISCARDED for info in infos] == [False, True, False]
    assert row.episodes == 2
    assert told == [(1, 0), (1, 1), (1, 2)]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"rounds": 0}, "--rounds"),
        ({"episodes": -1}, "--episodes"),
        ({"gate": "human"}, "hand on the bumper"),
        ({"device": "operator"}, "asks the expert at every step"),
        ({"bindings": Path("pad.toml")}, "--bindings is for a hand"),
        ({"workers": 0}, "--workers must be from 1 to 256, not 0"),
        ({"gate": "human", "device": "gamepad", "workers": 2}, "is for simulated attempts"),
        ({"dataset": Path("nowhere")}, "nowhere"),
        ({"policy": Path("nowhere")}, "nowhere"),
        ({"policy": Path("policy.onnx")}, "is an exported policy"),
        ({"policy": Path("policy.pt")}, "does not exist; give the folder of a run"),
        ({"seed": -1}, "--seed must be from 0 to"),
        ({"seed": 2**63}, "--seed must be from 0 to"),
        ({"episodes": 10**12}, "--episodes must be from 1 to"),
        ({"output": Path(__file__)}, "is a file"),
        ({"output": Path(__file__) / "run"}, "cannot be written"),
        ({"task": "ilrobot/PandaReach-v0"}, "observation.state"),
        ({"task": "CartPole-v1"}, "observation.state"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(sketched, tmp_path, changes, said):
    verb = replace(dagger_of(sketched, tmp_path / "run"), **changes)
    with pytest.raises(UserError, match=said) as caught:
        verb.run()
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_run_of_dagger_is_described_and_exported_like_any_other(sketched, tmp_path, capsys):
    from ilrobot.cli.export import Export
    from ilrobot.cli.info import Info

    dagger_of(sketched, tmp_path / "run", rounds=1, episodes=2).run()
    assert Info(path=tmp_path / "run").run() == 0
    assert "damaged" not in capsys.readouterr().out
    assert Export(policy=tmp_path / "run", output=tmp_path / "policy.onnx").run() == 0
    assert (tmp_path / "policy.onnx").exists()


def test_the_task_is_as_it_was_demonstrated(tmp_path):
    data, policy = make_novice(tmp_path, members=1)
    verb = Dagger(
        task=TASK,
        dataset=data,
        policy=policy,
        output=tmp_path / "run",
        gate="beta",
        rounds=1,
        episodes=1,
        workers=1,
    )
    assert verb.run() == 0
    (horizon,) = OPTIONS[TASK].values()
    assert Dataset.open(tmp_path / "run" / "dataset").lengths[-1] == horizon

"""DAgger and HG-DAgger end to end: they learn, they label what they should, they survive a kill."""

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from dagger_rounds import kill_when_sealed

from ilrobot.actors import Actor, Event
from ilrobot.atomic import write_json
from ilrobot.cli import main
from ilrobot.cli.dagger import Dagger
from ilrobot.data.dataset import Dataset, DatasetRecorder
from ilrobot.data.episode import EpisodeInfo, Outcome
from ilrobot.env import make_env
from ilrobot.errors import UserError
from ilrobot.evaluate import evaluate
from ilrobot.gates.beta import BetaGate
from ilrobot.learners.behavioral_cloning import train
from ilrobot.learners.config import preset
from ilrobot.learners.interactive.dagger import describe_dagger, run_dagger
from ilrobot.lock import WriteLock
from ilrobot.policies.loading import load_policy
from ilrobot.rollout import rollout
from ilrobot.run import Run, policy_hash
from ilrobot.run_description import DaggerDescription, DaggerPlan
from ilrobot.scripted_actor import ScriptedActor
from ilrobot.shared_control import SharedControl
from ilrobot.task_env import TaskEnv
from ilrobot.typed_json import dump
from sims.experts import make_expert
from tests.forked import Forked

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


@pytest.fixture(scope="module")
def sketched(cloned, tmp_path_factory) -> tuple[Path, Path]:
    """The same with a policy of so few steps that its rounds take no time."""
    return cloned[0], _retrained(cloned, tmp_path_factory.mktemp("sketched") / "bc", steps=30)


def _retrained(cloned, folder, **changes) -> Path:
    config = Run.read(cloned[1]).description.config
    train(Dataset.open(cloned[0]), config.policy, replace(config.train, **changes), folder)
    return folder


def _verb(cloned: tuple[Path, Path], output: Path, **changes) -> Dagger:
    given = {"gate": "beta", "device": "expert", "rounds": 2, "episodes": 5, "workers": 1}
    both = {"dataset": cloned[0], "policy": cloned[1]}
    return Dagger(task=TASK, output=output, **both, **{**given, **changes})


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


def test_with_the_beta_gate_every_step_is_labelled_by_the_expert(sketched, tmp_path):
    _verb(sketched, tmp_path / "run", rounds=1).run()
    data = Dataset.open(tmp_path / "run" / "dataset")
    added = slice(data.starts[DEMONSTRATIONS], None)
    assert np.isfinite(data.column("control.human_action")[added]).all()
    assert set(data.column("control.source")[added]) == {"policy", "human"}
    executed = data.column("action")[added]
    wanted = data.column("control.human_action")[added]
    by_expert = data.column("control.source")[added] == "human"
    assert np.array_equal(executed[by_expert], wanted[by_expert])


def test_with_the_human_gate_an_episode_keeps_the_attempt_and_its_corrections(sketched, tmp_path):
    verb = _verb(sketched, tmp_path / "run", gate="human", device="operator", rounds=1)
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
    _verb(sketched, tmp_path / "one", **by_hand).run()
    _verb(sketched, tmp_path / "two", **by_hand, workers=2).run()
    one, two = (Dataset.open(tmp_path / name / "dataset") for name in ("one", "two"))
    assert [info.seed for info in one.infos] == [info.seed for info in two.infos]
    assert (one.column("control.source") == "human").any()
    assert one.content_hash == two.content_hash
    assert policy_hash(tmp_path / "one") == policy_hash(tmp_path / "two")


def test_the_demonstrations_are_not_touched_and_a_second_run_is_refused(sketched, tmp_path):
    before = Dataset.open(sketched[0]).content_hash
    _verb(sketched, tmp_path / "run", rounds=1, episodes=1).run()
    assert Dataset.open(sketched[0]).content_hash == before
    with pytest.raises(UserError, match="--resume"):
        _verb(sketched, tmp_path / "run", rounds=1, episodes=1).run()


@pytest.fixture(scope="module")
def learnt(sketched, tmp_path_factory) -> Path:
    """A run of one round."""
    output = tmp_path_factory.mktemp("learnt") / "run"
    assert _verb(sketched, output, rounds=1, episodes=2).run() == 0
    return output


def _snapshot(run):
    return {path.relative_to(run): path.read_bytes() for path in run.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"episodes": 3}, "begun with episodes 2, not 3"),
        ({"seed": 5}, "begun with seed 10000, not 5"),
        ({"gate": "human", "device": "operator"}, "begun with gate beta, not human"),
        ({"options": ("max_episode_steps=7",)}, '({}, now {"max_episode_steps": 7})'),
        ({"dataset": "{run}/dataset"}, "begun with demonstrations of content hash"),
        ({"policy": "{run}/round-1"}, "begun with a policy of hash"),
        ({"policy": "retrained"}, "begun with a policy of steps 30, not 20"),
        ({"weighting": "iwr"}, "begun with a policy of weighting plain, not iwr"),
    ],
)
def test_only_a_run_of_the_same_settings_goes_on(change, said, sketched, learnt, tmp_path):
    if change.get("policy") == "retrained":
        change = {"policy": _retrained(sketched, tmp_path / "other", steps=20)}
    for name in change.keys() & {"dataset", "policy"}:
        change = {**change, name: Path(str(change[name]).format(run=learnt))}
    before = _snapshot(learnt)
    verb = _verb(sketched, learnt, rounds=2, episodes=2, resume=True)
    with pytest.raises(UserError, match=re.escape(said)) as caught:
        replace(verb, **change).run()
    assert "\n" not in str(caught.value)
    assert _snapshot(learnt) == before


def test_a_run_goes_on_with_the_bindings_that_it_was_begun_with(sketched, tmp_path):
    mine = tmp_path / "mine.toml"
    mine.write_text("expo = 0.4\n")
    run = tmp_path / "run"
    by_hand = {"gate": "human", "device": "operator", "rounds": 1, "episodes": 1}
    verb = _verb(sketched, run, **by_hand, bindings=mine)
    assert verb.run() == 0
    before = _snapshot(run)
    mine.write_text("expo = 0.8\n")
    for other in (mine, None):
        with pytest.raises(UserError, match="begun with bindings of hash"):
            replace(verb, rounds=2, resume=True, bindings=other).run()
    assert _snapshot(run) == before
    mine.write_text("expo = 0.4  # as before\n")
    assert replace(verb, resume=True).run() == 0


@pytest.mark.parametrize("aggregate", [False, True])
def test_a_run_goes_on_adding_to_the_dataset_that_it_was_begun_with(sketched, tmp_path, aggregate):
    copy = tmp_path / "data"
    shutil.copytree(sketched[0], copy)
    verb = _verb((copy, sketched[1]), tmp_path / "run", aggregate=aggregate)
    plan = DaggerPlan(2, 5, verb.seed)
    begun = describe_dagger(
        make_env(TASK),
        copy,
        sketched[1],
        plan,
        verb._setting(make_env(TASK).spec),
        aggregate=verb.output if aggregate else None,
    )
    with Run.claim(verb.output, begun, resume=False):  # killed before its first attempt
        pass
    before = _snapshot(tmp_path)
    with pytest.raises(UserError, match="was begun with aggregate"):
        replace(verb, aggregate=not aggregate, resume=True).run()
    assert _snapshot(tmp_path) == before


def test_each_fit_has_the_weighting_that_was_asked_for(sketched, tmp_path):
    _verb(sketched, tmp_path / "run", rounds=1, episodes=1, weighting="iwr").run()
    fitted = Run.read(tmp_path / "run" / "round-1").description.config.train
    assert fitted.weighting == "iwr"
    first = Run.read(sketched[1]).description.config.train
    assert replace(fitted, weighting="plain", device=first.device) == first


def test_a_done_run_stays_as_it_is_and_gets_its_policy_back(sketched, learnt, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(learnt, run)
    verb = _verb(sketched, run, rounds=1, episodes=2, resume=True)
    before = _snapshot(run)
    assert verb.run() == 0
    assert _snapshot(run) == before
    (run / "policy.pt").unlink()
    (run / "round-1" / "policy.pt").unlink()
    assert verb.run() == 0
    assert _snapshot(run).keys() == before.keys()
    assert policy_hash(run) == policy_hash(learnt)


def test_every_episode_knows_the_policy_that_shared_control(sketched, tmp_path):
    _verb(sketched, tmp_path / "run", rounds=2, episodes=1).run()
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
    verb = _verb((sketched[0], tmp_path / "bc"), tmp_path / "run", rounds=1, episodes=1)
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


def test_two_processes_do_not_run_into_one_folder(sketched, learnt):
    lock = WriteLock.take(learnt)
    assert lock is not None
    with lock, pytest.raises(UserError, match="another process is at work there"):
        _verb(sketched, learnt, rounds=2, episodes=2, resume=True).run()
    assert not (learnt / "round-2").exists()


def test_a_run_that_was_killed_goes_on_and_ends_as_if_it_had_not_been(cloned, tmp_path):
    few = _retrained(cloned, tmp_path / "bc", steps=120)
    command = [
        *("dagger", "--task", TASK, "--gate", "beta"),
        *("--device", "expert", "--dataset", str(cloned[0]), "--policy", str(few)),
        *("--rounds", "2", "--episodes", "5", "--output", str(tmp_path / "run")),
    ]
    killed = Forked(main, command, errors=tmp_path / "errors")
    kill_when_sealed(killed, tmp_path / "run", DEMONSTRATIONS + 7)  # inside the second round
    assert Forked(main, [*command, "--resume"], errors=tmp_path / "errors").wait() == 0
    _verb((cloned[0], few), tmp_path / "unbroken").run()

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
    verb = replace(_verb(sketched, tmp_path / "run"), **changes)
    with pytest.raises(UserError, match=said) as caught:
        verb.run()
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_run_of_dagger_is_described_and_exported_like_any_other(sketched, tmp_path, capsys):
    from ilrobot.cli.export import Export
    from ilrobot.cli.info import Info

    _verb(sketched, tmp_path / "run", rounds=1, episodes=2).run()
    assert Info(path=tmp_path / "run").run() == 0
    assert "damaged" not in capsys.readouterr().out
    assert Export(policy=tmp_path / "run", output=tmp_path / "policy.onnx").run() == 0
    assert (tmp_path / "policy.onnx").exists()

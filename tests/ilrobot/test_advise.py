"""``ilrobot advise``: what follows from the measures, and the verb."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ilrobot.advice.cautions import cautions
from ilrobot.advice.evidence import Available, Evidence
from ilrobot.advice.facts import Facts
from ilrobot.advice.frames import Frames
from ilrobot.advice.methods import recommend
from ilrobot.advice.modes import Modes
from ilrobot.advice.neighbours import Neighbours
from ilrobot.cli import _main, _parse
from ilrobot.cli.people import scripted_expert
from ilrobot.data.dataset import Dataset, DatasetRecorder
from ilrobot.data.episode import Episode, EpisodeInfo, Outcome
from ilrobot.data.memory import MemoryRecordings
from ilrobot.data.writing import write_episodes
from ilrobot.env import make_env
from ilrobot.rollout import rollout
from ilrobot.spec import Feature
from tests.ilrobot.advised import SIMULATOR, SPEC, made
from tests.ilrobot.learning.train_verb import write_dataset
from tests.ilrobot.policy_tester import CONTINUOUS


def test_few_episodes_say_nothing_about_modes():
    data = made(6)
    frames = Frames.of(data)
    assert Modes.of(frames, Neighbours.of(frames)) is None
    evidence = Evidence.of(data, SIMULATOR)
    assert "too few to tell" in cautions(evidence)[0]
    assert recommend(evidence, "d")[0].method == "bc"


def test_one_episode_is_one():
    few = cautions(Evidence.of(made(1), SIMULATOR))
    assert few[0].startswith("1 episode is too few")
    assert few[1].startswith("1 episode: ")


def names(data: MemoryRecordings, available: Available) -> list[str]:
    return [advice.method for advice in recommend(Evidence.of(data, available), "data/x")]


def test_two_modes_call_for_chunks_that_are_drawn():
    advice = recommend(Evidence.of(made(sides=True), SIMULATOR), "data/x y")
    assert [one.method for one in advice] == ["flow", "dagger", "raft"]
    assert "--dataset 'data/x y' --policy flow" in advice[0].commands[0]


def test_one_mode_calls_for_the_small_clone():
    assert names(made(), SIMULATOR) == ["bc", "dagger", "residual"]


def test_what_the_present_does_not_explain_calls_for_chunks():
    evidence = Evidence.of(made(), SIMULATOR)
    assert evidence.modes is not None
    late = replace(evidence, modes=replace(evidence.modes, explained=0.6))
    advice = recommend(late, "d")
    assert [one.method for one in advice] == ["flow", "dagger", "raft"]
    assert "explains 60% of the next actions" in advice[0].why
    for command in (command for one in advice for command in one.commands):
        _, verb, *arguments = shlex.split(command)
        _parse(verb, arguments)


def test_mixed_returns_call_for_offline_learning_and_equal_ones_do_not():
    mixed = [100.0 if number % 2 else 20.0 for number in range(20)]
    assert names(made(rewards=mixed), Available())[0] == "iql"
    assert "iql" not in names(made(rewards=[100.0] * 20), Available())


def test_a_reward_that_is_the_same_at_each_step_tells_by_how_long_it_took():
    """As CartPole's 1 and a -1 until it is done, of which returns are as many as lengths."""

    def at_each_step(reward: float, lengths: list[int]) -> Facts:
        def episode(ticks: int) -> Episode:
            line = np.zeros((ticks, 2), np.float32)
            columns = {
                "observation.state": line,
                "action": line[:, :1],
                "next.reward": np.full(ticks, reward, np.float32),
            }
            return Episode(EpisodeInfo("line", SPEC.rate, outcome=Outcome.UNKNOWN), columns)

        return Facts.of(MemoryRecordings(SPEC, [episode(ticks) for ticks in lengths]))

    assert at_each_step(1.0, [10, 20, 40]).returns == pytest.approx((12, 20, 36))
    assert at_each_step(1.0, [10, 20, 40]).mixed
    assert at_each_step(1.0, [20, 20]).returns == ()
    assert at_each_step(0.0, [10, 20, 40]).returns == ()


def test_judged_success_says_more_than_returns():
    mixed = [100.0 if number % 2 else 20.0 for number in range(20)]
    succeeded = [Outcome.SUCCESS] * 20
    assert "iql" not in names(made(rewards=mixed, outcomes=succeeded), Available())
    halves = [Outcome.SUCCESS, Outcome.FAILURE] * 12
    clone, offline = recommend(Evidence.of(made(24, outcomes=halves), Available()), "d")[:2]
    assert (clone.method, offline.method) == ("bc", "iql")
    assert "it learns from those that succeeded alone" in clone.why
    assert "50% of 24 judged" in offline.why
    assert "taught by 12 of all 24" in offline.why
    assert "average" not in offline.why


def test_few_judged_successes_call_for_what_learns_from_failures_too():
    outcomes = [Outcome.SUCCESS] * 7 + [Outcome.FAILURE] * 5
    evidence = Evidence.of(made(12, outcomes=outcomes), Available())
    first, clone = recommend(evidence, "d")[:2]
    assert (first.method, clone.method) == ("iql", "bc")
    assert "taught by 7 of all 12" in first.why
    assert cautions(evidence)[0].startswith("7 of 12 episodes teach a clone: they are too few")


def test_few_demonstrations_without_an_expert_call_for_the_simulator():
    alone = replace(SIMULATOR, expert="none")
    assert names(made(4), alone)[:2] == ["gail", "bc"]
    assert "gail" not in names(made(4), SIMULATOR)
    assert "gail" not in names(made(4), Available())


def test_without_reward_and_judge_comes_preference():
    blind = replace(SIMULATOR, judges=False)
    assert names(made(), blind)[-1] == "preferences"
    assert "preferences" not in names(made(rewards=[1.0] * 20), blind)


def test_corrections_are_weighted():
    data = made(20)
    data._columns["control.source"] = np.array(["policy"] * 400 + ["demo"] * 400, dtype=object)
    wanted = np.full((800, 1), np.nan)
    wanted[:200] = 0.1
    data._columns["control.human_action"] = wanted
    data._columns["intervention"] = np.isfinite(wanted[:, 0])
    evidence = Evidence.of(data, Available())
    assert (evidence.facts.corrected, evidence.facts.demonstrated) == (200, 400)
    assert "--weighting sirius" in recommend(evidence, "d")[0].commands[0]


def test_discrete_actions_are_classified():
    spec = replace(SPEC, action=Feature("action", (), "int64"), choices=3)
    data = made(12, spec=spec)
    data._columns["action"] = np.arange(data.num_frames) % 3
    (advice,) = recommend(Evidence.of(data, Available()), "d")
    assert advice.method == "bc"
    assert "one of 3" in advice.why


def test_every_command_is_one_that_the_verbs_take():
    mixed = [100.0 if number % 2 else 20.0 for number in range(20)]
    alone, blind = replace(SIMULATOR, expert="none"), replace(SIMULATOR, judges=False)
    person = replace(SIMULATOR, expert="person")
    seen, commands = set(), set()
    for data in (made(), made(4), made(sides=True), made(rewards=mixed), made(60, ticks=60)):
        evidence = Evidence.of(data, SIMULATOR)
        for available in (SIMULATOR, alone, blind, person, Available()):
            for advice in recommend(replace(evidence, available=available), "data/it's"):
                seen.add(advice.method)
                commands.update(advice.commands)
    for command in commands:
        program, verb, *arguments = shlex.split(command)
        assert program == "ilrobot"
        _parse(verb, arguments)  # raises what is wrong
    told = {"bc", "flow", "iql", "gail", "dagger", "residual", "ppo", "raft", "preferences"}
    assert seen == {*told, "more demonstrations"}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("advise") / "junction"
    env = make_env("ilrobot/Junction-v0")
    with DatasetRecorder(path, env.spec, state_size=env.state_size) as recorder:
        for seed in range(12):
            rollout(env, scripted_expert(env), seed=seed, recorder=recorder)
    return path


def test_the_verb_prints_advice_and_its_numbers(recorded: Path, capsys):
    assert _main(["advise", str(recorded), "--json"]) == 0
    *lines, last = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Reach for flow: ")
    found = json.loads(last)
    assert found["evidence"]["modes"]["several"] is True
    assert found["evidence"]["available"] == {
        "task": "ilrobot/Junction-v0",
        "simulator": True,
        "judges": True,
        "expert": "scripted",
        "remark": "",
    }
    assert found["advice"][0]["method"] == "flow"
    assert found["cautions"] == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--task", "ilrobot/PointPath-v0"], "is not of ilrobot/PointPath-v0"),
        (["--task", "ilrobot/Jnction-v0"], "did you mean ilrobot/Junction-v0"),
        (["--expert", "oracle"], "--expert cannot be 'oracle'"),
    ],
)
def test_mistakes_are_one_line(recorded: Path, capsys, options: list[str], said: str):
    assert _main(["advise", str(recorded), *options]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_a_rate_that_every_learner_would_refuse_is_told(recorded: Path, tmp_path: Path, capsys):
    spec = replace(Dataset.open(recorded).spec, task="", task_options={}, rate=20.0)
    episodes = [Dataset.open(recorded).episode(number) for number in range(12)]
    write_episodes(tmp_path / "data", spec, episodes)
    assert _main(["advise", str(tmp_path / "data"), "--task", "ilrobot/Junction-v0", "--json"]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found["evidence"]["available"]["simulator"] is True
    assert "20 Hz but ilrobot/Junction-v0 runs at 10 Hz" in found["cautions"][0]
    assert "--rate 10" in found["cautions"][0]


def test_a_rate_that_was_said_when_recording_is_kept(recorded: Path, tmp_path: Path, capsys):
    spec = Dataset.open(recorded).spec.with_rate(20.0)
    episodes = [Dataset.open(recorded).episode(number) for number in range(12)]
    write_episodes(tmp_path / "data", spec, episodes)
    assert _main(["advise", str(tmp_path / "data"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["cautions"] == []


def test_no_dataset_is_one_line(tmp_path: Path, capsys):
    assert _main(["advise", str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_options_of_no_task_are_refused(tmp_path: Path, capsys):
    write_dataset(tmp_path / "d", CONTINUOUS)
    assert _main(["advise", str(tmp_path / "d"), "--options", "engine=nonsense"]) == 2
    error = capsys.readouterr().err
    assert "give its --task" in error
    assert error.count("\n") == 1

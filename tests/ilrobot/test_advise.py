"""``ilrobot advise``: measures with known answers, and what follows from them."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ilrobot.advice.cautions import cautions
from ilrobot.advice.coverage import Coverage
from ilrobot.advice.evidence import Available, Evidence
from ilrobot.advice.facts import Facts
from ilrobot.advice.frames import CHUNK, Frames
from ilrobot.advice.methods import recommend
from ilrobot.advice.modes import Modes, Split, luck
from ilrobot.advice.neighbours import Neighbours
from ilrobot.cli import _main, _parse
from ilrobot.cli.people import scripted_expert
from ilrobot.data.dataset import DatasetRecorder
from ilrobot.data.episode import Episode, EpisodeInfo, MemoryRecorder, Outcome
from ilrobot.data.memory import MemoryRecordings
from ilrobot.env import make_env
from ilrobot.rollout import rollout
from ilrobot.spec import Feature, Spec

SPEC = Spec(
    observations=(Feature("observation.state", (2,)),),
    action=Feature("action", (1,)),
    rate=10.0,
)
SIMULATOR = Available("ilrobot/PointPath-v0", simulator=True, judges=True, expert="scripted")


def demonstrations(task: str, count: int) -> MemoryRecordings:
    env = make_env(task)
    recorder, expert = MemoryRecorder(env.spec), scripted_expert(env)
    for seed in range(count):
        rollout(env, expert, seed=seed, recorder=recorder)
    return MemoryRecordings(env.spec, recorder.episodes)


def made(
    count: int = 20,
    *,
    ticks: int = 40,
    noise: float = 0.0,
    sides: bool = False,
    rewards: list[float] | None = None,
    outcomes: list[Outcome] | None = None,
    spec: Spec = SPEC,
) -> MemoryRecordings:
    """Episodes along a line; the action is a smooth function of the place, noise, and a side."""
    rng = np.random.default_rng(0)
    episodes = []
    for number in range(count):
        x = np.linspace(0, 1, ticks) + rng.normal(scale=0.01, size=ticks)
        state = np.stack([x, rng.normal(scale=0.01) + 0 * x], axis=1)
        side = (number % 2 * 2 - 1) if sides else 0
        action = (
            np.sin(3 * x)
            + noise * rng.normal(size=ticks)
            + 2 * side / (1 + np.exp((0.5 - x) / 0.05))
        )
        columns = {
            "observation.state": state.astype(np.float32),
            "action": action[:, None].astype(np.float32),
        }
        if rewards is not None:
            columns["next.reward"] = np.full(ticks, rewards[number] / ticks, np.float32)
            columns["next.reward"][0] += 1e-3
        outcome = Outcome.UNKNOWN if outcomes is None else outcomes[number]
        episodes.append(Episode(EpisodeInfo("line", spec.rate, outcome=outcome), columns))
    return MemoryRecordings(spec, episodes)


def modes_of(data: MemoryRecordings) -> Modes:
    frames = Frames.of(data)
    found = Modes.of(frames, Neighbours.of(frames))
    assert found is not None
    return found


def test_the_junction_has_two_modes_before_the_obstacle_and_a_path_has_one():
    junction = modes_of(demonstrations("ilrobot/Junction-v0", 16))
    assert junction.several
    assert junction.gain_low > 0
    assert 0.1 < junction.begin < junction.end < 0.8
    path = modes_of(demonstrations("ilrobot/PointPath-v0", 12))
    assert not path.several
    assert path.share < 0.01
    assert path.explained > 0.99


@pytest.mark.parametrize("noise", [0.0, 0.3, 2.0])
def test_noise_is_not_taken_for_two_modes(noise: float):
    assert not modes_of(made(noise=noise)).several


@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_two_sides_are_found_where_they_are(noise: float):
    found = modes_of(made(noise=noise, sides=True))
    assert found.several
    assert 0.2 < found.share < 0.85  # over half of the way, and the chunks that lead into it
    assert found.begin > 0.2


def test_a_side_that_the_observation_shows_is_one_mode():
    data = made(sides=True)
    side = np.repeat(np.arange(20) % 2 * 2 - 1, 40)
    data._columns["observation.state"][:, 1] = side
    assert not modes_of(data).several


def test_chance_splits_a_gaussian_as_often_as_was_said():
    values = np.random.default_rng(7).normal(size=(5_000, 12))
    share = (Split.best(values).unlike <= luck(12)).mean()
    assert share == pytest.approx(0.01, abs=0.006)


def test_two_gaussians_are_likelier_for_what_lies_in_one_of_two_groups():
    groups = np.array([[-1.0, -1.1, -0.9, -1.0, 1.0, 1.1, 0.9, 1.0]])
    split = Split.best(groups)
    assert split.left == pytest.approx(-1.0)
    assert split.right == pytest.approx(1.0)
    assert split.gain(np.array([1.0])) > 1
    assert split.gain(np.array([0.0])) < -1


def test_few_episodes_say_nothing_about_modes():
    data = made(6)
    frames = Frames.of(data)
    assert Modes.of(frames, Neighbours.of(frames)) is None
    evidence = Evidence.of(data, SIMULATOR)
    assert "too few to tell" in cautions(evidence)[0]
    assert recommend(evidence, "d")[0].method == "bc"


def test_coverage_counts_ticks_and_pauses():
    def line(offset: float, pause: int = 0) -> Episode:
        x = np.concatenate([np.zeros(pause), np.arange(30)])
        state = np.stack([x, np.full(len(x), offset)], axis=1).astype(np.float32)
        return Episode(
            EpisodeInfo("line", 10.0, outcome=Outcome.UNKNOWN),
            {"observation.state": state, "action": x[:, None].astype(np.float32)},
        )

    def coverage(*episodes: Episode) -> Coverage:
        frames = Frames.of(MemoryRecordings(SPEC, episodes))
        found = Coverage.of(frames, Neighbours.of(frames))
        assert found is not None
        return found

    near, far = (coverage(*(line(i * d) for i in range(4))) for d in (1.0, 1.0))
    assert near == far  # only the shape counts: every element is scaled
    assert near.gap == pytest.approx(near.gap_95)
    assert near.gap_with_half > near.gap
    assert near.pauses == 0
    assert coverage(*(line(i, pause=30) for i in range(4))).pauses == pytest.approx(0.5, abs=0.1)


def test_coverage_grows_with_the_episodes():
    def gap(count: int) -> float:
        frames = Frames.of(demonstrations("ilrobot/PointPath-v0", count))
        found = Coverage.of(frames, Neighbours.of(frames))
        assert found is not None
        return found.gap

    assert gap(12) < gap(3)


def test_frames_keep_to_episodes_and_leave_out_what_says_nothing():
    data = made(3, ticks=20)
    data._columns["observation.state"][:, 1] = 4.0
    data._columns["action"][5] = np.nan
    frames = Frames.of(data)
    assert frames.observations.shape[1] == 1
    assert len(frames) == 3 * (20 - CHUNK + 1) - 6
    assert frames.observations.std(axis=0) == pytest.approx(1, abs=0.4)
    whole = frames.next_row >= 0
    np.testing.assert_array_equal(frames.episode[frames.next_row[whole]], frames.episode[whole])


def test_an_angle_that_wraps_is_near_itself():
    feature = Feature("observation.state", (2,), units=("rad", "m"))
    spec = replace(SPEC, observations=(feature,))
    data = made(3, spec=spec)
    turned = MemoryRecordings(spec, [])
    turned.__dict__.update(vars(data))
    turned._columns = {k: v.copy() for k, v in data._columns.items()}
    turned._columns["observation.state"][:, 0] += np.float32(2 * np.pi)
    one, other = Frames.of(data), Frames.of(turned)
    np.testing.assert_allclose(one.observations, other.observations, atol=1e-5)


def test_a_gripper_that_opens_and_closes_is_not_looked_at_for_modes():
    spec = replace(SPEC, action=Feature("action", (2,), names=("x", "gripper")))
    data = made(12, spec=spec)
    gripper = np.random.default_rng(0).integers(0, 2, data.num_frames)[:, None]
    data._columns["action"] = np.concatenate([data._columns["action"], gripper], axis=1)
    evidence = Evidence.of(data, SIMULATOR)
    assert evidence.switched == ("gripper",)
    assert evidence.modes is not None
    assert not evidence.modes.several


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


def test_judged_success_says_more_than_returns():
    mixed = [100.0 if number % 2 else 20.0 for number in range(20)]
    succeeded = [Outcome.SUCCESS] * 20
    assert "iql" not in names(made(rewards=mixed, outcomes=succeeded), Available())
    halves = [Outcome.SUCCESS, Outcome.FAILURE] * 10
    advice = recommend(Evidence.of(made(outcomes=halves), Available()), "d")
    assert advice[0].method == "iql"
    assert "50% of 20 judged" in advice[0].why


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


def test_jitter_is_that_of_white_noise_or_of_a_smooth_hand():
    rough, smooth = (Facts.of(made(noise=noise)).jitter for noise in (50.0, 0.0))
    assert rough == pytest.approx(1.0, abs=0.1)
    assert smooth < 0.1


def test_every_command_is_one_that_the_verbs_take():
    mixed = [100.0 if number % 2 else 20.0 for number in range(20)]
    alone, blind = replace(SIMULATOR, expert="none"), replace(SIMULATOR, judges=False)
    person = replace(SIMULATOR, expert="person")
    seen = set()
    for data in (made(), made(4), made(sides=True), made(rewards=mixed), made(60, ticks=60)):
        for available in (SIMULATOR, alone, blind, person, Available()):
            for advice in recommend(Evidence.of(data, available), "data/it's"):
                seen.add(advice.method)
                for command in advice.commands:
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


def test_no_dataset_is_one_line(tmp_path: Path, capsys):
    assert _main(["advise", str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err.count("\n") == 1

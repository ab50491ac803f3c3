"""The demo: which policy leaves and what is said of it, and places where it cannot be."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ilrobot.atomic import write_json
from ilrobot.cli import _main
from ilrobot.cli.demo_plan import FAST, TASK, choose
from ilrobot.cli.demo_report import print_table, summary
from ilrobot.cli.demo_stations import DemoPath, _say
from ilrobot.cli.eval import Eval
from ilrobot.cli.output import console
from ilrobot.data.episode import Episode, EpisodeInfo, Outcome
from ilrobot.data.writing import write_episodes
from ilrobot.report.rounds import round_strips
from ilrobot.run import policy_hash
from ilrobot.run_description import DaggerPlan
from ilrobot.spec import Feature, Spec
from tests.ilrobot.described_runs import DATA, dagger_description


def result(rate: float, length: float = 100.0) -> dict[str, object]:
    return {
        "success_rate": rate,
        "success_interval": [0.0, 1.0],
        "episodes": 10,
        "length_mean": length,
    }


@pytest.fixture
def demo(tmp_path: Path) -> DemoPath:
    """Measured: the diffusion policy does best where it is chosen, another one on fresh seeds."""
    path = DemoPath(tmp_path / "demo", replace(FAST, rounds=1), seed=0, workers=1)
    chosen_by = {"BC": 0.2, "diffusion": 0.9, "BC, HG-DAgger round 1": 0.4}
    fresh = {"BC": 0.1, "diffusion": 0.6, "BC, HG-DAgger round 1": 0.8}
    for method in path.methods:
        write_json(method.selection, result(chosen_by.get(method.name, 0.5)))
        write_json(method.evaluation, result(fresh.get(method.name, 0.5)))
    write_json(path.deployment, {"success_rate": 1.0})
    return path


def test_the_policy_that_leaves_is_chosen_on_seeds_of_its_own(demo: DemoPath, capsys):
    assert demo.best.name == "diffusion"
    print_table(demo)
    out = capsys.readouterr().out
    assert "success on 10 fresh seeds; the exported policy was chosen on 5 others" in out
    (line,) = (line for line in out.splitlines() if "<- exported" in line)
    assert line.split()[:3] == ["diffusion", "90%", "60.0%"]
    told = summary(demo)
    assert told["best"] == "diffusion"
    seeds = [
        range(told[key]["first_seed"], told[key]["first_seed"] + told[key]["episodes"])
        for key in ("selection", "evaluation")
    ]
    assert not set(seeds[0]) & set(seeds[1])
    assert [m["success_rate"] for m in told["methods"]][:2] == [0.1, 0.6]


def test_a_command_that_is_printed_can_be_copied():
    with console.capture() as printed:
        _say(Eval(policy=Path("runs/demo/dagger/round-1"), task=TASK, episodes=20, seed=50_000))
    (line,) = printed.get().splitlines()
    assert line.startswith("$ ilrobot eval --policy runs/demo/dagger/round-1 ")
    assert line.endswith("--seed 50000")


def test_among_equals_the_quicker_is_chosen():
    assert choose([result(0.5, 90), result(0.9, 80), result(0.9, 70), result(0.9, 75)]) == 2


def test_the_round_of_an_episode_follows_from_its_seed_and_who_acted(tmp_path: Path):
    """Discarded and cut-off attempts stand in the dataset before their repetition.

    Another run that adds to the same dataset may have the same seeds.
    """
    spec = Spec((Feature("observation.state", (1,)),), Feature("action", (1,)), rate=10.0)
    (tmp_path / "round-1").mkdir()
    (tmp_path / "round-1" / "policy.pt").write_bytes(b"weights")
    first, second, other = "ab" * 32, policy_hash(tmp_path / "round-1"), "cd" * 32
    attempts = [
        *((0, Outcome.SUCCESS, ""),) * 2,  # the demonstrations
        *((50, Outcome.FAILURE, other), (50, Outcome.DISCARDED, first)),
        *((50, Outcome.SUCCESS, first), (51, Outcome.FAILURE, first)),
        *((52, Outcome.UNFINISHED, second), (52, Outcome.SUCCESS, second)),
        *((53, Outcome.TIMEOUT, second), (53, Outcome.SUCCESS, other)),
    ]
    columns = {
        "observation.state": np.zeros((3, 1), np.float32),
        "action": np.zeros((3, 1), np.float32),
        "control.source": np.array(["policy"] * 3, dtype=object),
    }
    episodes = [
        Episode(EpisodeInfo("task", 10.0, seed=seed, outcome=outcome, policy_hash=acted), columns)
        for seed, outcome, acted in attempts
    ]
    write_episodes(tmp_path / "dataset", spec, episodes)
    run = dagger_description(
        demonstrations=replace(DATA, episodes=2), plan=DaggerPlan(rounds=2, episodes=2, seed=50)
    )
    strips = round_strips(tmp_path, run)
    assert [(strip.round, strip.outcome) for strip in strips] == [
        *((1, Outcome.SUCCESS), (1, Outcome.FAILURE)),
        *((2, Outcome.SUCCESS), (2, Outcome.TIMEOUT)),
    ]
    (tmp_path / "round-1" / "policy.pt").unlink()  # then the seed alone says it
    assert [strip.round for strip in round_strips(tmp_path, run)] == [1, 1, 2, 2, 2]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--output", "{tmp}/file"], "cannot be written"),
        (["--output", "{tmp}/file/demo"], "cannot be written"),
        (["--output", "{tmp}"], "is not empty and holds no demo"),
        (["--output", "{tmp}/damaged"], "demo.json is damaged"),
        (["--output", "{tmp}/begun"], "holds a demo with other settings"),
        (["--output", "{tmp}/new", "--seed", "-1"], "--seed must be from 0"),
        (["--output", "{tmp}/new", "--seed", "100000"], "--seed must be from 0"),
        (["--output", "{tmp}/new", "--workers", "0"], "--workers must be from 1"),
    ],
)
def test_a_demo_that_cannot_begin_is_one_line(arguments: list[str], words: str, tmp_path, capsys):
    (tmp_path / "file").touch()
    for name, text in (("damaged", "{"), ("begun", "{}")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "demo.json").write_text(text)
    assert _main(["demo", *(a.format(tmp=tmp_path) for a in arguments)]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert len(error.strip().splitlines()) == 1
    assert not (tmp_path / "new").exists()


def test_the_task_of_the_demo_can_be_made():
    from ilrobot.env import make_env

    make_env(TASK, {"engine": "pybullet"}).close()

"""``ilrobot compare`` on real runs: its table and page, kills, and which runs belong together."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from shutil import copytree, rmtree
from typing import Any, ClassVar

import numpy as np
import pytest

from ilrobot.cli import _main, actors
from ilrobot.cli.compare import measure
from ilrobot.comparison import group
from ilrobot.contenders import Contender
from ilrobot.data.dataset import Dataset, DatasetRecorder
from ilrobot.data.episode import Episode, EpisodeInfo, Outcome
from ilrobot.data.memory import MemoryRecordings
from ilrobot.env import make_env
from ilrobot.errors import UserError
from ilrobot.learners.behavioral_cloning import train
from ilrobot.learners.config import TrainConfig
from ilrobot.policies.config import PolicyConfig
from ilrobot.rollout import rollout
from ilrobot.run import policy_hash
from ilrobot.scripted_actor import ScriptedActor
from ilrobot.workers import Workers
from sims.experts import make_expert
from tests.forked import Forked

TASK = "ilrobot/PointPath-v0"
POLICY = PolicyConfig(width=16, blocks=1)
SHORT = TrainConfig(steps=20, batch_size=16, warmup=2, validate_every=10, device="cpu")


def _demonstrate(path: Path, episodes: int) -> Dataset:
    env = make_env(TASK)
    env.reset(0)
    expert = ScriptedActor(make_expert(env.env), env)
    with DatasetRecorder(path, env.spec, state_size=env.state_size) as recorder:
        for seed in range(episodes):
            info = EpisodeInfo(TASK, env.spec.rate, seed=seed)
            rollout(env, expert, seed=seed, recorder=recorder, info=info)
    return Dataset.open(path)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two clones and a run of dagger, of so few steps that they take no time."""
    folder = tmp_path_factory.mktemp("compare")
    data = _demonstrate(folder / "data", 2)
    for seed in range(2):
        train(data, POLICY, replace(SHORT, seed=seed), folder / f"bc-{seed}")
    arguments = ["--dataset", folder / "data", "--policy", folder / "bc-0", "--gate", "beta"]
    options = ["--rounds", "1", "--episodes", "2", "--workers", "1"]
    output = ["--device", "expert", "--output", folder / "dagger"]
    said = ["dagger", "--task", TASK, *map(str, arguments), *options, *map(str, output)]
    assert _main(said) == 0
    return folder


def compare(folder: Path, *runs: Path, episodes: int = 3, more: Sequence[str] = ()) -> int:
    options = ["--episodes", str(episodes), "--workers", "1", "--output", str(folder), "--json"]
    return _main(["compare", *map(str, runs), *options, *more])


def test_the_verb_makes_one_table_and_one_page(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare(tmp_path, runs / "bc-0", runs / "bc-1", runs / "dagger") == 0
    out, err = capsys.readouterr()
    found = json.loads(out.splitlines()[-1])["rows"]
    assert [(row["method"], row["round"], row["runs"]) for row in found] == [
        ("mse", 0, 2),
        ("beta", 0, 1),
        ("beta", 1, 1),
    ]
    assert [row["labels"] for row in found] == [200, 200, 400]
    assert found[1]["mean_return"] != found[2]["mean_return"]
    assert [[Path(policy).name for policy in row["policies"]] for row in found] == [
        ["bc-0", "bc-1"],
        ["bc-0"],
        ["round-1"],
    ]
    page = (tmp_path / "compare.html").read_text()
    assert "<svg" in page
    assert str(runs / "bc-1") in page
    assert "compare.html" in err
    kept = (tmp_path / "episodes.json").read_bytes()
    assert compare(tmp_path, runs / "dagger", episodes=2) == 0
    assert (tmp_path / "episodes.json").read_bytes() == kept


def test_a_page_is_replaced_by_a_comparison_of_the_same_runs_or_more_alone(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def page(*names: str) -> str:
        assert compare(tmp_path, *(runs / name for name in names), episodes=1) == 0
        return Path(json.loads(capsys.readouterr().out.splitlines()[-1])["figure"]).name

    assert page("bc-0", "bc-1") == "compare.html"
    both = (tmp_path / "compare.html").read_bytes()
    assert page("bc-0") == "compare-2.html"
    assert (tmp_path / "compare.html").read_bytes() == both
    assert page("bc-1", "bc-0") == "compare.html"
    assert page("bc-1", "bc-0", "dagger") == "compare.html"
    assert page("bc-0", "bc-1") == "compare-2.html"
    (tmp_path / "compare-2.json").write_text("{")
    assert page("bc-0") == "compare-3.html"


def test_a_page_is_not_replaced_by_one_of_other_options_or_other_seeds_or_fewer(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def page(*more: str, episodes: int = 2) -> str:
        assert compare(tmp_path, runs / "bc-0", episodes=episodes, more=more) == 0
        *said, last = capsys.readouterr().out.splitlines()
        assert f"measured by {episodes} episodes of each policy, from seed" in said[-1]
        return Path(json.loads(last)["figure"]).name

    options = ("--options", "max_episode_steps=5")
    assert page() == "compare.html"
    assert page(*options) == "compare-2.html"
    assert "with --options max_episode_steps=5" in (tmp_path / "compare-2.html").read_text()
    assert page("--seed", "200000") == "compare-3.html"
    assert page(episodes=1) == "compare-4.html"
    assert page(episodes=3) == "compare.html"
    assert page(*options, episodes=3) == "compare-2.html"


class _Kills(actors.PolicyOnTask):
    """The second of the policies kills its process when it comes to act."""

    made: ClassVar[list[object]] = []

    def __call__(self) -> Any:
        self.made.append(self.policy)
        if len(self.made) == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__call__()


def _compare_and_die(arguments: list[str]) -> None:
    actors.PolicyOnTask = _Kills
    _main(arguments)


def test_a_comparison_that_was_killed_keeps_each_policy_that_it_had_measured(
    runs: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    options = ["--episodes", "3", "--workers", "1", "--output", str(output), "--json"]
    said = ["compare", str(runs / "bc-0"), str(runs / "bc-1"), *options]
    errors = tmp_path / "errors"
    assert Forked(_compare_and_die, said, errors=errors).wait() == -signal.SIGKILL
    (kept,) = json.loads((output / "episodes.json").read_text())["policies"].items()
    assert kept[0].endswith(policy_hash(runs / "bc-0"))
    assert len(kept[1]) == 3


def test_what_was_measured_on_a_task_that_changed_since_is_measured_again(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[int] = []

    def measured() -> int:
        told.clear()
        contenders = [Contender.read(runs / "bc-0")]
        measure(contenders, tmp_path / "e.json", range(2), {}, 1, lambda n, _: told.append(n))
        return len(told)

    assert (measured(), measured()) == (2, 0)
    monkeypatch.setattr("ilrobot.task_ids.source_hash", lambda task: f"other than of {task}")
    assert (measured(), measured()) == (2, 0)


def test_all_policies_are_measured_in_the_same_processes(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pools = []

    class Counted(Workers[Any]):
        def __init__(self, *args: Any, **given: Any) -> None:
            pools.append(self)
            super().__init__(*args, **given)

    monkeypatch.setattr("ilrobot.evaluate.Workers", Counted)
    contenders = [Contender.read(runs / name) for name in ("bc-0", "bc-1")]
    score = measure(contenders, tmp_path / "two.json", range(3), {}, workers=2)
    alone = measure(contenders, tmp_path / "one.json", range(3), {})
    assert len(pools) == 1
    for contender in contenders:
        assert score(contender.policies[0]) == alone(contender.policies[0])


@pytest.fixture(scope="module")
def unlike(runs: Path) -> dict[str, Path]:
    """Runs of dagger beside ``dagger``, each of which differs from it by one thing."""
    _demonstrate(runs / "few", 1)
    data = Dataset.open(runs / "data")
    train(data, POLICY, replace(SHORT, weighting="iwr"), runs / "bc-iwr")
    copytree(runs / "data", runs / "grown")
    given: dict[str, tuple[str, str, list[str]]] = {
        "seed": ("data", "bc-1", ["--seed", "500"]),
        "warm": ("data", "bc-0", ["--warm-start"]),
        "aggregate": ("grown", "bc-0", ["--aggregate"]),
        "demonstrations": ("few", "bc-0", []),
        "first": ("data", "bc-iwr", ["--weighting", "plain"]),
    }
    for name, (dataset, policy, options) in given.items():
        said = ["dagger", "--task", TASK, "--dataset", str(runs / dataset), "--gate", "beta"]
        said += ["--policy", str(runs / policy), "--output", str(runs / f"dagger-{name}")]
        said += ["--rounds", "1", "--episodes", "2", "--workers", "1"]
        assert _main([*said, *options]) == 0
    return {name: runs / f"dagger-{name}" for name in given}


@pytest.mark.parametrize("by", ["warm", "aggregate", "demonstrations", "first"])
def test_runs_of_dagger_that_differ_by_more_than_seeds_are_not_averaged(
    runs: Path, unlike: dict[str, Path], by: str
) -> None:
    read = [Contender.read(path) for path in (runs / "dagger", unlike["seed"], unlike[by])]
    assert [len(alike) for alike in group(read).values()] == [2, 1]


def test_a_first_policy_that_was_trained_anew_since_is_not_taken_for_it(
    runs: Path, unlike: dict[str, Path], tmp_path: Path
) -> None:
    copytree(unlike["seed"], tmp_path / "dagger")
    file = tmp_path / "dagger" / "run.json"
    said = json.loads(file.read_text())
    copytree(runs / "bc-1", tmp_path / "bc")
    said["initial"]["path"] = str(tmp_path / "bc")
    file.write_text(json.dumps(said))
    assert [p.round for p in Contender.read(tmp_path / "dagger").policies] == [0, 1]
    (tmp_path / "bc" / "policy.pt").write_bytes((runs / "bc-0" / "policy.pt").read_bytes())
    assert [p.round for p in Contender.read(tmp_path / "dagger").policies] == [1]


def test_a_policy_is_measured_as_eval_measures_it(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare(tmp_path, runs / "bc-1") == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])["rows"]
    given = ["--policy", str(runs / "bc-1"), "--episodes", "3", "--json"]
    assert _main(["eval", *given]) == 0
    evaluated = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found[0]["mean_return"] == pytest.approx(evaluated["return_mean"])


def test_labels_of_a_deleted_dataset_are_not_known(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = Dataset.open(runs / "data")
    gone = tmp_path / "gone"
    data.path.rename(gone)
    try:
        assert compare(tmp_path, runs / "bc-0") == 0
    finally:
        gone.rename(data.path)
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["rows"][0]["labels"] is None


def learnt_by(runs: Path, output: Path, **said: Any) -> Path:
    """A clone's run that says it was learnt otherwise."""
    copytree(runs / "bc-0", output)
    described = json.loads((output / "run.json").read_text())
    described["dataset"] |= said.pop("dataset", {})
    (output / "run.json").write_text(json.dumps(described | said))
    return output


def test_learners_and_their_settings_are_told_apart(runs: Path, tmp_path: Path) -> None:
    made = [
        learnt_by(runs, tmp_path / "gail-0", learner="gail", settings={"discount": 0.9}),
        learnt_by(runs, tmp_path / "gail-1", learner="gail", settings={"discount": 0.9}),
        learnt_by(runs, tmp_path / "far", learner="gail", settings={"discount": 0.99}),
        learnt_by(runs, tmp_path / "airl", learner="airl"),
    ]
    named = group([Contender.read(path) for path in [*made, runs / "bc-0"]])
    assert {name: len(g) for name, g in named.items()} == {
        "gail (gail)": 2,
        "gail (far)": 1,
        "airl": 1,
        "mse": 1,
    }


def test_what_a_learner_tried_by_itself_are_no_labels(runs: Path, tmp_path: Path) -> None:
    own = {"path": str((tmp_path / "ppo" / "dataset").resolve())}
    path = learnt_by(runs, tmp_path / "ppo", learner="ppo", dataset=own)
    assert [learnt.labels for learnt in Contender.read(path).policies] == [0]


def test_a_reward_alone_is_not_compared(runs: Path, tmp_path: Path) -> None:
    path = learnt_by(runs, tmp_path / "reward", learner="preferences")
    (path / "policy.pt").unlink()
    with pytest.raises(UserError, match="is done and holds no policy"):
        Contender.read(path)


def test_bad_input_is_one_line(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other"
    spec = make_env("ilrobot/PandaReach-v0").spec
    recordings = MemoryRecordings(
        spec,
        [
            Episode(
                EpisodeInfo(spec.task, spec.rate, outcome=Outcome.SUCCESS),
                {
                    f.name: np.random.default_rng(0).normal(size=(9, *f.shape))
                    for f in spec.observations
                }
                | {"action": np.zeros((9, *spec.action.shape), np.float32)},
            )
        ],
    )
    train(recordings, POLICY, SHORT, other)
    empty = tmp_path / "empty"
    rmtree(empty, ignore_errors=True)
    empty.mkdir()
    for given, said in (
        ([], "no run was named"),
        ([empty], "is no run"),
        ([runs / "bc-0", other], "compare runs on one task"),
    ):
        assert compare(tmp_path / "out", *given) == 2, said
        error = capsys.readouterr().err
        assert said in error
        assert error.count("\n") == 1

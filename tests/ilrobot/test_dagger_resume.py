"""A run of DAgger goes on after a kill, and only with what it was begun with."""

import errno
import json
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from dagger_rounds import kill_when_sealed

from ilrobot.cli import _main, main
from ilrobot.data.dataset import Dataset
from ilrobot.data.episode import Outcome
from ilrobot.env import make_env
from ilrobot.errors import UserError, WorkFailed
from ilrobot.learners.interactive import rounds
from ilrobot.learners.interactive.dagger import describe_dagger
from ilrobot.lock import WriteLock
from ilrobot.run import Run, policy_hash
from ilrobot.run_description import DaggerPlan
from tests.forked import Forked
from tests.ilrobot.dagger_runs import (
    DEMONSTRATIONS,
    TASK,
    dagger_of,
    demonstrated_and_cloned,
    retrained,
)


@pytest.fixture(scope="module")
def sketched(tmp_path_factory) -> tuple[Path, Path]:
    """A policy of so few steps that its rounds take no time."""
    return demonstrated_and_cloned(tmp_path_factory.mktemp("sketched"), steps=30)


def test_a_disk_that_is_full_before_the_first_round_is_one_short_line(
    sketched, tmp_path, monkeypatch
):
    def full(*arguments, **options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "elsewhere")

    monkeypatch.setattr(shutil, "copy2", full)
    with pytest.raises(WorkFailed, match=r"run: No space left on device; .* go on with --resume$"):
        dagger_of(sketched, tmp_path / "run", rounds=1, episodes=1).run()
    monkeypatch.undo()
    dagger_of(sketched, tmp_path / "run", rounds=1, episodes=1, resume=True).run()
    assert Dataset.open(tmp_path / "run" / "dataset").num_episodes == DEMONSTRATIONS + 1


def test_the_demonstrations_are_not_touched_and_a_second_run_is_refused(sketched, tmp_path):
    before = Dataset.open(sketched[0]).content_hash
    dagger_of(sketched, tmp_path / "run", rounds=1, episodes=1).run()
    assert Dataset.open(sketched[0]).content_hash == before
    with pytest.raises(UserError, match="--resume"):
        dagger_of(sketched, tmp_path / "run", rounds=1, episodes=1).run()


@pytest.fixture(scope="module")
def learnt(sketched, tmp_path_factory) -> Path:
    """A run of one round."""
    output = tmp_path_factory.mktemp("learnt") / "run"
    assert dagger_of(sketched, output, rounds=1, episodes=2).run() == 0
    return output


def _snapshot(run):
    return {path.relative_to(run): path.read_bytes() for path in run.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"episodes": 3}, "begun with episodes 2, not 3"),
        ({"seed": 5}, "begun with seed 10000, not 5"),
        ({"gate": "human", "device": "operator"}, "begun with gate beta, not human"),
        ({"options": ("max_episode_steps=7",)}, "(none, now max_episode_steps=7)"),
        ({"dataset": "{run}/dataset"}, "begun with demonstrations of content hash"),
        ({"policy": "{run}/round-1"}, "begun with a policy of hash"),
        ({"policy": "retrained"}, "begun with a policy of steps 30, not 20"),
        ({"weighting": "iwr"}, "begun with a policy of weighting plain, not iwr"),
    ],
)
def test_only_a_run_of_the_same_settings_goes_on(change, said, sketched, learnt, tmp_path):
    if change.get("policy") == "retrained":
        change = {"policy": retrained(sketched, tmp_path / "other", steps=20)}
    for name in change.keys() & {"dataset", "policy"}:
        change = {**change, name: Path(str(change[name]).format(run=learnt))}
    before = _snapshot(learnt)
    verb = dagger_of(sketched, learnt, rounds=2, episodes=2, resume=True)
    with pytest.raises(UserError, match=re.escape(said)) as caught:
        replace(verb, **change).run()
    assert "\n" not in str(caught.value)
    assert _snapshot(learnt) == before


def test_a_run_goes_on_with_the_bindings_that_it_was_begun_with(sketched, tmp_path):
    mine = tmp_path / "mine.toml"
    mine.write_text("expo = 0.4\n")
    run = tmp_path / "run"
    by_hand = {"gate": "human", "device": "operator", "rounds": 1, "episodes": 1}
    verb = dagger_of(sketched, run, **by_hand, bindings=mine)
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
    verb = dagger_of((copy, sketched[1]), tmp_path / "run", aggregate=aggregate)
    plan = DaggerPlan(2, 5, verb.seed)
    begun = describe_dagger(
        make_env(TASK),
        copy,
        sketched[1],
        plan,
        verb._setting(make_env(TASK).spec, {}),
        aggregate=verb.output if aggregate else None,
    )
    with Run.claim(verb.output, begun, resume=False):  # killed before its first attempt
        pass
    before = _snapshot(tmp_path)
    with pytest.raises(UserError, match="was begun with aggregate"):
        replace(verb, aggregate=not aggregate, resume=True).run()
    assert _snapshot(tmp_path) == before


def test_a_done_run_stays_as_it_is_and_gets_its_policy_back(sketched, learnt, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(learnt, run)
    verb = dagger_of(sketched, run, rounds=1, episodes=2, resume=True)
    before = _snapshot(run)
    assert verb.run() == 0
    assert _snapshot(run) == before
    (run / "policy.pt").unlink()
    (run / "round-1" / "policy.pt").unlink()
    assert verb.run() == 0
    assert _snapshot(run).keys() == before.keys()
    assert policy_hash(run) == policy_hash(learnt)


def test_two_processes_do_not_run_into_one_folder(sketched, learnt):
    lock = WriteLock.take(learnt)
    assert lock is not None
    with lock, pytest.raises(UserError, match="another process is at work there"):
        dagger_of(sketched, learnt, rounds=2, episodes=2, resume=True).run()
    assert not (learnt / "round-2").exists()


def test_demonstrations_that_are_being_recorded_are_waited_for(sketched, tmp_path):
    run = tmp_path / "run"
    lock = WriteLock.take(sketched[0])
    assert lock is not None
    with lock, pytest.raises(UserError, match="another process is recording or editing there"):
        dagger_of(sketched, run, rounds=1, episodes=2).run()
    assert not run.exists()


def test_demonstrations_that_are_recorded_while_they_are_copied_are_not_taken(
    sketched, tmp_path, monkeypatch
):
    data, run = tmp_path / "data", tmp_path / "run"
    shutil.copytree(sketched[0], data)
    copy, fewer = rounds._copy, DEMONSTRATIONS - 1

    def grown(source, to):
        copy(source, to)
        if source == data:
            monkeypatch.undo()
            assert _main(["edit", str(data), "delete", "--episodes", "0"]) == 0

    monkeypatch.setattr(rounds, "_copy", grown)
    said = f"has {fewer} episodes, and had {DEMONSTRATIONS} when this run was begun"
    with pytest.raises(UserError, match=said):
        dagger_of((data, sketched[1]), run, rounds=1, episodes=2).run()
    assert not (run / "dataset").exists()


def test_a_run_that_was_killed_goes_on_and_ends_as_if_it_had_not_been(sketched, tmp_path):
    few = retrained(sketched, tmp_path / "bc", steps=120)
    command = [
        *("dagger", "--task", TASK, "--gate", "beta"),
        *("--device", "expert", "--dataset", str(sketched[0]), "--policy", str(few)),
        *("--rounds", "2", "--episodes", "5", "--output", str(tmp_path / "run")),
        *("--workers", "1"),
    ]
    killed = Forked(main, command, errors=tmp_path / "errors")
    kill_when_sealed(killed, tmp_path / "run", DEMONSTRATIONS + 7)  # inside the second round
    assert Forked(main, [*command, "--resume"], errors=tmp_path / "errors").wait() == 0
    dagger_of((sketched[0], few), tmp_path / "unbroken").run()

    data = Dataset.open(tmp_path / "run" / "dataset")
    finished = [i for i in data.infos[DEMONSTRATIONS:] if i.outcome is not Outcome.UNFINISHED]
    assert [info.seed for info in finished] == list(range(10_000, 10_010))
    run = json.loads((tmp_path / "run" / "run.json").read_text())
    unbroken = json.loads((tmp_path / "unbroken" / "run.json").read_text())
    assert run["status"] == "done"
    assert run["rounds"][0] == unbroken["rounds"][0]
    assert (tmp_path / "run" / "policy.pt").exists()

"""``ilrobot prefer RUN`` again: the attempts that were compared are those that are asked for."""

from dataclasses import replace
from pathlib import Path

import pytest

from ilrobot.atomic import PART
from ilrobot.cli import _main
from ilrobot.data.comparisons import FILE, Compared, Comparisons
from ilrobot.data.dataset import Dataset
from ilrobot.data.recorder import DatasetRecorder
from ilrobot.env import make_env
from ilrobot.rollout import rollout
from ilrobot.run import POLICY_FILE, RUN_FILE
from tests.ilrobot.test_eval_verb import ONE_ACTION, save
from tests.still import Still


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of which three attempts at a short Pendulum are being compared."""
    folder = tmp_path / "run" / "preferences"
    env = make_env("Pendulum-v1", {"max_episode_steps": 3})
    with DatasetRecorder(folder / "attempts", env.spec) as recorder:
        for seed in range(3):
            rollout(env, Still(), seed=seed, recorder=recorder)
    env.close()
    with Comparisons.writing(folder, Compared.of(Dataset.open(folder / "attempts"), None, 0)):
        pass
    (tmp_path / "run" / RUN_FILE).touch()
    return tmp_path / "run"


def prefer(run: Path, *options: str) -> int:
    return _main(["prefer", str(run), "--judge", "return", "--answers", "2", *options])


def test_the_same_attempts_are_gone_on_with(run: Path):
    same = ["--attempts", "3", "--task", "Pendulum-v1", "--options", "max_episode_steps=3"]
    assert prefer(run, *same) == 0
    assert prefer(run) == 0
    assert len(Comparisons.read(run / "preferences").answers) == 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--attempts", "7"], "was begun with --attempts 3, not with 7"),
        (["--task", "Hopper-v5"], "was begun with --task Pendulum-v1, not with Hopper-v5"),
        (["--options", "max_episode_steps=9"], "with --options max_episode_steps 3, not with 9"),
        (["--options", "g=5"], "was begun without --options g, not with 5"),
    ],
)
def test_other_attempts_are_refused(run: Path, options: list[str], said: str, capsys):
    before = (run / "preferences" / FILE).read_bytes()
    assert prefer(run, *options) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert (run / "preferences" / FILE).read_bytes() == before


def trained(folder: Path) -> Path:
    """A run with a policy that was trained on nothing."""
    env = make_env("Pendulum-v1", {"max_episode_steps": 3})
    folder.mkdir()
    save(folder / POLICY_FILE, env.spec)
    (folder / RUN_FILE).touch()
    env.close()
    return folder


def test_attempts_of_another_policy_are_not_gone_on_with(tmp_path: Path, capsys):
    run, other = trained(tmp_path / "run"), tmp_path / "other"
    other.mkdir()
    env = make_env("Pendulum-v1", {"max_episode_steps": 3})
    save(other / POLICY_FILE, env.spec, replace(ONE_ACTION, width=24))
    env.close()
    (other / RUN_FILE).touch()
    few = ["--options", "max_episode_steps=3", "--attempts", "2"]
    there = ["--output", str(tmp_path / "there")]
    assert prefer(run, *few, *there) == 0
    before = (tmp_path / "there" / FILE).read_bytes()
    assert prefer(run, *few, *there) == 0
    capsys.readouterr()
    assert prefer(other, *few, *there) == 2
    said = capsys.readouterr().err
    assert f"compares the attempts of another policy, not attempts of {other}" in said
    assert said.count("\n") == 1
    assert (tmp_path / "there" / FILE).read_bytes() == before


def test_episodes_of_a_dataset_are_not_taken_for_attempts(run: Path, tmp_path: Path, capsys):
    attempts = run / "preferences" / "attempts"
    there = ["--output", str(tmp_path / "there")]
    assert prefer(attempts, *there) == 0
    capsys.readouterr()
    assert prefer(run, *there) == 2
    said = capsys.readouterr().err
    assert f"compares the episodes of {attempts}, not attempts of {run}" in said
    assert said.count("\n") == 1


def test_what_is_refused_begins_nothing(run: Path, tmp_path: Path, capsys):
    there = tmp_path / "there"
    wrong = ["--output", str(there), "--error-rate", "1.5"]
    assert prefer(run / "preferences" / "attempts", *wrong) == 2
    assert "--error-rate must be within 0 and 1" in capsys.readouterr().err
    assert not there.exists()


def test_without_a_display_no_attempt_is_made(tmp_path: Path, capsys, monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    run = trained(tmp_path / "run")
    assert _main(["prefer", str(run), "--device", "keyboard"]) == 2
    assert "answer on a page: --device browser" in capsys.readouterr().err
    assert not (run / "preferences").exists()


def test_what_lies_where_the_attempts_would_go_is_not_deleted(tmp_path: Path, capsys):
    policy, mine = trained(tmp_path / "run"), tmp_path / "mine"
    env = make_env("Pendulum-v1", {"max_episode_steps": 3})
    with DatasetRecorder(mine / "attempts", env.spec) as recorder:
        rollout(env, Still(), seed=0, recorder=recorder)
    env.close()
    assert prefer(policy, "--output", str(mine), "--attempts", "2") == 2
    error = capsys.readouterr().err
    assert "mine/attempts exists" in error
    assert "give another --output" in error
    assert error.count("\n") == 1
    assert Dataset.open(mine / "attempts").num_episodes == 1


def test_attempts_that_nothing_was_answered_of_are_made_anew(tmp_path: Path, capsys):
    run = trained(tmp_path / "run")
    few = ["--options", "max_episode_steps=3"]
    assert prefer(run, "--attempts", "2", *few) == 0
    (run / "preferences" / FILE).unlink()
    assert prefer(run, "--attempts", "3", *few) == 0
    assert Dataset.open(run / "preferences" / "attempts").num_episodes == 3
    assert [path.name for path in (run / "preferences").iterdir() if PART in path.name] == []

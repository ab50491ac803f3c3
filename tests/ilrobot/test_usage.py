"""Mistakes on the command line: one line each, in a person's words."""

import ast
import errno
import itertools
import subprocess
import sys
from pathlib import Path

import pytest

from ilrobot import cli
from ilrobot.cli import VERBS, _main
from ilrobot.errors import UserError, explained


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["eval"], "missing: --policy PATH"),
        (["eval", "--polcy", "x"], "missing: --policy PATH; unknown: --polcy, x"),
        (["eval", "--policy", "x", "--epsodes", "3"], "--epsodes, 3; did you mean --episodes INT"),
        (["eval", "--policy"], "--policy needs a value"),
        (["bench", "a", "b"], "unknown: b"),
        (["deploy", "--policy", "x", "--episodes", "1e9"], "--episodes: '1e9' is no whole number"),
        (["deploy", "--policy", "x", "--rate", "fast"], "--rate: 'fast' is no number"),
        (["study", "irl", "--seeds", "nan"], "--seeds: 'nan' is no whole number"),
    ],
)
def test_a_mistake_is_one_line(arguments: list[str], said: str, capsys):
    assert _main(arguments) == 2
    error = capsys.readouterr().err
    assert error == f"ilrobot: {error[9:].strip()}\n"
    assert said in error
    assert error.strip().endswith(f"; see ilrobot {arguments[0]} --help")


def test_choices_are_named(capsys):
    asked = ["train", "--dataset", "x", "--policy", "bc", "--output", "y", "--network", "real"]
    assert _main(asked) == 2
    error = capsys.readouterr().err
    assert "--network cannot be 'real', but one of mlp, rnn, transformer, unet;" in error
    assert "None" not in error


@pytest.mark.parametrize(
    ("verb", "one"), [("bench", "policy"), ("explore", "irl"), ("study", "irl")]
)
def test_without_a_name_those_that_there_are_are_listed(verb: str, one: str, capsys):
    assert _main([verb]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert one in listed
    assert all(name.isidentifier() for name in listed)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(verb: str, capsys):
    with pytest.raises(SystemExit) as stop:
        _main([verb, "--help"])
    assert stop.value.code in (0, None)
    out, err = capsys.readouterr()
    assert f"usage: ilrobot {verb}" in out
    assert "--no-json" not in out
    for machine_words in ("None", " STR ", "[STR", "(default: )", "(default: '')"):
        assert machine_words not in out
    examples = [line.strip("│| ") for line in out.splitlines() if "Example" in line]
    assert all(line.startswith("Example") for line in examples)
    assert err == ""


def test_deploy_offers_nothing_for_a_run_which_it_does_not_take(capsys):
    with pytest.raises(SystemExit):
        _main(["deploy", "--help"])
    assert "of a run" not in capsys.readouterr().out


def test_the_words_on_an_option_stand_on_one_line():
    # The help would break them where the source does.
    broken = []
    for file in Path(cli.__file__).parent.rglob("*.py"):
        for verb in ast.walk(ast.parse(file.read_text())):
            if isinstance(verb, ast.ClassDef):
                for field, words in itertools.pairwise(verb.body):
                    if isinstance(field, ast.AnnAssign) and isinstance(words, ast.Expr):
                        text = ast.literal_eval(words.value)
                        broken += [f"{file.name}: {text}"] if "\n" in text else []
    assert broken == []


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["bench", "--help"]])
@pytest.mark.parametrize("unbuffered", [[], ["-u"]])
def test_a_full_disk_behind_stdout_is_one_line(arguments: list[str], unbuffered: list[str]):
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full on this system")
    with full.open("w") as out:
        done = subprocess.run(
            [sys.executable, *unbuffered, "-m", "ilrobot", *arguments],
            stdout=out,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert done.returncode == 1
    assert done.stderr.startswith("ilrobot: the output: No space left on device; ")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("number", [errno.EEXIST, errno.ENOTDIR])
def test_a_file_in_the_way_of_a_folder_is_named(number: int, tmp_path: Path):
    (tmp_path / "notes.txt").write_text("hello")
    wanted = tmp_path / "notes.txt" / "run"
    said = r"run: cannot be written \(.*/notes.txt is a file\)"
    with (
        pytest.raises(UserError, match=said),
        explained(wanted, "nothing was done", "try again"),
    ):
        raise OSError(number, "File exists")

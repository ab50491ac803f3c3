"""``ilrobot train --learner NAME``: which verb that is, and what it says of itself."""

import importlib

import pytest

from ilrobot.cli import _main
from ilrobot.cli.learners import LEARNERS, overview, split_learner
from ilrobot.errors import UserError


def test_cloning_is_meant_where_no_learner_is_named():
    assert split_learner(["--dataset", "x"]) == ("bc", ["--dataset", "x"])
    assert split_learner(["--learner", "bc", "--seed", "1"]) == ("bc", ["--seed", "1"])
    assert split_learner(["--seed", "1", "--learner=bc"]) == ("bc", ["--seed", "1"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--learner", "bbc"], "no learner 'bbc'; did you mean 'bc'?"),
        (["--learner", "zzz"], "no learner 'zzz'; choose one of bc"),
        (["--seed", "1", "--learner"], "--learner needs a name"),
        (["--learner", "bc", "--learner=bc"], "--learner is given 2 times"),
    ],
)
def test_a_wrong_learner_is_one_line(arguments: list[str], said: str):
    with pytest.raises(UserError, match="learner") as error:
        split_learner(arguments)
    assert said in str(error.value)


def test_the_help_of_train_lists_the_learners(capsys):
    with pytest.raises(SystemExit):
        _main(["train", "--help"])
    out = " ".join(capsys.readouterr().out.split())
    assert "--learner NAME" in out
    assert " ".join(overview().split()) in out


@pytest.mark.parametrize("learner", LEARNERS)
def test_every_learner_explains_itself(learner: str, capsys):
    class_name, module, line = LEARNERS[learner]
    assert class_name in vars(importlib.import_module(f"ilrobot.cli.learners.{module}"))
    assert line
    assert not line.endswith(".")
    with pytest.raises(SystemExit) as stop:
        _main(["train", "--learner", learner, "--help"])
    assert stop.value.code in (0, None)
    out, err = capsys.readouterr()
    assert f"usage: ilrobot train --learner {learner}" in out
    assert "None" not in out
    assert err == ""


@pytest.mark.parametrize("learner", LEARNERS)
def test_a_learners_mistake_is_one_line(learner: str, capsys):
    assert _main(["train", "--learner", learner, "--sedd", "1"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("ilrobot: missing: ")
    assert error.strip().endswith(f"; see ilrobot train --learner {learner} --help")


@pytest.mark.parametrize("name", ["ppo", "sac", "td3", "residual", "gail", "airl", "gcl"])
def test_the_help_says_for_how_many_steps_is_tried(name: str, capsys):
    made, module, _ = LEARNERS[name]
    verb = getattr(importlib.import_module(f"ilrobot.cli.learners.{module}"), made)
    with pytest.raises(SystemExit):
        _main(["train", "--learner", name, "--help"])
    words = " ".join(capsys.readouterr().out.replace("│", " ").split())
    steps = words.partition("--steps INT")[2].partition("--time-budget")[0]
    assert f"(default: {verb.usual_steps})" in steps

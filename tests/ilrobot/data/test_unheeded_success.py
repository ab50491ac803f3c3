"""What a recording says of success, and nobody heeds, is said."""

import json
from dataclasses import replace

import numpy as np
import pytest

from ilrobot.cli import _main
from ilrobot.data.dataset import Dataset
from ilrobot.data.episode import Outcome
from ilrobot.data.labels import labels
from ilrobot.data.unheeded import unheeded_successes
from ilrobot.data.writing import write_episodes
from tests.ilrobot.learning.train_verb import run_train, write_dataset
from tests.ilrobot.policy_tester import CONTINUOUS

SUCCEEDED = {0, 4}


def _dataset(path, succeeded=SUCCEEDED, outcome=Outcome.UNKNOWN, episodes=6):
    """Episodes of which the environment called some done."""
    plain = Dataset.open(write_dataset(path.with_name("plain"), CONTINUOUS, outcome))
    made = []
    for number in range(episodes):
        episode = plain.episode(number % plain.num_episodes)
        reached = np.zeros(len(episode.columns["action"]), bool)
        reached[-1] = number in succeeded
        columns = {**episode.columns, "next.success": reached}
        made.append(replace(episode, columns=columns))
    write_episodes(path, plain.spec, made)
    return path


def test_an_import_and_a_training_say_it_and_how_to_heed_it(tmp_path, capsys):
    path = tmp_path / "data"
    source = str(_dataset(tmp_path / "source"))
    assert _main(["import", source, "--output", str(path), "--json"]) == 0
    advice = f"ilrobot edit {path} outcome --episodes 1-3 5 --outcome failure"
    line = "next.success is true in 2 of 6 episodes of unknown outcome, and all of them teach"
    printed = capsys.readouterr()
    said, unstated = json.loads(printed.out.splitlines()[-1])["remarks"]
    assert "nobody says what 'action[0]' of the actions is" in unstated
    assert said == f"{line}; if the others failed: {advice}"
    assert said in printed.err.splitlines()
    small = ("--policy", "bc", "--steps", "1", "--width", "16", "--output", tmp_path / "run")
    assert run_train("--dataset", path, *small) == 0
    assert f"mind       {line}" in capsys.readouterr().out
    assert _main(advice.split()[1:]) == 0
    dataset = Dataset.open(path)
    teaches, _ = labels(dataset)
    taught = {n for n in range(6) if teaches[dataset.starts[n] : dataset.starts[n + 1]].all()}
    assert taught == SUCCEEDED
    assert unheeded_successes(dataset) == ""


def test_advise_says_it_and_counts_by_it_what_the_edit_left(tmp_path, capsys):
    path = _dataset(tmp_path / "data")

    def success() -> str:
        (row,) = (line for line in said.splitlines() if line.startswith("  success "))
        return row.split(maxsplit=1)[1]

    assert _main(["advise", str(path)]) == 0
    said = capsys.readouterr().out
    assert success() == "nobody judged; next.success is true in 2 of 6"
    command = said.partition("if the others failed: ")[2].splitlines()[0]
    assert _main(["edit", str(path), "outcome", "--episodes", "1", "--outcome", "failure"]) == 0
    capsys.readouterr()
    assert _main(["advise", str(path)]) == 0
    said = capsys.readouterr().out
    assert success() == "1 of 6 judged, 0 of them succeeded; next.success is true in 2 of 5 others"
    assert "iql" not in said
    assert _main(command.split()[1:]) == 0
    capsys.readouterr()
    assert _main(["advise", str(path), "--json"]) == 0
    said = capsys.readouterr().out
    assert success() == "4 of 6 judged, 0 of them succeeded; next.success is true in 2 of 2 others"
    assert "33% of 6 judged episodes succeeded (2 by next.success)" in said
    facts = json.loads(said.splitlines()[-1])["evidence"]
    assert (facts["success_rate"], facts["mixed_quality"]) == (pytest.approx(1 / 3), True)


def test_all_of_many_are_named(tmp_path):
    path = _dataset(tmp_path / "data", set(range(0, 60, 2)), episodes=60)
    numbers = " ".join(map(str, range(1, 60, 2)))
    assert f" outcome --episodes {numbers} --outcome failure" in unheeded_successes(
        Dataset.open(path)
    )


@pytest.mark.parametrize(
    ("succeeded", "outcome"),
    [((), Outcome.UNKNOWN), (range(6), Outcome.UNKNOWN), (SUCCEEDED, Outcome.SUCCESS)],
)
def test_where_it_tells_nothing_apart_or_was_judged_nothing_is_said(tmp_path, succeeded, outcome):
    path = _dataset(tmp_path / "data", set(succeeded), outcome)
    assert unheeded_successes(Dataset.open(path)) == ""

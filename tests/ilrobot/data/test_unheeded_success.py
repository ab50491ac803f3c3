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


def _dataset(path, succeeded=SUCCEEDED, outcome=Outcome.UNKNOWN):
    """Six episodes, of which the environment called some done."""
    plain = Dataset.open(write_dataset(path.with_name("plain"), CONTINUOUS, outcome))
    episodes = []
    for number in range(plain.num_episodes):
        episode = plain.episode(number)
        reached = np.zeros(plain.lengths[number], bool)
        reached[-1] = number in succeeded
        columns = {**episode.columns, "next.success": reached}
        episodes.append(replace(episode, columns=columns))
    write_episodes(path, plain.spec, episodes)
    return path


def test_an_import_and_a_training_say_it_and_how_to_heed_it(tmp_path, capsys):
    path = tmp_path / "data"
    source = str(_dataset(tmp_path / "source"))
    assert _main(["import", source, "--output", str(path), "--json"]) == 0
    advice = f"ilrobot edit {path} outcome --episodes 1-3 5 --outcome failure"
    line = "next.success is true in 2 of 6 episodes of unknown outcome, and all of them teach"
    (said,) = json.loads(capsys.readouterr().out.splitlines()[-1])["remarks"]
    assert said == f"{line}; if the others failed: {advice}"
    small = ("--policy", "bc", "--steps", "1", "--width", "16", "--output", tmp_path / "run")
    assert run_train("--dataset", path, *small) == 0
    assert f"mind       {line}" in capsys.readouterr().out
    assert _main(advice.split()[1:]) == 0
    dataset = Dataset.open(path)
    teaches, _ = labels(dataset)
    taught = {n for n in range(6) if teaches[dataset.starts[n] : dataset.starts[n + 1]].all()}
    assert taught == SUCCEEDED
    assert unheeded_successes(dataset) == ""


@pytest.mark.parametrize(
    ("succeeded", "outcome"),
    [((), Outcome.UNKNOWN), (range(6), Outcome.UNKNOWN), (SUCCEEDED, Outcome.SUCCESS)],
)
def test_where_it_tells_nothing_apart_or_was_judged_nothing_is_said(tmp_path, succeeded, outcome):
    path = _dataset(tmp_path / "data", set(succeeded), outcome)
    assert unheeded_successes(Dataset.open(path)) == ""

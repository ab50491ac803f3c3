"""An info.json that somebody edited is refused in one line by every verb, and left alone."""

import math

import pytest

from ilrobot.cli import _main
from ilrobot.data.dataset import Dataset, DatasetRecorder
from ilrobot.errors import UserError
from tests.ilrobot.data.damaging import SPEC, edit, refuse

EDITS = {
    "no state_size": ({"ilrobot__state_size": None}, "state_size"),
    "another state_size": ({"ilrobot__state_size": 7}, "sim.state"),
    "null ilrobot": ({"ilrobot": "null"}, "'ilrobot' is None"),
    "list ilrobot": ({"ilrobot": [1]}, "'ilrobot'"),
    "no format": ({"ilrobot__format": None}, "format"),
    "newer": ({"ilrobot__format": 99}, "a newer ilrobot wrote it; install that one"),
    "no spec": ({"ilrobot__spec": None}, "spec"),
    "spec without action": ({"ilrobot__spec__action": None}, "action"),
    "spec rate": ({"ilrobot__spec__rate": 0}, "rate"),
    "names of another action": ({"ilrobot__spec__action__names": ["x"]}, "'action'"),
    "limits the wrong way": (
        {"ilrobot__spec__action__low": [-1, 5], "ilrobot__spec__action__high": [1, -5]},
        "'y' of 'action' has limits from 5.0 to -5.0",
    ),
    "task 5": ({"ilrobot__spec__task": 5}, "task 5 is no id"),
    "half a frame": ({"ilrobot__spec__task_frame": ["a"]}, "['a'] does not name two things"),
    "fps text": ({"fps": "x"}, "'fps' is 'x'"),
    "fps 0": ({"fps": 0}, "'fps' is 0"),
    "fps inf": ({"fps": math.inf}, "'fps' is inf"),
    "fps nan": ({"fps": math.nan}, "'fps' is nan"),
    "fps of 400 digits": ({"fps": 10**400}, "'fps' is 1000"),
    "spec rate of 400 digits": ({"ilrobot__spec__rate": 10**400}, "too large"),
    "spec shape inf": ({"ilrobot__spec__action__shape": [math.inf]}, "infinity"),
    "spec of another name": ({"ilrobot__spec__action__name": "x"}, "calls the action 'x'"),
    "fps true": ({"fps": True}, "'fps' is True"),
    "no fps": ({"fps": None}, "'fps'"),
    "features 3": ({"features": 3}, "'features' is 3"),
    "no features": ({"features": None}, "'features'"),
    "no dtype": ({"features__action__dtype": None}, "'action'"),
    "odd dtype": ({"features__action__dtype": "float33"}, "'action'"),
    "other dtype": ({"features__action__dtype": "float64"}, "'action'"),
    "feature 3": ({"features__action": 3}, "'action'"),
    "shape 3": ({"features__action__shape": 3}, "'action'"),
    "other shape": ({"features__action__shape": [3]}, "'action'"),
    "negative shape": ({"features__action__shape": [-1]}, "'action'"),
    "unknown place": ({"data_path": "data/{chunk}.parquet"}, "'data_path'"),
    "open brace": ({"data_path": "data/{chunk_index"}, "'data_path'"),
    "number as path": ({"data_path": 3}, "'data_path'"),
    "episodes": ({"total_episodes": "two"}, "'total_episodes'"),
    "too many episodes": ({"total_episodes": 3}, "lists 2 episodes, but info.json counts 3"),
    "chunks": ({"chunks_size": 0}, "'chunks_size'"),
}


@pytest.mark.parametrize("case", EDITS)
def test_an_edited_info_json(case, path, capsys):
    changes, words = EDITS[case]
    edit(path, **changes)
    said = refuse(capsys, path, "info", str(path))
    assert words in said
    assert str(path) in said
    with pytest.raises(UserError, match="meta"):
        DatasetRecorder(path, SPEC, resume=True)


def test_features_without_names_are_described_without_them(path, capsys):
    edit(path, features__action__names=None)
    assert _main(["info", str(path)]) == 0
    assert "action  float32 [2]" in capsys.readouterr().out


def test_an_action_that_is_no_vector(path):
    edit(path, ilrobot=None, features__action__shape=[1, 2])
    with pytest.raises(UserError, match=r"its action has shape \[1, 2\]"):
        Dataset.open(path)


@pytest.mark.parametrize("content", ["", "{", "[]", "3", "null", '"text"'])
def test_an_info_json_that_is_no_object(content, path, capsys):
    (path / "meta/info.json").write_text(content)
    said = refuse(capsys, path, "info", str(path))
    assert "meta/info.json" in said


@pytest.mark.parametrize(
    "verb",
    [
        ["train", "--policy", "bc", "--output", "OUT", "--dataset"],
        ["view", "--output", "OUT.html"],
        ["import", "--output", "OUT"],
    ],
)
def test_every_verb_says_so_and_makes_nothing(verb, path, tmp_path, capsys):
    edit(path, fps="x")
    out = tmp_path / "out"
    arguments = [argument.replace("OUT", str(out)) for argument in verb]
    assert "'fps' is 'x'" in refuse(capsys, path, *arguments, str(path))
    assert not list(tmp_path.glob("out*"))

"""Units that a person writes into the description of data that stated none."""

import json

import numpy as np
import pytest

from ilrobot.data.convert import open_source
from ilrobot.data.dataset import Dataset
from ilrobot.data.writing import write_episodes
from ilrobot.errors import UserError


@pytest.fixture
def imported(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {"observation": rng.normal(size=(20, 5)), "action": rng.normal(size=(20, 4))}
    single = {name: values.astype(np.float32) for name, values in arrays.items()}
    np.savez(tmp_path / "demo.npz", **single, episode_ends=np.array([10, 20]))
    source = open_source(tmp_path / "demo.npz", None, 10.0)
    write_episodes(tmp_path / "data", source.spec, source.episodes)
    return tmp_path / "data"


def _state(dataset, units):
    path = dataset / "meta" / "info.json"
    info = json.loads(path.read_text())
    info["ilrobot"]["spec"]["action"]["units"] = units
    path.write_text(json.dumps(info))


def test_units_written_into_the_description_are_read(imported):
    assert Dataset.open(imported).spec.action.rotations == ()
    _state(imported, ["rotvec"] * 3 + ["1"])
    assert Dataset.open(imported).spec.action.rotations == ((0, "rotvec"),)


def test_half_a_rotation_is_refused_in_one_line(imported):
    _state(imported, ["rotvec"] * 2 + ["1"] * 2)
    with pytest.raises(UserError, match="2 elements in a row of unit 'rotvec', of which 3 are a"):
        Dataset.open(imported)

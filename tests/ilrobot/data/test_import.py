"""Demonstrations from elsewhere come in bit for bit, or are refused with one clear line."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import zarr

from ilrobot.actors import Source
from ilrobot.cli import _main
from ilrobot.compatibility import check_policy_fits
from ilrobot.data.convert import open_source
from ilrobot.data.dataset import Dataset
from ilrobot.data.episode import Judge, Outcome
from ilrobot.data.known_tasks import suggested_tasks
from ilrobot.data.writing import write_episodes
from ilrobot.env import make_env
from ilrobot.spec import Feature, Spec
from tests.ilrobot.data.import_sources import (
    ROBOMIMIC_NAMES,
    STATE,
    bring,
    check_arrays,
    make_foreign,
    make_lerobot_21,
    make_npz,
    make_ours,
    make_robomimic,
    make_zarr,
    refused,
)


def test_the_human_pusht_demonstrations_come_in_bit_for_bit(tmp_path):
    name = "data/pusht_human/pusht_cchi_v7_replay.zarr"
    path = Path(__file__).parents[4] / "shared" / name
    if not path.exists():
        pytest.skip(f"{name} is not on this machine")
    dataset, remarks = bring(path, tmp_path / "pusht")
    raw = zarr.open_group(str(path), mode="r")
    state, action = raw["data/state"][:], raw["data/action"][:]
    assert dataset.column("observation.state").tobytes() == state.tobytes()
    assert dataset.column("action").tobytes() == action.tobytes()
    assert np.array_equal(dataset.starts[1:], raw["meta/episode_ends"][:])
    assert (dataset.num_episodes, dataset.fps) == (206, 10.0)
    assert dataset.spec.observations[0].angles == (4,)
    assert dataset.spec.action.names == ("target_x", "target_y")
    assert remarks == ("left out: keypoint, n_contacts",)


def test_zarr_of_pusht_is_known_by_its_key_points(tmp_path):
    keypoint = {"data/keypoint": np.zeros((13, 9, 2))}
    dataset, remarks = bring(make_zarr(tmp_path / "a.zarr", **keypoint), tmp_path / "out")
    check_arrays(dataset)
    assert dataset.spec.observations[0].names[-1] == "block_angle"
    assert remarks == ("left out: keypoint",)
    assert (dataset.column("control.source") == Source.DEMO).all()
    assert {info.outcome for info in dataset.infos} == {Outcome.UNKNOWN}
    assert np.flatnonzero(dataset.column("next.done")).tolist() == [3, 9, 12]


def test_doubles_stay_doubles(tmp_path):
    path = make_zarr(tmp_path / "a.zarr", state=STATE.astype(np.float64) / 3)
    dataset, remarks = bring(path, tmp_path / "out", rate=20.0)
    check_arrays(dataset, STATE.astype(np.float64) / 3)
    assert (dataset.fps, remarks) == (20.0, ("kept in double precision: observation.state",))


def test_npz_continuous_and_discrete(tmp_path):
    dataset, remarks = bring(make_npz(tmp_path / "a.npz", returns=[1]), tmp_path / "out")
    check_arrays(dataset)
    assert (dataset.fps, remarks) == (50.0, ("left out: returns",))
    chosen = np.arange(13) % 3
    path = make_npz(tmp_path / "b.npz", action=chosen, reward=np.arange(13.0), rate=None)
    dataset, remarks = bring(path, tmp_path / "out2")
    assert dataset.spec.choices == 3
    assert np.array_equal(dataset.column("action"), chosen)
    assert np.array_equal(dataset.column("next.reward"), np.arange(13))
    assert "--rate" in remarks[0]


def test_robomimic_in_the_order_of_its_numbers(tmp_path):
    dataset, remarks = bring(make_robomimic(tmp_path / "a.hdf5"), tmp_path / "out")
    assert dataset.lengths.tolist() == [3, 5, 13]
    assert (dataset.fps, dataset.infos[0].task) == (20.0, "Lift")
    assert dataset.spec.observation_names == ROBOMIMIC_NAMES
    rng = np.random.default_rng(10)
    last = dataset.episode(2).columns
    assert np.array_equal(last["observation.eef_pos"], rng.normal(size=(13, 3)))
    assert np.array_equal(last["observation.gripper"], rng.normal(size=13).reshape(-1, 1))
    assert np.array_equal(last["action"], rng.normal(size=(13, 7)))
    assert not any("left out" in remark for remark in remarks)


def test_lerobot_21(tmp_path):
    dataset, _ = bring(make_lerobot_21(tmp_path / "a"), tmp_path / "out")
    check_arrays(dataset)
    assert dataset.spec.observations[0].names == tuple("abcde")
    assert (dataset.fps, dataset.infos[0].task) == (30.0, "pick")


def test_lerobot_30_of_ours_and_of_others(tmp_path):
    ours = Dataset.open(make_ours(tmp_path / "ours"))
    copied, _ = bring(ours.path, tmp_path / "copy")
    assert copied.content_hash == ours.content_hash
    assert copied.infos == ours.infos
    foreign = Dataset.open(make_foreign(tmp_path / "foreign"))
    assert foreign.spec.observation_names == ("observation.state",)
    assert np.array_equal(foreign.column("action"), ours.column("action"))


def test_the_command_line_says_what_it_did(tmp_path, capsys):
    path = make_npz(tmp_path / "a.npz")
    arguments = ["import", str(path), "--output", str(tmp_path / "out"), "--json"]
    assert _main(arguments) == 0
    said, last = capsys.readouterr().out.splitlines()
    assert said == f"{tmp_path / 'out'}: 3 episodes, 13 frames at 50 Hz"
    last = json.loads(last)
    assert (last["episodes"], last["frames"], last["fps"]) == (3, 13, 50.0)
    assert _main(arguments) == 2
    assert "is not empty" in capsys.readouterr().err
    assert _main(["info", str(tmp_path / "out"), "--json"]) == 0
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (last["episodes"], last["outcomes"], last["interventions"]) == (3, {"unknown": 3}, 0)
    assert last["features"]["action"]["shape"] == [2]


# What is refused


def test_a_path_that_is_not_there(tmp_path):
    refused(tmp_path / "nothing", tmp_path, "does not exist")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", tmp_path, "is an empty folder")
    (tmp_path / "notes.txt").write_text("hello")
    refused(tmp_path / "notes.txt", tmp_path, "none of the formats", "zarr", "--format")
    refused(tmp_path / "notes.txt", tmp_path, "cannot be read as npz", format="npz")


def test_the_one_source_in_a_folder_is_found(tmp_path):
    folder = tmp_path / "downloaded"
    folder.mkdir()
    (folder / "README.txt").write_text("demonstrations")
    make_zarr(folder / "replay.zarr")
    dataset, _ = bring(folder, tmp_path / "out")
    check_arrays(dataset)
    make_robomimic(folder / "low_dim.hdf5")
    refused(folder, tmp_path, "more than one source (low_dim.hdf5, replay.zarr)")


@pytest.mark.parametrize("task", ["ilrobot/PushT-v0", "gym_pusht/PushT-v0"])
def test_human_pusht_names_the_tasks_that_it_fits(task, tmp_path, capsys):
    if task.startswith("gym_pusht"):
        pytest.importorskip("gym_pusht")
    keypoint = {"data/keypoint": np.zeros((13, 9, 2))}
    path = make_zarr(tmp_path / "a.zarr", **keypoint)
    assert _main(["import", str(path), "--output", str(tmp_path / "out")]) == 0
    assert task in capsys.readouterr().err
    assert _main(["info", str(tmp_path / "out"), "--json"]) == 0
    assert task in json.loads(capsys.readouterr().out.splitlines()[-1])["suggested_tasks"]
    env = make_env(task)
    check_policy_fits(Dataset.open(tmp_path / "out").spec, env.spec, "out")
    env.close()
    # Other data of the same shapes name none.
    other, _ = bring(make_zarr(tmp_path / "b.zarr"), tmp_path / "other")
    assert suggested_tasks(other.spec) == ()


def test_rates_that_are_no_whole_number_stay_exact(tmp_path):
    spec = Spec((Feature("observation.state", (1,)),), Feature("action", (), "int64"), 33.3, 2)
    source = open_source(make_npz(tmp_path / "a.npz", action=np.arange(13) % 2))
    columns = {"observation.state": STATE[:4, :1], "action": np.arange(4) % 2}
    episode = next(iter(source.episodes))
    episode.columns = columns
    dataset = write_episodes(tmp_path / "out", spec, [episode])
    assert (dataset.fps, dataset.infos[0].rate) == (33.3, 33.3)
    assert json.loads((dataset.path / "meta/info.json").read_text())["fps"] == 33
    assert dataset.column("observation.state").shape == (4, 1)
    assert dataset.column("action").shape == (4,)
    assert dataset.infos[0].judge is Judge.NOBODY


def test_reading_needs_no_torch(tmp_path):
    make_ours(tmp_path / "a")
    program = (
        "import sys; from ilrobot.data.dataset import Dataset; "
        "Dataset.open(sys.argv[1]).content_hash; sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path / "a")])
    assert done.returncode == 0

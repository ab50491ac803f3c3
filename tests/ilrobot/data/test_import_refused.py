"""``ilrobot import`` of what is damaged or cannot be: one line that says where and what."""

import json
import shutil

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zarr

from ilrobot.data.convert import open_source
from ilrobot.data.dataset import Dataset, DatasetRecorder
from ilrobot.data.episode import EpisodeInfo
from ilrobot.data.writing import write_episodes
from ilrobot.errors import UserError
from ilrobot.spec import Feature, Spec
from tests.ilrobot.data.import_sources import (
    ACTION,
    NOT_FINITE,
    ROBOMIMIC_NAMES,
    STATE,
    bring,
    make_foreign,
    make_lerobot_21,
    make_npz,
    make_ours,
    make_robomimic,
    make_zarr,
    refused,
    write_json,
)

BAD = {
    "no action": ({"action": None}, ["no 'action'", "observation"]),
    "named actions": ({"action": None, "actions": ACTION}, ["'actions' must be named 'action'"]),
    "named state": ({"observation": None, "state": STATE}, ["'state' must be named 'observation'"]),
    "empty": ({"observation": STATE[:0]}, ["'observation' is empty"]),
    "no boundaries": ({"episode_ends": None}, ["no 'episode_ends'"]),
    "ends fall": ({"episode_ends": np.array([4, 3, 13])}, ["entry 1 is 3 after 4"]),
    "ends short": ({"episode_ends": np.array([4, 10])}, ["ends at 10, but there are 13 frames"]),
    "ends not whole": ({"episode_ends": np.array([4.0, 13.0])}, ["whole numbers"]),
    "lengths": ({"action": ACTION[:-1]}, ["'action' 12", "'observation' 13"]),
    "objects": ({"action": np.array([None] * 13)}, ["holds Python objects"]),
    "mixed rates": ({"rate": np.array([10.0, 20.0, 10.0])}, ["mixes control rates (10, 20 Hz)"]),
    "rate x": ({"rate": "x"}, ["control rate of 'x'", "--rate"]),
    "rate 0": ({"rate": 0}, ["control rate of 0", "--rate"]),
    "rate inf": ({"rate": np.inf}, ["control rate of inf", "--rate"]),
    "rate nan": ({"rate": np.nan}, ["control rate of nan", "--rate"]),
    "rate below 0": ({"rate": -5.0}, ["control rate of -5.0", "--rate"]),
    "no rate in it": ({"rate": np.array([])}, ["mixes control rates (no Hz)"]),
    "negative choice": ({"action": np.arange(13) - 2}, ["whole number -2 in frame 0"]),
    "great choice": ({"action": np.arange(13) << 36}, ["whole number 68719476736 in frame 1"]),
    "greatest choice": (
        {"action": np.full(13, 2**63 + 5, np.uint64)},
        ["whole number 9223372036854775813 in frame 0"],
    ),
    "longdouble": ({"observation": STATE.astype(np.longdouble)}, ["'observation'", "64 bits"]),
    "text": ({"action": np.full(13, "left")}, ["'action'", "numbers"]),
    "text as reward": ({"reward": np.full(13, "good")}, ["'reward'", "one number per frame"]),
    "two rewards": ({"reward": np.zeros((13, 2))}, ["'reward'", "[13, 2]"]),
    "no elements": ({"observation": np.zeros((13, 0))}, ["'observation'", "[13, 0]"]),
    "NaN": (
        NOT_FINITE,
        ["'action' is not a finite number in episode 1, frame 2"],
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_npz(case, tmp_path):
    changes, words = BAD[case]
    refused(make_npz(tmp_path / "a.npz", **changes), tmp_path, *words)


@pytest.mark.parametrize("rate", [0.0, -1.0, float("inf"), float("nan")])
def test_a_rate_that_is_none(rate, tmp_path):
    with pytest.raises(UserError, match=f"--rate must be a positive number of Hz, not {rate}"):
        open_source(make_npz(tmp_path / "a.npz"), rate=rate)


def test_a_rate_that_a_person_says_goes_before_a_bad_one(tmp_path):
    dataset, _ = bring(make_npz(tmp_path / "a.npz", rate="x"), tmp_path / "out", rate=20.0)
    assert dataset.fps == 20.0


def test_a_truncated_npz(tmp_path):
    path = make_npz(tmp_path / "a.npz")
    path.write_bytes(path.read_bytes()[:300])
    refused(path, tmp_path, "cannot be read as npz")


def test_a_bad_zarr(tmp_path):
    refused(make_zarr(tmp_path / "a.zarr", state=None), tmp_path, "no 'data/state'")
    actions = {"action": None, "data/actions": ACTION}
    refused(make_zarr(tmp_path / "b.zarr", **actions), tmp_path, "must be named 'action'")
    refused(make_zarr(tmp_path / "c.zarr", ends=None), tmp_path, "no 'episode_ends'")
    path = make_zarr(tmp_path / "d.zarr")
    shutil.rmtree(path / "data/state")
    refused(path, tmp_path, "no 'data/state'")
    zarr.open_group(str(path), mode="a", zarr_format=2).create_group("data/state")
    refused(path, tmp_path, "data/state: is a group, not an array")
    refused(make_zarr(tmp_path / "e.zarr", ends=4), tmp_path, "'episode_ends' must be a list")


@pytest.mark.parametrize(
    ("drop", "word"), [(["obs"], "no observations"), (["actions"], "no 'actions'")]
)
def test_a_bad_robomimic(drop, word, tmp_path):
    refused(make_robomimic(tmp_path / "a.hdf5", drop), tmp_path, "demo_0", word)


def test_a_damaged_robomimic(tmp_path):
    path = make_robomimic(tmp_path / "a.hdf5", nan=True)
    refused(path, tmp_path, "'action' is not a finite number in episode 1, frame 1")
    path.write_bytes(path.read_bytes()[:2000])
    refused(path, tmp_path, "cannot be read as HDF5")
    with h5py.File(path, "w"):
        pass
    refused(path, tmp_path, "no demonstrations")


@pytest.mark.parametrize(
    ("env_args", "words"),
    [
        ("{", "'env_args'"),
        ("[1]", "'env_args'"),
        ('{"env_kwargs": 3}', "'env_args'"),
        (7, "'env_args'"),
        ('{"env_kwargs": {"control_freq": "x"}}', "control rate of 'x'"),
        ('{"env_kwargs": {"control_freq": 0}}', "control rate of 0"),
    ],
)
def test_broken_env_args(env_args, words, tmp_path):
    path = make_robomimic(tmp_path / "a.hdf5")
    with h5py.File(path, "a") as file:
        file["data"].attrs["env_args"] = env_args
    refused(path, tmp_path, words)


def test_what_is_no_array_in_a_robomimic(tmp_path):
    path = make_robomimic(tmp_path / "nested.hdf5")
    with h5py.File(path, "a") as file:
        file["data/demo_0/obs/arm/pos"] = np.zeros((3, 3))
    dataset, remarks = bring(path, tmp_path / "out")
    assert dataset.spec.observation_names == ROBOMIMIC_NAMES
    assert any("groups within 'obs'" in remark and "arm" in remark for remark in remarks)
    text = np.full(3, b"good")
    for name, value, words in (
        ("data/demo_0", np.zeros(3), "data/demo_0 is no group"),
        ("data/demo_0/obs", np.zeros((3, 3)), "no observations"),
        ("data/demo_0/obs/gripper", text, "demo_0/obs/gripper"),
        ("data/demo_0/rewards", text, "one number per frame"),
        ("data/demo_0/dones", text, "one number per frame"),
        ("data/demo_0/actions", h5py.Empty("f"), "no array of numbers"),
        ("data/demo_10", np.zeros(3), "data/demo_10 is no group"),
        ("data/demo_10/rewards/deep", np.zeros(3), "no array of numbers"),
        ("data/demo_2/obs/gripper", np.zeros(5, np.longdouble), "64 bits"),
    ):
        path = make_robomimic(tmp_path / "a.hdf5")
        with h5py.File(path, "a") as file:
            del file[name.removesuffix("/deep")]
            file[name] = value
        refused(path, tmp_path, words)


def test_an_episode_of_numbers_that_its_column_cannot_hold(tmp_path):
    path = make_robomimic(tmp_path / "a.hdf5")
    with h5py.File(path, "a") as file:
        del file["data/demo_0/obs/gripper"]
        file["data/demo_0/obs/gripper"] = np.arange(3)
    refused(path, tmp_path, "data/demo_2", "float64, in the first one int64")


def test_an_episode_of_another_shape(tmp_path):
    path = make_robomimic(tmp_path / "a.hdf5")
    with h5py.File(path, "a") as file:
        del file["data/demo_10/actions"]
        file["data/demo_10/actions"] = np.zeros((13, 6))
    refused(path, tmp_path, "data/demo_10: 'action' has 6 elements, in the first one 7")


def test_an_episode_in_memory_of_another_shape(tmp_path):
    source = open_source(make_npz(tmp_path / "a.npz"))
    first, second, _ = source.episodes
    second.columns["action"] = np.zeros((6, 3))
    with pytest.raises(UserError, match=r"'action' of episode 1 has shape \[6, 3\], not \[6, 2\]"):
        write_episodes(tmp_path / "out", source.spec, [first, second])


def test_a_bad_lerobot_21(tmp_path):
    path = make_lerobot_21(tmp_path / "a", video=True)
    refused(path, tmp_path, "episode_000000.mp4: the video is missing")
    path = make_lerobot_21(tmp_path / "b")
    file = path / "data/chunk-000/episode_000001.parquet"
    table = pq.read_table(file)
    pq.write_table(table.slice(1), file)
    refused(path, tmp_path, "holds 5 ticks", "lists 6")
    stamps = pa.array(np.arange(6, dtype=np.float32) / 10)
    pq.write_table(table.set_column(2, "timestamp", stamps), file)
    refused(path, tmp_path, "mixes control rates", "30 Hz", "episode 1")
    file.unlink()
    refused(path, tmp_path, "missing")


def opening(path, *words):
    with pytest.raises(UserError) as caught:
        Dataset.open(path).content_hash  # noqa: B018 (it reads all columns)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message, message


def test_half_a_dataset(tmp_path):
    opening(tmp_path / "nothing", "does not exist")
    (tmp_path / "empty").mkdir()
    opening(tmp_path / "empty", "is empty")
    path = make_ours(tmp_path / "a")
    data = path / "data/chunk-000/file-001.parquet"
    whole = data.read_bytes()
    data.write_bytes(whole[:-40])
    opening(path, str(data), "damaged or cut off")
    shutil.copy(path / "data/chunk-000/file-000.parquet", data)
    opening(path, str(data), "holds 4 ticks, but meta/episodes lists 6")
    data.unlink()
    opening(path, str(data), "missing")
    data.write_bytes(whole)
    (path / "meta/tasks.parquet").unlink()
    opening(path, "meta/tasks.parquet", "missing")
    (path / "meta/info.json").write_text("{")
    opening(path, "meta/info.json", "not JSON")
    (path / "meta/info.json").unlink()
    opening(path, "no meta/info.json")


@pytest.mark.parametrize(
    ("listed", "stated", "said"),
    [
        ((0, 1), {"total_episodes": 3}, "lists 2 episodes, but info.json counts 3"),
        ((0, 1, 1), {"total_episodes": 3}, "lists episode 1 more than once"),
        ((0, 1, 2), {"total_frames": 14}, "lists 13 ticks, but info.json counts 14"),
    ],
)
def test_a_lerobot_21_of_which_episodes_are_missing_or_twice(listed, stated, said, tmp_path):
    path = make_lerobot_21(tmp_path / "a")
    info = json.loads((path / "meta/info.json").read_text())
    write_json(path / "meta/info.json", {**info, **stated})
    lines = (path / "meta/episodes.jsonl").read_text().splitlines()
    (path / "meta/episodes.jsonl").write_text("\n".join(lines[index] for index in listed))
    refused(path, tmp_path, "meta/episodes.jsonl", said)


def test_a_dataset_of_others_of_which_episodes_are_missing(tmp_path):
    path = make_foreign(tmp_path / "a")
    file = path / "meta/episodes/chunk-000/file-000.parquet"
    whole = pq.read_table(file)
    pq.write_table(whole.slice(0, 1), file)
    opening(path, "lists 1 episodes, but info.json counts 2; copy the dataset again")
    pq.write_table(pa.concat_tables([whole.slice(0, 1)] * 2), file)
    opening(path, "lists episode 0 more than once")


def test_a_lerobot_21_of_odd_paths_rows_and_actions(tmp_path):
    path = make_lerobot_21(tmp_path / "a")
    info = json.loads((path / "meta/info.json").read_text())
    write_json(path / "meta/info.json", {**info, "data_path": "data/{file_index}.parquet"})
    refused(path, tmp_path, "'data_path'")
    info["features"]["action"] = {"dtype": "int64", "shape": [1], "names": None}
    write_json(path / "meta/info.json", info)
    for file in (path / "data").glob("*/*.parquet"):
        table = pq.read_table(file)
        chosen = pa.array(np.arange(table.num_rows) - 1)
        pq.write_table(table.set_column(1, "action", chosen), file)
    refused(path, tmp_path, "whole number -1 in frame 0")
    (path / "meta/episodes.jsonl").write_text('{"length": 3}')
    refused(path, tmp_path, "lacks 'episode_index' or 'length'")


def test_a_dataset_of_others_under_wrong_names_or_without_its_video(tmp_path):
    vector = {"dtype": "float32", "shape": [2], "names": None}
    path = make_foreign(tmp_path / "a")
    info = json.loads((path / "meta/info.json").read_text())
    info["features"]["actions"] = info["features"].pop("action")
    write_json(path / "meta/info.json", info)
    opening(path, "'actions' must be named 'action'")
    opening(make_foreign(tmp_path / "b", **{"observation.force": vector}), "observation.force")
    path = make_foreign(tmp_path / "c", **{"observation.images.top": {**vector, "dtype": "video"}})
    file = path / "meta/episodes/chunk-000/file-000.parquet"
    table = pq.read_table(file)
    opening(path, "does not say where the video of 'observation.images.top' lies")
    for name in ("chunk_index", "file_index", "from_timestamp", "to_timestamp"):
        table = table.append_column(f"videos/observation.images.top/{name}", pa.array([0, 0]))
    pq.write_table(table, file)
    opening(path, "videos/observation.images.top/chunk-000/file-000.mp4: the video is missing")


def test_a_dataset_of_others_with_more_choices_than_there_can_be(tmp_path):
    chosen = make_npz(tmp_path / "a.npz", action=np.arange(13) % 3)
    source = open_source(chosen)
    path = write_episodes(tmp_path / "a", source.spec, source.episodes).path
    info = json.loads((path / "meta/info.json").read_text())
    del info["ilrobot"]
    write_json(path / "meta/info.json", info)
    assert Dataset.open(path).spec.choices == 3
    statistics = json.loads((path / "meta/stats.json").read_text())
    statistics["action"]["max"] = [2**40]
    write_json(path / "meta/stats.json", statistics)
    opening(path, "1099511627776 as the greatest discrete action", "as floats")


def test_mixed_rates_in_a_dataset(tmp_path):
    path = make_ours(tmp_path / "a")
    file = path / "meta/episodes/chunk-000/file-000.parquet"
    table = pq.read_table(file)
    column = table.column_names.index("rate")
    pq.write_table(table.set_column(column, "rate", pa.array([50.0, 20.0])), file)
    opening(path, "mixes control rates (20, 50 Hz)")


def test_recording_refuses_other_tasks_and_rates(tmp_path):
    dataset = Dataset.open(make_ours(tmp_path / "a"))
    spec = dataset.spec
    with pytest.raises(UserError, match="is not empty"):
        DatasetRecorder(dataset.path, spec)
    with pytest.raises(UserError, match=r"another control rate in Hz \(50.0, now 20.0\)"):
        DatasetRecorder(dataset.path, spec.with_rate(20.0), resume=True)
    other = Spec(spec.observations, Feature("action", (3,)), spec.rate)
    with pytest.raises(UserError, match=r"'action' float32\[2\]"):
        DatasetRecorder(dataset.path, other, resume=True)
    with DatasetRecorder(dataset.path, spec, resume=True) as recorder:
        assert recorder.num_episodes == 2
        with pytest.raises(UserError, match="at 50 Hz, the episode at 20 Hz"):
            recorder.begin(EpisodeInfo("toy", 20.0))

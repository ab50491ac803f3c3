"""Demonstrations from elsewhere come in bit for bit, or are refused with one clear line."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zarr

from ilrobot.actors import Source
from ilrobot.cli import _main
from ilrobot.data.convert import open_source
from ilrobot.data.dataset import Dataset, DatasetRecorder
from ilrobot.data.episode import EpisodeInfo, Judge, Outcome
from ilrobot.data.known_tasks import suggested_tasks
from ilrobot.data.writing import write_episodes
from ilrobot.env import make_env
from ilrobot.errors import UserError
from ilrobot.spec import Feature, Spec, check_policy_fits

ENDS = [4, 10, 13]
RNG = np.random.default_rng(0)
STATE = RNG.normal(size=(13, 5)).astype(np.float32)
ACTION = RNG.normal(size=(13, 2)).astype(np.float32)


def bring(path, output, **options):
    source = open_source(path, **options)
    return write_episodes(output, source.spec, source.episodes), source.remarks


def refused(path, tmp_path, *words, **options):
    output = tmp_path / "refused"
    with pytest.raises(UserError) as caught:
        bring(path, output, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    for word in words:
        assert word in message, message
    assert not output.exists()
    assert not list(tmp_path.glob(".refused*"))


def make_zarr(path, state=STATE, action=ACTION, ends=ENDS, **more):
    group = zarr.open_group(str(path), mode="w", zarr_format=2)
    arrays = {"data/state": state, "data/action": action, "meta/episode_ends": ends, **more}
    for name, values in arrays.items():
        if values is not None:
            group.create_array(name, data=np.asarray(values))
    return path


def make_npz(path, **changes):
    arrays = {"observation": STATE, "action": ACTION, "episode_ends": np.array(ENDS), "rate": 50.0}
    arrays = {k: v for k, v in {**arrays, **changes}.items() if v is not None}
    np.savez(path, **arrays)
    return path


def make_robomimic(path, drop=(), nan=False):
    with h5py.File(path, "w") as file:
        data = file.create_group("data")
        data.attrs["env_args"] = json.dumps(
            {"env_name": "Lift", "env_kwargs": {"control_freq": 20}}
        )
        for number in (0, 10, 2):
            demo = data.create_group(f"demo_{number}")
            length = 3 + number
            rng = np.random.default_rng(number)
            demo["obs/eef_pos"] = rng.normal(size=(length, 3))
            demo["obs/gripper"] = rng.normal(size=length)
            demo["obs/agentview_image"] = np.zeros((length, 8, 8, 3), np.uint8)
            demo["actions"] = rng.normal(size=(length, 7))
            if nan and number == 2:
                demo["actions"][1, 3] = np.nan
            demo["rewards"] = np.eye(length)[-1]
            demo["dones"] = np.eye(length)[-1].astype(np.int64)
            for name in drop:
                del demo[name]
    return path


def make_lerobot_21(path, video=False):
    features = {
        "observation.state": {"dtype": "float32", "shape": [5], "names": {"motors": list("abcde")}},
        "action": {"dtype": "float32", "shape": [2], "names": None},
        "timestamp": {"dtype": "float32", "shape": [1], "names": None},
    }
    if video:
        features["observation.images.top"] = {"dtype": "video", "shape": [8, 8, 3], "names": None}
    write_json(
        path / "meta/info.json",
        {
            "codebase_version": "v2.1",
            "fps": 30,
            "chunks_size": 1000,
            "data_path": "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet",
            "video_path": "videos/chunk-{episode_chunk:03d}/{video_key}/"
            "episode_{episode_index:06d}.mp4",
            "features": features,
        },
    )
    lines = []
    for index, (start, end) in enumerate(zip([0, *ENDS[:-1]], ENDS, strict=True)):
        table = pa.table(
            {
                "observation.state": pa.array(STATE[start:end].tolist(), pa.list_(pa.float32())),
                "action": pa.array(ACTION[start:end].tolist(), pa.list_(pa.float32())),
                "timestamp": pa.array(np.arange(end - start, dtype=np.float32) / 30),
            }
        )
        file = path / f"data/chunk-000/episode_{index:06d}.parquet"
        file.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, file)
        lines.append({"episode_index": index, "tasks": ["pick"], "length": end - start})
    (path / "meta/episodes.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return path


def make_ours(path, episodes=2):
    source = open_source(make_npz(path.with_suffix(".npz")))
    write_episodes(path, source.spec, list(source.episodes)[:episodes])
    return path


def make_foreign(path, **features):
    """As another program writes v3.0: without our key."""
    make_ours(path)
    info = json.loads((path / "meta/info.json").read_text())
    del info["ilrobot"]
    info["features"].update(features)
    write_json(path / "meta/info.json", info)
    return path


def write_json(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data))


def check_arrays(dataset, state=STATE, action=ACTION):
    assert dataset.column("observation.state").dtype == state.dtype
    assert dataset.column("observation.state").tobytes() == state.tobytes()
    assert dataset.column("action").tobytes() == action.tobytes()
    assert dataset.starts.tolist() == [0, *ENDS]


# What can be read


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
    assert dataset.spec.observation_names == ("observation.eef_pos", "observation.gripper")
    rng = np.random.default_rng(10)
    last = dataset.episode(2).columns
    assert np.array_equal(last["observation.eef_pos"], rng.normal(size=(13, 3)))
    assert np.array_equal(last["observation.gripper"], rng.normal(size=13).reshape(-1, 1))
    assert np.array_equal(last["action"], rng.normal(size=(13, 7)))
    assert any("agentview_image" in remark for remark in remarks)


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


BAD = {
    "no action": ({"action": None}, ["no 'action'", "observation"]),
    "named actions": ({"action": None, "actions": ACTION}, ["'actions' must be named 'action'"]),
    "named state": ({"observation": None, "state": STATE}, ["'state' must be named 'observation'"]),
    "no boundaries": ({"episode_ends": None}, ["no 'episode_ends'"]),
    "ends fall": ({"episode_ends": np.array([4, 3, 13])}, ["entry 1 is 3 after 4"]),
    "ends short": ({"episode_ends": np.array([4, 10])}, ["ends at 10, but there are 13 frames"]),
    "ends not whole": ({"episode_ends": np.array([4.0, 13.0])}, ["whole numbers"]),
    "lengths": ({"action": ACTION[:-1]}, ["'action' 12", "'observation.state' 13"]),
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
        {"action": np.where(np.arange(26).reshape(13, 2) == 12, np.nan, ACTION)},
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
    assert dataset.spec.observation_names == ("observation.eef_pos", "observation.gripper")
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


def test_an_episode_that_fails_half_way_leaves_nothing(tmp_path):
    source = open_source(make_npz(tmp_path / "a.npz"))

    def broken():
        yield next(iter(source.episodes))
        raise UserError("no more")

    with pytest.raises(UserError, match="no more"):
        write_episodes(tmp_path / "out", source.spec, broken())
    assert [p.name for p in tmp_path.iterdir()] == ["a.npz"]


def test_an_import_that_was_killed_leaves_nothing_that_the_next_one_does_not_remove(tmp_path):
    path, output = make_npz(tmp_path / "a.npz"), tmp_path / "out"
    program = """
import os, signal, sys
from ilrobot.data.convert import open_source
from ilrobot.data.writing import write_episodes
source = open_source(sys.argv[1])
def killed():
    yield next(iter(source.episodes))
    os.kill(os.getpid(), signal.SIGKILL)
write_episodes(sys.argv[2], source.spec, killed())
"""
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", program, str(path), str(output)])
        assert done.returncode == -signal.SIGKILL
        assert not output.exists()
        (left,) = (p for p in tmp_path.iterdir() if p != path)
        assert left.name.startswith(".out.")
    dataset, _ = bring(path, output)
    check_arrays(dataset)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.npz", "out"]


def test_an_output_may_be_a_link_to_an_empty_folder(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "real")
    bring(make_npz(tmp_path / "a.npz"), tmp_path / "out")
    assert (tmp_path / "out").is_symlink()
    check_arrays(Dataset.open(tmp_path / "real"))


def test_folders_made_for_an_output_that_fails_go_again(tmp_path):
    path = make_npz(tmp_path / "a.npz", **BAD["NaN"][0])
    source = open_source(path)
    (tmp_path / "kept").mkdir()
    with pytest.raises(UserError, match="not a finite number"):
        write_episodes(tmp_path / "kept/new/deep/out", source.spec, source.episodes)
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["a.npz", "kept"]


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("a.npz", "exists and is not empty"),
        ("a.npz/out", "a.npz is a file"),
        ("x" * 300, "too long"),
        (".", "is the folder that you are in"),
    ],
)
def test_the_output_is_tried_before_the_source_is_read(
    output, words, tmp_path, monkeypatch, capsys
):
    make_npz(tmp_path / "a.npz")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    output = output if output == "." else str(tmp_path / output)
    assert _main(["import", str(tmp_path / "nothing.npz"), "--output", output]) == 2
    assert words in capsys.readouterr().err
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["a.npz", "here"]


def test_nothing_stands_above_an_error(tmp_path, capsys):
    path = make_npz(tmp_path / "a.npz", **BAD["NaN"][0])
    assert _main(["import", str(path), "--output", str(tmp_path / "out")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "not a finite number" in line


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

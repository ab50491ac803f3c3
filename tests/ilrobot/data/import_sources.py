"""Recordings of other programs, as small as they can be, and what an import of them must hold."""

import json

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zarr

from ilrobot.data.convert import open_source
from ilrobot.data.writing import write_episodes
from ilrobot.errors import UserError

ENDS = [4, 10, 13]
RNG = np.random.default_rng(0)
STATE = RNG.normal(size=(13, 5)).astype(np.float32)
ACTION = RNG.normal(size=(13, 2)).astype(np.float32)
ROBOMIMIC_NAMES = (
    *("observation.eef_pos", "observation.gripper"),
    "observation.images.agentview",
)
NOT_FINITE = {"action": np.where(np.arange(26).reshape(13, 2) == 12, np.nan, ACTION)}


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

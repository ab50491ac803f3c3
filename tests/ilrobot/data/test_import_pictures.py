"""Pictures of other programs come in as films: each frame nearest to its own, or one clear line."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from ilrobot.cli import _main
from ilrobot.data.convert import open_source
from ilrobot.data.dataset import Dataset
from ilrobot.data.episode import Episode
from ilrobot.data.known_tasks import suggested_tasks
from ilrobot.data.writing import write_episodes
from ilrobot.errors import UserError
from tests.ilrobot.data.import_sources import (
    ENDS,
    bring,
    make_npz,
    make_robomimic,
    make_zarr,
    refused,
)
from tests.ilrobot.data.shown import SIDE, check_film, shown


def with_pictures(path, **more):
    """A robomimic file of 3, 5 and 13 ticks whose camera sees something."""
    make_robomimic(path, drop=("obs/agentview_image",))
    with h5py.File(path, "a") as file:
        start = 0
        for number in (0, 2, 10):
            length = 3 + number
            part = slice(start, start + length)
            for key, values in {"agentview_image": shown(21), **more}.items():
                file[f"data/demo_{number}/obs/{key}"] = values[part]
            start += length
    return path


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_zarr_of_diffusion_policy(kind, tmp_path):
    more = {
        "data/keypoint": np.zeros((13, 9, 2)),
        "data/img": shown(13).astype(kind),
        "data/camera_1": shown(13, 1),
        "data/depth": np.zeros((13, 8, 8, 1), np.uint16),
    }
    dataset, remarks = bring(make_zarr(tmp_path / "a.zarr", **more), tmp_path / "out")
    check_film(dataset, "img", shown(13))
    check_film(dataset, "camera_1", shown(13, 1))
    assert np.array_equal(dataset.starts[1:], ENDS)
    assert remarks == (
        "left out: keypoint",
        "left out, films are made of uint8 pictures, even × even × 3: depth (uint16, 8 × 8 × 1)",
    )
    assert "ilrobot/PushT-v0" in suggested_tasks(dataset.spec)
    assert not list(dataset.path.glob("journal*"))


def test_a_task_is_suggested_for_policies_that_see_no_pictures_alone(tmp_path, capsys):
    more = {"data/keypoint": np.zeros((13, 9, 2)), "data/img": shown(13)}
    path, data = make_zarr(tmp_path / "a.zarr", **more), tmp_path / "data"
    assert _main(["import", str(path), "--output", str(data)]) == 0
    said = "try policies trained on it without --cameras with --task ilrobot/PushT-v0 or"
    assert said in capsys.readouterr().err
    words = ["train", "--dataset", str(data), "--policy", "bc", "--width", "8", "--blocks", "1"]
    words += ["--batch-size", "4", "--steps", "1", "--held-out", "0", "--device", "cpu"]
    for more_words, task in (["--cameras", "img"], "TASK"), ([], "ilrobot/PushT-v0"):
        run = str(tmp_path / f"run{len(more_words)}")
        assert _main([*words, *more_words, "--output", run]) == 0
        assert f"eval --policy {run} --task {task}\n" in capsys.readouterr().out


def test_floats_that_are_no_bytes_are_refused(tmp_path):
    path = make_zarr(tmp_path / "a.zarr", **{"data/img": shown(13) / np.float32(255)})
    refused(path, tmp_path, "data/img: holds pictures from 0 to 1, not to 255")
    path = make_zarr(tmp_path / "b.zarr", **{"data/img": shown(13) * np.float32(2)})
    refused(path, tmp_path, "data/img: holds a number that is not from 0 to 255")
    path = make_zarr(tmp_path / "c.zarr", **{"data/img": shown(12)})
    refused(path, tmp_path, "'img' 12")


def test_pictures_of_zarr_are_read_chunk_by_chunk(tmp_path):
    import zarr

    path = make_zarr(tmp_path / "a.zarr")
    group = zarr.open_group(str(path), mode="a")
    group.create_array("data/img", data=shown(13), chunks=(2, SIDE, SIDE, 3))
    source = open_source(path)
    sizes = [len(p.base) for e in source.episodes for p in e.pictures["observation.images.img"]]
    assert max(sizes) == 2
    dataset, _ = bring(path, tmp_path / "out")
    check_film(dataset, "img", shown(13))
    next((path / "data/img").glob("3.*")).write_bytes(b"nothing")
    refused(path, tmp_path, "data/img: damaged")


def test_robomimic(tmp_path):
    path = with_pictures(
        tmp_path / "a.hdf5",
        robot0_eye_in_hand_image=shown(21, 1),
        agentview_depth=np.zeros((21, 8, 8, 1), np.float32),
        odd_image=np.zeros((21, 9, 8, 3), np.uint8),
    )
    dataset, remarks = bring(path, tmp_path / "out")
    check_film(dataset, "agentview", shown(21))
    check_film(dataset, "robot0_eye_in_hand", shown(21, 1))
    assert [f.name for f in dataset.spec.observations][:2] == [
        "observation.eef_pos",
        "observation.gripper",
    ]
    assert remarks[0] == (
        "left out, films are made of uint8 pictures, even × even × 3: "
        "agentview_depth (float32, 8 × 8 × 1), odd_image (uint8, 9 × 8 × 3)"
    )


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (None, "and is missing"),
        (shown(4), "is uint8 of shape [4, 32, 32, 3]"),
        (shown(5)[:, :16], "is uint8 of shape [5, 16, 32, 3]"),
        (shown(5).astype(np.int16), "is int16 of shape [5, 32, 32, 3]"),
    ],
)
def test_a_demonstration_of_other_pictures_than_the_first(values, said, tmp_path):
    path = with_pictures(tmp_path / "a.hdf5")
    with h5py.File(path, "a") as file:
        del file["data/demo_2/obs/agentview_image"]
        if values is not None:
            file["data/demo_2/obs/agentview_image"] = values
    refused(path, tmp_path, "data/demo_2/obs/agentview_image: must be", "[5, 32, 32, 3]", said)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz(save, tmp_path):
    path = make_npz(tmp_path / "a.npz", images_front=shown(13), images_depth=np.zeros((13, 8, 8)))
    with np.load(path) as file:
        save(path, **file)
    dataset, remarks = bring(path, tmp_path / "out")
    check_film(dataset, "front", shown(13))
    assert [remark.rpartition(": ")[2] for remark in remarks] == ["images_depth (float64, 8 × 8)"]
    refused(make_npz(path, images_front=shown(12)), tmp_path, "'images_front' 12")
    refused(make_npz(path, images_front=np.asfortranarray(shown(13))), tmp_path, "Fortran")
    whole = make_npz(path, images_front=shown(13)).read_bytes()
    head = whole.index(b"\x93NUMPY", whole.index(b"images_front"))
    for at, said in ((head, "cannot be read as npz"), (head + 9000, "'images_front' is damaged")):
        path.write_bytes(whole[:at] + bytes(8) + whole[at + 8 :])
        refused(path, tmp_path, said)


def test_pictures_that_fail_half_way_leave_nothing_open_or_behind(tmp_path):
    path = with_pictures(tmp_path / "a.hdf5")

    def broken(source):
        for episode in source.episodes:
            (name, pictures), *_ = episode.pictures.items()
            one = next(iter(pictures))
            yield Episode(episode.info, episode.columns, {name: [one] * (len(episode) - 1)})

    before = _open_files()
    for _ in range(3):
        source = open_source(path)
        with pytest.raises(UserError, match="has 2 pictures for 3 ticks"):
            write_episodes(tmp_path / "out", source.spec, broken(source))
    assert _open_files() <= before + 1
    assert [file.name for file in tmp_path.iterdir()] == ["a.hdf5"]


def test_an_import_killed_amid_pictures_leaves_a_hidden_folder_alone(tmp_path):
    path, output = with_pictures(tmp_path / "a.hdf5"), tmp_path / "out"
    program = """
import os, signal, sys
from ilrobot.data.convert import open_source
from ilrobot.data.writing import write_episodes
source = open_source(sys.argv[1])
def killed(pictures):
    yield next(pictures)
    os.kill(os.getpid(), signal.SIGKILL)
def episodes():
    yield next(source.episodes)
    for episode in source.episodes:
        episode.pictures = {name: killed(each) for name, each in episode.pictures.items()}
        yield episode
write_episodes(sys.argv[2], source.spec, episodes())
"""
    done = subprocess.run([sys.executable, "-c", program, str(path), str(output)])
    assert done.returncode == -signal.SIGKILL
    (left,) = (file for file in tmp_path.iterdir() if file != path)
    assert left.name.startswith(".out.")
    dataset, _ = bring(path, output)
    check_film(dataset, "agentview", shown(21))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.hdf5", "out"]


def _open_files():
    """How many this process has open, where the system says so."""
    folder = Path("/proc/self/fd")
    return sum(1 for _ in folder.iterdir()) if folder.exists() else 0


def test_without_what_encodes_films_nothing_is_begun(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "av", None)
    path = with_pictures(tmp_path / "a.hdf5")
    assert _main(["import", str(path), "--output", str(tmp_path / "out")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "films are written with PyAV: pip install av" in line
    assert [file.name for file in tmp_path.iterdir()] == ["a.hdf5"]


def test_a_policy_learns_from_imported_pictures(tmp_path, capsys):
    path, data = with_pictures(tmp_path / "a.hdf5"), tmp_path / "data"
    assert _main(["import", str(path), "--output", str(data)]) == 0
    assert _main(["info", str(data), "--json"]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["cameras"] == ["agentview"]
    words = ["--policy", "flow", "--cameras", "agentview", "--width", "16", "--blocks", "1"]
    words += ["--batch-size", "4", "--steps", "2", "--device", "cpu"]
    run = tmp_path / "run"
    assert _main(["train", "--dataset", str(data), *words, "--output", str(run)]) == 0
    assert "sees       agentview (32×32)" in capsys.readouterr().out
    assert Dataset.open(data).camera_keys == ("observation.images.agentview",)

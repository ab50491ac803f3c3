"""Cameras become films that LeRobot plays: rows and pictures stay aligned, whatever is dropped."""

import json
import os
import signal
import subprocess
import time

import av
import numpy as np
import pytest
from film_child import CAMERAS, HEIGHT, SPEC, WIDTH, frame, picture

from ilrobot.data.dataset import Dataset, DatasetRecorder
from ilrobot.data.episode import REPEATED, EpisodeInfo, Judge, Outcome
from ilrobot.data.video import film as video
from ilrobot.data.video import queue as video_queue
from ilrobot.data.video.encoder import Film
from ilrobot.data.video.parts import Part, PartWriter
from ilrobot.errors import UserError, WorkFailed
from ilrobot.spec import Feature, Spec

FRONT, WRIST = CAMERAS


def record(path, lengths, resume=False):
    with DatasetRecorder(path, SPEC, resume=resume) as recorder:
        for length in lengths:
            seed = recorder.num_episodes
            recorder.begin(EpisodeInfo("toy", SPEC.rate, seed=seed))
            for tick in range(length):
                recorder.append(frame(seed, tick))
            recorder.end(Outcome.SUCCESS, Judge.PERSON)
    return Dataset.open(path)


def psnr(one, other):
    error = np.mean((one.astype(float) - other) ** 2)
    return 10 * np.log10(255**2 / max(error, 1e-9))


def shown_tick(seen):
    """Which tick a picture says it is of."""
    return round((float(np.median(seen[:, : WIDTH // 2])) - 16) / 5)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return record(tmp_path_factory.mktemp("films") / "toy", (7, 1, 12))


def test_films_give_back_what_the_cameras_saw(dataset):
    assert dataset.camera_keys == CAMERAS
    assert dataset.lengths.tolist() == [7, 1, 12]
    for episode, length in enumerate(dataset.lengths):
        for camera in CAMERAS:
            seen = list(dataset.video(episode, camera))
            assert len(seen) == length
            for tick, shown in enumerate(seen):
                assert shown.shape == (HEIGHT, WIDTH, 3)
                assert psnr(shown, picture(episode, tick, camera)) > 35
    assert not dataset.column(REPEATED).any()
    assert not dataset.has_column(FRONT)
    assert FRONT not in dataset.episode(0).columns


def test_films_are_as_lerobot_wants_them(dataset):
    with av.open(str(dataset.path / f"videos/{FRONT}/chunk-000/file-002.mp4")) as film:
        stream = film.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert stream.average_rate == SPEC.rate
        frames = list(film.decode(stream))
    np.testing.assert_allclose([f.time for f in frames], np.arange(12) / SPEC.rate, atol=1e-6)
    assert [f.key_frame for f in frames] == [True, False] * 6

    info = json.loads((dataset.path / "meta/info.json").read_text())
    assert info["video_path"].startswith("videos/{video_key}/")
    described = info["features"][WRIST]
    assert (described["dtype"], described["shape"]) == ("video", [HEIGHT, WIDTH, 3])
    assert described["names"] == ["height", "width", "channels"]
    assert described["info"]["video.fps"] == SPEC.rate


def test_statistics_are_per_channel_in_zero_to_one(tmp_path):
    dataset = record(tmp_path / "toy", (4, 6))
    pooled = json.loads((dataset.path / "meta/stats.json").read_text())[FRONT]
    assert np.shape(pooled["mean"]) == (3, 1, 1)
    pictures = [picture(e, t, FRONT) for e, n in enumerate((4, 6)) for t in range(n)]
    assert pooled["mean"][0][0][0] == pytest.approx(np.mean(pictures) / 255, abs=0.02)
    assert pooled["min"][1][0][0] == pytest.approx(np.min(pictures) / 255, abs=0.02)
    assert pooled["max"][2][0][0] == pytest.approx(np.max(pictures) / 255, abs=0.02)
    assert pooled["count"] == [5]  # key frames
    before = (dataset.path / "meta/stats.json").read_bytes()
    with DatasetRecorder(dataset.path, SPEC, resume=True):
        pass
    assert (dataset.path / "meta/stats.json").read_bytes() == before


def test_a_recording_with_cameras_goes_on(tmp_path):
    record(tmp_path, (3,))
    dataset = record(tmp_path, (2,), resume=True)
    assert [len(list(dataset.video(e, WRIST))) for e in range(2)] == [3, 2]
    assert not (tmp_path / "journal").exists()


def test_an_episode_without_ticks_leaves_nothing(tmp_path):
    with DatasetRecorder(tmp_path, SPEC) as recorder:
        recorder.begin(EpisodeInfo("toy", SPEC.rate))
        recorder.end(Outcome.SUCCESS, Judge.PERSON)
        recorder.begin(EpisodeInfo("toy", SPEC.rate, seed=0))
        recorder.append(frame(0, 0))
        recorder.end(Outcome.SUCCESS, Judge.PERSON)
    assert [len(list(Dataset.open(tmp_path).video(0, c))) for c in CAMERAS] == [1, 1]
    assert not (tmp_path / "journal").exists()


def test_pictures_that_find_no_room_are_counted_and_repeat_the_last_one(tmp_path, monkeypatch):
    monkeypatch.setattr(video_queue, "RING_BYTES", 1)
    slots, ticks = video_queue.FEWEST_SLOTS, 12
    with DatasetRecorder(tmp_path, SPEC) as recorder:
        recorder.begin(EpisodeInfo("toy", SPEC.rate, seed=0))
        os.kill(recorder.encoder_pid, signal.SIGSTOP)
        for tick in range(ticks):
            recorder.append(frame(0, tick))
        os.kill(recorder.encoder_pid, signal.SIGCONT)
        recorder.end(Outcome.SUCCESS, Judge.PERSON)
        recorder.begin(EpisodeInfo("toy", SPEC.rate, seed=1))
        for tick in range(3):
            recorder.append(frame(1, tick))
        recorder.end(Outcome.SUCCESS, Judge.PERSON)
    dataset = Dataset.open(tmp_path)
    expected = [tick if tick < slots else slots - 1 for tick in range(ticks)]
    for camera in CAMERAS:
        assert [shown_tick(seen) for seen in dataset.video(0, camera)] == expected
        assert [shown_tick(seen) for seen in dataset.video(1, camera)] == [0, 1, 2]
    repeated = dataset.column(REPEATED)
    assert repeated[:ticks].tolist() == [tick >= slots for tick in range(ticks)]
    assert not repeated[ticks:].any()


def test_a_film_fills_gaps_before_between_and_after(tmp_path):
    path = tmp_path / "film"
    film = Film(path, (HEIGHT, WIDTH, 3), 30)
    for tick in (2, 5):
        film.add(tick, picture(0, tick, FRONT))
    film.end(8)
    target = tmp_path / "film.mp4"
    assert video.write_film(Part(path), target, 30) == 8
    seen = [shown_tick(p) for p in video.read_film(video.VideoPlace(target, 0.0, 8 / 30), 8)]
    assert seen == [2, 2, 2, 2, 2, 5, 5, 5]


def test_without_x264_films_are_mpeg4(tmp_path, monkeypatch):
    monkeypatch.setattr(video, "CODECS", video.CODECS[1:])
    path, target = tmp_path / "film", tmp_path / "film.mp4"
    film = Film(path, (HEIGHT, WIDTH, 3), 30)
    for tick in range(6):
        film.add(tick, picture(0, tick, FRONT))
    film.end(6)
    assert video.write_film(Part(path), target, 30) == 6
    seen = list(video.read_film(video.VideoPlace(target, 0.0, 6 / 30), 6))
    assert [shown_tick(p) for p in seen] == list(range(6))
    feature = SPEC.cameras[0]
    assert video.describe_film(feature, 30)["info"]["video.codec"] == "mpeg4"


def test_a_part_cut_at_any_byte_gives_its_leading_frames(tmp_path):
    path = tmp_path / "part"
    writer = PartWriter(path, "h264")
    header = path.stat().st_size
    frames = [bytes([n]) * 50 for n in range(3)]
    for encoded in frames:
        writer.append(encoded)
    writer.close()
    content = path.read_bytes()
    size = (len(content) - header) // 3
    for cut in range(len(content) + 1):
        path.write_bytes(content[:cut])
        whole = max(0, (cut - header) // size)
        assert Part(path).read() == b"".join(frames[:whole])
        assert Part(path).count() == whole
    path.write_bytes(content)
    assert Part(path, 2).read() == b"".join(frames[:2])
    assert Part(tmp_path / "missing").count() == 0
    flipped = bytearray(content)
    flipped[header + size + 20] ^= 1
    path.write_bytes(flipped)
    assert Part(path).count() == 1


def test_the_encoder_ends_with_its_recorder(tmp_path):
    recorder = DatasetRecorder(tmp_path, SPEC)
    pid = recorder.encoder_pid
    os.kill(pid, 0)
    recorder.close()
    recorder.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_forked_process_does_not_keep_the_encoder(tmp_path):
    recorder = DatasetRecorder(tmp_path, SPEC)
    pid = recorder.encoder_pid
    forked = subprocess.Popen(["sleep", "60"], pass_fds=recorder_pipe(recorder))
    began = time.monotonic()
    recorder.close()
    assert time.monotonic() - began < 20  # not until patience ends
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    forked.kill()
    forked.wait()


def recorder_pipe(recorder):
    """What a fork without exec would hold too."""
    return (recorder._videos._process.stdin.fileno(),)


@pytest.mark.parametrize(
    ("shape", "dtype"), [((48, 65, 3), "uint8"), ((48, 64, 1), "uint8"), ((4, 4), "float32")]
)
def test_what_no_film_can_hold_is_refused_before_anything_is_written(tmp_path, shape, dtype):
    spec = Spec((Feature("observation.images.x", shape, dtype),), Feature("action", (1,)), 10.0)
    with pytest.raises(UserError, match=r"'observation.images.x' of the task is") as caught:
        DatasetRecorder(tmp_path / "new", spec)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "new").exists()


def test_a_picture_of_another_shape_or_type_is_refused(tmp_path):
    with DatasetRecorder(tmp_path, SPEC) as recorder:
        recorder.begin(EpisodeInfo("toy", SPEC.rate))
        good = frame(0, 0)
        for bad in (good[FRONT][:-2], good[FRONT].astype(float)):
            with pytest.raises(ValueError, match="not uint8 of"):
                recorder.append({**good, FRONT: bad})
        with pytest.raises(ValueError, match=f"no '{WRIST}'"):
            recorder.append({k: v for k, v in good.items() if k != WRIST})
        recorder.append(good)
    assert len(list(Dataset.open(tmp_path).video(0, WRIST))) == 1


def test_other_cameras_go_into_another_folder(tmp_path):
    record(tmp_path, (2,))
    spec = Spec(SPEC.observations[:2], SPEC.action, SPEC.rate)
    with pytest.raises(UserError, match=r"was recorded with another camera .*wrist.* now none"):
        DatasetRecorder(tmp_path, spec, resume=True)


def test_a_film_that_is_missing_cut_off_or_short_is_one_line(tmp_path):
    dataset = record(tmp_path, (20,))
    path = tmp_path / f"videos/{FRONT}/chunk-000/file-000.mp4"
    content = path.read_bytes()
    for damaged in (content[: len(content) // 2], b"", b"no film at all" * 100):
        path.write_bytes(damaged)
        with pytest.raises(UserError, match="damaged or cut off") as caught:
            list(dataset.video(0, FRONT))
        assert "\n" not in str(caught.value)
    other = record(tmp_path / "other", (5,))
    path.write_bytes((other.path / f"videos/{FRONT}/chunk-000/file-000.mp4").read_bytes())
    with pytest.raises(UserError, match="holds 5 of the 20 pictures"):
        list(dataset.video(0, FRONT))
    path.unlink()
    with pytest.raises(UserError, match="the video is missing"):
        Dataset.open(tmp_path)
    with pytest.raises(UserError, match="has no film of 'left'"):
        dataset.video(0, "left")
    with pytest.raises(IndexError):
        dataset.video(1, FRONT)


def test_a_loop_is_not_held_up_by_an_encoder_that_stands_still(tmp_path):
    with DatasetRecorder(tmp_path, SPEC) as recorder:
        recorder.begin(EpisodeInfo("toy", SPEC.rate))
        os.kill(recorder.encoder_pid, signal.SIGSTOP)
        shown = frame(0, 0)
        for _ in range(1000):  # far more than the ring holds: none of these calls may block
            recorder.append(shown)
        os.kill(recorder.encoder_pid, signal.SIGCONT)
        recorder.end(Outcome.SUCCESS, Judge.PERSON)
    dataset = Dataset.open(tmp_path)
    assert dataset.lengths.tolist() == [1000]
    assert len(list(dataset.video(0, FRONT))) == 1000
    assert dataset.column(REPEATED).sum() == 1000 - 60


def test_an_encoder_that_hangs_is_told_and_loses_nothing(tmp_path, monkeypatch):
    recorder = DatasetRecorder(tmp_path, SPEC)
    monkeypatch.setattr(video_queue, "_PATIENCE", 0.3)
    recorder.begin(EpisodeInfo("toy", SPEC.rate, seed=0))
    for tick in range(5):
        recorder.append(frame(0, tick))
    while recorder.pictures_written < 5:
        time.sleep(0.01)
        recorder.append(frame(0, 5))
    os.kill(recorder.encoder_pid, signal.SIGSTOP)
    with pytest.raises(WorkFailed, match=r"said nothing for 0.3 s; .* --resume"):
        recorder.end(Outcome.SUCCESS, Judge.PERSON)
    recorder.close()
    dataset = Dataset.open(tmp_path)
    assert dataset.lengths[0] >= 5
    assert [shown_tick(p) for p in dataset.video(0, FRONT)][:5] == list(range(5))


def test_a_film_is_neither_darker_nor_lighter_than_what_the_camera_saw(tmp_path):
    down, across = np.mgrid[:240, :320]
    seen = np.stack([40 + across / 2, 220 - down / 2, 60 + (across + down) / 4], -1).astype(
        np.uint8
    )
    film = Film(tmp_path / "film", seen.shape, 20)
    film.add(0, seen)
    film.end(1)
    target = tmp_path / "film.mp4"
    assert video.write_film(Part(tmp_path / "film"), target, 20) == 1
    (shown,) = video.read_film(video.VideoPlace(target, 0.0, 0.05), 1)
    assert np.abs((shown.astype(float) - seen).mean(axis=(0, 1))).max() < 0.5

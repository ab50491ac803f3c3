"""Ticks are kept and counted in constant memory, and a disk that fails is told."""

import numpy as np
import pytest

from exports.runtime import tick_file
from exports.runtime.histogram import GROWTH, TimeHistogram
from exports.runtime.tick_file import TickFile
from exports.runtime.tick_log import BLOCK, TickLog, row_type
from ilrobot.errors import UserError, WorkFailed

ROW = row_type((3,))


def fill(log, episode, count, period=0.1):
    for tick in range(count):
        log.append(episode, period * tick, 0.0, 0.0, 0.002, 0.0, tick % 2 == 0, 0, np.arange(3))
    log.end_episode(period)


def test_every_tick_of_a_long_run_reaches_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(tick_file, "_CHUNK", 100)
    path = tmp_path / "new" / "log.npz"
    with TickFile(path, ROW) as file:
        log = TickLog((3,), file.write)
        fill(log, 0, 2 * BLOCK + 7)
        fill(log, 1, 5)
        file.save(period=0.1)
    with np.load(path) as kept:
        assert set(kept) >= {"episode", "start", "age", "act_time", "late", "command", "period"}
        assert np.bincount(kept["episode"]).tolist() == [2 * BLOCK + 7, 5]
        np.testing.assert_array_equal(kept["command"][-1], [0, 1, 2])
        assert kept["start"][2 * BLOCK + 6] == pytest.approx(0.1 * (2 * BLOCK + 6))
        assert kept["late"].dtype == np.bool_
        assert kept["period"] == 0.1
    assert [p.name for p in path.parent.iterdir()] == ["log.npz"]


def test_the_statistics_are_of_all_episodes():
    log = TickLog((3,))
    fill(log, 0, 10)
    fill(log, 1, 20)
    assert (len(log), log.late) == (30, 15)
    assert log.periods.count == 28  # none across episodes
    assert log.periods.mean == pytest.approx(0.1)
    assert log.times["act_time"].to_json()["p50"] == pytest.approx(2.0)
    assert log.period_errors.to_json()["max"] == pytest.approx(0, abs=1e-9)


def test_its_memory_does_not_grow_with_the_episodes():
    log = TickLog((3,))
    for episode in range(3):
        fill(log, episode, BLOCK + 1)
    assert sum(len(block) for block in log._blocks) == BLOCK


def test_a_run_without_a_tick_leaves_a_file_all_the_same(tmp_path):
    with TickFile(tmp_path / "log.npz", ROW) as file:
        file.save(period=0.1)
    with np.load(tmp_path / "log.npz") as kept:
        assert kept["period"] == 0.1
        assert kept["command"].shape == (0, 3)


def test_a_place_that_cannot_be_is_told_before_anything_moves(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "folder.npz").mkdir()
    for path in (tmp_path / "file" / "log.npz", tmp_path / "folder.npz"):
        with pytest.raises(UserError, match="nothing has moved"):
            TickFile(path, ROW)


def test_a_disk_that_fills_up_is_told_at_the_end_and_does_not_stop_the_robot(tmp_path):
    class Full:
        def write(self, content):
            raise OSError(28, "No space left on device")

        def close(self):
            pass

    with TickFile(tmp_path / "log.npz", ROW) as file:
        log = TickLog((3,), file.write)
        file._rows.close()
        file._rows = Full()
        fill(log, 0, 5)
        fill(log, 1, 5)
        with pytest.raises(WorkFailed, match="No space left"):
            file.save()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("share", [0.5, 0.99, 0.999])
def test_percentiles_are_right_within_the_width_of_a_bin(share):
    seconds = np.random.default_rng(0).lognormal(-6, 1.0, 200_000)
    histogram = TimeHistogram()
    for part in np.array_split(seconds, 7):
        histogram.add(part)
    assert histogram.percentile(share) == pytest.approx(np.quantile(seconds, share), rel=GROWTH - 1)
    assert histogram.count == 200_000
    assert histogram.mean == pytest.approx(seconds.mean())
    assert histogram.to_json()["max"] == pytest.approx(1e3 * seconds.max())


def test_times_beyond_the_bins_still_count():
    histogram = TimeHistogram()
    histogram.add(np.array([0.0, 1e-12, 1e6]))
    assert histogram.percentile(0.5) == pytest.approx(0, abs=1e-7)
    assert 1e4 <= histogram.percentile(1.0) <= 1e6
    assert TimeHistogram().to_json() == {"p50": None, "p99": None, "p99.9": None, "max": None}

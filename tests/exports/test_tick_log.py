"""A log of ticks is a ring that outlives its process, and its readers repair it."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest

from exports.runtime import tick_log
from exports.runtime.statistics import TickStatistics
from exports.runtime.tick_layout import CLOSED_AT, SCALARS, SOURCES, layout
from exports.runtime.tick_log import TickLog, room_for
from exports.runtime.tick_reading import read_ticks
from ilrobot.actors import Source
from ilrobot.control.activation import Activation
from ilrobot.control.histogram import GROWTH, TimeHistogram
from ilrobot.errors import UserError, WorkFailed
from ilrobot.spec import Feature, Spec

SPEC = Spec(
    (
        Feature("observation.state", (2,), units=("m", "rad"), names=("x", "turn")),
        Feature("observation.images.front", (4, 4, 3), "uint8"),
    ),
    Feature("action", (3,)),
    rate=10.0,
)
LAYOUT = layout(SPEC, 10.0, [1.0, 2.0, 3.0], {"policy": "p.onnx"})


def append(log: TickLog, number: int) -> None:
    log.append(
        {"observation.state": np.array([number, -number], np.float32)},
        np.full(3, float(number)),
        None if number % 2 else np.full(3, 0.5),
        None if number % 3 == 0 else Source.HUMAN,
        *(0.1 * number, 7, Activation.FALLBACK.value, 0.001, 0.002, 0.003, 0.004, number % 5 == 0),
    )


def test_what_was_written_is_read(tmp_path):
    path = tmp_path / "new" / "run.ticks"
    with TickLog(path, LAYOUT, 100) as log:
        for number in range(5):
            append(log, number)
    ticks = read_ticks(path)
    rows = ticks.rows
    assert (ticks.closed, ticks.overwritten, len(rows)) == (True, 0, 5)
    np.testing.assert_array_equal(rows["observation.state"][3], [3, -3])
    np.testing.assert_array_equal(rows["command"][4], [4, 4, 4])
    assert np.isnan(rows["wanted"][1]).all()
    assert rows["wanted"][2].tolist() == [0.5] * 3
    assert [ticks.layout.sources[code] for code in rows["source"]] == [
        *("fallback", "human", "human", "fallback", "human")
    ]
    np.testing.assert_allclose(rows["start"], 0.1 * np.arange(5))
    np.testing.assert_allclose(rows["write_time"], 0.004)
    assert rows["late"].tolist() == [1, 0, 0, 0, 0]
    assert rows["episode"].tolist() == [7] * 5
    assert ticks.had("fallback").all()
    assert not ticks.had("observation_stale").any()
    assert ticks.layout.elements["observation.state"] == ["x", "turn"]
    assert ticks.layout.units["observation.state"] == ["m", "rad"]
    assert ticks.layout.about == {"policy": "p.onnx"}
    assert "observation.images.front" not in ticks.layout.row.names
    assert path.stat().st_size < 4096 + 6 * ticks.layout.row.itemsize  # no room is kept for more


def test_the_oldest_make_room(tmp_path):
    with TickLog(tmp_path / "run.ticks", LAYOUT, 10) as log:
        for number in range(37):
            append(log, number)
    ticks = read_ticks(tmp_path / "run.ticks")
    assert ticks.rows["command"][:, 0].tolist() == list(range(27, 37))
    assert ticks.overwritten == 27


def test_room_is_bounded():
    assert room_for(50, LAYOUT.row) == 50
    assert room_for(0, LAYOUT.row) == 1
    assert room_for(10**9, LAYOUT.row) * LAYOUT.row.itemsize <= tick_log.MOST_BYTES


def test_a_run_without_a_tick_leaves_a_log_all_the_same(tmp_path):
    TickLog(tmp_path / "run.ticks", LAYOUT, 10).close()
    ticks = read_ticks(tmp_path / "run.ticks")
    assert (len(ticks.rows), ticks.overwritten) == (0, 0)
    assert ticks.rows["command"].shape == (0, 3)


@pytest.mark.parametrize("appended", [3, 47])
def test_after_a_kill_every_whole_tick_is_read(tmp_path, appended):
    """Of a ring that went round, the place that came next may be half written and is left out."""
    program = f"""
import os, signal
from pathlib import Path
from tests.exports.test_tick_log import LAYOUT, TickLog, append
log = TickLog(Path({str(tmp_path / "run.ticks")!r}), LAYOUT, 20)
for number in range({appended}):
    append(log, number)
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    ticks = read_ticks(tmp_path / "run.ticks")
    assert not ticks.closed
    assert ticks.rows["command"][:, 0].tolist() == list(range(max(appended - 19, 0), appended))


def test_a_row_that_was_cut_off_anywhere_is_not_read(tmp_path):
    path = tmp_path / "run.ticks"
    with TickLog(path, LAYOUT, 10) as log:
        for number in range(12):
            append(log, number)
    content = bytearray(path.read_bytes())
    content[CLOSED_AT] = 0
    size = LAYOUT.row.itemsize
    begin = len(content) - 10 * size + 2 * size  # where tick 13 would have come
    row = bytearray(content[begin - size : begin])
    row[-8:] = (13).to_bytes(8, "little")
    for written in range(size + 1):
        content[begin : begin + written] = row[:written]
        path.write_bytes(content)
        whole = written > size - 8  # its number is below 256
        assert read_ticks(path).rows["tick"].tolist() == list(range(4 + whole, 13 + whole))


def test_a_log_that_lost_its_end_keeps_its_beginning(tmp_path):
    path = tmp_path / "run.ticks"
    with TickLog(path, LAYOUT, 10) as log:
        for number in range(6):
            append(log, number)
    path.write_bytes(path.read_bytes()[: -LAYOUT.row.itemsize - 1])
    assert read_ticks(path).rows["tick"].tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no log of ticks"),
        (b"PK\x03\x04" + bytes(100), "no log of ticks"),
        (b"ILTICKS1" + (4096).to_bytes(4, "little") + bytes(4) + b"{", "is damaged"),
        (b"ILTICKS1" + (4096).to_bytes(4, "little") + bytes(4) + b"{}", "is damaged"),
        (b"ILTICKS1" + (30).to_bytes(4, "little") + bytes(4) + b'{"version": 9}', "has version 9"),
    ],
)
def test_another_file_is_refused_in_one_line(tmp_path, content, words):
    (tmp_path / "run.ticks").write_bytes(content)
    with pytest.raises(UserError, match=words):
        read_ticks(tmp_path / "run.ticks")


def test_a_damaged_name_of_a_type_is_told(tmp_path):
    path = tmp_path / "run.ticks"
    with TickLog(path, LAYOUT, 5) as log:
        append(log, 1)
    path.write_bytes(path.read_bytes().replace(b'"<f8"', b'",4 "', 1))
    with pytest.raises(UserError, match="is damaged"):
        read_ticks(path)


def test_a_missing_log_is_told(tmp_path):
    with pytest.raises(UserError, match="cannot be read"):
        read_ticks(tmp_path / "none.ticks")


def test_a_place_that_cannot_be_is_told_before_anything_moves(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "folder.ticks").mkdir()
    for path in (tmp_path / "file" / "run.ticks", tmp_path / "folder.ticks"):
        with pytest.raises(UserError, match="nothing has moved"):
            TickLog(path, LAYOUT, 10)


@pytest.mark.parametrize("content", [b"my notes", b"ILTICKS", b"ILTICKS2 and more"])
def test_what_is_no_log_is_not_replaced(tmp_path, content):
    path = tmp_path / "run.ticks"
    path.write_bytes(content)
    with pytest.raises(UserError, match="is no log of ticks, and would be lost; give --log"):
        TickLog(path, LAYOUT, 10)
    assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


def test_an_empty_file_is_replaced(tmp_path):
    (tmp_path / "run.ticks").touch()
    with TickLog(tmp_path / "run.ticks", LAYOUT, 10) as log:
        append(log, 0)
    assert len(read_ticks(tmp_path / "run.ticks").rows) == 1


def test_a_disk_without_room_is_told_before_anything_moves_or_is_lost(tmp_path):
    with TickLog(tmp_path / "run.ticks", LAYOUT, 10) as log:
        append(log, 0)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    try:
        with pytest.raises(WorkFailed, match="nothing has moved"):
            TickLog(tmp_path / "run.ticks", LAYOUT, 1000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert len(read_ticks(tmp_path / "run.ticks").rows) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["run.ticks"]


def test_what_a_policy_says_of_its_actions_is_kept_where_it_was_asked(tmp_path):
    kept = layout(SPEC, 10.0, None, {}, ("doubt",))
    doubts = iter([0.5, 0.25, 0.125])
    with TickLog(tmp_path / "run.ticks", kept, 10, {"doubt": lambda: next(doubts)}) as log:
        for number in range(4):  # of which it is not asked at every other one
            append(log, number)
    ticks = read_ticks(str(tmp_path / "run.ticks"))
    np.testing.assert_array_equal(ticks.rows["doubt"], [0.5, np.nan, 0.25, np.nan])
    assert ticks.layout.elements["doubt"] == ["doubt"]


def test_two_runs_do_not_write_into_one_log(tmp_path):
    path = tmp_path / "run.ticks"
    with TickLog(path, LAYOUT, 10) as log:
        append(log, 0)
        with pytest.raises(UserError, match="another process is writing"):
            TickLog(path, LAYOUT, 10)
    TickLog(path, LAYOUT, 10).close()
    assert len(read_ticks(path).rows) == 0


def test_the_numbers_of_a_row_are_written_in_the_order_in_which_they_lie():
    names = [name for name, _ in SCALARS]
    assert list(LAYOUT.row.names or ())[-len(names) :] == names
    assert names[-1] == "tick"
    assert len(SOURCES) < 2**16


def test_appending_allocates_nothing_that_stays(tmp_path):
    with TickLog(tmp_path / "run.ticks", LAYOUT, 1000) as log:
        append(log, 0)
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        for number in range(5_000):
            append(log, number)
        grown = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()
    assert grown < 2_000
    assert (tmp_path / "run.ticks").stat().st_size <= 4096 + 1000 * LAYOUT.row.itemsize


def test_statistics_count_periods_within_episodes_only():
    statistics = TickStatistics(0.1)
    for episode in range(2):
        statistics.begin_episode()
        for tick in range(10):
            statistics.add(100.0 * episode + 0.1 * tick, 0.0, 0.0, 0.002, 0.0, tick % 2 == 0)
    result = statistics.to_json()
    assert (result["ticks"], result["missed_deadlines"]) == (20, 10)
    assert statistics.periods.count == 18
    assert result["measured_rate"] == pytest.approx(10.0)
    assert result["latency_ms"]["p50"] == pytest.approx(2.0)
    assert result["period_error_ms"]["max"] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("share", [0.5, 0.99, 0.999])
def test_percentiles_are_right_within_the_width_of_a_bin(share):
    seconds = np.random.default_rng(0).lognormal(-6, 1.0, 20_000)
    histogram = TimeHistogram()
    for second in seconds:
        histogram.add(float(second))
    exact = np.quantile(seconds, share, method="inverted_cdf")
    assert histogram.percentile(share) == pytest.approx(exact, rel=GROWTH - 1)
    assert histogram.count == 20_000
    assert histogram.mean == pytest.approx(seconds.mean())
    assert histogram.to_json()["max"] == pytest.approx(1e3 * seconds.max())


def test_times_beyond_the_bins_still_count():
    histogram = TimeHistogram()
    for seconds in (0.0, 1e-12, 1e6):
        histogram.add(seconds)
    assert histogram.percentile(0.5) == pytest.approx(0, abs=1e-7)
    assert 1e4 <= histogram.percentile(1.0) <= 1e6
    assert TimeHistogram().to_json() == {"p50": None, "p99": None, "p99.9": None, "max": None}

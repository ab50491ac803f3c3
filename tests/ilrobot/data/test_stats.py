"""Statistics of a dataset: pooled exactly, the same bits however it was recorded."""

import numpy as np
import pytest

from ilrobot.data.dataset import Dataset, DatasetRecorder
from ilrobot.data.episode import EpisodeInfo, Judge, Outcome
from ilrobot.data.info import read_info
from ilrobot.data.stats import PooledStats, feature_stats
from tests.ilrobot.data.damaging import SPEC, frame


def test_of_a_pool_all_but_the_quantiles_is_exact():
    rng = np.random.default_rng(0)
    parts = [rng.normal(i, 1 + i, size=(3 + 40 * i, 2)) * 1e3 for i in range(6)]
    parts[2][:] = np.nan  # nobody was asked in this episode
    parts[3][1, 0] = np.inf
    pooled = PooledStats({"x": 2})
    found = [feature_stats(part) for part in parts]
    for part in found:
        pooled.add({"x": part})
    said = pooled.to_json()["x"]
    whole = feature_stats(np.concatenate(parts))
    assert (said["min"], said["max"], said["count"]) == tuple(
        whole[name] for name in ("min", "max", "count")
    )
    assert said["mean"] == pytest.approx(whole["mean"], rel=1e-12)
    assert said["std"] == pytest.approx(whole["std"], rel=1e-12)
    counts = [part["count"][0] for part in found if part["count"][0]]
    medians = np.array([part["q50"] for part in found if part["count"][0]])
    assert said["q50"] == pytest.approx(np.average(medians, axis=0, weights=counts), rel=1e-12)


def test_statistics_are_the_same_bits_however_the_recording_was_interrupted(tmp_path):
    def record(path, interrupted):
        for index in range(5):
            if interrupted or index == 0:
                recorder = DatasetRecorder(path, SPEC, resume=True)
            recorder.begin(EpisodeInfo("toy", 10.0, seed=index))
            for tick in range(3 + index):
                recorder.append(frame(0.1 * (index + 1) * tick))
            recorder.end(Outcome.SUCCESS, Judge.PERSON)
            if interrupted:
                recorder.close()
        recorder.close()
        return (path / "meta/stats.json").read_bytes()

    assert record(tmp_path / "one", False) == record(tmp_path / "other", True)


def test_a_state_that_overflows_when_squared_can_be_sealed(tmp_path):
    with DatasetRecorder(tmp_path, SPEC, state_size=2) as recorder:
        recorder.begin(EpisodeInfo("toy", 10.0))
        for value in (1e300, -1e300):
            recorder.append({**frame(), "sim.state": np.array([value, 0.0])})
        recorder.end(Outcome.FAILURE, Judge.ENVIRONMENT)
    read_info(tmp_path)
    assert Dataset.open(tmp_path).column("sim.state")[:, 0].tolist() == [1e300, -1e300]

"""SafeDAgger's safety policy against a novice whose mistakes are known."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ilrobot.data.episode import Episode, EpisodeInfo, Outcome
from ilrobot.data.memory import MemoryRecordings
from ilrobot.errors import UserError
from ilrobot.gates.foresight import UNSAFE
from ilrobot.learners.interactive import safety_classifier
from ilrobot.learners.interactive.safety_classifier import (
    SafetyClassifier,
    fit_safety_classifier,
)
from ilrobot.spec import Feature, Spec

ANGLE = "observation.state"
SPEC = Spec(
    (Feature(ANGLE, (1,), units=("rad",)),), Feature("action", (1,), low=(-1.0,), high=(1.0,)), 10.0
)


def demonstrations(outcome: Outcome = Outcome.SUCCESS, count: int = 40) -> MemoryRecordings:
    random = np.random.default_rng(0)
    episodes = []
    for _ in range(count):
        angles = random.uniform(-np.pi, np.pi, (50, 1)).astype(np.float32)
        columns = {ANGLE: angles, "action": np.zeros((50, 1), np.float32)}
        episodes.append(Episode(EpisodeInfo("t", 10.0, outcome), columns))
    return MemoryRecordings(SPEC, episodes)


def astray(dataset: MemoryRecordings) -> NDArray[np.float32]:
    """The novice is a half of the range off where it looks back (ε = 0.25), right elsewhere."""
    return np.where(np.cos(dataset.column(ANGLE)) < 0, 1.0, 0.0).astype(np.float32)


def test_it_knows_where_the_novice_strays_and_the_same_from_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(safety_classifier, "_STEPS", (100, 200))
    dataset = demonstrations()
    classifier = fit_safety_classifier(dataset, astray(dataset), 0)
    report = classifier.report
    assert report is not None
    assert report.found is not None
    assert report.auc is not None
    assert report.frames == dataset.num_frames
    assert report.unsafe == pytest.approx(0.5, abs=0.05)
    assert report.calls == pytest.approx(report.unsafe, abs=0.05)
    assert report.found > 0.97
    assert report.auc > 0.99
    classifier.save(tmp_path / "classifier.pt")
    again = SafetyClassifier.load(tmp_path / "classifier.pt")
    assert again.report == report
    for angle, unsafe in ((0.0, False), (3.0, True), (3.3, True), (1.0, False), (-2.5, True)):
        seen = {ANGLE: np.array([angle], np.float32)}
        assert (again(seen) > 0.5) == unsafe
        assert again(seen) == classifier(seen)


def test_of_two_episodes_each_is_foretold_from_the_other_and_of_one_nothing_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(safety_classifier, "_STEPS", (25, 50, 100, 200))
    two, one = demonstrations(count=2), demonstrations(count=1)
    told: list[tuple[int, int]] = []
    on_steps = lambda done, steps: told.append((done, steps))  # noqa: E731
    report = fit_safety_classifier(two, astray(two), 0, on_steps=on_steps).report
    assert told == sorted(told)
    assert told[0][0] < told[-1][0] == told[-1][1]
    assert report is not None
    assert report.frames == 100
    # In the second the novice strays where it did not in the first, so that it is foretold worse.
    opposite = astray(two)
    opposite[50:] = 1.0 - opposite[50:]
    other = fit_safety_classifier(two, opposite, 0).report
    assert other is not None
    assert report.auc is not None
    assert other.auc is not None
    assert report.auc > 0.8
    assert other.auc < 0.2
    alone = fit_safety_classifier(one, astray(one), 0).report
    assert alone is not None
    assert (alone.frames, alone.auc, alone.brier) == (0, None, None)


def test_only_the_ticks_that_may_be_fitted_to_teach_and_not_even_their_range_do_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(safety_classifier, "_STEPS", (25, 50))
    known, stranger = demonstrations(count=4), demonstrations(count=4)
    known.spec = stranger.spec = replace(SPEC, observations=(Feature(ANGLE, (1,)),))
    actions, ticks = astray(known), np.arange(known.num_frames) < 100
    stranger.column(ANGLE)[100:] = 1e3
    fits = [fit_safety_classifier(data, actions, 0, ticks=ticks) for data in (known, stranger)]
    assert fits[0].report == fits[1].report
    assert fits[0].report is not None
    assert fits[0].report.frames == 100
    seen = {ANGLE: np.full(1, 0.3, np.float32)}
    assert fits[0](seen) == fits[1](seen)


def test_what_is_chance_in_a_few_episodes_is_not_learnt_by_heart() -> None:
    dataset = demonstrations(count=3)
    unsafe = np.random.default_rng(1).random((dataset.num_frames, 1)) < 0.2
    classifier = fit_safety_classifier(dataset, unsafe.astype(np.float32), 0)
    probabilities = classifier.probabilities({ANGLE: dataset.column(ANGLE)})
    assert probabilities.max() < 0.5


def test_chance_stays_a_probability() -> None:
    dataset = demonstrations()
    unsafe = np.random.default_rng(1).random((dataset.num_frames, 1)) < 0.2
    classifier = fit_safety_classifier(dataset, unsafe.astype(np.float32), 0)
    angles = np.linspace(-3, 3, 50, dtype=np.float32)[:, None]
    assert classifier.probabilities({ANGLE: angles}).mean() == pytest.approx(0.2, abs=0.05)


@pytest.mark.parametrize("unsafe", [9, 10])
def test_before_it_has_learnt_anything_a_fifth_that_is_unsafe_does_not_call(
    unsafe: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(safety_classifier, "_STEPS", (0,))
    dataset = demonstrations(count=1)
    actions = (np.arange(50)[:, None] < unsafe).astype(np.float32)
    probability = fit_safety_classifier(dataset, actions, 0)({ANGLE: np.zeros(1, np.float32)})
    assert 0.15 < probability < UNSAFE


@pytest.mark.parametrize(("action", "unsafe"), [(0.0, False), (1.0, True), (np.nan, True)])
def test_one_class_alone_is_foretold_with_a_little_doubt(action: float, unsafe: bool) -> None:
    dataset = demonstrations()
    classifier = fit_safety_classifier(
        dataset, np.full((dataset.num_frames, 1), action, np.float32), 0
    )
    probability = classifier({ANGLE: np.zeros(1, np.float32)})
    assert (probability > 0.5) == unsafe
    assert 0.0 < probability < 1.0
    assert classifier.report is not None
    assert classifier.report.auc is None


def test_the_threshold_decides_what_straying_is() -> None:
    dataset = demonstrations()
    classifier = fit_safety_classifier(dataset, astray(dataset), 0, threshold=0.3)
    assert classifier.report is not None
    assert classifier.report.unsafe == 0.0


def test_without_a_label_there_is_nothing_to_learn() -> None:
    dataset = demonstrations(Outcome.FAILURE)
    with pytest.raises(UserError, match="nothing to learn"):
        fit_safety_classifier(dataset, astray(dataset), 0)


def test_another_file_is_no_classifier(tmp_path: Path) -> None:
    from ilrobot.policies.tensor_file import save_tensors

    save_tensors(tmp_path / "x.pt", {"weights": {}})
    with pytest.raises(UserError, match="is no classifier"):
        SafetyClassifier.load(tmp_path / "x.pt")

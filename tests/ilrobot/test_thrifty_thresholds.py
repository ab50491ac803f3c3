"""Thresholds that keep ThriftyDAgger within its budget, whatever its novelty and risk are like."""

import numpy as np
import pytest

from ilrobot.gates.thrifty import Thresholds


def test_thrifty_dagger_stays_within_its_budget_where_two_quantiles_would_double_it() -> None:
    random = np.random.default_rng(0)
    novelty, success = random.exponential(size=20_000), random.uniform(size=20_000)
    fitted = Thresholds.fit(novelty, success, 0.1)
    fresh_novelty, fresh_success = random.exponential(size=20_000), random.uniform(size=20_000)
    calls = (fresh_novelty > fitted.novelty) | (fresh_success < fitted.success)
    assert calls.mean() == pytest.approx(0.1, abs=0.01)
    each = (fresh_novelty > fitted.novelty).mean(), (fresh_success < fitted.success).mean()
    assert each == pytest.approx((0.0513, 0.0513), abs=0.01)  # 1 - (1 - q)² = 0.1
    naive = (novelty > np.quantile(novelty, 0.9)) | (success < np.quantile(success, 0.1))
    assert naive.mean() > 0.17


@pytest.mark.parametrize("budget", [0.01, 0.1, 0.5, 0.99])
def test_fitted_thresholds_never_call_more_than_the_budget_ties_or_not(budget: float) -> None:
    random = np.random.default_rng(1)
    for size in (1, 3, 26, 200):
        novelty, success = random.integers(0, 4, size), random.integers(0, 4, size) / 4
        fitted = Thresholds.fit(novelty, success, budget)
        calls = (novelty > fitted.novelty) | (success < fitted.success)
        assert calls.mean() <= budget
        assert fitted.recovery == np.median(success)


def calls_at(level: int, novelty: np.ndarray, success: np.ndarray) -> int:
    return int(
        ((novelty > np.sort(novelty)[::-1][level]) | (success < np.sort(success)[level])).sum()
    )


def test_fitted_thresholds_are_of_the_greatest_level_within_the_budget_ties_or_not() -> None:
    random = np.random.default_rng(2)
    for _ in range(100):
        size, budget = int(random.integers(2, 60)), float(random.uniform(0.01, 0.99))
        novelty, success = random.integers(0, 9, size), random.integers(0, 9, size) / 8
        within = [
            level for level in range(size) if calls_at(level, novelty, success) <= budget * size
        ]
        fitted = Thresholds.fit(novelty, success, budget)
        assert fitted.novelty == np.sort(novelty)[::-1][max(within)]
        assert fitted.success == np.sort(success)[max(within)]


def test_a_robot_that_was_stuck_does_not_switch_the_calls_off() -> None:
    random = np.random.default_rng(3)
    novelty, success = random.exponential(size=1_000), random.uniform(0.2, 1.0, size=1_000)
    success[:150] = 0.1
    fitted = Thresholds.fit(novelty, success, 0.1)
    calls = (novelty > fitted.novelty) | (success < fitted.success)
    assert calls.mean() == pytest.approx(0.1)

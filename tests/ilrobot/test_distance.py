"""The energy distance between sets of episodes."""

from __future__ import annotations

import numpy as np
import pytest

from ilrobot.theory.distance import energy_distance


def _episodes(mean: float, seed: int, episodes: int = 30, steps: int = 20) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.normal([mean, 0.0], [2.0, 0.5], size=(steps, 2)) for _ in range(episodes)]


def test_it_is_zero_between_the_same_and_small_between_draws_of_the_same():
    first = _episodes(0.0, 1)
    assert energy_distance(first, first).value == 0
    assert energy_distance(first, _episodes(0.0, 2)).value < 0.15


def test_it_grows_with_a_shift_and_its_interval_holds_it():
    found = [energy_distance(_episodes(0.0, 1), _episodes(mean, 2)) for mean in (0.0, 2.0, 6.0)]
    assert found[0].value < found[1].value < found[2].value
    for distance in found[1:]:
        assert distance.low < distance.value < distance.high


def test_its_interval_holds_it_where_hardly_anything_is_apart():
    """Few episodes, each in a place of its own: drawn again, they are further apart."""
    rng = np.random.default_rng(0)
    places = rng.normal(size=(20, 1, 2))
    first, second = ([place + 0.1 * rng.normal(size=(20, 2)) for place in places] for _ in range(2))
    found = energy_distance(first, second)
    assert found.low <= found.value <= found.high


def test_of_two_points_it_is_what_the_formula_says():
    """One state each, d apart in units of the first's spread, which is taken as one."""
    apart = energy_distance([np.zeros((1, 1))], [np.full((1, 1), 3.0)])
    assert apart.value == pytest.approx(np.sqrt(2 * 3.0))


def test_the_unit_of_a_state_does_not_count():
    first, second = _episodes(0.0, 1), _episodes(3.0, 2)
    in_mm = [[1e3 * episode for episode in side] for side in (first, second)]
    assert energy_distance(*in_mm).value == pytest.approx(energy_distance(first, second).value)


def test_nothing_has_no_distance():
    with pytest.raises(ValueError, match="no episodes"):
        energy_distance([], _episodes(0.0, 1))

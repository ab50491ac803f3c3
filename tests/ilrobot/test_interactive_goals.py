"""Which points the benchmark of interactive imitation holds against its goals."""

from benchmarks.interactive import Point, goals


def point(method: str, round_: int, success: float, steps: float) -> Point:
    return Point(method, 20, round_, 5, success, (0.0, 1.0), steps, 0.0)


CLONES = [point("bc", 0, 0.3, 3_000), point("bc", 0, 0.8, 16_000), point("bc", 0, 0.8, 30_000)]


def met(points: list[Point]) -> list[bool]:
    return [row["met"] for row in goals([*CLONES, *points])]


def test_steps_are_held_against_the_cheapest_of_the_best_clones() -> None:
    assert met([point("human", 1, 0.92, 8_000)]) == [True, True]
    assert met([point("human", 1, 0.92, 8_001)]) == [True, False]
    assert met([point("human", 1, 0.85, 8_000)]) == [False, True]


def test_the_best_affordable_round_counts_and_never_the_first_policy() -> None:
    rounds = [
        point("human", 0, 0.99, 3_000),
        point("human", 1, 0.7, 5_000),
        point("human", 2, 0.91, 7_000),
        point("human", 3, 0.95, 9_000),
    ]
    success, steps = goals([*CLONES, *rounds])
    assert (success["value"], steps["value"]) == (0.91, 7_000)


def test_a_gate_of_the_robot_is_held_against_hg_dagger() -> None:
    person = point("human", 1, 0.92, 8_000)
    assert met([person, point("thrifty", 1, 0.89, 4_000)])[2:] == [True, True]
    assert met([person, point("thrifty", 1, 0.88, 4_000)])[2:] == [False, True]
    assert met([person, point("thrifty", 1, 0.95, 4_001)])[2:] == [True, False]

"""When what learns by trying says that it will end."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from ilrobot.learners import online
from ilrobot.learners.config import TrainConfig
from ilrobot.learners.training import Progress


class _SlowAfterAWhile:
    """Rounds of 100 steps: ten of a second, then of 40."""

    def __init__(self, clock: list[float]) -> None:
        self.policy, self.steps, self._clock = None, 0, clock

    def improve(self) -> dict[str, float]:
        self._clock[0] += 1.0 if self.steps < 1_000 else 40.0
        self.steps += 100
        return {}


@pytest.mark.parametrize(
    ("budget", "steps"), [(0.5, 300), (5.9, 300), (6.0, 600), (46.0, 1_200), (1e6, 2_000)]
)
def test_a_time_budget_ends_between_rounds_of_several_steps(
    budget: float, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here of 300: the first is always made, and no other that would end too late."""
    clock = [0.0]
    monkeypatch.setattr(online, "time", SimpleNamespace(perf_counter=lambda: clock[0]))
    told: list[Progress] = []
    config = TrainConfig(steps=2_000, time_budget=budget)
    online.OnlineLearning(_SlowAfterAWhile(clock), config, 300).run(told.append)  # type: ignore[arg-type]
    assert told[-1].step == steps
    assert all(one.steps in (*range(300, 2_000, 300), 2_000) for one in told)


def test_the_end_is_told_by_the_pace_of_now(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(online, "time", SimpleNamespace(perf_counter=lambda: clock[0]))
    told: list[Progress] = []
    learner = _SlowAfterAWhile(clock)
    config = TrainConfig(steps=2_000)
    online.OnlineLearning(learner, config).run(told.append)  # type: ignore[arg-type]
    assert [one.rate for one in told[:10]] == pytest.approx([100.0] * 10)
    assert told[10].eta == pytest.approx(9 * 40, rel=0.3)
    assert all(
        one.eta == pytest.approx((2_000 - one.step) / 100 * 40, rel=0.1) for one in told[11:]
    )
    assert told[-1].rate == pytest.approx(2.5)

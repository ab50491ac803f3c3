"""The page of a learnt reward."""

from __future__ import annotations

import numpy as np
import pytest

from ilrobot.data.transitions import Transitions
from ilrobot.report.reward import demonstrated, reward_report
from ilrobot.rewards.config import RewardConfig
from ilrobot.rewards.model import RewardModel
from ilrobot.spec import Feature, Spec


def test_the_map_of_choices_is_of_one_that_was_made(monkeypatch: pytest.MonkeyPatch):
    """0 and 2 were chosen, whose mean is 1."""
    spec = Spec((Feature("observation.state", (2,)),), Feature("action", (), "int64"), 10.0, 3)
    seen = np.random.default_rng(0).normal(size=(9, 2)).astype(np.float32)
    chosen = np.array([[0.0]] * 4 + [[2.0]] * 5, dtype=np.float32)
    never = np.zeros(9, dtype=bool)
    steps = Transitions(seen, chosen, None, seen, never, never, never.astype(np.int64))
    model = RewardModel(spec, RewardConfig("state-action", width=8)).eval()
    known = demonstrated(model, steps)
    asked, of = [], RewardModel.of

    def watched(self: RewardModel, transitions: Transitions, discount: float | None = None):
        asked.append(transitions.actions)
        return of(self, transitions, discount)

    monkeypatch.setattr(RewardModel, "of", watched)
    page = reward_report("Reward", model, [known], None)
    assert "for the most frequent demonstrated action" in str(page.sections)
    assert np.unique(np.concatenate(asked)).tolist() == [2.0]

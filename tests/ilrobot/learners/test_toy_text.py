"""Gymnasium's open dynamics as worlds, and the study that recovers rewards from experts there."""

from __future__ import annotations

import json
from pathlib import Path

import gymnasium
import numpy as np
import pytest

from ilrobot.cli import _main
from ilrobot.cli.studies import irl
from ilrobot.errors import UserError
from ilrobot.learners.inverse.demonstrations import demonstrated
from ilrobot.learners.inverse.planning import plan, sample
from ilrobot.learners.inverse.toy_text import toy_text


def test_the_frozen_lake_pays_once_and_is_over():
    env = gymnasium.make("FrozenLake-v1", is_slippery=False)
    lake = toy_text(env, horizon=12, discount=0.9)
    best = plan(lake.world, lake.reward, temperature=0)
    assert lake.world.start @ best.value[0] == pytest.approx(0.9**5)
    walked = sample(lake.world, best.policy, episodes=1, seed=0)[0]
    assert walked[-1] == lake.over
    # The environment itself goes the same way and agrees.
    state, _ = env.reset(seed=0)
    total = 0.0
    for t in range(12):
        assert state == walked[t]
        state, reward, ended, _, _ = env.step(int(best.policy[t, state].argmax()))
        total += float(reward)
        if ended:
            assert state == walked[t + 1]
            break
    assert total == 1
    env.close()


def test_a_demonstration_that_ended_by_itself_is_over():
    env = gymnasium.make("FrozenLake-v1", is_slippery=False)
    lake = toy_text(env, horizon=6)
    hole = 5
    assert env.unwrapped.desc.ravel()[hole] == b"H"
    visits = demonstrated(lake.world, [np.array([0, 1, hole, lake.over])])
    np.testing.assert_array_equal(visits.sum(axis=0)[[0, 1, hole, lake.over]], [1, 1, 1, 3])
    with pytest.raises(ValueError, match="no action leads from state 5"):
        demonstrated(lake.world, [np.array([0, 1, hole])])


def test_an_environment_with_hidden_dynamics_is_refused():
    with pytest.raises(UserError, match="'CartPole-v1' does not lay its dynamics open"):
        toy_text(gymnasium.make("CartPole-v1"), horizon=5)


def test_the_study_recovers_rewards_and_writes_its_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(irl, "PLAN", irl.Plan(sides=(5, 10), episodes=20))
    monkeypatch.setattr(irl, "TASKS", {"CliffWalking-v1": irl.TASKS["CliffWalking-v1"]})
    assert _main(["study", "irl", "--output", str(tmp_path), "--json"]) == 0
    said = capsys.readouterr().out
    page = (tmp_path / "irl.html").read_text(encoding="utf-8")
    for name in ("MaxEnt", "projection", "max-margin", "10 × 10 cells"):
        assert name in said
        assert name in page
    found = json.loads(said.strip().splitlines()[-1])
    maxent, *_ = found["From exact expectations"]
    assert np.argmax(maxent["reward"]) == 24
    for row in found["Random rewards, MaxEnt"]:
        assert row["correlation"] >= 0.95
        assert row["gap"] <= 1e-3
    for rows in (found["From exact expectations"], found["Gymnasium's own, MaxEnt"]):
        for row in rows:
            assert row["score"] >= 0.97

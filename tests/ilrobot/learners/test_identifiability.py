from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ilrobot.cli import _main
from ilrobot.cli.studies import identifiability as study
from ilrobot.learners.inverse.identifiability import STATES, identify, random_world
from ilrobot.learners.inverse.planning import plan
from ilrobot.learners.inverse.tabular_airl import (
    discounted_visits,
    stationary,
    tabular_airl,
    unidentified,
)
from tests.exhaustive import thinned


def test_at_the_optimum_f_is_the_advantage_of_the_expert():
    world = random_world("random", 0)
    true = np.random.default_rng(0).normal(size=STATES)
    planned = plan(world, true)
    expert, value = planned.policy[0], planned.value[0]
    found = tabular_airl(world, expert, "state")
    np.testing.assert_allclose(found.policy, expert, atol=1e-4)
    expected = world.expected_next(found.potential).T
    f = found.reward[:, None] + world.discount * expected - found.potential[:, None]
    np.testing.assert_allclose(f, np.log(expert), atol=1e-3)
    # h is the soft value, g the reward, to constants that belong together: c and (1 - γ) c.
    offset = (found.potential - value).mean()
    np.testing.assert_allclose(found.potential - value, offset, atol=1e-3)
    np.testing.assert_allclose(found.reward - true, (1 - world.discount) * offset, atol=1e-3)


@pytest.mark.parametrize("seed", thinned(range(3), [0]))
def test_a_reward_of_the_state_is_found_to_a_constant_and_serves_elsewhere(seed: int):
    found = identify("random", "state", seed)
    assert found.unidentified == 1
    assert found.residual < 1e-3
    assert found.elsewhere == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("seed", thinned(range(3), [0]))
def test_a_reward_of_state_and_action_serves_only_where_it_was_learnt(seed: int):
    found = identify("random", "state-action", seed)
    assert found.distance < 1e-5
    assert found.here == pytest.approx(1, abs=1e-6)
    assert found.residual > 0.5
    assert found.elsewhere < 0.8


def test_dynamics_that_do_not_link_the_states_leave_the_reward_free():
    for seed, free in ((1, True), (2, False)):
        world = random_world("deterministic", seed)
        found = identify("deterministic", "state", seed)
        assert found.distance < 1e-5
        assert (unidentified(world) > 1) == free
        assert (found.residual > 1e-2) == free


def test_visits_are_those_of_the_linear_equations():
    world = random_world("random", 4)
    policy = stationary(world, np.random.default_rng(5).normal(size=STATES))
    visits = discounted_visits(world, policy)
    assert visits.sum() == pytest.approx(1)
    dense = world.transitions.toarray().reshape(-1, STATES, STATES)
    step = np.einsum("sa,ask->sk", policy, dense)
    exact = np.linalg.solve(np.eye(STATES) - world.discount * step.T, world.start)
    np.testing.assert_allclose(visits.sum(axis=1), (1 - world.discount) * exact, atol=1e-10)


def test_the_study_prints_its_table_and_writes_its_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(study, "PLAN", study.Plan(worlds=1))
    assert _main(["study", "identifiability", "--output", str(tmp_path), "--json"]) == 0
    said = capsys.readouterr().out
    page = (tmp_path / "identifiability.html").read_text(encoding="utf-8")
    for row in ("random, state-action", "deterministic, state"):
        assert row in said
        assert row in page
    assert "<svg" in page
    result = json.loads(said.strip().splitlines()[-1])
    assert result["found"]["random, state"]["identified"] == 1
    assert result["found"]["random, state-action"]["identified"] == 0
    assert result["worlds"] == 1

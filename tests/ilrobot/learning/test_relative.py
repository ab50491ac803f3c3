"""Actions as ways to go from what is observed: which, how, and that nothing else sees them."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import sims  # noqa: F401 (registers our tasks)
from ilrobot.commanded import commanded
from ilrobot.data.convert.arrays import plain_feature
from ilrobot.data.known_tasks import PUSHT
from ilrobot.data.windows import Windows
from ilrobot.env import make_env
from ilrobot.errors import UserError
from ilrobot.learners.behavioral_cloning import train
from ilrobot.learners.config import TrainConfig
from ilrobot.policies.config import PolicyConfig
from ilrobot.policies.policy import Policy
from ilrobot.policies.relative import RelativeActions
from ilrobot.spec import Feature, Spec
from tests.exhaustive import thinned
from tests.ilrobot.policy_tester import CONTINUOUS, DISCRETE, check_policy, recordings

STATE, TARGET = CONTINUOUS.observations
#: Of its action's two elements the first commands what ``y`` observes; nothing observes the other.
NAMED = replace(
    CONTINUOUS,
    observations=(replace(STATE, names=("x", "y", "turn")), replace(TARGET, names=("goal",))),
    action=replace(CONTINUOUS.action, names=("y", "grip")),
)
SMALL = PolicyConfig(n_obs=2, horizon=4, execute=2, width=16, blocks=1, sampler_steps=3)


def test_an_element_commands_what_is_named_alike_in_the_same_unit_and_frame():
    assert commanded(NAMED) == (1, None)
    assert commanded(CONTINUOUS) == (None, None)

    def sources(**changes):
        return commanded(replace(NAMED, action=replace(NAMED.action, **changes)))

    assert sources(names=("goal", "target_x")) == (3, 0)
    assert sources(names=("", "x")) == (None, 0)
    assert sources(names=("turn", "x"), units=("rad", "mm")) == (2, None)
    assert sources(names=("turn", "x"), units=()) == (2, 0)
    assert sources(frame="tool") == (1, None)
    state = replace(NAMED.observations[0], frame="base")
    framed = replace(NAMED, observations=(state, NAMED.observations[1]))
    assert commanded(replace(framed, action=replace(NAMED.action, frame="tool"))) == (None, None)
    twice = (NAMED.observations[0], replace(TARGET, names=("agent_y",)))
    assert commanded(replace(NAMED, observations=twice)) == (None, None)


def test_the_target_of_push_t_is_that_of_its_pusher_in_the_task_and_in_public_data():
    env = make_env("ilrobot/PushT-v0")
    assert commanded(env.spec) == (0, 1)
    assert commanded(Spec.from_json(env.spec.to_json())) == (0, 1)
    env.close()
    state = plain_feature("observation.state", np.zeros((1, 5), "f4"), **PUSHT.state)
    action = plain_feature("action", np.zeros((1, 2), "f4"), **PUSHT.action)
    assert commanded(Spec((state,), action, 10.0)) == (0, 1)


def _angular(stepwise):
    """Commands a length, an angle, and something that is not observed."""
    spec = Spec(
        (Feature("observation.state", (2,), names=("x", "turn"), units=("m", "rad")),),
        Feature("action", (3,), names=("x", "turn", "grip"), units=("m", "rad", "1")),
        10.0,
    )
    return RelativeActions(spec, stepwise=stepwise)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), horizon=st.integers(1, 6), stepwise=st.booleans())
def test_ways_lead_to_the_actions_that_they_were_made_of(seed, horizon, stepwise):
    rng = np.random.default_rng(seed)
    actions = rng.uniform(-math.pi, math.pi, (3, horizon, 3))
    observed = rng.uniform(-math.pi, math.pi, (3, 2))
    relative = _angular(stepwise)
    ways = relative.encode(torch.from_numpy(actions), torch.from_numpy(observed))
    for b in range(3):
        for k in range(horizon):
            start = actions[b, k - 1, :2] if stepwise and k else observed[b]
            way = actions[b, k, :2] - start
            assert ways[b, k, 0] == pytest.approx(way[0])
            assert math.cos(ways[b, k, 1]) == pytest.approx(math.cos(way[1]))
            assert abs(ways[b, k, 1]) <= math.pi + 1e-9
            assert ways[b, k, 2] == actions[b, k, 2]
    back = relative.decode(ways, torch.from_numpy(observed)).numpy()
    np.testing.assert_allclose(back[..., ::2], actions[..., ::2], atol=1e-9)
    np.testing.assert_allclose(np.exp(1j * back[..., 1]), np.exp(1j * actions[..., 1]), atol=1e-9)
    members = relative.decode(ways.expand(4, *ways.shape), torch.from_numpy(observed))
    assert members.shape == (4, 3, horizon, 3)
    np.testing.assert_array_equal(members[2], back)


_KINDS = [("mse", 1), ("mse", 3), ("diffusion", 1), ("flow", 1)]


@pytest.mark.parametrize(
    ("actions", "head", "members"),
    thinned(
        [(actions, *kind) for actions in ("relative", "delta") for kind in _KINDS],
        [
            ("relative", "mse", 1),
            ("delta", "mse", 3),
            ("relative", "diffusion", 1),
            ("delta", "flow", 1),
        ],
    ),
)
def test_every_kind_of_policy_of_ways_is_a_policy(actions, head, members, tmp_path):
    check_policy(replace(SMALL, head=head, members=members, actions=actions), NAMED, tmp_path)


@pytest.mark.parametrize("actions", ["relative", "delta"])
def test_ways_are_normalised_and_what_the_policy_states_is_of_actions(actions):
    data = recordings(NAMED)
    data.column("observation.state")[:, 1] = data.column("action")[:, 0] - 0.25
    windows = Windows(data, n_obs=2, horizon=4)
    policy = Policy(NAMED, replace(SMALL, actions=actions))
    policy.fit_normalizers(windows)
    low, high = policy.training_range["action"]
    np.testing.assert_array_equal(low, data.column("action").min(axis=0))
    np.testing.assert_array_equal(high, data.column("action").max(axis=0))
    batch = windows.take(torch.arange(len(windows)))
    ways = policy.represent(batch.actions, batch.observations)
    for tick in range(4):  # each tick of the chunk has a normalisation of its own
        counted = ways[batch.mask[:, tick], tick]
        spread = torch.tensor([float(tick > 0), 1.0])  # the first way is 0.25 everywhere
        torch.testing.assert_close(counted.mean(dim=0), torch.zeros(2), atol=1e-4, rtol=0)
        torch.testing.assert_close(counted.std(dim=0), spread, atol=2e-2, rtol=0)
    decoded = policy.decode(ways, batch.observations)
    torch.testing.assert_close(decoded, batch.actions, atol=1e-5, rtol=0)


def test_what_keeps_its_distance_from_what_moves_is_not_frozen():
    data = recordings(NAMED)
    data.column("action")[:, 1] = 0.5
    data.column("observation.state")[:, 1] = data.column("action")[:, 0]
    policy = Policy(NAMED, replace(SMALL, horizon=1, execute=1, actions="relative"))
    policy.fit_normalizers(Windows(data, n_obs=2, horizon=1))
    assert policy.frozen == {"action": ["grip"]}


def test_what_was_learnt_in_one_place_is_done_in_another(tmp_path):
    """Go 0.1 from wherever you are; told by nothing but where that is."""
    data = recordings(NAMED, episodes=10)
    data.column("observation.state")[:] = np.random.default_rng(0).uniform(-1, 1, (200, 3))
    data.column("action")[:, 0] = data.column("observation.state")[:, 1] + 0.1
    config = TrainConfig(steps=200, warmup=10, learning_rate=3e-3, patience=0, device="cpu")
    reached = {}
    for actions in ("absolute", "relative"):
        one = replace(SMALL, n_obs=1, horizon=1, execute=1, actions=actions)
        policy = train(data, one, config, tmp_path / actions)
        with torch.no_grad():
            far = {"observation.state": torch.tensor([[[0.0, 50.0, 0.0]]])}
            chunk = policy({**far, "observation.target": torch.zeros(1, 1, 1)})
        reached[actions] = float(chunk[0, 0, 0])
    assert reached["relative"] == pytest.approx(50.1, abs=0.2)
    assert abs(reached["absolute"] - 50.1) > 1


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (CONTINUOUS, r"--actions relative: no element of the action \(action\[0\], action\[1\]\)"),
        (DISCRETE, "--actions relative is for targets, and these actions are choices"),
        (
            replace(
                NAMED, observations=(NAMED.observations[0], replace(TARGET, names=("agent_y",)))
            ),
            "'y' of the action could be the target of y of observation.state or agent_y of obs",
        ),
        (replace(NAMED, semantics="delta"), "these actions are steps from where it is already"),
    ],
)
def test_actions_that_command_nothing_observed_are_refused(spec, words):
    head = "cross-entropy" if spec.choices else "mse"
    with pytest.raises(UserError, match=words):
        Policy(spec, replace(SMALL, head=head, actions="relative"))


def test_steps_are_not_learnt_from_chunks_with_gaps(tmp_path):
    gaps = TrainConfig(steps=1, chunk_labels="completed", device="cpu")
    with pytest.raises(UserError, match="--actions delta needs chunks without gaps"):
        train(recordings(NAMED), replace(SMALL, actions="delta"), gaps, tmp_path / "run")
    assert not (tmp_path / "run").exists()

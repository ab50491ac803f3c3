"""A policy that tries for a whole rollout: as its density says, in any number of processes."""

from __future__ import annotations

import pickle
from contextlib import closing
from functools import partial

import numpy as np
import pytest
import torch

from ilrobot.env import make_env
from ilrobot.learners.machine import numerics
from ilrobot.learners.reinforcement.played import Played
from ilrobot.learners.reinforcement.rollout_actor import ActionsDiverged, RolloutActor
from ilrobot.learners.reinforcement.task_copies import VectorStep
from ilrobot.learners.reinforcement.vector_env import TaskVectorEnv
from ilrobot.policies.config import Actions, PolicyConfig
from ilrobot.policies.density import PolicyDensity, new_policy
from ilrobot.policies.policy import Policy
from ilrobot.spec import Feature, Spec
from tests.ilrobot.learning import line_world

COPIES, TICKS, ACTED = 5, 40, 2
PLAIN = ("m", "m", "m")
FREE = np.full(ACTED, -np.inf, np.float32), np.full(ACTED, np.inf, np.float32)


class _Told:
    """Copies that keep what they were told and see whatever they like."""

    def __init__(self) -> None:
        self.commands: list[np.ndarray] = []
        self._draw = np.random.default_rng(0)

    def seen(self) -> np.ndarray:
        return self._draw.normal(size=(COPIES, 3)).astype(np.float32)

    def advance(self, commands: np.ndarray) -> VectorStep:
        self.commands.append(commands)
        after, no = self.seen(), np.zeros(COPIES, bool)
        return VectorStep(after, after, np.ones(COPIES, np.float32), no, no, ())


def _policy(units: tuple[str, ...] = PLAIN, actions: Actions = "absolute") -> Policy:
    spec = Spec(
        task="test",
        task_options={},
        rate=10.0,
        observations=(Feature("observation.state", (3,), names=("x", "y", "z"), units=units),),
        action=Feature(
            "action",
            (ACTED,),
            names=("x", "z"),
            units=("m", "m"),
            low=(-0.5,) * ACTED,
            high=(0.5,) * ACTED,
        ),
    )
    torch.manual_seed(0)
    config = PolicyConfig(head="gaussian", width=16, blocks=1, actions=actions)
    policy = new_policy(spec, config, -0.5).eval()
    policy.encoder.normalizer.adopt(*(np.full(3, value) for value in (0.3, 2.0, -3.0, 3.0)))
    with torch.no_grad():
        for weight in policy.parameters():
            weight += 0.2 * torch.randn_like(weight)
    return policy


@pytest.mark.parametrize(
    ("units", "actions"),
    [
        (PLAIN, "absolute"),
        (PLAIN, "relative"),
        (("m", "rad", "m"), "absolute"),
        (("rotvec",) * 3, "absolute"),
    ],
)
@pytest.mark.parametrize("sent", [False, True])
def test_it_acts_as_the_density_says(units: tuple[str, ...], actions: Actions, sent: bool):
    policy = _policy(units, actions)
    noise = np.random.default_rng(1).normal(size=(TICKS, COPIES, ACTED)).astype(np.float32)
    actor = RolloutActor(policy, FREE, at_random=False)
    if sent:
        actor = pickle.loads(pickle.dumps(actor))
    told = _Told()
    made = actor.play(told, slice(0, COPIES), told.seen(), noise)  # type: ignore[arg-type]

    density = PolicyDensity(policy)
    seen = torch.from_numpy(made.observations.reshape(-1, 3))
    with torch.no_grad():
        mean, log_std = density.distribution(seen)
        drawn = mean + log_std.exp() * torch.from_numpy(noise.reshape(-1, ACTED))
        physical = density.physical(drawn, seen)
    np.testing.assert_allclose(made.drawn.reshape(-1, ACTED), drawn, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(made.executed.reshape(-1, ACTED), physical, rtol=1e-3, atol=1e-5)
    assert (np.abs(made.executed) == 0.5).any()  # where the policy itself cuts off
    assert (np.abs(made.drawn) > 1).any()
    np.testing.assert_array_equal(made.executed, told.commands)
    np.testing.assert_array_equal(made.observations[1:], made.after[:-1])
    np.testing.assert_array_equal(made.now, made.after[-1])


def test_at_random_what_is_drawn_is_the_action_within_the_limits():
    policy = _policy()
    noise = np.random.default_rng(1).normal(size=(TICKS, COPIES, ACTED)).astype(np.float32)
    limits = np.full(ACTED, -0.2, np.float32), np.full(ACTED, 0.3, np.float32)
    told = _Told()
    actor = RolloutActor(policy, limits, at_random=True)
    made = actor.play(told, slice(0, COPIES), told.seen(), noise)  # type: ignore[arg-type]
    np.testing.assert_array_equal(made.drawn, noise)
    np.testing.assert_allclose(made.executed, (0.5 * noise).clip(*limits), atol=1e-6)


def test_weights_that_are_not_finite_are_told():
    policy = _policy()
    with torch.no_grad():
        next(policy.parameters()).fill_(float("nan"))
    told = _Told()
    with pytest.raises(ActionsDiverged):
        RolloutActor(policy, FREE, at_random=False).play(
            told,  # type: ignore[arg-type]
            slice(0, COPIES),
            told.seen(),
            np.zeros((TICKS, COPIES, ACTED), np.float32),
        )
    assert not told.commands


def _played(processes: int) -> list[Played]:
    draw = np.random.default_rng(0)
    make = partial(make_env, line_world.TASK)
    found = []
    with (
        numerics(torch.device("cpu"), "mlp"),
        closing(TaskVectorEnv(make, COPIES, seed=3, processes=processes)) as env,
    ):
        torch.manual_seed(0)
        policy = new_policy(env.task, PolicyConfig(head="gaussian", width=64, blocks=1), -0.5)
        now = env.reset()
        for at_random in (True, False, False):
            noise = draw.normal(size=(30, COPIES, 1)).astype(np.float32)
            actor = RolloutActor(policy.eval(), env.limits, at_random=at_random)
            found.append(env.play(actor, now, noise))
            now = found[-1].now
            with torch.no_grad():  # what was played was not shared with what learns
                for weight in policy.parameters():
                    weight += 0.1 * torch.randn_like(weight)
    return found


@pytest.mark.parametrize("processes", [2, 3])
def test_a_rollout_does_not_depend_on_the_number_of_processes(processes: int):
    one, other = _played(1), _played(processes)
    assert sum(len(played.ended) for played in one) > COPIES
    for mine, theirs in zip(one, other, strict=True):
        assert mine.ended == theirs.ended
        for name in (
            "observations",
            "drawn",
            "executed",
            "after",
            "rewards",
            "terminal",
            "timeout",
        ):
            np.testing.assert_array_equal(getattr(mine, name), getattr(theirs, name), err_msg=name)
        np.testing.assert_array_equal(mine.now, theirs.now)

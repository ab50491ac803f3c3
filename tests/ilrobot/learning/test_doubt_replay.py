"""An ensemble asked in batches doubts as its actor does tick by tick."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ilrobot.data.branches import DISCARDED
from ilrobot.errors import UserError
from ilrobot.learners.interactive.doubt_replay import replay
from ilrobot.policies.config import PolicyConfig
from ilrobot.policies.policy import Policy
from tests.ilrobot.learning.test_novice import recorded
from tests.ilrobot.policy_tester import CONTINUOUS

ENSEMBLE = PolicyConfig(
    n_obs=3, horizon=4, execute=3, width=16, blocks=1, sampler_steps=3, members=3
)


@pytest.mark.parametrize("head", ["mse", "mixture", "diffusion"])
@pytest.mark.parametrize("share", [0.3, 0.9, 1.0])
def test_it_acts_and_doubts_as_its_actor_under_a_gate(head, share):
    torch.manual_seed(0)
    policy, data = Policy(CONTINUOUS, replace(ENSEMBLE, head=head)), recorded()
    ticks = np.random.default_rng(1).random(data.num_frames) < share
    found = replay(policy, data, ticks, seed=7)

    actor = policy.actor()
    exists = ~data.column(DISCARDED)
    frames, told = [], []
    for frame in np.flatnonzero(exists):
        if frame in (2, 20):  # the first tick of each episode that was not undone
            actor.reset(7 + frame // 20)
        seen = {f.name: data.column(f.name)[frame] for f in CONTINUOUS.observations}
        if not ticks[frame]:
            actor.observe(seen)
            actor.flush()
            continue
        frames.append(frame)
        action = actor.act(seen, 0.0).action
        told.append((*action, actor.doubt(seen), actor.novelty(seen)))
    assert found.frames.tolist() == frames
    replayed = np.column_stack((found.actions, found.doubt, found.novelty))
    np.testing.assert_allclose(replayed, told, atol=2e-5)


def test_a_single_net_and_no_ticks_are_told():
    data = recorded()
    every = np.ones(data.num_frames, dtype=bool)
    with pytest.raises(UserError, match=r"must be an ensemble.*--members 5"):
        replay(Policy(CONTINUOUS, replace(ENSEMBLE, members=1)), data, every, 0)
    with pytest.raises(UserError, match="there is no tick"):
        replay(Policy(CONTINUOUS, ENSEMBLE), data, ~every, 0)

"""What a policy would do at the ticks of recordings is what its actor would begin there."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ilrobot.data.branches import DISCARDED
from ilrobot.data.episode import Episode, EpisodeInfo, Outcome
from ilrobot.data.memory import MemoryRecordings
from ilrobot.data.recordings import lives
from ilrobot.learners.interactive.novice import novice_actions
from ilrobot.policies.config import PolicyConfig
from ilrobot.policies.policy import Policy
from tests.ilrobot.policy_tester import CONTINUOUS

SMALL = PolicyConfig(n_obs=3, horizon=4, execute=3, width=16, blocks=1, sampler_steps=3)


def recorded() -> MemoryRecordings:
    """Two episodes, in each of which a rewind undid some ticks."""
    rng = np.random.default_rng(0)
    episodes = []
    for undone in (slice(0, 2), slice(5, 9)):
        columns = {
            f.name: rng.uniform(-1, 1, (20, *f.shape)).astype(np.float32)
            for f in (*CONTINUOUS.observations, CONTINUOUS.action)
        }
        columns[DISCARDED] = np.zeros(20, dtype=bool)
        columns[DISCARDED][undone] = True
        info = EpisodeInfo("test", 10.0, outcome=Outcome.SUCCESS)
        episodes.append(Episode(info, columns))
    return MemoryRecordings(CONTINUOUS, episodes)


@pytest.mark.parametrize("members", [1, 3])
def test_a_fresh_chunk_at_every_tick_is_what_the_actor_would_begin(members):
    torch.manual_seed(0)
    policy, data = Policy(CONTINUOUS, replace(SMALL, members=members)), recorded()
    actions, exists = novice_actions(policy, data), lives(data)
    assert np.isnan(actions[~exists]).all()
    actor = policy.actor()
    for episode in range(2):
        actor.reset(0)
        for frame in range(data.starts[episode], data.starts[episode + 1]):
            if not exists[frame]:
                continue
            actor.flush()
            seen = {f.name: data.column(f.name)[frame] for f in CONTINUOUS.observations}
            np.testing.assert_allclose(actor.act(seen, 0.0).action, actions[frame], atol=1e-6)


def test_the_seed_fixes_what_a_sampler_draws():
    policy, data = Policy(CONTINUOUS, replace(SMALL, head="diffusion")), recorded()
    one, again, other = (novice_actions(policy, data, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one[lives(data)], other[lives(data)])

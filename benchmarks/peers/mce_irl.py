"""MCE-IRL of `imitation` 1.0.1 on a world that `benchmarks.inverse` wrote down.

    .venv-imitation/bin/python benchmarks/peers/mce_irl.py WORLD.npz LEARNING_RATE

The reward is linear in one-hot states, as on our side; Adam takes it to an L∞ distance of 1e-3
between the visits, which is the library's own criterion and ours. Prints one line of JSON. The
seconds are the processor's, of this thread alone, from demonstrations to reward.
"""

import json
import sys
import time

import numpy as np
import torch
from imitation.algorithms import mce_irl
from imitation.rewards.reward_nets import BasicRewardNet
from seals.base_envs import TabularModelPOMDP

torch.set_num_threads(1)


def main() -> None:
    """Recover the reward, and say how long it took."""
    known = np.load(sys.argv[1])
    transitions = known["transitions"]
    states = len(transitions)
    env = TabularModelPOMDP(
        transition_matrix=transitions,
        observation_matrix=np.eye(states, dtype=np.float32),
        reward_matrix=known["reward"],
        horizon=int(known["horizon"]),
        initial_state_dist=known["start"],
    )
    _, _, policy = mce_irl.mce_partition_fh(env)
    _, visits = mce_irl.mce_occupancy_measures(env, pi=policy)
    torch.manual_seed(0)
    net = BasicRewardNet(
        env.observation_space,
        env.action_space,
        use_action=False,
        use_next_state=False,
        use_done=False,
        hid_sizes=[],
    )
    learner = mce_irl.MCEIRL(
        visits,
        env,
        net,
        optimizer_kwargs={"lr": float(sys.argv[2])},
        log_interval=None,
        rng=np.random.default_rng(0),
    )
    began = time.process_time()
    reached = learner.train(max_iter=100_000)
    seconds = time.process_time() - began
    with torch.no_grad():
        seen = torch.eye(states)
        reward = net(seen, None, None, None).numpy()
    print(
        json.dumps(
            {
                "seconds": seconds,
                "gap": float(np.abs(reached - visits).max()),
                "correlation": float(np.corrcoef(reward, known["reward"])[0, 1]),
            }
        )
    )


if __name__ == "__main__":
    main()

"""How many episodes from which seeds a person may ask for."""

from __future__ import annotations

from ilrobot.errors import UserError

#: What every simulator's generator takes; larger seeds overflow in some.
GREATEST_SEED = 2**31 - 1
MOST_EPISODES = 1_000_000


def check_seeds(episodes: int, seed: int) -> None:
    """Refuse a number of episodes, or seeds counted up from `seed`, that no run can have.

    Raises:
        UserError: One of them is out of range.
    """
    if not 1 <= episodes <= MOST_EPISODES:
        raise UserError(f"--episodes must be from 1 to {MOST_EPISODES:,}, not {episodes}")
    if not 0 <= seed <= GREATEST_SEED - episodes + 1:
        raise UserError(
            f"--seed must be from 0 to {GREATEST_SEED - episodes + 1} for {episodes} episodes, "
            f"not {seed}"
        )

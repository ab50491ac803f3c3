"""DAgger without a folder, for studies; `ilrobot.learners.interactive.dagger` survives a kill.

Ross, Gordon and Bagnell 2011, algorithm 3.1. By the indicator schedule the first policy is the
clone.
"""

from __future__ import annotations

from ilrobot.data.episode import Episode
from ilrobot.gates.beta import BetaGate, BetaSchedule, indicator
from ilrobot.learners.interactive.interaction import NOBODY, Interaction
from ilrobot.policies.combined import Acting


def dagger(interaction: Interaction, rounds: int, beta: BetaSchedule | None = None) -> list[Acting]:
    """The policy of each round, the last one fitted to all recordings.

    Args:
        interaction: World, expert and learner.
        rounds: At least 1.
        beta: β of each round (None: `indicator`).
    """
    schedule = beta or indicator()
    novice: Acting = NOBODY
    episodes: list[Episode] = []
    learnt: list[Acting] = []
    for number in range(1, rounds + 1):
        share = 1.0 if number == 1 else schedule(number)  # nobody else has learnt anything
        episodes += interaction.record(interaction.shared(novice.actor(), BetaGate(share)), number)
        novice = interaction.fit(interaction.recordings(episodes))
        learnt.append(novice)
    return learnt

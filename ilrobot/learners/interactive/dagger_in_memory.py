"""DAgger without a folder, for studies; `ilrobot.learners.interactive.dagger` survives a kill.

Ross, Gordon and Bagnell 2011, algorithm 3.1. By the indicator schedule the first policy is the
clone; with β = 1 in every round it is behavioural cloning with ever more demonstrations.
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
    novice: Acting = NOBODY
    episodes: list[Episode] = []
    learnt: list[Acting] = []
    for number in range(1, rounds + 1):
        novice, episodes = next_round(interaction, number, novice, episodes, beta)
        learnt.append(novice)
    return learnt


def next_round(
    interaction: Interaction,
    number: int,
    novice: Acting,
    episodes: list[Episode],
    beta: BetaSchedule | None = None,
) -> tuple[Acting, list[Episode]]:
    """One round: its policy, and all episodes with those of this round last.

    Args:
        interaction: World, expert and learner.
        number: Of the round, from 1.
        novice: Policy of the round before; in the first it is not asked.
        episodes: Of all rounds before.
        beta: β of each round (None: `indicator`).
    """
    schedule = beta or indicator()
    share = 1.0 if number == 1 else schedule(number)  # nobody else has learnt anything
    shared = interaction.shared(novice.actor(), BetaGate(share))
    episodes = episodes + interaction.record(shared, number)
    return interaction.fit(interaction.recordings(episodes)), episodes

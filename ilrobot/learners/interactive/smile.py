"""SMILe: a mixture that moves from the expert to what was learnt in the mixture's own states.

    π_n = π_{n-1} + α(1-α)^{n-1} (π̂_n - π_0),   π_0 the expert, π̂_n learnt on the states of π_{n-1}
    π̃_N = (π_N - (1-α)^N π_0) / (1 - (1-α)^N)

Ross and Bagnell 2010, "Efficient reductions for imitation learning", as described in Ross,
Gordon and Bagnell 2011, section 2.3. Since π_n is the expert with probability (1-α)^n and π̃_n
otherwise, it is π̃_n under DAgger's gate of that β.
"""

from __future__ import annotations

from ilrobot.errors import UserError
from ilrobot.gates.beta import BetaGate
from ilrobot.learners.interactive.interaction import NOBODY, Interaction
from ilrobot.policies.combined import Acting, PolicyMixture
from ilrobot.theory.smile import shares


def smile(interaction: Interaction, rounds: int, alpha: float = 0.1) -> PolicyMixture:
    """The mixture of what was learnt, the expert taken out of it.

    Args:
        interaction: World, expert and learner; each policy is fitted to the episodes of its own
            round alone.
        rounds: N, at least 1.
        alpha: In (0, 1): how much of the expert's share each newcomer takes.

    Raises:
        UserError: An argument is out of range.
    """
    if rounds < 1:
        raise UserError(f"SMILe needs at least 1 round, not {rounds}")
    if not 0 < alpha < 1:
        raise UserError(f"SMILe's alpha must be between 0 and 1, not {alpha}")
    learnt: list[Acting] = []
    for number in range(1, rounds + 1):
        novice = _mixture(learnt, alpha).actor() if learnt else NOBODY.actor()
        beta = (1 - alpha) ** (number - 1)
        episodes = interaction.record(interaction.shared(novice, BetaGate(beta)), number)
        learnt.append(interaction.fit(interaction.recordings(episodes)))
    return _mixture(learnt, alpha)


def _mixture(learnt: list[Acting], alpha: float) -> PolicyMixture:
    return PolicyMixture(tuple(learnt), shares(len(learnt), alpha))

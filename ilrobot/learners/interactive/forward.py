"""Forward training: a policy of its own for every step, each learnt where those before it lead.

    for t = 1 … T:   roll out π_1 … π_{t-1};   π_t ← fit {(o_t, π*(o_t))}

Ross and Bagnell 2010, "Efficient reductions for imitation learning", as described in Ross,
Gordon and Bagnell 2011, section 2.2. The states of step t are those that the learner itself will
meet there, so that no error compounds.
"""

from __future__ import annotations

from ilrobot.errors import UserError
from ilrobot.gates.gate import Gate, GateContext
from ilrobot.learners.interactive.interaction import Interaction
from ilrobot.policies.combined import Acting, PolicySequence


def forward_training(interaction: Interaction, horizon: int, block: int = 1) -> PolicySequence:
    """The policies of all steps.

    A block of more than one step has one policy for all of them, and the expert drives through it
    after those before it: there are fewer policies to fit, and within a block each learns as a
    clone does. A chunk is planned anew where the next policy begins.

    Args:
        interaction: World, expert and learner; each policy is fitted to fresh episodes.
        horizon: T, steps of an episode. Where all episodes end before, so does the training.
        block: Steps that share a policy; the paper's is 1.

    Raises:
        UserError: The horizon or the block is shorter than one step.
    """
    if horizon < 1 or block < 1:
        raise UserError(
            f"forward training needs a horizon and a block of at least 1 step, not {horizon} and "
            f"{block}"
        )
    learnt: list[Acting] = []
    for number, start in enumerate(range(0, horizon, block), start=1):
        novice = PolicySequence(learnt, block).actor()
        shared = interaction.shared(novice, FromStep(start))
        end = min(start + block, horizon)
        episodes = interaction.record(shared, number, max_steps=end)
        if all(len(episode) <= start for episode in episodes):
            break
        learnt.append(interaction.fit(interaction.recordings(episodes)))
    return PolicySequence(tuple(learnt), block)


class FromStep(Gate):
    """The expert acts from a step of the episode on, counted from 0."""

    asks_novice = False
    asks_expert = False

    def __init__(self, step: int) -> None:
        self._from, self._step = step, 0

    def reset(self, seed: int | None = None) -> None:
        """Count anew."""
        self._step = 0

    def decide(self, context: GateContext) -> bool:
        """Whether that step has come."""
        self._step += 1
        return self._step > self._from

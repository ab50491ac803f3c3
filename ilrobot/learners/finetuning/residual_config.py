"""How a residual is learnt, as plain numbers."""

from __future__ import annotations

from dataclasses import dataclass

from ilrobot.ranges import AT_LEAST_1, NOT_NEGATIVE, POSITIVE, Range, check_ranges


@dataclass(frozen=True)
class ResidualTd3Config:
    """TD3 (Fujimoto et al. 2018) over residuals that are held while they are tried.

    Attributes:
        hold: Ticks for which a residual is held while it is tried.
        starts: Environment steps with residuals at random, in which the critics alone learn.
        updates: Updates for each environment step.
        first_updates: Updates of the critics for each environment step of `starts`.
        learning_rate: Adam's of the residual.
        critic_learning_rate: Adam's of the critics.
        discount: γ, for a tick.
        leash: What a residual of its greatest size costs beside a value of one.
        noise: Deviation of the noise on a residual that is tried, as a share of its bound, in the
            copy of the task that tries as is usual; others do less and more.
        smoothing: The same on the target's residual, cut off at twice that.
        follow: How fast the targets follow, τ.
        batch_size: Stretches in a minibatch.
        memory: Stretches that are remembered.
        critic_width: Features of the critics' two layers.
        every: Environment steps of learning between two comparisons of what is learnt with the
            clone.
        attempts: Of each policy that is compared (0: nothing is, and what was learnt last is the
            result).
    """

    hold: int = 5
    starts: int = 24_000
    updates: float = 0.4
    first_updates: float = 0.15
    learning_rate: float = 3e-4
    critic_learning_rate: float = 5e-4
    discount: float = 0.97
    leash: float = 0.3
    noise: float = 0.3
    smoothing: float = 0.15
    follow: float = 0.01
    batch_size: int = 256
    memory: int = 100_000
    critic_width: int = 128
    every: int = 12_000
    attempts: int = 48

    def check(self) -> None:
        """Refuse what is out of range.

        Raises:
            UserError: The first thing found, as its option of the command line.
        """
        check_ranges(self, _RANGES)


_RANGES = {
    **dict.fromkeys(("hold", "batch_size", "memory", "critic_width", "every"), AT_LEAST_1),
    **dict.fromkeys(
        ("starts", "first_updates", "leash", "noise", "smoothing", "attempts"), NOT_NEGATIVE
    ),
    **dict.fromkeys(("updates", "learning_rate", "critic_learning_rate"), POSITIVE),
    **dict.fromkeys(("discount", "follow"), Range(0, 1, above=True)),
}

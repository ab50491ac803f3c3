"""What a dataset says of itself: how much, how long, how it ended, what it brought, who did it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ilrobot.data.episode import Outcome
from ilrobot.data.labels import Origin, origins
from ilrobot.data.recordings import Recordings, lives
from ilrobot.data.unheeded import reached

_JUDGED = (Outcome.SUCCESS, Outcome.FAILURE, Outcome.TIMEOUT)
#: Quality is mixed from this share of failures, or of successes, on.
_MIXED_SHARE = 0.1
#: Or where the returns of the best and the worst tenth differ by this share of the greater.
_MIXED_RETURNS = 0.2
#: Lengths vary where the shortest tenth is shorter than the longest by this share.
_VARIES = 0.05


@dataclass(frozen=True)
class Facts:
    """Counts and quantiles; discarded episodes and what rewinds undid count for nothing.

    Attributes:
        episodes: How many.
        frames: Ticks in all.
        rate: Control rate in Hz.
        shortest, typical, longest: Lengths in ticks: the 10 % quantile, median and 90 % quantile.
        outcomes: How many episodes ended how.
        reached: Episodes of unknown outcome in which ``next.success`` is true.
        teaching: Episodes of which some tick teaches a clone.
        demonstrated, corrected, by_policy: Ticks that teach by what they come from; see `Origin`.
        returns: 10 % quantile, median and 90 % quantile of the episodes' returns; empty where no
            reward was recorded, or always the same one, of which all returns are the same, too.
        jitter: Standard deviation of the actions' second difference as a share of what white noise
            would have, root mean square over the elements, in [0, 1.4]: 0 is smooth.
        vectors, cameras: Names of the observations that are vectors, and that are pictures.
        choices: Number of discrete actions (None: they are continuous).
        operators: Who held the controls, as far as the recording says.
    """

    episodes: int
    frames: int
    rate: float
    shortest: float
    typical: float
    longest: float
    outcomes: dict[str, int]
    reached: int
    teaching: int
    demonstrated: int
    corrected: int
    by_policy: int
    returns: tuple[float, float, float] | tuple[()]
    jitter: float
    vectors: tuple[str, ...]
    cameras: tuple[str, ...]
    choices: int | None
    operators: tuple[str, ...]

    @classmethod
    def of(cls, dataset: Recordings) -> Facts:
        """Look at a dataset.

        Raises:
            UserError: It has no frames.
        """
        origin, left = origins(dataset), lives(dataset)
        kept = np.array([info.outcome is not Outcome.DISCARDED for info in dataset.infos])
        unknown = np.array([info.outcome is Outcome.UNKNOWN for info in dataset.infos])
        infos = [info for info, keep in zip(dataset.infos, kept, strict=True) if keep]
        episode = np.repeat(np.arange(dataset.num_episodes), dataset.lengths)
        left &= kept[episode]
        lengths = np.bincount(episode[left], minlength=dataset.num_episodes)[kept]
        shortest, typical, longest = (
            np.quantile(lengths, (0.1, 0.5, 0.9)).tolist() if len(lengths) else (0.0, 0.0, 0.0)
        )
        spec = dataset.spec
        return cls(
            episodes=len(infos),
            frames=int(left.sum()),
            rate=float(spec.rate),
            shortest=shortest,
            typical=typical,
            longest=longest,
            outcomes=dict(Counter(str(info.outcome) for info in infos)),
            reached=int((reached(dataset) & unknown).sum()),
            teaching=len(np.unique(episode[np.isin(origin, (Origin.DEMO, Origin.CORRECTION))])),
            demonstrated=int((origin == Origin.DEMO).sum()),
            corrected=int((origin == Origin.CORRECTION).sum()),
            by_policy=int(np.isin(origin, (Origin.ROBOT, Origin.BEFORE)).sum()),
            returns=_returns(dataset, left, kept),
            jitter=_jitter(dataset, left, episode) if spec.choices is None else 0.0,
            vectors=tuple(f.name for f in spec.observations if not f.is_image),
            cameras=tuple(f.name for f in spec.cameras),
            choices=spec.choices,
            operators=tuple(sorted({info.operator for info in infos if info.operator})),
        )

    @property
    def judged(self) -> int:
        """Episodes of which somebody said whether they succeeded."""
        return sum(self.outcomes.get(str(outcome), 0) for outcome in _JUDGED)

    @property
    def known(self) -> int:
        """Episodes of which it is known whether they succeeded (0: none was judged).

        Those that were judged; and the others, too, where ``next.success`` is true in each of
        them, which is so once those were judged in which it is not.
        """
        unknown = self.outcomes.get(str(Outcome.UNKNOWN), 0)
        by_flag = self.judged and self.reached == unknown
        return self.judged + (unknown if by_flag else 0)

    @property
    def success_rate(self) -> float | None:
        """Share of those of which it is known that succeeded (None: none was judged)."""
        if not self.known:
            return None
        by_flag = self.known - self.judged
        return (self.outcomes.get(str(Outcome.SUCCESS), 0) + by_flag) / self.known

    @property
    def mixed(self) -> bool:
        """Whether better and worse episodes lie side by side.

        Where success was judged that is what counts: a return may vary with where an episode began.
        """
        rate = self.success_rate
        if rate is not None:
            return _MIXED_SHARE <= rate <= 1 - _MIXED_SHARE
        if not self.returns:
            return False
        low, _, high = self.returns
        return high - low > _MIXED_RETURNS * max(abs(low), abs(high))

    @property
    def lengths_vary(self) -> bool:
        """Whether episodes end when they are done, and not all after the same time."""
        return self.shortest < (1 - _VARIES) * self.longest


def _returns(
    dataset: Recordings, left: NDArray[np.bool_], kept: NDArray[np.bool_]
) -> tuple[float, float, float] | tuple[()]:
    if not dataset.has_column("next.reward") or not kept.any():
        return ()
    rewards = dataset.column("next.reward").reshape(-1).astype(np.float64)
    seen = rewards[left]
    if not len(seen) or not np.isfinite(seen).all():
        return ()
    sums = np.add.reduceat(np.where(left, rewards, 0.0), dataset.starts[:-1])[kept]
    if np.ptp(seen) == 0 and np.ptp(sums) == 0:
        return ()
    low, middle, high = np.quantile(sums, (0.1, 0.5, 0.9)).tolist()
    return low, middle, high


def _jitter(dataset: Recordings, left: NDArray[np.bool_], episode: NDArray[np.int64]) -> float:
    """White noise has a second difference of √6 times its own standard deviation."""
    actions = dataset.column("action").reshape(dataset.num_frames, -1).astype(np.float64)
    whole = left[:-2] & left[1:-1] & left[2:] & (episode[:-2] == episode[2:])
    whole &= np.isfinite(actions[:-2] + actions[1:-1] + actions[2:]).all(axis=1)
    if not whole.any():
        return 0.0
    bends = (actions[2:] - 2 * actions[1:-1] + actions[:-2])[whole]
    spread = actions[:-2][whole].std(axis=0)
    moving = spread > 0
    if not moving.any():
        return 0.0
    return float(np.sqrt(np.mean((bends[:, moving].std(axis=0) / spread[moving]) ** 2) / 6))

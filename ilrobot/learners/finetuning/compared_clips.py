"""Clips that were compared, as what a reward is fitted to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ilrobot.data.comparisons import Answer, Comparison
from ilrobot.data.recordings import Recordings, lives
from ilrobot.errors import UserError
from ilrobot.observed import vector_spec
from ilrobot.rewards.model import RewardModel

_TARGET = {Answer.LEFT: 1.0, Answer.EQUAL: 0.5, Answer.RIGHT: 0.0}
#: Fewer answers than this fit anything.
LEAST = 4


class Clips:
    """The ticks of compared clips as tensors, and the sums of a reward over them.

    Attributes:
        episodes: Of which two episodes each pair is, (N, 2).
        target: 1 for left, 0 for right, ½ for equal, (N,).
        observations, actions: The ticks of all clips, each once.

    Args:
        recordings: What the clips are of.
        comparisons: Answered; skipped pairs are left out.

    Raises:
        UserError: Something in a clip is not finite, or too few pairs were decided.
    """

    def __init__(self, recordings: Recordings, comparisons: Sequence[Comparison]) -> None:
        kept = [one for one in comparisons if one.answer is not Answer.SKIP]
        decided = sum(one.answer is not Answer.EQUAL for one in kept)
        if len(kept) < LEAST or not decided:
            answers = "answer is" if len(kept) == 1 else "answers are"
            few = f"{len(kept)} {answers} too few to learn from"
            if len(kept) >= LEAST:
                few = f"none of {len(kept)} answers is for one side: there is nothing to learn"
            raise UserError(f"{few}; give at least {LEAST} with `ilrobot prefer`")
        both = [clip for one in kept for clip in (one.left, one.right)]
        for clip in both:
            if clip.end > recordings.lengths[clip.episode]:
                raise UserError(
                    f"{recordings.path}: episode {clip.episode} has no tick {clip.end - 1}, which "
                    "was compared; compare it anew"
                )
        spec = vector_spec(recordings.spec)
        seen = np.concatenate([_flat(recordings, f.name) for f in spec.observations], axis=1)
        done = _flat(recordings, "action")
        self.episodes = torch.tensor([(one.left.episode, one.right.episode) for one in kept])
        self.target = torch.tensor([_TARGET[one.answer] for one in kept])
        stays = lives(recordings)
        ticks = [recordings.starts[c.episode] + np.arange(c.begin, c.end) for c in both]
        ticks = [clip[stays[clip]] for clip in ticks]  # what a rewind undid led nowhere
        self.same_length = len({len(clip) for clip in ticks}) == 1
        rows, place = np.unique(np.concatenate(ticks), return_inverse=True)
        _check_finite(recordings, seen, done, rows)
        self.observations = torch.from_numpy(seen[rows])
        self.actions = torch.from_numpy(done[rows])
        self._place = torch.from_numpy(place)
        self._lengths = torch.tensor([len(one) for one in ticks])
        self._starts = torch.cumsum(self._lengths, 0) - self._lengths

    def __len__(self) -> int:
        return len(self.target)

    def ticks(self, chosen: Tensor) -> Tensor:
        """Where the ticks of these pairs are in `observations` and `actions`, each once."""
        return torch.unique(self._ticks(chosen)[0])

    def advantages(self, model: RewardModel, chosen: Tensor) -> Tensor:
        """By how much the left clip's sum of rewards exceeds the right one's, (len(chosen),)."""
        rows, owner = self._ticks(chosen)
        rewards = model(self.observations[rows], self.actions[rows], self.observations[rows])
        sums = torch.zeros(2 * len(chosen)).index_add(0, owner, rewards)
        return sums[0::2] - sums[1::2]

    def _ticks(self, chosen: Tensor) -> tuple[Tensor, Tensor]:
        """The ticks of these pairs, and of which of their clips (left, right, left …) each is."""
        clips = torch.stack([2 * chosen, 2 * chosen + 1], dim=1).flatten()
        lengths = self._lengths[clips]
        owner = torch.repeat_interleave(torch.arange(len(clips)), lengths)
        inside = torch.arange(len(owner)) - (torch.cumsum(lengths, 0) - lengths)[owner]
        return self._place[self._starts[clips][owner] + inside], owner


def _flat(recordings: Recordings, name: str) -> NDArray[np.float32]:
    column = recordings.column(name)
    return column.reshape(len(column), -1).astype(np.float32)


def _check_finite(
    recordings: Recordings,
    seen: NDArray[np.float32],
    done: NDArray[np.float32],
    rows: NDArray[np.int64],
) -> None:
    finite = np.isfinite(seen[rows]).all(axis=1) & np.isfinite(done[rows]).all(axis=1)
    if not finite.all():
        tick = int(rows[np.argmin(finite)])
        episode = int(np.searchsorted(recordings.starts, tick, side="right")) - 1
        raise UserError(
            f"{recordings.path}: a number in episode {episode}, frame "
            f"{tick - int(recordings.starts[episode])}, is not finite; mend or delete that episode"
        )

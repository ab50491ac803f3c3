"""What there is to fit a gate to in a round: what was recorded, and the policy that acts in it.

Attempts that were cut off or discarded are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ilrobot.actors import Source
from ilrobot.data.dataset import Dataset
from ilrobot.data.episode import UNCOUNTED, Episode
from ilrobot.data.memory import MemoryRecordings
from ilrobot.learners.interactive.dart import held_out_episodes
from ilrobot.learners.interactive.gate_network import OnSteps, unwatched
from ilrobot.learners.interactive.novice import novice_actions
from ilrobot.policies.loading import load_policy
from ilrobot.policies.policy import Policy


@dataclass(frozen=True)
class Material:
    """What there is to fit to.

    Attributes:
        dataset: All that was recorded so far.
        policy_run: Run of the policy that acts in the round.
        seed: Of all draws.
        latest: Indexes of the attempts of the round before (empty: this is the first).
        rehearsal: What the policy came to alone before the round (None: it did not rehearse).
        on_steps: Follows the fit of a network.
    """

    dataset: Dataset
    policy_run: Path
    seed: int
    latest: tuple[int, ...] = ()
    rehearsal: Dataset | None = None
    on_steps: OnSteps = unwatched

    @cached_property
    def policy(self) -> Policy:
        """The novice."""
        return load_policy(self.policy_run)

    @cached_property
    def recordings(self) -> MemoryRecordings:
        """The episodes that count."""
        return self.with_rehearsals(())

    def with_rehearsals(self, alone: Sequence[Episode]) -> MemoryRecordings:
        """The episodes that count, and the rehearsals, of which these are given."""
        counted = [int(index) for index in np.flatnonzero(self._counts)]
        films = [(self.dataset, index) for index in counted]
        if self.rehearsal is not None:
            films += [(self.rehearsal, index) for index in range(len(alone))]
        episodes = [self.dataset.episode(index) for index in counted]
        name = str(self.dataset.path)
        # A gate reads what its policy may read: not where things are, if that one has cameras.
        return MemoryRecordings(self.policy.spec, [*episodes, *alone], name, films=films)

    @cached_property
    def actions(self) -> NDArray[np.float32]:
        """What the novice would do at each tick of `recordings`."""
        return novice_actions(self.policy, self.recordings, self.seed)

    @cached_property
    def held_out(self) -> NDArray[np.bool_]:
        """The ticks of `recordings` in episodes that the novice was not trained on."""
        return self._ticks_of(held_out_episodes(self.dataset, self.policy_run))

    @cached_property
    def unseen(self) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
        """Ticks of `recordings` at which a novice acts untaught, and what it wants at each.

        They are those held out, with the present novice, and those of the latest attempts, with the
        novice that made them: what it was not taught, the present one may have learnt by heart.
        """
        actions, recordings = self.actions, self.recordings
        if not recordings.has_column("control.policy_action"):
            return self.held_out, actions
        wanted = recordings.column("control.policy_action").astype(np.float32)
        # It may have been late: then it is not known what it wanted.
        known = np.isfinite(wanted.reshape(len(wanted), -1)).all(axis=1)
        then = self.tried & known & ~self.held_out
        return self.held_out | then, np.where(
            then.reshape(-1, *(1,) * (actions.ndim - 1)), wanted, actions
        )

    @cached_property
    def driven(self) -> NDArray[np.bool_]:
        """The ticks of `recordings` at which a novice had control."""
        if not self.recordings.has_column("control.source"):
            return np.zeros(self.recordings.num_frames, dtype=bool)
        return np.isin(self.recordings.column("control.source"), (Source.POLICY, Source.BLEND))

    @property
    def tried(self) -> NDArray[np.bool_]:
        """The ticks of `recordings` in the attempts of the round before."""
        return self._ticks_of(self.latest)

    def _ticks_of(self, episodes: ArrayLike) -> NDArray[np.bool_]:
        """The ticks of `recordings` in some episodes of `dataset`."""
        chosen = np.isin(np.arange(self.dataset.num_episodes), episodes)
        return np.repeat(chosen[self._counts], self.recordings.lengths)

    @property
    def _counts(self) -> NDArray[np.bool_]:
        return np.array([info.outcome not in UNCOUNTED for info in self.dataset.infos], dtype=bool)

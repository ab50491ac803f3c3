"""Recordings as transitions (o, a, r, o', ended): what a value or a reward is learnt from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ilrobot.actors import Source
from ilrobot.data.episode import Judge, Outcome
from ilrobot.data.labels import labels
from ilrobot.data.recordings import Recordings, lives
from ilrobot.data.step_rewards import recorded_rewards, successes
from ilrobot.errors import UserError
from ilrobot.observed import vector_spec
from ilrobot.spec import Spec

#: Whether the task itself ended the episode at this tick, and not its time limit or a person.
TERMINATED = "next.terminated"

_JUDGED = frozenset({Outcome.SUCCESS, Outcome.FAILURE})


@dataclass(frozen=True)
class Transitions:
    """Steps in the order in which they were made, episode by episode, in physical units.

    Attributes:
        observations: The vectors of the spec in its order, side by side, (N, O) float32.
        actions: What was executed, (N, A) float32; of a choice its number, (N, 1).
        rewards: What each step brought, (N,) float32 (None: not asked for).
        next_observations: What was observed after it, (N, O) float32; where nothing was, because
            the episode ended by itself, its own observation.
        terminal: Whether the episode ended by itself with this step, so that nothing is worth
            anything after it, (N,).
        timeout: Whether this is the last step of an episode that was cut off, so that what would
            have followed has a value, (N,).
        episode: Number of the episode of each step, ascending, (N,) int64.
        cut_off: What the step after this one brought where that is left out, since nobody knows
            what followed it, else 0, (N,) float32 (None: no such step is known).
    """

    observations: NDArray[np.float32]
    actions: NDArray[np.float32]
    rewards: NDArray[np.float32] | None
    next_observations: NDArray[np.float32]
    terminal: NDArray[np.bool_]
    timeout: NDArray[np.bool_]
    episode: NDArray[np.int64]
    cut_off: NDArray[np.float32] | None = None

    @classmethod
    def of(
        cls,
        recordings: Recordings,
        *,
        rewards: bool,
        success: bool = False,
        taught: bool = False,
        reads: Spec | None = None,
    ) -> Transitions:
        """Those of all episodes that were not discarded, whoever acted in them.

        What a rewind undid and where the robot was held is left out. What was observed after the
        last step of an episode is not recorded: where it ended by itself nobody needs it, else
        that step is left out. A recording that does not say whether the task ended an episode or
        its time limit is taken to have been cut off where no episode is longer.

        Args:
            recordings: A dataset, or episodes in memory.
            rewards: Whether the rewards are needed.
            success: Reward 1 for the step at which the task is done, 0 for all others, in place of
                the recorded rewards; the episode ends there.
            reads: Whose observations they are, by name and in its order (None: the recordings').
            taught: Only steps by whoever demonstrates or corrects, of those that teach, see
                `ilrobot.data.labels.labels`: not those of a policy beside which an expert was
                asked, since what it says was never executed.

        Raises:
            UserError: There is no vector observation, or one of `reads` is missing; no reward or no
                success was recorded; something is not a finite number; there is no transition.
        """
        spec = vector_spec(recordings.spec if reads is None else reads)
        for name in spec.observation_names:
            if not recordings.has_column(name):
                raise UserError(
                    f"{recordings.path}: does not hold '{name}', which is to be read; take data "
                    "that do"
                )
        columns = [_flat(recordings, feature.name) for feature in spec.observations]
        observations, actions = np.concatenate(columns, axis=1), _flat(recordings, "action")
        brought = None
        if success:
            brought = successes(recordings, _useful(recordings))
        elif rewards:
            brought = recorded_rewards(recordings)
        _check_finite(recordings, observations, actions, brought)

        frames, following, terminal, timeout, episode = [], [], [], [], []
        cut_off = np.zeros(recordings.num_frames, dtype=np.float32)
        for number, ticks, by_itself in _episodes(recordings):
            if success and brought is not None and brought[ticks].any():
                ticks, by_itself = ticks[: int(brought[ticks].argmax()) + 1], True
            after = np.append(ticks[1:], ticks[-1:])
            if not by_itself:
                if brought is not None:
                    cut_off[ticks[-2:-1]] = brought[ticks[-1]]
                ticks, after = ticks[:-1], after[:-1]
            if len(ticks):
                last = np.arange(len(ticks)) == len(ticks) - 1
                frames.append(ticks)
                following.append(after)
                terminal.append(last & by_itself)
                timeout.append(last & (not by_itself))
                episode.append(np.full(len(ticks), number, dtype=np.int64))
        if not frames:
            raise UserError(
                f"{recordings.path}: holds no step of which it is known what followed; record "
                "episodes of at least two steps that are not discarded"
            )
        here = np.concatenate(frames)
        found = cls(
            observations=observations[here],
            actions=actions[here],
            rewards=None if brought is None else brought[here],
            next_observations=observations[np.concatenate(following)],
            terminal=np.concatenate(terminal),
            timeout=np.concatenate(timeout),
            episode=np.concatenate(episode),
            cut_off=None if brought is None else cut_off[here],
        )
        return found.where(_shown(recordings)[here]) if taught else found

    @classmethod
    def joined(cls, parts: Sequence[Transitions]) -> Transitions:
        """One after the other; episodes keep the numbers that they have in their part.

        Raises:
            ValueError: There is none, or only some of them know their rewards.
        """
        known = {part.rewards is not None for part in parts}
        if len(known) != 1:
            raise ValueError("join at least one part, and all with rewards or all without")
        columns: dict[str, Any] = {
            field.name: None
            if getattr(parts[0], field.name) is None
            else np.concatenate([getattr(part, field.name) for part in parts])
            for field in fields(cls)
        }
        return cls(**columns)

    def __len__(self) -> int:
        return len(self.episode)

    def where(self, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> Transitions:
        """Those of a mask of shape (N,), or of indexes in any order."""
        columns: dict[str, Any] = {}
        for field in fields(self):
            values = getattr(self, field.name)
            columns[field.name] = None if values is None else values[chosen]
        return Transitions(**columns)

    def read_by(self, reader: Spec, made: Spec) -> Transitions:
        """With the observations of `reader` alone, by name and in its order; they are of `made`.

        Raises:
            KeyError: One of them is not among these.
        """
        if reader.observation_names == made.observation_names:
            return self
        ends = np.cumsum([feature.size for feature in made.observations])
        where = dict(zip(made.observation_names, ends.tolist(), strict=True))
        columns = [np.arange(where[f.name] - f.size, where[f.name]) for f in reader.observations]
        read = np.concatenate(columns)
        return replace(
            self,
            observations=self.observations[:, read],
            next_observations=self.next_observations[:, read],
        )

    @property
    def next_as_recorded(self) -> NDArray[np.float32]:
        """Next observations, (N, O), without what only a rollout knows: what came after an end."""
        return np.where(self.terminal[:, None], self.observations, self.next_observations)

    def returns(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Number and undiscounted return of each episode, both (E,), in ascending order.

        Of one that was cut off its last step counts, too, though it is no transition.

        Raises:
            ValueError: The rewards are not known.
        """
        if self.rewards is None:
            raise ValueError("transitions without rewards have no return")
        numbers, place = np.unique(self.episode, return_inverse=True)
        sums = np.zeros(len(numbers))
        for each in (self.rewards, self.cut_off):
            if each is not None:
                np.add.at(sums, place, each.astype(np.float64))
        return numbers, sums


def _episodes(recordings: Recordings) -> Iterator[tuple[int, NDArray[np.int64], bool]]:
    """Number, ticks that count and whether it ended by itself, of each episode that counts."""
    useful, ends = _useful(recordings), _terminated(recordings)
    succeeds = np.zeros(recordings.num_frames, dtype=bool)
    if recordings.has_column("next.success"):
        succeeds = recordings.column("next.success").astype(bool).reshape(-1) & useful
    longest = int(recordings.lengths.max(initial=0))
    for number, info in enumerate(recordings.infos):
        start, end = int(recordings.starts[number]), int(recordings.starts[number + 1])
        ticks = start + np.flatnonzero(useful[start:end])
        if info.outcome is Outcome.DISCARDED or not len(ticks):
            continue
        if info.judge is Judge.PERSON and info.outcome in _JUDGED:
            by_itself = True
        elif ends is not None:
            by_itself = bool(ends[end - 1])
        elif info.outcome is not Outcome.UNKNOWN:
            # A task that goes on after a success does not end by it.
            by_itself = info.outcome in _JUDGED and not succeeds[start : end - 1].any()
        else:
            done = recordings.has_column("next.done") and recordings.column("next.done")[end - 1]
            by_itself = bool(done) and end - start < longest
        yield number, ticks, by_itself


def _useful(recordings: Recordings) -> NDArray[np.bool_]:
    """What a rewind left and where the robot was not held, (num_frames,)."""
    useful = lives(recordings)
    if recordings.has_column("control.source"):
        useful = useful & (recordings.column("control.source") != Source.PAUSED.value)
    return useful


def _shown(recordings: Recordings) -> NDArray[np.bool_]:
    """Which frames teach by what was executed, disturbed as DART does or not, (num_frames,)."""
    teaches, _ = labels(recordings)
    if recordings.has_column("control.source"):
        teaches &= np.isin(recordings.column("control.source"), (Source.DEMO, Source.HUMAN))
    return teaches


def _terminated(recordings: Recordings) -> NDArray[np.bool_] | None:
    """Where the task itself ended, (num_frames,); None where the recordings do not know.

    What was imported from a source that does not know it says so of no tick.
    """
    if not recordings.has_column(TERMINATED):
        return None
    ends = recordings.column(TERMINATED).astype(bool).reshape(-1)
    return ends if ends.any() else None


def _flat(recordings: Recordings, name: str) -> NDArray[np.float32]:
    values = recordings.column(name)
    return values.reshape(len(values), -1).astype(np.float32)


def _check_finite(recordings: Recordings, *arrays: NDArray[Any] | None) -> None:
    for name, values in zip(("an observation", "an action", "a reward"), arrays, strict=True):
        if values is None:
            continue
        finite = np.isfinite(values.reshape(len(values), -1)).all(axis=1)
        if not finite.all():
            frame = int(np.argmin(finite))
            episode = int(np.searchsorted(recordings.starts, frame, side="right")) - 1
            raise UserError(
                f"{recordings.path}: {name} is not a finite number in episode {episode}, frame "
                f"{frame - int(recordings.starts[episode])}; mend or delete that episode"
            )

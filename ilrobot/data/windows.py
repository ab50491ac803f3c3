"""Training windows: a short history of observations and the chunk of labels that begins there.

Everything lies in memory as a few matrices. Each episode's observations are preceded by copies of
its first frame and each run of labels is followed by copies of its last one, so that a window is
one contiguous stretch of memory, a row of an overlapping view, and a batch is drawn by a few
gathers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ilrobot.data.batch import Batch
from ilrobot.data.cutting import across, histories, one_after_another, within_runs
from ilrobot.data.labels import labels, nothing_to_learn, origins
from ilrobot.data.learnable import require_choices, require_finite
from ilrobot.data.lessons import ChunkLabels, Weighting
from ilrobot.data.pictures import small_pictures
from ilrobot.data.recordings import Recordings, lives
from ilrobot.data.stray import Perturbation
from ilrobot.data.weights import class_weights
from ilrobot.errors import UserError
from ilrobot.observed import seen_spec, vector_spec

#: Windows that are perturbed at once, to be normalised by.
_PERTURBED = 4096


class Windows:
    """Windows over some episodes of a dataset.

    Attributes:
        spec: What they were cut by: what the policy sees.
        horizon: Labels in a chunk.
        observations: For each window the newest vectors, name to array (N, size) float32.
        actions: All labels that were cut up, each once, shape (M, *action shape); where they are
            perturbed, each as the first of its window.
    """

    def __init__(
        self,
        dataset: Recordings,
        *,
        n_obs: int,
        horizon: int,
        episodes: Sequence[int] | NDArray[np.int64] | None = None,
        frame_weights: NDArray[np.floating[Any]] | None = None,
        weighting: Weighting = "plain",
        chunk_labels: ChunkLabels = "cut",
        perturb: Perturbation | None = None,
        cameras: Sequence[str] = (),
    ) -> None:
        """Cut them.

        Args:
            dataset: The recordings.
            n_obs: Observations in a history.
            horizon: Labels in a chunk.
            episodes: Which episodes (None: all).
            frame_weights: Weight of each frame of the dataset as a label, shape (num_frames,),
                at least 0; scaled here to a mean of 1 over the windows (None: all alike).
            weighting: Which frames teach and how often they are drawn; see `ilrobot.data.weights`.
                A chunk has the weight of its first label.
            chunk_labels: What a chunk is taught beyond a run of frames that teach; see
                `ilrobot.data.cutting`.
            perturb: Changes batches that are drawn, not windows that are taken one by one.
            cameras: Whose pictures are seen, see `ilrobot.observed.seen_spec`.

        Raises:
            UserError: No frame teaches, an observation or a label is not finite, a weight is no
                weight or all of them are 0, `perturb` does not fit the task, or there are no
                pictures.
        """
        self.spec = seen_spec(dataset.spec, cameras)
        self._vectors = vector_spec(self.spec).observations
        self.horizon, self._n_obs, self._perturb = horizon, n_obs, perturb
        if perturb is not None:
            if cameras:
                raise UserError("what is perturbed cannot be seen in pictures; leave --cameras out")
            perturb.check(self.spec)
        teaches, values = labels(dataset, weighting)
        origin = origins(dataset)
        chosen = np.zeros(dataset.num_episodes, dtype=bool)
        chosen[slice(None) if episodes is None else np.asarray(episodes)] = True
        of_chosen = np.repeat(chosen, dataset.lengths)
        teaches &= of_chosen
        if not teaches.any():
            raise UserError(nothing_to_learn(dataset))
        frames = np.flatnonzero(teaches)

        columns = {f.name: _flat(dataset.column(f.name)) for f in self._vectors}
        used = np.zeros(dataset.num_episodes, dtype=bool)
        used[np.searchsorted(dataset.starts, frames, side="right") - 1] = True
        seen = np.repeat(used, dataset.lengths)
        for name, column in columns.items():
            require_finite(dataset, name, column, seen)
        # Labels that do not count are multiplied by 0, which NaN survives.
        read = seen if chunk_labels == "completed" else teaches
        require_finite(dataset, "action", _flat(values), read)
        require_choices(dataset, values, np.flatnonzero(read))
        self.actions = values[frames]
        left_out = origin[of_chosen & ~teaches]

        # Of the ticks of the episodes that are used, one after the other, where each one is.
        shown = np.cumsum(seen) - 1
        self._pictures = {
            camera.name: small_pictures(dataset, camera, np.flatnonzero(used).tolist())
            for camera in self.spec.cameras
        }
        starts, left = dataset.starts, lives(dataset)
        if not left.all():
            # What a rewind undid is left out; what is left of an episode is contiguous.
            starts = np.concatenate(([0], np.cumsum(left)))[starts]
            columns = {name: column[left] for name, column in columns.items()}
            values, teaches, origin = values[left], teaches[left], origin[left]
            shown = shown[left]
            frame_weights = None if frame_weights is None else frame_weights[left]

        if chunk_labels == "completed":
            chunks = across(starts, teaches, horizon)
        else:
            chunks = within_runs(starts, teaches, horizon, counted=chunk_labels == "padded")
        dtype = np.float32 if self.spec.choices is None else np.int64
        self._actions = torch.from_numpy(_flat(values)[chunks.source].astype(dtype))
        self._counts = torch.from_numpy(chunks.counts[:, None])
        self._first_action = torch.from_numpy(chunks.rows)
        source, window = histories(starts, chunks.begins, n_obs)
        joined = np.concatenate(list(columns.values()), axis=1)
        self._observations = torch.from_numpy(joined[source].astype(np.float32))
        self._first_observation = torch.from_numpy(window)
        self._shown = torch.from_numpy(shown[source])
        self._before = torch.from_numpy(one_after_another(chunks.begins, starts))
        self.observations = {
            name: column[chunks.begins].astype(np.float32) for name, column in columns.items()
        }

        windows = len(chunks.begins)
        own = np.ones(windows) if frame_weights is None else frame_weights[chunks.taught]
        self._own_weights = torch.from_numpy(_scaled(own))
        self._weights, self._drawn_by, self._cumulated = self._own_weights, None, None
        if weighting != "plain":
            drawn = class_weights(np.concatenate((origin[chunks.taught], left_out)), weighting)[
                :windows
            ]
            self._weights = torch.from_numpy(_scaled(own * drawn))
            self._drawn_by = torch.from_numpy(drawn.astype(np.float32))
            self._cumulated = torch.from_numpy(np.cumsum(drawn))
        if perturb is not None:
            self._normalise_by_perturbed(perturb)

    def __len__(self) -> int:
        return len(self._first_action)

    @property
    def device(self) -> torch.device:
        """Where the windows lie."""
        return self._actions.device

    def to(self, device: torch.device) -> Windows:
        """Move them, in place."""
        for name, value in vars(self).items():
            if isinstance(value, Tensor):
                setattr(self, name, value.to(device))
        self._pictures = {name: kept.to(device) for name, kept in self._pictures.items()}
        return self

    def sample(self, batch_size: int, generator: torch.Generator, ticks: int = 1) -> Batch:
        """Draw windows with replacement; `generator` lies on `device`.

        They are drawn by the weighting, so that their `weight` is the rest, that of their frames.
        Each teaches at the newest `ticks` of its history, see `drawn`.
        """
        return self.drawn(self.draw(batch_size, generator), ticks)

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Indexes of windows drawn by the weighting with replacement, on the generator's device."""
        device = generator.device
        if self._cumulated is None:
            return torch.randint(len(self), (count,), generator=generator, device=device)
        cumulated = self._cumulated.to(device)
        draws = torch.rand(count, generator=generator, device=device, dtype=torch.float64)
        index = torch.searchsorted(cumulated, draws * cumulated[-1], right=True)
        return index.clamp_(max=len(self) - 1)

    def drawn(self, index: Tensor, ticks: int = 1, *, pictures: bool = True) -> Batch:
        """The windows of indexes that `draw` gave, with the weight that is left, perturbed.

        An earlier tick teaches what it does as the newest of a window of its own, with the weight
        that makes up for which windows were drawn; with none where it has no such window, or others
        are between. What cameras saw is many bytes, and left out where `pictures` says so. A
        perturbation leads back from the newest tick, which then teaches alone.
        """
        if self._perturb is not None:
            return self._perturb(self._take(index, index, self._own_weights[index]))
        if ticks == 1:
            weight = self._own_weights.index_select(0, index)
            return self._take(index, index, weight, pictures=pictures)
        newest = index[:, None]
        back = torch.arange(ticks - 1, -1, -1, device=index.device)
        there = back <= self._before[newest]
        taught = torch.where(there, newest - back, newest)
        weight = self._own_weights[taught] * there
        if self._drawn_by is not None:
            weight = weight * self._drawn_by[taught] / self._drawn_by[newest]
        return self._take(index, taught.flatten(), weight.flatten(), pictures=pictures)

    def take(self, index: Tensor, *, pictures: bool = True) -> Batch:
        """The windows of these indexes, int64 of shape (B,), with their whole weight.

        Args:
            index: See above.
            pictures: Whether with what cameras saw, which are many bytes.
        """
        weight = self._weights.index_select(0, index)
        return self._take(index, index, weight, pictures=pictures)

    def spread(self, most: int) -> Tensor:
        """Indexes of at most so many windows, evenly spread, on `device`."""
        count = min(len(self), most)
        spread = torch.linspace(0, len(self) - 1, count, dtype=torch.float64, device=self.device)
        return spread.round().long()

    def _normalise_by_perturbed(self, perturb: Perturbation) -> None:
        """What is trained on may move where what was recorded stands still."""
        with torch.random.fork_rng([]):
            torch.manual_seed(0)
            batches = [
                perturb(self.take(index)) for index in torch.arange(len(self)).split(_PERTURBED)
            ]
        self.observations = {
            name: np.concatenate([b.observations[name][:, -1].flatten(1).numpy() for b in batches])
            for name in self.observations
        }
        self.actions = np.concatenate([b.actions[b.mask[:, 0], 0].numpy() for b in batches])

    def _take(
        self, index: Tensor, taught: Tensor, weight: Tensor, *, pictures: bool = True
    ) -> Batch:
        """The histories of some windows, and the chunks of those that are taught, (B · ticks,)."""
        count, size = len(index), self._observations.shape[1]
        rows = self._first_observation.index_select(0, index)
        history = _rows(self._observations, self._n_obs).index_select(0, rows)
        history = history.view(count, self._n_obs, size)
        sizes = [f.size for f in self._vectors]
        parts = history.split(sizes, dim=2) if len(sizes) > 1 else (history,)
        observations = {
            f.name: part.reshape(count, self._n_obs, *f.shape)
            for f, part in zip(self._vectors, parts, strict=True)
        }
        if self._pictures and pictures:
            ticks = torch.arange(self._n_obs, device=rows.device)
            shown = self._shown[rows[:, None] + ticks]
            observations |= {name: kept[shown] for name, kept in self._pictures.items()}
        rows = self._first_action.index_select(0, taught)
        chunk = _rows(self._actions, self.horizon).index_select(0, rows)
        chunk = chunk.view(len(taught), self.horizon, *self.spec.action.shape)
        mask = _rows(self._counts, self.horizon).index_select(0, rows)
        return Batch(observations, chunk, mask, weight)


def _rows(matrix: Tensor, length: int) -> Tensor:
    """Every stretch of `length` rows as one row of an overlapping view."""
    count, size = matrix.shape
    return matrix.as_strided((count - length + 1, length * size), (size, 1))


def _flat(column: NDArray[Any]) -> NDArray[Any]:
    return column.reshape(len(column), -1)


def _scaled(weights: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    if not (np.isfinite(weights).all() and (weights >= 0).all() and weights.sum() > 0):
        raise UserError(
            "frame weights must be finite, at least 0, and above 0 at a frame that teaches"
        )
    return (weights / weights.mean()).astype(np.float32)

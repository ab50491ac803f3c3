"""Whether one observation was answered in two ways: does the average of both mean anything?

First a smooth function of the observation is fitted to the next actions, by random features
(Rahimi and Recht 2007), always on other episodes than it is asked for, and what it leaves is looked
at alone: what merely differs because the observations do is gone. Then, for each frame, the nearest
frame of each of the nearest half of the other episodes, 8 to 24 of them: is what they did better
told by two groups than by one? The groups are the best split of the greatest principal component;
they count where chance would split a Gaussian so well in one of 100 cases, and where they lie apart
by more than what is done typically changes within a chunk. Last, the held-out comparison: how much
likelier is what this frame's own episode did, by two Gaussians than by one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from ilrobot.advice.frames import CHUNK, Frames
from ilrobot.advice.neighbours import Neighbours

#: Least and most episodes whose nearest frames are compared; with fewer nothing can be said. Half
#: of all, lest a far one count because there is none nearer.
_LEAST, _NEIGHBOURS = 8, 24
#: Share of the neighbours that the smaller group must have.
_MINORITY = 0.2
#: How rarely chance splits a Gaussian so well.
_CHANCE = 0.01
#: A group is never told to be narrower than this share of the way between both.
_NARROWEST = 0.1
#: Share of what two groups leave to a broad one, and how many times as wide as all it is: a single
#: stray shall not outweigh many.
_STRAYS, _BROAD = 0.05, 2.0
#: Share of the frames with two modes from which they matter, where the held-out comparison is sure
#: of them, and where it is not.
MATTERS, MATTERS_UNSURE = 0.02, 0.05
#: Of the fitted function.
_FEATURES, _FOLDS = 300, 5
_SCALES, _RIDGES = (0.5, 1.0, 2.0), (1e-4, 1e-2, 1.0)


@dataclass(frozen=True)
class Modes:
    """What was found.

    Attributes:
        explained: Share of the variance of the next actions that a smooth function of the
            observation explains on episodes that it has not seen, at most 1.
        share: Share of the frames with two modes, of which this frame's own action is in one.
        gain: Mean over episodes of how much likelier, in nats a frame, two Gaussians make what the
            held-out episode did at those frames than one (0: there are none).
        gain_low: Lower end of its one-sided 95 % interval over episodes.
        begin, end: Between these shares of an episode lie 80 % of such frames.
        several: Whether they matter: `share` is at least `MATTERS` and `gain_low` above 0, or
            `share` at least `MATTERS_UNSURE` and `gain` above 0, which is likely and not sure.
    """

    explained: float
    share: float
    gain: float
    gain_low: float
    begin: float
    end: float
    several: bool

    @classmethod
    def of(cls, frames: Frames, neighbours: Neighbours) -> Modes | None:
        """Measure it; None with too few episodes to compare."""
        if frames.episodes <= _LEAST or not frames.chunks.shape[1]:
            return None
        explained, rest = unexplained(frames)
        count = int(np.clip((frames.episodes - 1) // 2, _LEAST, _NEIGHBOURS))
        chosen = np.argpartition(neighbours.distances, count - 1, axis=1)[:, :count]
        others = rest[np.take_along_axis(neighbours.rows, chosen, axis=1)]
        own = rest[neighbours.queries]
        direction = _principal(others)
        projected = np.einsum("qkd,qd->qk", others, direction)
        usual = change(frames)
        split = Split.best(projected)
        apart = split.right - split.left
        found = (split.unlike <= luck(count)) & (apart > usual)
        gain = split.gain(np.einsum("qd,qd->q", own, direction))
        mean, low = _over_episodes(gain[found], frames.episode[neighbours.queries[found]])
        met = found & (gain > 0)
        share = float(met.mean())
        begin, end = (0.0, 0.0)
        if met.any():
            begin, end = np.quantile(frames.progress[neighbours.queries[met]], (0.1, 0.9))
        return cls(
            explained=explained,
            share=share,
            gain=mean,
            gain_low=low,
            begin=float(begin),
            end=float(end),
            several=mean > 0 and share >= (MATTERS if low > 0 else MATTERS_UNSURE),
        )


def change(frames: Frames) -> float:
    """How far the actions of a chunk typically get from its first, root mean square per element."""
    chunks = frames.chunks.reshape(len(frames), CHUNK, -1)
    away = ((chunks - chunks[:, :1]) ** 2).sum(axis=1)
    return float(np.sqrt(away.mean()))


def unexplained(frames: Frames) -> tuple[float, NDArray[np.float64]]:
    """What a smooth function of the observation leaves of the chunks, (N, chunk), on new episodes.

    The length scale (none: a linear function) and the ridge that explain most are taken.

    Returns:
        The explained share of the variance, and what is left.
    """
    rng = np.random.default_rng(0)
    seen, size = frames.observations, frames.observations.shape[1]
    pairs = rng.integers(len(frames), size=(2, 2_000))
    typical = float(np.median(np.linalg.norm(seen[pairs[0]] - seen[pairs[1]], axis=1))) or 1.0
    directions, phases = rng.normal(size=(size, _FEATURES)), rng.uniform(0, 2 * np.pi, _FEATURES)
    fold = rng.permutation(frames.episodes)[frames.episode] % _FOLDS
    best, left = -np.inf, frames.chunks
    total = float((frames.chunks**2).sum()) or 1.0
    plain = np.concatenate([np.ones((len(seen), 1)), seen], axis=1)
    for scale in (None, *_SCALES):
        inputs = plain
        if scale is not None:
            waves = np.cos(seen @ directions / (scale * typical) + phases)
            inputs = np.concatenate([plain, waves], axis=1)
        for fitted in _cross_fitted(inputs, frames.chunks, fold):
            rest = frames.chunks - fitted
            explained = 1.0 - float((rest**2).sum()) / total
            if explained > best:
                best, left = explained, rest
    return best, left


def _cross_fitted(
    inputs: NDArray[np.float64], targets: NDArray[np.float64], fold: NDArray[np.int64]
) -> list[NDArray[np.float64]]:
    """Ridge regression, the targets of each fold from the others, for each of `_RIDGES`."""
    rows = [np.flatnonzero(fold == one) for one in range(_FOLDS)]
    squares = np.stack([inputs[own].T @ inputs[own] for own in rows])
    products = np.stack([inputs[own].T @ targets[own] for own in rows])
    fitted = [np.zeros_like(targets) for _ in _RIDGES]
    for one, own in enumerate(rows):
        square, product = squares.sum(axis=0) - squares[one], products.sum(axis=0) - products[one]
        for ridge, into in zip(_RIDGES, fitted, strict=True):
            weight = ridge * (len(inputs) - len(own)) * np.eye(inputs.shape[1])
            into[own] = inputs[own] @ np.linalg.solve(square + weight, product)
    return fitted


@dataclass(frozen=True)
class Split:
    """Numbers told apart as two groups, for each of Q sets of K numbers.

    Attributes:
        left, right: Means of the groups, (Q,).
        share: Of the left group, (Q,).
        unlike: Sum of squares within the groups, divided by that of the whole set, (Q,).
        middle, width: Mean and standard deviation of the whole set, (Q,).
        narrow: Standard deviation within the groups, pooled, (Q,).
    """

    left: NDArray[np.float64]
    right: NDArray[np.float64]
    share: NDArray[np.float64]
    unlike: NDArray[np.float64]
    middle: NDArray[np.float64]
    width: NDArray[np.float64]
    narrow: NDArray[np.float64]

    @classmethod
    def best(cls, values: NDArray[np.float64]) -> Split:
        """Of all splits of each row, (Q, K), into two groups the one with the least within."""
        ordered = np.sort(values, axis=1)
        count = ordered.shape[1]
        sizes = np.arange(1, count)
        sums = np.cumsum(ordered, axis=1)
        lefts = sums[:, :-1] / sizes
        rights = (sums[:, -1:] - sums[:, :-1]) / (count - sizes)
        middle = ordered.mean(axis=1)
        total = ((ordered - middle[:, None]) ** 2).sum(axis=1)
        between = sizes * (count - sizes) / count * (rights - lefts) ** 2
        between[:, np.minimum(sizes, count - sizes) < max(2, _MINORITY * count)] = -1.0
        chosen = between.argmax(axis=1)
        at = (np.arange(len(ordered)), chosen)
        within = np.maximum(total - between[at], 0.0)
        apart = rights[at] - lefts[at]
        narrow = np.maximum(np.sqrt(within / (count - 2)), _NARROWEST * apart)
        width = np.sqrt(total / (count - 1))
        tiny = np.finfo(np.float64).tiny
        return cls(
            left=lefts[at],
            right=rights[at],
            share=sizes[chosen] / count,
            unlike=within / np.maximum(total, tiny),
            middle=middle,
            width=np.maximum(width, tiny),
            narrow=np.maximum(narrow, tiny),
        )

    def gain(self, held_out: NDArray[np.float64]) -> NDArray[np.float64]:
        """How much likelier two Gaussians make a number that is in none of the groups, in nats."""
        two = np.logaddexp(
            np.log(self.share) + _log_normal(held_out, self.left, self.narrow),
            np.log1p(-self.share) + _log_normal(held_out, self.right, self.narrow),
        )
        strays = np.log(_STRAYS) + _log_normal(held_out, self.middle, _BROAD * self.width)
        two = np.logaddexp(np.log1p(-_STRAYS) + two, strays)
        return np.asarray(two - _log_normal(held_out, self.middle, self.width))


@cache
def luck(count: int) -> float:
    """`Split.unlike` of `count` numbers of one Gaussian, undercut in `_CHANCE` of all cases."""
    drawn = np.random.default_rng(0).normal(size=(20_000, count))
    return float(np.quantile(Split.best(drawn).unlike, _CHANCE))


def _log_normal(
    x: NDArray[np.float64], mean: NDArray[np.float64], width: NDArray[np.float64]
) -> NDArray[np.float64]:
    return np.asarray(-0.5 * ((x - mean) / width) ** 2 - np.log(width))


def _principal(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Direction of the greatest variance of each set, (Q, K, D) to (Q, D)."""
    centred = points - points.mean(axis=1, keepdims=True)
    direction = np.linalg.eigh(np.einsum("qkd,qke->qde", centred, centred))[1][:, :, -1]
    return np.asarray(direction)


def _over_episodes(gains: NDArray[np.float64], episode: NDArray[np.int64]) -> tuple[float, float]:
    """Mean over episodes, and the lower end of its one-sided 95 % interval."""
    if not gains.size:
        return 0.0, 0.0
    _, place = np.unique(episode, return_inverse=True)
    means = np.bincount(place, gains) / np.bincount(place)
    if len(means) < 2:
        return float(means.mean()), -np.inf
    return float(means.mean()), float(means.mean() - 1.645 * means.std(ddof=1) / len(means) ** 0.5)

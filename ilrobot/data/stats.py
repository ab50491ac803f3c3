"""Statistics of each feature, as LeRobot v3.0 keeps them: per episode, and pooled over all.

Pooling adds one episode at a time, so that sealing an episode costs the same however long the
recording has become. Least, greatest, mean, standard deviation and count of the pool are exact; its
quantiles are the mean of the episodes' quantiles weighted by their counts, as in LeRobot itself,
and thus approximate.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ilrobot.errors import UserError

QUANTILES = {"q01": 0.01, "q10": 0.10, "q50": 0.50, "q90": 0.90, "q99": 0.99}
NAMES = ("min", "max", "mean", "std", "count", *QUANTILES)

#: For one feature: a flat list per name, one number per element; `count` is a single number.
FeatureStats = dict[str, list[float]]

_GREATEST = float(np.finfo(np.float64).max)


def feature_stats(values: NDArray[Any]) -> FeatureStats:
    """Statistics over the first axis of an array (T, *shape).

    Ticks at which any element is NaN or infinite do not count: in ``control.human_action`` NaN says
    that nobody was asked.
    """
    flat = np.asarray(values, dtype=np.float64).reshape(len(values), -1)
    flat = flat[np.isfinite(flat).all(axis=1)]
    if not len(flat):
        return {**{name: [] for name in NAMES}, "count": [0]}
    quantiles = np.quantile(flat, list(QUANTILES.values()), axis=0)
    with np.errstate(over="ignore"):
        mean, std = flat.mean(axis=0), flat.std(axis=0)
    return {
        "min": flat.min(axis=0).tolist(),
        "max": flat.max(axis=0).tolist(),
        "mean": _finite(mean),
        "std": _finite(std),
        "count": [len(flat)],
        **dict(zip(QUANTILES, quantiles.tolist(), strict=True)),
    }


def byte_stats(counts: NDArray[np.int64]) -> FeatureStats:
    """Statistics of bytes as numbers in [0, 1], from how often each of them occurs, (C, 256)."""
    levels = np.arange(256) / 255
    totals = counts.sum(axis=1)
    mean = counts @ levels / totals
    variance = np.array([row @ (levels - m) ** 2 for row, m in zip(counts, mean, strict=True)])
    below = np.cumsum(counts, axis=1)

    def ranked(share: float) -> list[float]:
        ranks = np.floor(share * (totals - 1))
        return [
            float(levels[np.searchsorted(b, r, "right")]) for b, r in zip(below, ranks, strict=True)
        ]

    return {
        "min": ranked(0.0),
        "max": ranked(1.0),
        "mean": mean.tolist(),
        "std": np.sqrt(variance / totals).tolist(),
        "count": [int(totals[0])],
        **{name: ranked(share) for name, share in QUANTILES.items()},
    }


def per_channel(found: FeatureStats) -> dict[str, list[Any]]:
    """Statistics of an image as LeRobot keeps them: each number in the shape (3, 1, 1)."""
    return {
        name: values if name == "count" else [[[value]] for value in values]
        for name, values in found.items()
    }


class PooledStats:
    """Statistics of each feature over all episodes that were added, one after the other.

    The variance is pooled pairwise as in Chan, Golub and LeVeque 1983, "Algorithms for computing
    the sample variance", The American Statistician 37: the squared deviations within both parts,
    and those of their means from the common one. Adding the same episodes in the same order gives
    the same bits, whether they come one by one or from a table.

    Args:
        sizes: Feature → number of elements.
    """

    def __init__(self, sizes: Mapping[str, int]) -> None:
        ends = np.cumsum(list(sizes.values()), dtype=int)
        self._slices = {
            name: slice(int(end) - size, int(end))
            for (name, size), end in zip(sizes.items(), ends, strict=True)
        }
        width = int(ends[-1]) if len(ends) else 0
        self._count = np.zeros(width)
        self._min, self._max = np.full(width, np.nan), np.full(width, np.nan)
        self._mean, self._squares = np.zeros(width), np.zeros(width)
        self._quantiles = np.zeros((len(QUANTILES), width))

    def add(self, episode: Mapping[str, FeatureStats]) -> None:
        """Add the `feature_stats` of one episode."""
        row = {name: np.full(len(self._count), np.nan) for name in NAMES}
        for feature, place in self._slices.items():
            count = episode[feature]["count"][0]
            row["count"][place] = count
            if count:
                for name in NAMES:
                    row[name][place] = episode[feature][name]
        self._fold(row)

    def add_table(self, where: object, table: Any) -> None:
        """Add the rows of a table of episodes, which has them as ``stats/<feature>/<name>``.

        Raises:
            UserError: It does not hold them for these features; the line names `where` it lies.
        """
        rows = {name: np.full((table.num_rows, len(self._count)), np.nan) for name in NAMES}
        for feature, place in self._slices.items():
            try:
                self._read(table, feature, place, rows)
            except (KeyError, ValueError) as error:
                raise UserError(
                    f"{where}: its statistics of '{feature}' are not of the columns that "
                    "meta/info.json lists; copy both again from their source"
                ) from error
        for index in range(table.num_rows):
            self._fold({name: values[index] for name, values in rows.items()})

    def to_json(self) -> dict[str, FeatureStats]:
        """``meta/stats.json``; features without a finite value anywhere are left out."""
        std = np.sqrt(np.divide(self._squares, np.maximum(self._count, 1)))
        found = {}
        for feature, place in self._slices.items():
            if count := int(self._count[place][0]):
                found[feature] = {
                    "min": self._min[place].tolist(),
                    "max": self._max[place].tolist(),
                    "mean": _finite(self._mean[place]),
                    "std": _finite(std[place]),
                    "count": [count],
                    **dict(zip(QUANTILES, self._quantiles[:, place].tolist(), strict=True)),
                }
        return found

    def _read(
        self, table: Any, feature: str, place: slice, rows: dict[str, NDArray[np.float64]]
    ) -> None:
        counts = _flat(table, f"stats/{feature}/count").reshape(table.num_rows, 1)
        known = np.flatnonzero(counts)
        rows["count"][:, place] = counts
        for name in NAMES:
            if name != "count":
                values = _flat(table, f"stats/{feature}/{name}")
                rows[name][known, place] = values.reshape(len(known), place.stop - place.start)

    def _fold(self, row: Mapping[str, NDArray[np.float64]]) -> None:
        """Add one episode, given for each element; where its count is 0 the rest is NaN."""
        known = row["count"] > 0
        count = self._count + row["count"]
        share = np.divide(row["count"], count, out=np.zeros_like(count), where=known)
        with np.errstate(over="ignore", invalid="ignore"):
            apart = np.where(known, row["mean"] - self._mean, 0.0)
            within = np.where(known, row["count"] * row["std"] ** 2, 0.0)
            self._squares += within + apart**2 * self._count * share
            self._mean += apart * share
            quantiles = np.stack([row[name] for name in QUANTILES])
            self._quantiles += np.where(known, (quantiles - self._quantiles) * share, 0.0)
        self._min, self._max = np.fmin(self._min, row["min"]), np.fmax(self._max, row["max"])
        self._count = count


def _flat(table: Any, name: str) -> NDArray[np.float64]:
    values = table[name].combine_chunks()
    while pa.types.is_list(values.type):
        values = values.flatten()
    return np.asarray(values.to_numpy(zero_copy_only=False), dtype=np.float64)


def _finite(values: NDArray[np.float64]) -> list[float]:
    """JSON has no infinity: a state of a simulation gone wild may overflow when it is squared."""
    limited: list[float] = np.nan_to_num(values, nan=_GREATEST, posinf=_GREATEST).tolist()
    return limited

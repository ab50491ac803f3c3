"""Statistics of each feature, as LeRobot v3.0 keeps them: per episode, and pooled.

Pooling makes sealing an episode cost the same however long the recording has become. Least,
greatest, mean, standard deviation and count of the pool are exact; its quantiles are the mean of
the episodes' quantiles weighted by their counts, as in LeRobot itself, and thus approximate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

QUANTILES = {"q01": 0.01, "q10": 0.10, "q50": 0.50, "q90": 0.90, "q99": 0.99}
NAMES = ("min", "max", "mean", "std", "count", *QUANTILES)

#: For one feature: a flat list per name, one number per element; `count` is a single number.
FeatureStats = dict[str, list[float]]


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
    return {
        "min": flat.min(axis=0).tolist(),
        "max": flat.max(axis=0).tolist(),
        "mean": flat.mean(axis=0).tolist(),
        "std": flat.std(axis=0).tolist(),
        "count": [len(flat)],
        **dict(zip(QUANTILES, quantiles.tolist(), strict=True)),
    }


def pool(parts: Sequence[Mapping[str, Sequence[float]]]) -> FeatureStats | None:
    """Statistics of a feature over all episodes (None: it has no finite value anywhere).

    The variance is pooled as in Chan, Golub and LeVeque 1983, "Algorithms for computing the sample
    variance", The American Statistician 37: the mean of the squared deviations within and between.
    """
    parts = [part for part in parts if part["count"][0]]
    if not parts:
        return None
    stacked = {name: np.array([part[name] for part in parts], dtype=np.float64) for name in NAMES}
    count = stacked["count"].sum()
    weight = stacked["count"] / count
    mean = (weight * stacked["mean"]).sum(axis=0)
    variance = (weight * (stacked["std"] ** 2 + (stacked["mean"] - mean) ** 2)).sum(axis=0)
    return {
        "min": stacked["min"].min(axis=0).tolist(),
        "max": stacked["max"].max(axis=0).tolist(),
        "mean": mean.tolist(),
        "std": np.sqrt(variance).tolist(),
        "count": [int(count)],
        **{name: (weight * stacked[name]).sum(axis=0).tolist() for name in QUANTILES},
    }

"""What an export takes from the dataset: real windows of observations and the executed actions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ilrobot.data.branches import BRANCH
from ilrobot.data.episode import Outcome
from ilrobot.errors import UserError
from ilrobot.spec import Spec, check_policy_fits

if TYPE_CHECKING:
    from ilrobot.data.dataset import Dataset


def observation_windows(
    dataset: Dataset, spec: Spec, n_obs: int, count: int
) -> dict[str, NDArray[np.float32]]:
    """Histories spread evenly over the dataset, as a policy would see them.

    Args:
        dataset: Where they come from.
        spec: Which observations the policy reads.
        n_obs: Ticks in each history; an episode's first observation fills what comes before it.
        count: At most so many.

    Returns:
        Name to shape (count, n_obs, *shape), physical units.

    Raises:
        UserError: The dataset has other observations or actions than the policy.
    """
    check_policy_fits(spec, dataset.spec, str(dataset.path))
    frames = np.unique(np.linspace(0, dataset.num_frames - 1, count).round().astype(np.int64))
    first = dataset.starts[np.searchsorted(dataset.starts, frames, side="right") - 1]
    back = np.arange(n_obs - 1, -1, -1)
    indexes = np.maximum(frames[:, None] - back, first[:, None])
    windows = {
        f.name: dataset.column(f.name)[indexes].astype(np.float32) for f in spec.observations
    }
    for name, window in windows.items():
        if not np.isfinite(window).all():
            raise UserError(f"{dataset.path}: '{name}' holds NaN or infinity; repair the dataset")
    return windows


def executed_actions(dataset: Dataset) -> list[NDArray[Any]]:
    """The actions of each episode that was not discarded, shape (T, *action shape).

    An episode with rewinds counts as several.

    Raises:
        UserError: All were.
    """
    actions = dataset.column("action")
    spans = zip(dataset.infos, dataset.starts[:-1], dataset.starts[1:], strict=True)
    branches = np.zeros(dataset.num_frames, dtype=np.int64)
    if dataset.has_column(BRANCH):
        branches = dataset.column(BRANCH)
    executed = [
        branch
        for info, start, end in spans
        if info.outcome is not Outcome.DISCARDED
        # No robot ever went from the last action before a rewind to the first one after it.
        for branch in np.split(actions[start:end], np.flatnonzero(np.diff(branches[start:end])) + 1)
    ]
    if not executed:
        raise UserError(
            f"{dataset.path}: every episode was discarded, so no action tells what the robot may "
            "do; give a --dataset with episodes that were kept"
        )
    return executed

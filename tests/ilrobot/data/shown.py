"""Pictures that can be told apart, and whether a film shows them."""

import numpy as np

from ilrobot.data.episode import REPEATED

SIDE = 32


def shown(ticks, seed=0):
    """Smooth pictures (ticks, SIDE, SIDE, 3) of which no two are alike."""
    x, y = np.meshgrid(np.arange(SIDE), np.arange(SIDE))
    level = (np.arange(ticks) * 9 + 40 * seed) % 128
    each = np.stack([x * 2 + level[:, None, None], y * 2 + level[:, None, None]], -1)
    blue = np.full((*each.shape[:3], 1), 30 + 60 * seed)
    return np.concatenate([each, blue], -1).astype(np.uint8)


def check_film(dataset, camera, pictures):
    """Every frame is above 32 dB and nearest to its own picture among all of the source."""
    name = f"observation.images.{camera}"
    seen = np.array([p for e in range(dataset.num_episodes) for p in dataset.video(e, name)])
    assert seen.shape == pictures.shape
    error = [((one.astype(float) - pictures) ** 2).mean(axis=(1, 2, 3)) for one in seen]
    assert np.argmin(error, axis=1).tolist() == list(range(len(pictures)))
    assert 10 * np.log10(255**2 / np.diag(error).max()) > 32
    assert dataset.spec.feature(name).shape == pictures.shape[1:]
    assert not dataset.column(REPEATED).any()

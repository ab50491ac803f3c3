"""How much each frame counts that interventions leave behind.

Computed from the recorded columns whenever a policy is trained, never stored. With n_c frames of
class c (`ilrobot.data.labels.Origin`), r_c = n_c / n, a weight w_c makes w_c r_c the share of the
class in the batches.

- ``plain``: demonstrations and corrections alike.
- ``iwr``, intervention weighted regression (Mandlekar, Xu, Martín-Martín, Zhu, Fei-Fei and Savarese
  2020, "Human-in-the-loop imitation learning using remote teleoperation", arXiv:2012.06733, sec.
  IV): half of what is drawn are corrections, the other half all else, the policy's own frames
  included, which keep it from forgetting what it could.
- ``sirius`` (Liu, Nasiriany, Zhang, Bao and Zhu 2023, "Robot learning on the job",
  arXiv:2211.08416, sec. IV): w_int = ½ / r_int, w_demo = 1, w_robot = (½ - r_demo) / r_robot,
  w_before ≈ 0. The frames right before a takeover are left out here; the authors' program leaves
  them 0.002 of all.
- ``own``: demonstrations, corrections and the policy's own frames alike, but for those right before
  a takeover: imitation of one's own successes (Oh, Guo, Singh and Lee 2018, "Self-imitation
  learning", arXiv:1806.05635) as cloning, which RAFT does alone
  (`ilrobot.learners.finetuning.raft`).

Where these are undefined or negative:

- without corrections all frames weigh 1, and with nothing but corrections, too;
- with r_demo above ½, where Sirius' w_robot is negative, demonstrations are the whole other half
  and the policy's frames nothing, which is what the formula tends to as r_demo rises to ½;
- without frames of the policy demonstrations are the whole other half.

The authors' IWR draws by these weights and Sirius multiplies the loss by them. Both have the same
expected gradient; drawing is steadier where a class is rare (its frames differ within a batch
instead of few of them counting much), so `Windows.sample` draws.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ilrobot.data.labels import Origin
from ilrobot.data.lessons import Weighting


def class_weights(origins: NDArray[np.int8], weighting: Weighting) -> NDArray[np.float64]:
    """Weight of each frame, the mean over the frames that teach being 1.

    Args:
        origins: `Origin` of each frame, shape (N,).
        weighting: Which.

    Returns:
        Shape (N,), at least 0; of a frame that does not teach it means nothing.
    """
    count = np.bincount(origins, minlength=len(Origin)).astype(float)
    count[Origin.NOBODY] = 0.0
    if weighting in ("plain", "own") or not count[Origin.CORRECTION]:
        return np.ones(len(origins))
    share = count.copy()
    if weighting == "sirius":
        demos = min(1.0, 2 * count[Origin.DEMO] / count.sum())
        if not count[Origin.ROBOT]:
            demos = float(count[Origin.DEMO] > 0)
        share[Origin.BEFORE] = count[Origin.BEFORE] = 0.0
        share[Origin.DEMO] = demos
        share[Origin.ROBOT] = 1.0 - demos if count[Origin.ROBOT] else 0.0
    share[Origin.CORRECTION] = 0.0
    share[Origin.CORRECTION] = share.sum() or 1.0
    weight = np.zeros(len(Origin))
    np.divide(share * count.sum(), share.sum() * count, out=weight, where=count > 0)
    return weight[origins]

"""SafeDAgger's safety policy: whether the novice is about to stray from the expert.

    c(o) = P(ε(o) > τ)        (ε: `ilrobot.gates.discrepancy`)

Zhang and Cho 2017, "Query-efficient imitation learning for end-to-end simulated driving",
arXiv:1605.06450. It reads an observation alone, so that the expert need not be asked to
know whether it is needed; where the gates decide, `ilrobot.gates.foresight` says.

Where it was taught, a novice seldom strays, so that ticks of its training say nothing of what it
does elsewhere. They record a set of their own for c, D_safe. Here the gates give it the expert's
labels in episodes that the novice's training held out, and from the second round on those of the
latest attempts, with what the novice wanted that made them: it had not been taught them (see
`ilrobot.learners.interactive.gate_fits.Material.unseen`). So c lags a round behind where the novice
has learnt from its corrections since, and calls once more there. No class is weighted up, as in
LazyDAgger's program, so that it stays a probability.

Validation is on whole episodes: each is foretold by a classifier that was fitted to others.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from ilrobot.actors import Observation
from ilrobot.control import signals
from ilrobot.data.labels import labels, nothing_to_learn
from ilrobot.data.recordings import Recordings
from ilrobot.errors import UserError
from ilrobot.gates.discrepancy import THRESHOLD, action_ranges, discrepancies
from ilrobot.gates.foresight import UNSAFE
from ilrobot.learners.interactive.gate_network import GateNetwork, OnSteps, Validation, unwatched
from ilrobot.learners.machine import numerics
from ilrobot.observed import vector_spec
from ilrobot.spec import Spec

#: Small, so that it does not learn a few straying ticks by heart.
_WIDTH = 64
#: The decay is torch's default of AdamW.
_BATCH, _LEARNING_RATE, _WEIGHT_DECAY = 256, 1e-3, 1e-2
#: Of steps, those that foretell episodes best that were not fitted to. On 5 episodes of PandaPush,
#: where straying is hard to foretell, 2,000 had a log loss of 2.4 on others, 100 had 0.47 and one
#: constant chance 0.50; on attempts, where it is not, 50 were too few.
_STEPS = (25, 50, 100, 200, 400, 800, 1600)
_FOLDS = 5
#: No logarithm of 0.
_TINY = 1e-7


@dataclass(frozen=True)
class ClassifierFit(Validation):
    """How well it does on episodes that it was not fitted to; None: it cannot be said.

    Attributes:
        unsafe: Share of the frames at which ε > τ.
        frames: How many were foretold.
        calls: Share of them at which the gates would call the expert.
        found: Share of the unsafe ones among those; None where none is unsafe.
        auc: Probability that an unsafe one is ranked above a safe one; None of one class.
        brier: Mean square of the probability less what was.
    """

    unsafe: float
    frames: int
    calls: float | None
    found: float | None
    auc: float | None
    brier: float | None


class SafetyClassifier(GateNetwork[ClassifierFit]):
    """P(ε > τ) of an observation; `fit_safety_classifier` makes one.

    Args:
        spec: The task's; images are left out.
    """

    kind = "classifier"
    signal = signals.UNSAFE
    report_type = ClassifierFit

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self.network = nn.Sequential(
            nn.Linear(self.encoder.size, _WIDTH),
            nn.ReLU(),
            nn.Linear(_WIDTH, _WIDTH),
            nn.ReLU(),
            nn.Linear(_WIDTH, 1),
        )

    def __call__(self, observation: Observation) -> float:
        """The probability at one tick; name to array of its feature's shape, physical units."""
        return float(self.probabilities(self.one(observation))[0])

    @torch.inference_mode()
    def probabilities(self, observations: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        """Of many, shape (N,), from arrays of shape (N, *shape)."""
        encoded = self.encode_observations(observations)
        values: NDArray[np.float32] = self.logits(encoded).sigmoid().numpy()
        return values

    def judge(self, observations: Mapping[str, Tensor], action: Tensor) -> Tensor:
        """The probability; see `GateNetwork`."""
        return self.logits(self.encode_tensors(observations)).sigmoid()

    def logits(self, encoded: Tensor) -> Tensor:
        """Before the sigmoid, (N,), from what `encode_observations` gives."""
        values: Tensor = self.network(encoded)[:, 0]
        return values


def fit_safety_classifier(
    dataset: Recordings,
    actions: NDArray[np.float32],
    seed: int,
    threshold: float = THRESHOLD,
    ticks: NDArray[np.bool_] | None = None,
    on_steps: OnSteps = unwatched,
) -> SafetyClassifier:
    """Fit it to the frames that have an expert's label, for as many steps as foretell others best.

    The same data and seed give the same classifier on the same machine. Where all frames are of one
    class, that class is foretold, with a little doubt, everywhere.

    Args:
        dataset: Demonstrations and what was recorded under shared control.
        actions: What the novice would do at each tick, `novice.novice_actions`.
        seed: Of the first weights, the draws and the folds.
        threshold: τ.
        ticks: Frames that may be fitted to, shape (num_frames,) (None: all).
        on_steps: Follows the fit, which may end early.

    Raises:
        UserError: No frame of them has a label, or the action is a choice or has no limits.
    """
    teaches, wanted = labels(dataset)
    frames = np.flatnonzero(teaches if ticks is None else teaches & ticks)
    if not frames.size:
        raise UserError(nothing_to_learn(dataset))
    spec = dataset.spec
    ranges, equal = action_ranges(spec), (spec.target_rotations, spec.action.angles)
    strays = discrepancies(actions[frames], wanted[frames], ranges, *equal)
    unsafe = ~(strays <= threshold)  # an action that is not finite is not safe
    episodes, episode = np.unique(
        np.searchsorted(dataset.starts, frames, side="right"), return_inverse=True
    )
    fold = (np.random.default_rng((seed, 1)).permutation(len(episodes)) % _FOLDS)[episode]
    names = vector_spec(dataset.spec).observation_names
    observed = {name: dataset.column(name)[frames] for name in names}
    with numerics(torch.device("cpu"), "mlp"):
        torch.manual_seed(seed)
        steps, foretold = _cross_validate(dataset.spec, observed, unsafe, fold, on_steps)
        fit = _Fit(dataset.spec, observed, unsafe, np.ones(len(frames), dtype=bool))
        fit.train(steps)
    fit.classifier.report = _report(foretold, unsafe)
    return fit.classifier


class _Fit:
    """A classifier that is being fitted to some of the frames."""

    def __init__(
        self,
        spec: Spec,
        observed: Mapping[str, NDArray[Any]],
        unsafe: NDArray[np.bool_],
        use: NDArray[np.bool_],
    ) -> None:
        self.classifier = SafetyClassifier(spec)
        taught = {name: column[use] for name, column in observed.items()}
        self.classifier.fit_encoder(taught)
        self._encoded = self.classifier.encode_observations(taught)
        self._targets = torch.tensor(unsafe[use], dtype=torch.float32)
        # With a prior of two frames, so that nothing is ever certain. It lies below what the gates
        # call at, so that labels a fifth of which is unsafe do not call before anything is learnt.
        share = (float(self._targets.sum()) + UNSAFE) / (len(self._targets) + 2.0)
        last = self.classifier.network[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        nn.init.constant_(last.bias, float(np.log(share / (1.0 - share))))
        self._optimizer = torch.optim.AdamW(
            self.classifier.parameters(),
            lr=_LEARNING_RATE,
            weight_decay=_WEIGHT_DECAY,
            fused=True,
        )

    def train(self, steps: int) -> None:
        """So many steps more."""
        if bool((self._targets == self._targets[0]).all()):
            return
        for index in torch.randint(len(self._targets), (steps, _BATCH)):
            loss = functional.binary_cross_entropy_with_logits(
                self.classifier.logits(self._encoded[index]), self._targets[index]
            )
            self._optimizer.zero_grad()
            loss.backward()
            self._optimizer.step()


def _cross_validate(
    spec: Spec,
    observed: Mapping[str, NDArray[Any]],
    unsafe: NDArray[np.bool_],
    fold: NDArray[np.int64],
    on_steps: OnSteps,
) -> tuple[int, NDArray[np.float32] | None]:
    """How many steps foretell best what was not fitted to, and what they foretell of each frame.

    It ends where more are worse. Of one episode nothing can be said: the fewest steps, and None.
    """
    folds = np.unique(fold)
    if len(folds) < 2:
        return _STEPS[0], None
    fits = [_Fit(spec, observed, unsafe, fold != left_out) for left_out in folds]
    steps, least, best = 0, math.inf, None
    most = _STEPS[-1] * len(folds)
    for more in _STEPS:
        foretold = np.zeros(len(unsafe), dtype=np.float32)
        for left_out, fit in zip(folds, fits, strict=True):
            fit.train(more - steps)
            others = {name: column[fold == left_out] for name, column in observed.items()}
            foretold[fold == left_out] = fit.classifier.probabilities(others)
        on_steps(more * len(folds), most)
        loss = float(-np.log(np.where(unsafe, foretold, 1.0 - foretold) + _TINY).mean())
        if loss >= least:
            break
        steps, least, best = more, loss, foretold
    on_steps(most, most)
    return steps, best


def _report(foretold: NDArray[np.float32] | None, unsafe: NDArray[np.bool_]) -> ClassifierFit:
    share = float(unsafe.mean())
    if foretold is None:
        return ClassifierFit(share, 0, None, None, None, None)
    found = auc = None
    if unsafe.any():
        found = float(np.mean(foretold[unsafe] > UNSAFE))
    if unsafe.any() and not unsafe.all():
        # Mann and Whitney's statistic; ties count half.
        safe = np.sort(foretold[~unsafe])
        below = np.searchsorted(safe, foretold[unsafe], side="left")
        upto = np.searchsorted(safe, foretold[unsafe], side="right")
        auc = float(np.mean((below + upto) / 2) / len(safe))
    calls = float(np.mean(foretold > UNSAFE))
    brier = float(np.mean((foretold - unsafe) ** 2))
    return ClassifierFit(share, len(unsafe), calls, found, auc, brier)

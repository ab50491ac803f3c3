"""SafeDAgger's safety policy: whether the novice is about to stray from the expert.

    c(o) = P(ε(o) > τ)        (ε: `ilrobot.gates.discrepancy`)

Zhang and Cho 2017, "Query-efficient imitation learning for end-to-end simulated driving",
arXiv:1605.06450. It reads an observation alone, so that the expert need not be asked to
know whether it is needed; where the gates decide, `ilrobot.gates.foresight` says.

It is fitted to every tick of the recordings that has an expert's label, the episodes that the
novice's training held out among them: where it was taught, a novice seldom strays. (The authors of
LazyDAgger fit it, in their program, to the first demonstrations, those held out included.) No class
is weighted up, as in that program, so that it stays a probability.

Validation is on whole episodes that the classifier was not fitted to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from ilrobot.actors import Observation
from ilrobot.data.labels import held_out_places, labels, nothing_to_learn
from ilrobot.data.memory import Recordings
from ilrobot.errors import UserError
from ilrobot.gates.discrepancy import THRESHOLD, action_ranges, discrepancies
from ilrobot.gates.foresight import UNSAFE
from ilrobot.learners.interactive.gate_network import GateNetwork, Validation
from ilrobot.learners.machine import numerics
from ilrobot.spec import Spec

#: Small, so that it does not learn a few straying ticks by heart.
_WIDTH = 64
#: The decay is torch's default of AdamW; the rest takes seconds on a CPU.
_STEPS, _BATCH, _LEARNING_RATE, _WEIGHT_DECAY = 2000, 256, 1e-3, 1e-2
_HELD_OUT = 0.1


@dataclass(frozen=True)
class ClassifierFit(Validation):
    """How well it does on episodes that it was not fitted to; None: it cannot be said.

    Attributes:
        unsafe: Share of all frames at which ε > τ.
        frames: How many were held out.
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

    def logits(self, encoded: Tensor) -> Tensor:
        """Before the sigmoid, (N,), from what `encode_observations` gives."""
        values: Tensor = self.network(encoded)[:, 0]
        return values


def fit_safety_classifier(
    dataset: Recordings,
    actions: NDArray[np.float32],
    seed: int,
    threshold: float = THRESHOLD,
) -> SafetyClassifier:
    """Fit it to the frames that have an expert's label; a tenth of the episodes is held out.

    The same data and seed give the same classifier on the same machine. Where all frames are of one
    class, that class is foretold, with a little doubt, everywhere.

    Args:
        dataset: Demonstrations and what was recorded under shared control.
        actions: What the novice would do at each tick, `novice.novice_actions`.
        seed: Of the first weights, the draws and the split.
        threshold: τ.

    Raises:
        UserError: No frame has a label, or the action is a choice or has no limits.
    """
    teaches, wanted = labels(dataset)
    frames = np.flatnonzero(teaches)
    if not frames.size:
        raise UserError(nothing_to_learn(dataset))
    strays = discrepancies(actions[frames], wanted[frames], action_ranges(dataset.spec))
    unsafe = ~(strays <= threshold)  # an action that is not finite is not safe
    episodes, episode = np.unique(
        np.searchsorted(dataset.starts, frames, side="right"), return_inverse=True
    )
    # Drawn apart from what the novice's training held out, which is to be fitted to.
    held_out = held_out_places(len(episodes), _HELD_OUT, (seed, 1))[episode]
    use = ~held_out

    with numerics(torch.device("cpu"), "mlp"):
        torch.manual_seed(seed)
        classifier = SafetyClassifier(dataset.spec)
        columns = {f.name: dataset.column(f.name)[frames] for f in classifier.spec.observations}
        taught = {n: c[use] for n, c in columns.items()}
        classifier.fit_encoder(taught)
        _train(classifier, classifier.encode_observations(taught), unsafe[use])
        expected = classifier.probabilities({n: c[held_out] for n, c in columns.items()})
    classifier.report = _report(expected, unsafe, unsafe[held_out])
    return classifier


def _train(classifier: SafetyClassifier, encoded: Tensor, unsafe: NDArray[np.bool_]) -> None:
    # With a prior of one frame of either class, so that nothing is ever certain.
    share = (unsafe.sum() + 1.0) / (len(unsafe) + 2.0)
    last = classifier.network[-1]
    assert isinstance(last, nn.Linear)
    nn.init.zeros_(last.weight)
    nn.init.constant_(last.bias, float(np.log(share / (1.0 - share))))
    if unsafe.all() or not unsafe.any():
        return
    targets = torch.tensor(unsafe, dtype=torch.float32)
    optimizer = torch.optim.AdamW(
        classifier.parameters(), lr=_LEARNING_RATE, weight_decay=_WEIGHT_DECAY, fused=True
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, _STEPS)
    for index in torch.randint(len(targets), (_STEPS, _BATCH)):
        loss = functional.binary_cross_entropy_with_logits(
            classifier.logits(encoded[index]), targets[index]
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()


def _report(
    expected: NDArray[np.float32], all_unsafe: NDArray[np.bool_], unsafe: NDArray[np.bool_]
) -> ClassifierFit:
    calls = found = auc = brier = None
    if len(unsafe):
        calls = float(np.mean(expected > UNSAFE))
        brier = float(np.mean((expected - unsafe) ** 2))
    if unsafe.any():
        found = float(np.mean(expected[unsafe] > UNSAFE))
    if unsafe.any() and not unsafe.all():
        # Mann and Whitney's statistic; ties count half.
        safe = np.sort(expected[~unsafe])
        below = np.searchsorted(safe, expected[unsafe], side="left")
        upto = np.searchsorted(safe, expected[unsafe], side="right")
        auc = float(np.mean((below + upto) / 2) / len(safe))
    return ClassifierFit(float(all_unsafe.mean()), len(unsafe), calls, found, auc, brier)

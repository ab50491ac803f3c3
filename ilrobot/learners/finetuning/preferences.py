"""A reward from preferences: Bradley and Terry's model of who likes which clip better.

Christiano, Leike, Brown, Martic, Legg and Amodei 2017, "Deep reinforcement learning from human
preferences" (arXiv:1706.03741), eq. 1, where σ¹ is liked better than σ² with

    P[σ¹ > σ²] = exp Σ r(o¹, a¹) / (exp Σ r(o¹, a¹) + exp Σ r(o², a²)),

and section 2.2.3: a share ε of the answers is a toss, so that P becomes (1 - ε) P + ε / 2, and
clips that are equally good count as half of each. The loss is the cross-entropy of the answers.

Of how many steps, and how well the reward knows attempts that nobody compared, is measured by
cross-validation over attempts. To hold out answers alone measures nothing: a network learns a rank
of each attempt by heart, and that answers whatever else is asked about the same ones.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ilrobot.data.comparisons import Comparison
from ilrobot.data.recordings import Recordings
from ilrobot.errors import WorkFailed
from ilrobot.learners.config import MOST_IN_BATCH
from ilrobot.learners.finetuning.compared_clips import LEAST, Clips
from ilrobot.ranges import AT_LEAST_1, NOT_NEGATIVE, SHARE, Range, check_ranges
from ilrobot.rewards.config import Inputs, RewardConfig
from ilrobot.rewards.model import RewardModel
from ilrobot.spec import Spec

_RANGES = {
    "error_rate": SHARE,
    "held_out": SHARE,
    "steps": AT_LEAST_1,
    "batch_size": Range(1, MOST_IN_BATCH),
    "width": AT_LEAST_1,
    "learning_rate": Range(0, 1, above=True, below=True),
    "weight_decay": NOT_NEGATIVE,
    "seed": NOT_NEGATIVE,
}


@dataclass(frozen=True)
class PreferenceConfig:
    """How a reward is fitted.

    Attributes:
        inputs: What the reward reads: ``state`` or ``state-action``.
        width, layers: Of the network.
        error_rate: ε, share of the answers that the model takes for tosses, in [0, 1).
        steps: Steps of Adam.
        learning_rate: Adam's.
        weight_decay: Decoupled.
        batch_size: Comparisons in a batch.
        held_out: Share of the attempts that are held out at a time, in [0, 1): of each such part a
            fit of its own, which does not know it, says when to stop. 0 is none, all steps count.
        validate_every: Steps between two looks at those.
        seed: Of the parts, the weights and the batches.
    """

    inputs: Inputs = "state-action"
    width: int = 64
    layers: int = 2
    error_rate: float = 0.1
    steps: int = 1_000
    learning_rate: float = 1e-3
    weight_decay: float = 1e-3
    batch_size: int = 32
    held_out: float = 0.2
    validate_every: int = 25
    seed: int = 0

    def check(self) -> None:
        """Refuse what is out of range.

        Raises:
            UserError: The first thing found, as its option of the command line.
        """
        check_ranges(self, _RANGES)
        self.reward()

    def reward(self) -> RewardConfig:
        """What the reward is made of.

        Raises:
            UserError: Its network would be too large.
        """
        return RewardConfig(inputs=self.inputs, width=self.width, layers=self.layers)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Fit:
    """What a fit came to.

    Attributes:
        model: The reward, scaled so that over the compared ticks its standard deviation is 1, and,
            where all clips are of one length, its mean 0: answers then say nothing about a
            constant, while with clips of several lengths they do.
        comparisons: How many taught.
        accuracy: Share of the decided ones that it would have given (None: there are none).
        held_out_accuracy: The same over decided answers between attempts that were held out
            together, by the fits that did not know these (None: there are none).
        held_out_answers: How many of those there are.
        loss, held_out_loss: Mean cross-entropy in nats; a toss has 0.693.
        step: After how many steps it was best.
    """

    model: RewardModel
    comparisons: int
    accuracy: float | None
    held_out_accuracy: float | None
    held_out_answers: int
    loss: float
    held_out_loss: float | None
    step: int

    def to_json(self) -> dict[str, Any]:
        """The numbers."""
        return {name: value for name, value in vars(self).items() if name != "model"}


def probability(advantage: Tensor, error_rate: float) -> Tensor:
    """P[left is liked better], eq. 1 with tosses; see the module."""
    return (1 - error_rate) * torch.sigmoid(advantage) + error_rate / 2


def preference_loss(advantage: Tensor, target: Tensor, error_rate: float) -> Tensor:
    """Mean cross-entropy in nats of answers: 1 for left, 0 for right, ½ for equal."""
    if not error_rate:
        return functional.binary_cross_entropy_with_logits(advantage, target)
    return functional.binary_cross_entropy(probability(advantage, error_rate), target)


def fit_preferences(
    recordings: Recordings,
    comparisons: Sequence[Comparison],
    config: PreferenceConfig,
    on_report: Callable[[int, float, float | None], None] = lambda *_: None,
) -> Fit:
    """Fit a reward to answers.

    Args:
        recordings: What the clips are of.
        comparisons: The answers.
        config: How.
        on_report: Told now and then the step, the loss, and that of the held-out answers.

    Raises:
        UserError: There are too few answers, or a setting is out of range.
        WorkFailed: The loss is no longer finite.
    """
    config.check()
    clips = Clips(recordings, comparisons)
    everything = torch.arange(len(clips))
    parts = attempts_apart(clips.episodes, config.held_out, config.seed)
    asked = torch.cat([everything[:0], *(held_out for _, held_out in parts)])
    with torch.random.fork_rng([]):
        fitting = _Fitting(recordings.spec, clips, everything, config)
        apart = [_Fitting(recordings.spec, clips, taught, config) for taught, _ in parts]
    model, best_loss, best_step, step = fitting.model, np.inf, 0, 0
    best, held_out_loss, held_out_accuracy = copy.deepcopy(model.state_dict()), None, None
    while step < config.steps:
        bout = min(config.validate_every, config.steps - step)
        step += bout
        recent, now = fitting.go_on(bout, step), None
        for one in apart:
            one.go_on(bout, step)
        said = _said(clips, [one.model for one in apart], [held_out for _, held_out in parts])
        if parts:
            now = float(preference_loss(said, clips.target[asked], config.error_rate))
        on_report(step, recent, now)
        judged = recent if now is None else now
        if judged < best_loss:
            best, best_loss, best_step = copy.deepcopy(model.state_dict()), judged, step
            held_out_loss, held_out_accuracy = now, _accuracy(said, clips.target[asked])
    model.load_state_dict(best)
    said = _said(clips, [model], [everything])
    fit = Fit(
        model=model.eval(),
        comparisons=len(clips),
        accuracy=_accuracy(said, clips.target),
        held_out_accuracy=held_out_accuracy,
        held_out_answers=int((clips.target[asked] != 0.5).sum()),
        loss=float(preference_loss(said, clips.target, config.error_rate)),
        held_out_loss=held_out_loss,
        step=best_step,
    )
    _scale(model, clips)
    return fit


def attempts_apart(episodes: Tensor, share: float, seed: int) -> list[tuple[Tensor, Tensor]]:
    """Answers that teach and answers that are held out, such that no attempt is in both.

    The attempts are dealt out into 1 / `share` parts. For each the answers between two of its
    attempts are held out, and those between two others teach; what is between one and the other
    does neither, because half of it is known.

    Args:
        episodes: Which two attempts each answer is about, (N, 2).
        share: In [0, 1).
        seed: Of the dealing.

    Returns:
        Places of (taught, held out) answers, one for each part that has both; none for 0, and
        where there are fewer than four attempts.
    """
    attempts, which = torch.unique(episodes, return_inverse=True)
    count = min(max(2, round(1 / share)), len(attempts) // 2) if share else 0
    if count < 2:
        return []
    order = torch.randperm(len(attempts), generator=torch.Generator().manual_seed(seed))
    part = (order % count)[which]
    found = []
    for number in range(count):
        inside = part == number
        taught, held_out = (~inside).all(dim=1), inside.all(dim=1)
        if taught.sum() >= LEAST and held_out.any():
            found.append((taught.nonzero().flatten(), held_out.nonzero().flatten()))
    return found


class _Fitting:
    """A network while it learns from some of the answers."""

    def __init__(self, spec: Spec, clips: Clips, taught: Tensor, config: PreferenceConfig) -> None:
        torch.manual_seed(config.seed)
        self._clips, self._taught, self._config = clips, taught, config
        self._generator = torch.Generator().manual_seed(config.seed)
        self.model = RewardModel(spec, config.reward())
        known = clips.ticks(taught)
        self.model.fit_normalizers(clips.observations[known], clips.actions[known])
        self._optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )

    def go_on(self, steps: int, until: int) -> float:
        """Mean loss of the next so many steps, the last of which is number `until`.

        Raises:
            WorkFailed: It is no longer finite.
        """
        losses = []
        for left in reversed(range(steps)):
            drawn = torch.randint(
                len(self._taught), (self._config.batch_size,), generator=self._generator
            )
            chosen = self._taught[drawn]
            loss = preference_loss(
                self._clips.advantages(self.model, chosen),
                self._clips.target[chosen],
                self._config.error_rate,
            )
            self._optimizer.zero_grad()
            loss.backward()
            self._optimizer.step()
            losses.append(loss.item())
            if not np.isfinite(losses[-1]):
                raise WorkFailed(f"the loss is no longer finite after {until - left} steps")
        return float(np.mean(losses))


@torch.no_grad()
def _said(clips: Clips, models: Sequence[RewardModel], asked: Sequence[Tensor]) -> Tensor:
    """What each model says of its pairs, one after the other; see `Clips.advantages`."""
    said = [clips.advantages(*one) for one in zip(models, asked, strict=True)]
    return torch.cat([torch.zeros(0), *said])


def _accuracy(said: Tensor, target: Tensor) -> float | None:
    decided = target != 0.5
    if not decided.any():
        return None
    return float(((said > 0) == (target > 0.5))[decided].double().mean())


@torch.no_grad()
def _scale(model: RewardModel, clips: Clips) -> None:
    """Mean and standard deviation of the reward into its last layer; see `Fit`."""
    rewards = model(clips.observations, clips.actions, clips.observations)
    spread = float(rewards.std(unbiased=False)) or 1.0
    mean = float(rewards.mean()) if clips.same_length else 0.0
    last = model.network[-1]
    assert isinstance(last, torch.nn.Linear)
    last.weight.div_(spread)
    last.bias.sub_(mean).div_(spread)

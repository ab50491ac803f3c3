"""A reward from preferences: Bradley and Terry's model of who likes which clip better.

Christiano, Leike, Brown, Martic, Legg and Amodei 2017, "Deep reinforcement learning from human
preferences" (arXiv:1706.03741), eq. 1, where σ¹ is liked better than σ² with

    P[σ¹ > σ²] = exp Σ r(o¹, a¹) / (exp Σ r(o¹, a¹) + exp Σ r(o², a²)),

and section 2.2.3: a share ε of the answers is a toss, so that P becomes (1 - ε) P + ε / 2, and
clips that are equally good count as half of each. The loss is the cross-entropy of the answers.
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
from ilrobot.data.labels import held_out_places
from ilrobot.data.memory import Recordings
from ilrobot.errors import WorkFailed
from ilrobot.learners.config import MOST_IN_BATCH
from ilrobot.learners.finetuning.compared_clips import Clips
from ilrobot.ranges import AT_LEAST_1, NOT_NEGATIVE, SHARE, Range, check_ranges
from ilrobot.rewards.config import Inputs, RewardConfig
from ilrobot.rewards.model import RewardModel

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
        held_out: Share of the comparisons by which the best step is chosen, in [0, 1).
        validate_every: Steps between two looks at those.
        seed: Of the split, the weights and the batches.
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
        comparisons: How many taught or were held out.
        accuracy: Share of the decided answers that it was trained on that it would have given
            (None: there are none).
        held_out_accuracy: The same over those held out.
        loss, held_out_loss: Mean cross-entropy in nats; a toss has 0.693.
        step: After how many steps it was best.
    """

    model: RewardModel
    comparisons: int
    accuracy: float | None
    held_out_accuracy: float | None
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
    with torch.random.fork_rng([]):
        torch.manual_seed(config.seed)
        generator = torch.Generator().manual_seed(config.seed)
        model = RewardModel(recordings.spec, config.reward())
        model.fit_normalizers(clips.observations, clips.actions)
        held = torch.from_numpy(held_out_places(len(clips), config.held_out, config.seed))
        taught, held_out = (~held).nonzero().flatten(), held.nonzero().flatten()
        optimiser = torch.optim.AdamW(
            model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        best, best_loss, best_step = copy.deepcopy(model.state_dict()), np.inf, 0
        losses: list[float] = []
        for step in range(1, config.steps + 1):
            drawn = torch.randint(len(taught), (config.batch_size,), generator=generator)
            chosen = taught[drawn]
            loss = preference_loss(
                clips.advantages(model, chosen), clips.target[chosen], config.error_rate
            )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
            if not np.isfinite(losses[-1]):
                raise WorkFailed(f"the loss is no longer finite after {step} steps")
            if step % config.validate_every == 0 or step == config.steps:
                recent, now = float(np.mean(losses[-config.validate_every :])), None
                if len(held_out):
                    now = _loss(clips, model, held_out, config.error_rate)
                on_report(step, recent, now)
                judged = recent if now is None else now
                if judged < best_loss:
                    best, best_loss, best_step = copy.deepcopy(model.state_dict()), judged, step
        model.load_state_dict(best)
    fit = Fit(
        model=model.eval(),
        comparisons=len(clips),
        accuracy=_accuracy(clips, model, taught),
        held_out_accuracy=_accuracy(clips, model, held_out),
        loss=_loss(clips, model, taught, config.error_rate),
        held_out_loss=_loss(clips, model, held_out, config.error_rate) if len(held_out) else None,
        step=best_step,
    )
    _scale(model, clips)
    return fit


@torch.no_grad()
def _loss(clips: Clips, model: RewardModel, chosen: Tensor, error_rate: float) -> float:
    advantage = clips.advantages(model, chosen)
    return float(preference_loss(advantage, clips.target[chosen], error_rate))


@torch.no_grad()
def _accuracy(clips: Clips, model: RewardModel, chosen: Tensor) -> float | None:
    decided = chosen[clips.target[chosen] != 0.5]
    if not len(decided):
        return None
    said = clips.advantages(model, decided) > 0
    return float((said == (clips.target[decided] > 0.5)).double().mean())


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

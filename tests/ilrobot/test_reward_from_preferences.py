"""The reward that preferences lead to: the model, its loss, and what it recovers."""

from __future__ import annotations

import math
from typing import cast

import numpy as np
import pytest
import torch
from torch import Tensor

from ilrobot.data.branches import DISCARDED
from ilrobot.data.comparisons import Answer, Clip, Comparison
from ilrobot.data.episode import Episode, EpisodeInfo, Outcome
from ilrobot.data.memory import MemoryRecordings
from ilrobot.data.transitions import Transitions
from ilrobot.errors import UserError
from ilrobot.learners.finetuning.compared_clips import Clips
from ilrobot.learners.finetuning.preferences import (
    Fit,
    PreferenceConfig,
    attempts_apart,
    fit_preferences,
    preference_loss,
    probability,
)
from ilrobot.rewards.model import RewardModel
from tests.exhaustive import thinned
from tests.ilrobot.preferred import SPEC, answers, rank_correlation, wandering


def fitted(data: MemoryRecordings, given: list[Comparison], **changes: object) -> Fit:
    return fit_preferences(data, given, PreferenceConfig(**{"steps": 300, **changes}))


def test_the_probability_is_that_of_bradley_and_terry():
    sums = torch.tensor([[1.0, 0.5], [-3.0, 2.0]])
    expected = sums.exp()[:, 0] / sums.exp().sum(dim=1)
    advantage = sums[:, 0] - sums[:, 1]
    torch.testing.assert_close(probability(advantage, 0.0), expected)
    # One answer in ten is a toss, half of which go either way.
    torch.testing.assert_close(probability(advantage, 0.1), 0.9 * expected + 0.05)


def test_the_loss_is_the_cross_entropy_and_an_equal_pair_wants_no_advantage():
    half = torch.tensor([0.5])
    toss = preference_loss(torch.zeros(1), half, 0.0)
    assert toss.item() == pytest.approx(math.log(2))
    assert preference_loss(torch.tensor([1.0]), half, 0.0) > toss
    sure = torch.tensor([4.0])
    for error_rate in (0.0, 0.2):
        p = probability(sure, error_rate).item()
        loss = preference_loss(sure, torch.ones(1), error_rate).item()
        assert loss == pytest.approx(-math.log(p), rel=1e-5)
    # Whoever errs at times cannot be held to a single answer.
    assert preference_loss(-20 * torch.ones(1), torch.ones(1), 0.2).item() < 2.4


@pytest.mark.parametrize(
    ("noise", "agrees", "alike"),
    thinned([(0.0, 0.9, 0.9), (0.1, 0.88, 0.88), (0.3, 0.84, 0.8)], [(0.3, 0.84, 0.8)]),
)
def test_the_reward_is_recovered_from_judges_that_err(noise: float, agrees: float, alike: float):
    data, fresh = wandering(), wandering(seed=9)
    fit = fitted(data, answers(data, 400, noise), error_rate=noise)
    # Judged by somebody who does not err, on episodes that were not compared.
    truth = answers(fresh, 300)
    rewards = fit.model.of(Transitions.of(fresh, rewards=True))
    steps = Transitions.of(fresh, rewards=True)
    assert steps.rewards is not None
    assert rank_correlation(rewards, steps.rewards) > alike
    sums = {n: rewards[steps.episode == n].sum() for n in np.unique(steps.episode)}
    said = [sums[c.left.episode] > sums[c.right.episode] for c in truth]
    assert np.mean([s == (c.answer is Answer.LEFT) for s, c in zip(said, truth, strict=True)]) > (
        agrees
    )


def test_no_attempt_teaches_and_is_held_out():
    pairs = torch.combinations(torch.arange(20) * 3)
    parts = attempts_apart(pairs, 0.2, seed=0)
    assert len(parts) == 5
    for taught, held_out in parts:
        assert not set(pairs[taught].flatten().tolist()) & set(pairs[held_out].flatten().tolist())
    assert [len(held_out) for _, held_out in parts] == [6] * 5  # of four attempts each
    assert attempts_apart(pairs, 0.0, seed=0) == []
    assert attempts_apart(pairs[:3], 0.2, seed=0) == []


def test_what_is_not_seen_in_attempts_is_not_said_to_be_known_of_others():
    """Ranks of single attempts, learnt by heart, answer for these alone."""
    data, rng = wandering(20, ticks=5), np.random.default_rng(0)
    worth = rng.normal(size=20)
    given = []
    for _ in range(150):
        left, right = (int(one) for one in rng.choice(20, 2, replace=False))
        better = Answer.LEFT if worth[left] > worth[right] else Answer.RIGHT
        given.append(Comparison(Clip(left, 0, 5), Clip(right, 0, 5), better, "person"))
    fit = fitted(data, given, error_rate=0.0)
    assert fit.held_out_accuracy is not None
    assert fit.held_out_accuracy < 0.7


def test_a_judge_errs_as_often_as_it_is_told_to():
    data = wandering()
    right, wrong = answers(data, 2_000), answers(data, 2_000, error_rate=0.3)
    differ = np.mean([a.answer is not b.answer for a, b in zip(right, wrong, strict=True)])
    assert differ == pytest.approx(0.15, abs=0.03)  # every other toss is right


def test_short_clips_teach_too():
    data = wandering()
    given = answers(data, 400, ticks=4)
    assert {len(clip) for one in given for clip in (one.left, one.right)} == {4}
    held_out = fitted(data, given, error_rate=0.0).held_out_accuracy
    assert held_out is not None
    assert held_out > 0.85


def test_a_reward_of_equal_clips_has_mean_nought_and_deviation_one():
    data = wandering(20)
    fit = fitted(data, answers(data, 100), steps=100, held_out=0.0)
    steps = Transitions.of(data, rewards=False)
    rewards = fit.model(*(torch.from_numpy(x) for x in (steps.observations, steps.actions)), None)
    assert rewards.mean().item() == pytest.approx(0, abs=0.1)
    assert rewards.std().item() == pytest.approx(1, abs=0.1)


def test_clips_of_several_lengths_keep_the_sign_of_the_reward():
    """Whoever likes short episodes better wants every tick to cost something."""
    rng = np.random.default_rng(0)
    made = []
    for length in rng.integers(5, 40, size=30):
        columns = {
            "observation.state": rng.normal(size=(length, 2)).astype(np.float32),
            "action": np.zeros((length, 1), np.float32),
            "next.reward": -np.ones(length, np.float32) + 1e-3 * rng.random(length, np.float32),
        }
        made.append(Episode(EpisodeInfo("hurry", 10.0, outcome=Outcome.UNKNOWN), columns))
    data = MemoryRecordings(SPEC, made)
    fit = fitted(data, answers(data, 200), held_out=0.0)
    assert (fit.model.of(Transitions.of(data, rewards=False)) < 0).mean() > 0.95


def test_the_same_seed_gives_the_same_reward():
    data = wandering(20)
    given = answers(data, 60)
    one, other = (fitted(data, given, steps=30).model.state_dict() for _ in range(2))
    for name, value in one.items():
        assert torch.equal(value, other[name])


def test_skipped_pairs_teach_nothing_and_too_few_answers_are_refused():
    data = wandering(10)
    given = answers(data, 40)
    skipped = [Comparison(c.left, c.right, Answer.SKIP, "person") for c in given]
    assert fitted(data, given + skipped, steps=5).comparisons == 40
    with pytest.raises(UserError, match=r"^3 answers are too few to learn from"):
        fitted(data, skipped + given[:3])
    equal = [Comparison(c.left, c.right, Answer.EQUAL, "person") for c in given]
    with pytest.raises(UserError, match="none of 40 answers is for one side"):
        fitted(data, equal)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"batch_size": 10**6}, "--batch-size must be at most 65536"),
        ({"weight_decay": -1.0}, "--weight-decay must be at least 0"),
        ({"weight_decay": float("nan")}, "--weight-decay must be finite and at least 0"),
        ({"seed": -1}, "--seed must be at least 0"),
        ({"width": 5_000}, "width must be within 1 and 4096"),
    ],
)
def test_settings_out_of_range_are_refused_before_anything_is_fitted(setting, said):
    with pytest.raises(UserError, match=said):
        PreferenceConfig(**setting).check()


def test_what_is_not_finite_is_refused_where_it_is():
    data = wandering(10)
    data.column("observation.state")[17, 1] = np.nan
    with pytest.raises(UserError, match="episode 1, frame 2"):
        fitted(data, answers(data, 60))


def test_what_a_rewind_undid_is_worth_nothing() -> None:
    """Else the longer clip of two is liked for its length."""
    data = wandering(episodes=2, ticks=10)
    columns = {name: data.column(name) for name in ("observation.state", "action")}
    undone = np.zeros(20, bool)
    undone[3:8] = True
    halves = [
        Episode(info, {n: v[part] for n, v in {**columns, DISCARDED: undone}.items()})
        for info, part in zip(data.infos, (slice(10), slice(10, 20)), strict=True)
    ]
    pair = Comparison(Clip(0, 0, 10), Clip(1, 0, 10), Answer.LEFT, "person")
    clips = Clips(MemoryRecordings(SPEC, halves), [pair] * 4)

    def one_a_tick(seen: Tensor, done: Tensor, following: Tensor) -> Tensor:
        return torch.ones(len(seen))

    counted = clips.advantages(cast(RewardModel, one_a_tick), torch.tensor([0]))
    assert counted.tolist() == [5.0 - 10.0]

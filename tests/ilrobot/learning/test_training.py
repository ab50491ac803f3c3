"""The loop: schedules, averaging, early stopping, weights of frames, and what it refuses."""

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from ilrobot.data.episode import Episode, EpisodeInfo, Outcome
from ilrobot.data.memory import MemoryRecordings
from ilrobot.errors import UserError, WorkFailed
from ilrobot.learners.behavioral_cloning import train
from ilrobot.learners.config import TrainConfig
from ilrobot.learners.ema import Ema, ema_decay
from ilrobot.learners.training import learning_rate
from ilrobot.policies.config import PolicyConfig
from tests.ilrobot.learning.small_training import POLICY, TRAIN, metrics_of
from tests.ilrobot.policy_tester import CONTINUOUS, assert_same_weights, recordings


def test_warmup_and_cosine():
    config = TrainConfig(steps=110, warmup=10, learning_rate=2.0)
    rates = [learning_rate(step, config) for step in range(111)]
    assert rates[0] == pytest.approx(0.2)
    assert rates[9] == rates[10] == pytest.approx(2.0)
    assert rates[60] == pytest.approx(1.0)
    assert rates[110] == pytest.approx(0.0)
    assert all(a >= b for a, b in pairwise(rates[10:]))


def test_averaged_weights():
    assert ema_decay(0, 0.999) == 0.0
    assert ema_decay(15, 0.999) == pytest.approx(1 - 16**-0.75)
    assert ema_decay(10**9, 0.999) == 0.999
    model = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        model.weight.fill_(1.0)
    ema = Ema(model, 0.999)
    average = 1.0
    for step, value in enumerate([2.0, 5.0, -1.0]):
        with torch.no_grad():
            model.weight.fill_(value)
        ema.update(step)
        average = ema_decay(step, 0.999) * average + (1 - ema_decay(step, 0.999)) * value
    assert ema.weights[0].item() == pytest.approx(average)
    assert model.weight.item() == -1.0


def test_weights_are_averaged_as_often_as_it_matters():
    model = nn.Linear(1, 1, bias=False)
    ema = Ema(model, 0.999)
    average, changes, values = model.weight.item(), 0, np.random.default_rng(0).normal(size=20_000)
    for step, value in enumerate(np.cumsum(values) / 100):
        with torch.no_grad():
            model.weight.fill_(value)
        before = ema.weights[0].item()
        ema.update(step)
        changes += ema.weights[0].item() != before
        average += (1 - ema_decay(step, 0.999)) * (value - average)
    assert ema.weights[0].item() == pytest.approx(average, abs=0.005)
    assert 1_500 < changes < 6_000


@pytest.mark.parametrize("head", ["mse", "diffusion"])
def test_the_seed_fixes_the_weights(head, tmp_path):
    data, config = recordings(CONTINUOUS), replace(POLICY, head=head)
    torch.manual_seed(1)
    one = train(data, config, TRAIN, tmp_path / "one")
    torch.manual_seed(2)
    two = train(data, config, TRAIN, tmp_path / "two")
    other = train(data, config, replace(TRAIN, seed=1), tmp_path / "other")
    assert_same_weights(one, two)
    assert not torch.equal(next(one.parameters()), next(other.parameters()))


def test_training_leaves_the_callers_random_numbers_alone(tmp_path):
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    train(recordings(CONTINUOUS), POLICY, replace(TRAIN, steps=1), tmp_path / "run")
    assert torch.equal(torch.rand(1), expected)


def test_early_stopping_keeps_the_best_weights(tmp_path):
    data = recordings(CONTINUOUS, episodes=3, length=8)
    config = replace(TRAIN, steps=2000, learning_rate=1e-2, ema=0.0, patience=4)
    policy_config = replace(POLICY, head="mse", dropout=0.0, width=64)
    train(data, policy_config, config, tmp_path / "run")
    rows = metrics_of(tmp_path / "run")
    result = json.loads((tmp_path / "run" / "run.json").read_text())["result"]
    assert result["steps"] == rows[-1]["step"] < 2000
    losses = [row["validation_loss"] for row in rows if row["validation_loss"] is not None]
    assert result["validation_loss"] <= min(losses)
    assert result["validation_loss"] < losses[-1]


def test_sample_weights_decide_between_contradicting_labels(tmp_path):
    data = recordings(CONTINUOUS, episodes=10)
    data.column("action")[:100] = 1.0
    data.column("action")[100:] = -1.0
    weights = np.where(np.arange(200) < 100, 1.0, 1e-6)
    config = replace(TRAIN, steps=200, learning_rate=1e-2, held_out=0.0, patience=0, ema=0.0)
    policy = train(
        data,
        PolicyConfig(width=16, blocks=1),
        config,
        tmp_path / "run",
        frame_weights=weights,
    )
    with torch.no_grad():
        action = policy({name: torch.zeros(1, 1, size) for name, size in _SIZES.items()})
    assert (action > 0.9).all()


_SIZES = {"observation.state": 3, "observation.target": 1}


def test_a_loss_that_is_not_finite_is_work_that_failed(tmp_path):
    data = recordings(CONTINUOUS)
    config = replace(TRAIN, learning_rate=1e30, clip=0.0, weight_decay=0.0)
    said = "no longer finite at step .* lower --learning-rate, into another --output"
    with pytest.raises(WorkFailed, match=said):
        train(data, replace(POLICY, head="mse"), config, tmp_path / "run")


def test_weights_of_frames_are_part_of_what_a_run_is(tmp_path):
    data, config = recordings(CONTINUOUS), replace(TRAIN, steps=2)
    weights = np.linspace(1, 2, data.num_frames)
    train(data, POLICY, config, tmp_path / "run", frame_weights=weights)
    again = {"resume": True, "frame_weights": weights.astype(np.float32).astype(np.float64) * 2}
    for other in ({"resume": True}, again):
        with pytest.raises(UserError, match="begun with frame weights of hash"):
            train(data, POLICY, config, tmp_path / "run", **other)
    train(data, POLICY, config, tmp_path / "run", resume=True, frame_weights=weights)


def _corrected():
    """Two demonstrations that do 1, and an attempt in which a person did -1 in 4 of 20 ticks."""
    episodes = []
    for sources in (["demo"] * 20, ["demo"] * 20, ["policy"] * 16 + ["human"] * 4):
        human = np.array(sources) == "human"
        columns = {
            name: np.zeros((20, size), dtype=np.float32) for name, size in _SIZES.items()
        } | {
            "action": np.where(human, -1, 1).astype(np.float32)[:, None] * np.ones((1, 2), "f4"),
            "control.source": np.array(sources, dtype=object),
            "intervention": human,
        }
        columns["control.human_action"] = np.where(human[:, None], columns["action"], np.nan)
        info = EpisodeInfo("", CONTINUOUS.rate, outcome=Outcome.SUCCESS)
        episodes.append(Episode(info, columns))
    return MemoryRecordings(CONTINUOUS, episodes)


@pytest.mark.parametrize(
    ("weighting", "wanted"),
    # Of the frames that teach 4 of 44 do -1; of the draws one half.
    [("plain", 1 - 2 * 4 / 44), ("iwr", 0.0), ("sirius", 0.0)],
)
def test_the_weighting_decides_what_is_learnt_where_labels_contradict(tmp_path, weighting, wanted):
    data = _corrected()
    config = replace(
        TRAIN,
        steps=300,
        learning_rate=1e-2,
        held_out=0.0,
        patience=0,
        ema=0.99,
        weighting=weighting,
    )
    policy_config = PolicyConfig(width=16, blocks=1)
    policy = train(data, policy_config, config, tmp_path / "run")
    with torch.no_grad():
        action = policy({name: torch.zeros(1, 1, size) for name, size in _SIZES.items()})
    assert action.flatten().tolist() == pytest.approx([wanted] * 2, abs=0.1)
    other = replace(config, weighting="plain" if weighting != "plain" else "iwr")
    said = f"begun with weighting {weighting}, not {other.weighting}"
    with pytest.raises(UserError, match=said):
        train(data, policy_config, other, tmp_path / "run", resume=True)
    other = replace(config, chunk_labels="padded")
    with pytest.raises(UserError, match="begun with chunk labels cut, not padded"):
        train(data, policy_config, other, tmp_path / "run", resume=True)


def test_a_weighting_that_is_unknown_is_told(tmp_path):
    config = replace(TRAIN, weighting="IWR")
    with pytest.raises(UserError, match=r"--weighting must be one of .*sirius, own, not IWR"):
        train(recordings(CONTINUOUS), POLICY, config, tmp_path / "run")


def test_the_last_step_is_always_validated(tmp_path):
    for steps, name in ((7, "short"), (25, "longer")):
        config = replace(TRAIN, steps=steps, validate_every=20, patience=0)
        train(recordings(CONTINUOUS), POLICY, config, tmp_path / name)
        last = metrics_of(tmp_path / name)[-1]
        result = json.loads((tmp_path / name / "run.json").read_text())["result"]
        assert last["step"] == steps
        assert result["validation_loss"] == last["validation_loss"] is not None
        assert result["loss"] == last["loss"]


def test_a_policy_that_no_memory_holds_is_refused(tmp_path):
    huge = replace(POLICY, width=65_536, blocks=1_000)
    with pytest.raises(UserError, match=r"parameters needs [\d,]+ GB .* smaller --width"):
        train(recordings(CONTINUOUS), huge, TRAIN, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"steps": -5}, "--steps must be at least 1, not -5"),
        ({"batch_size": 0}, "--batch-size"),
        ({"learning_rate": 0.0}, "--learning-rate must be positive"),
        ({"held_out": 1.0}, "--held-out"),
        ({"seed": -1}, "--seed must be at least 0, not -1"),
        ({"seed": 2**63}, "--seed must be at most 9223372036854775807"),
        ({"batch_size": 10**12}, "--batch-size must be at most 65536"),
        ({"steps": 10**10}, "--steps must be at most"),
        ({"device": "abacus"}, "--device"),
    ],
)
def test_settings_out_of_range(change, words, tmp_path):
    with pytest.raises(UserError, match=words):
        train(recordings(CONTINUOUS), POLICY, replace(TRAIN, **change), tmp_path / "run")
    assert not (tmp_path / "run").exists()

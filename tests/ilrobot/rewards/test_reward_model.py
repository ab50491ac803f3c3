"""A learnt reward: its normalisation, what it reads, and that it is kept whole."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from reward_worlds import CONTINUOUS, DISCRETE, transitions

from exports.reward_to_onnx import export_reward
from ilrobot.errors import UserError, WorkFailed
from ilrobot.learners.adversarial.gail import GailDiscriminator
from ilrobot.learners.adversarial.rows import Rows
from ilrobot.rewards.config import Inputs, RewardConfig
from ilrobot.rewards.model import RewardModel, biased
from ilrobot.rewards.running_norm import CLIP, RunningNorm
from ilrobot.rotation_units import ROTATION_UNITS
from ilrobot.spec import Feature, Spec

ALL_INPUTS: tuple[Inputs, ...] = ("state", "state-action", "state-action-next")


def make(spec, config, seed=0):
    torch.manual_seed(seed)
    model = RewardModel(spec, config)
    known = transitions(spec)
    model.fit_normalizers(model.tensor(known.observations), model.tensor(known.actions))
    return model, known


def test_batches_are_merged_into_the_mean_and_variance_of_all_rows():
    rows = torch.randn(1000, 3, dtype=torch.float64) * torch.tensor([1e-3, 1.0, 1e4]) + 1e4
    norm = RunningNorm(3)
    for part in (rows[:1], rows[1:700], rows[700:]):
        norm.update(part)
    torch.testing.assert_close(norm.mean, rows.mean(0))
    torch.testing.assert_close(norm.variance, rows.var(0, unbiased=False))
    seen = norm(rows)
    assert seen.mean(0).abs().max() < 1e-6
    assert (seen.std(0, unbiased=False) - 1).abs().max() < 1e-3


def test_what_never_moved_stays_zero_and_outliers_are_clipped():
    norm = RunningNorm(2)
    norm.update(torch.tensor([[5.0, 0.0], [5.0, 1.0]]))
    assert norm(torch.tensor([[5.0, 1e9]])).tolist() == [[0.0, CLIP]]


def test_what_never_moved_says_nothing_where_it_moves_later():
    norm = RunningNorm(3)
    norm.update(torch.tensor([[5.0, 0.0, 0.1], [5.0, 1.0, 0.1]]))
    assert norm(torch.tensor([[5.001, 0.5, 0.0]])).tolist() == [[0.0, 0.0, 0.0]]
    norm.update(torch.tensor([[5.002, 0.5, 0.1]] * 2))
    assert norm(torch.tensor([[5.002, 0.5, 0.0]]))[0, 0] > 0.5


@pytest.mark.parametrize("spec", [CONTINUOUS, DISCRETE], ids=["continuous", "discrete"])
@pytest.mark.parametrize("inputs", ALL_INPUTS)
def test_reads_what_it_says_and_nothing_else(spec, inputs):
    model, known = make(spec, RewardConfig(inputs))
    other = transitions(spec, seed=1)
    rows = [known.observations, known.actions, known.next_observations]
    others = [other.observations, other.actions, other.next_observations]
    reads = [True, model.config.reads_action, model.config.reads_next]
    before = model(*map(model.tensor, rows))
    for place, read in enumerate(reads):
        changed = [*rows[:place], others[place], *rows[place + 1 :]]
        after = model(*map(model.tensor, changed))
        assert torch.equal(before, after) != read


@pytest.mark.parametrize("unit", ["quat_wxyz", "quat_xyzw", "rotvec"])
def test_a_rotation_means_the_same_however_it_is_written(unit: str, tmp_path: Path):
    size = ROTATION_UNITS[unit]
    spec = Spec(
        (Feature("observation.state", (size + 1,), units=("m", *[unit] * size)),),
        Feature("action", (size,), units=(unit,) * size),
        10.0,
        semantics="absolute",
    )
    model, known = make(spec, RewardConfig("state-action"))

    def other(turns: np.ndarray) -> np.ndarray:
        if unit != "rotvec":
            return -turns
        length = np.linalg.norm(turns, axis=1, keepdims=True)
        return (turns * (1 - 2 * np.pi / length)).astype(np.float32)

    written = known.observations.copy()
    written[:, 1:] = other(written[:, 1:])
    before = model.of(known)
    assert np.ptp(before) > 0.1
    rewritten = replace(known, observations=written, actions=other(known.actions))
    np.testing.assert_allclose(model.of(rewritten), before, atol=1e-4)
    assert export_reward(model, tmp_path / "reward.onnx", known).holds


def test_an_angle_means_the_same_after_a_whole_turn():
    model, known = make(CONTINUOUS, RewardConfig("state"))
    turned = known.observations.copy()
    turned[:, 1] += 2 * np.pi
    rest = model.tensor(known.actions), model.tensor(known.next_observations)
    torch.testing.assert_close(
        model(model.tensor(known.observations), *rest),
        model(model.tensor(turned), *rest),
        atol=1e-4,
        rtol=1e-4,
    )


def test_in_an_absorbing_state_neither_observation_nor_action_counts():
    model, known = make(CONTINUOUS, RewardConfig("state-action-next", absorbing=True))
    rows = [model.tensor(r) for r in (known.observations, known.actions, known.next_observations)]
    over = torch.ones(len(known))
    rewards = model(*rows, absorbing=over, next_absorbing=over)
    torch.testing.assert_close(rewards, rewards[:1].expand(len(known)))
    assert not torch.equal(model(*rows), rewards)


@pytest.mark.parametrize("spec", [CONTINUOUS, DISCRETE], ids=["continuous", "discrete"])
def test_an_end_by_itself_brings_a_learner_what_staying_over_for_ever_is_worth(spec):
    model, known = make(spec, RewardConfig("state-action-next", absorbing=True))
    ends, cut = np.zeros(50, bool), np.zeros(50, bool)
    ends[[7, 49]], cut[20] = True, True
    made = replace(known, terminal=ends, timeout=cut)
    rows = [model.tensor(r) for r in (known.observations, known.actions, known.next_observations)]
    over = torch.ones(50)
    with torch.no_grad():
        worth = float(model(*rows, absorbing=over, next_absorbing=over)[0])
    assert model.absorbing_reward == pytest.approx(worth, abs=1e-6)
    expected = model.of(made)
    expected[[7, 49]] += 0.9 / (1 - 0.9) * worth
    np.testing.assert_allclose(model.of(made, discount=0.9), expected, rtol=1e-5)


@pytest.mark.parametrize("absorbing", [True, False])
def test_what_follows_an_end_by_itself_is_seen_as_it_was_taught(absorbing):
    model, known = make(CONTINUOUS, RewardConfig("state-action-next", absorbing=absorbing))
    ends, cut = np.zeros(50, bool), np.zeros(50, bool)
    ends[[7, 49]], cut[20] = True, True
    made = replace(known, terminal=ends, timeout=cut)
    taught = Rows.of(made, model.tensor, absorbing=False)
    with torch.no_grad():
        expected = model.score(GailDiscriminator(model, "none").features(taught)).numpy()
    np.testing.assert_allclose(model.of(made), expected, rtol=1e-5)
    np.testing.assert_array_equal(model.of(made)[~ends], model.of(known)[~ends])


def test_without_an_absorbing_state_an_end_is_worth_its_step():
    model, known = make(CONTINUOUS, RewardConfig())
    made = replace(known, terminal=np.ones(50, bool))
    assert model.absorbing_reward is None
    np.testing.assert_array_equal(model.of(made, discount=0.9), model.of(known))


def test_each_termination_bias_has_the_sign_that_it_declares():
    scores = torch.linspace(-8, 8, 101)
    likely = torch.sigmoid(scores)
    torch.testing.assert_close(biased(scores, "survive"), -torch.log(1 - likely), rtol=1e-3, atol=0)
    torch.testing.assert_close(biased(scores, "finish"), torch.log(likely), rtol=1e-3, atol=1e-6)
    assert (biased(scores, "survive") > 0).all()
    assert (biased(scores, "finish") < 0).all()
    assert torch.equal(biased(scores, "none"), scores)


@pytest.mark.parametrize("spec", [CONTINUOUS, DISCRETE], ids=["continuous", "discrete"])
def test_is_the_same_after_saving_and_loading(tmp_path: Path, spec):
    model, known = make(spec, RewardConfig(width=7, layers=3, termination_bias="survive"))
    model.save(tmp_path / "reward.pt")
    again = RewardModel.load(tmp_path / "reward.pt")
    assert again.config == model.config
    assert again.spec == model.spec
    np.testing.assert_array_equal(again.of(known), model.of(known))


def test_a_damaged_file_is_one_line(tmp_path: Path):
    model, _ = make(CONTINUOUS, RewardConfig())
    file = tmp_path / "reward.pt"
    with pytest.raises(UserError, match="there is no file"):
        RewardModel.load(file)
    model.save(file)
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(UserError, match="copy it again"):
        RewardModel.load(file)
    with torch.no_grad():
        next(model.parameters()).fill_(np.nan)
    model.save(file)
    with pytest.raises(WorkFailed, match="not finite"):
        RewardModel.load(file)


@pytest.mark.parametrize("spec", [CONTINUOUS, DISCRETE], ids=["continuous", "discrete"])
def test_exported_gives_the_same_rewards_for_any_number_of_transitions(tmp_path: Path, spec):
    inputs: Inputs = "state-action-next" if spec.choices is None else "state-action"
    model, known = make(spec, RewardConfig(inputs, absorbing=spec.choices is None))
    file = tmp_path / "reward.onnx"
    parity = export_reward(model, file, known)
    assert parity.holds
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    described = json.loads(session.get_modelmeta().custom_metadata_map["ilrobot.reward"])
    assert described["absorbing"] == model.absorbing_reward
    state = model.spec.observations[0].size
    given = {"action": known.actions}
    if spec.choices is not None:
        given["action"] = known.actions[:, 0].astype(np.int64)
    for prefix, rows in (("", known.observations), ("next.", known.next_observations)):
        given[f"{prefix}observation.state"] = rows[:, :state]
        given[f"{prefix}observation.gripper"] = rows[:, state:]
    given = {entry.name: given[entry.name] for entry in session.get_inputs()}
    assert len(given) == (2 if spec.choices is not None else 5)
    found = session.run(["reward"], given)[0]
    np.testing.assert_allclose(found, model.of(known), atol=1e-5)


def test_a_model_that_gives_nan_is_not_exported(tmp_path: Path):
    model, known = make(CONTINUOUS, RewardConfig("state"))
    with torch.no_grad():
        next(model.parameters()).fill_(np.nan)
    with pytest.raises(WorkFailed, match="differs from the trained reward"):
        export_reward(model, tmp_path / "reward.onnx", known)
    assert not list(tmp_path.iterdir())

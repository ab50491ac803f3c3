"""A head that reads the history with an LSTM: what it reads, and that each tick of it teaches."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from ilrobot.data.episode import Episode, EpisodeInfo, Outcome
from ilrobot.data.memory import MemoryRecordings
from ilrobot.data.stray import Stray
from ilrobot.data.windows import Windows
from ilrobot.errors import UserError
from ilrobot.learners.behavioral_cloning import train
from ilrobot.learners.config import TrainConfig
from ilrobot.learners.training import Training
from ilrobot.policies.config import PolicyConfig
from ilrobot.policies.heads.ensemble import EnsembleHead
from ilrobot.policies.heads.recurrent import RecurrentHead
from ilrobot.policies.policy import Policy
from ilrobot.policies.tensor_file import load_tensors, save_tensors
from ilrobot.spec import Feature, Spec
from tests.ilrobot.policy_tester import CONTINUOUS, example, recordings

SMALL = PolicyConfig(
    head="mixture", network="rnn", n_obs=3, horizon=2, width=16, blocks=1, sampler_steps=2
)
TRAINING = TrainConfig(
    steps=6, batch_size=8, warmup=2, validate_every=3, learning_rate=1e-3, device="cpu"
)
OBSERVED = 5  # three plain elements, and an angle's sine and cosine
SEEN = Feature("x", (1,), units=("m",))


def policy_of(**changes):
    torch.manual_seed(0)
    return Policy(CONTINUOUS, replace(SMALL, **changes))


def numbered(*, interventions=None, weighting="plain", frame_weights=None, perturb=None):
    """Two episodes of 6 ticks, the action of which is the tick's number."""
    spec = Spec((SEEN,), Feature("action", (1,), units=("m",)), 10.0)
    ticks = np.arange(12, dtype=np.float32).reshape(2, 6, 1)
    info = EpisodeInfo("", 10.0, outcome=Outcome.SUCCESS)
    episodes = []
    for number, x in enumerate(ticks):
        columns = {"x": x, "action": x}
        if interventions is not None:
            columns |= interventions(number, x)
        episodes.append(Episode(info, columns))
    return Windows(
        MemoryRecordings(spec, episodes),
        n_obs=3,
        horizon=2,
        weighting=weighting,
        frame_weights=frame_weights,
        perturb=perturb,
    )


def test_it_is_an_lstm_and_a_head_on_its_last_state():
    head = policy_of(head="mse").head
    assert isinstance(head, RecurrentHead)
    reference = nn.LSTM(OBSERVED, 16, 2, batch_first=True)
    reference.load_state_dict(
        dict(zip(reference.state_dict(), head.lstm.parameters(), strict=True))
    )
    condition = torch.randn(4, 3 * OBSERVED)
    states, _ = reference(condition.unflatten(1, (3, OBSERVED)))
    torch.testing.assert_close(head.states(condition), states)
    torch.testing.assert_close(head(condition), head.head(states[:, -1]))


def test_everything_seen_and_every_weight_matters():
    head = policy_of(head="mse").head
    condition = torch.randn(2, 3 * OBSERVED, requires_grad=True)
    gradients = torch.autograd.grad(head(condition).square().sum(), [condition, *head.parameters()])
    assert bool((gradients[0] != 0).all())
    assert all(bool(gradient.any()) for gradient in gradients)


@pytest.mark.parametrize("name", ["mse", "gaussian", "mixture"])
def test_the_loss_of_a_tick_is_that_of_what_was_seen_up_to_it(name):
    head = policy_of(head=name).head
    condition, labels = torch.randn(4, 3 * OBSERVED), torch.randn(4, 3, 2, 2)
    mask = torch.ones(4, 3, 2, dtype=torch.bool)
    losses = head.loss(condition, labels.flatten(0, 1), mask.flatten(0, 1)).unflatten(0, (4, 3))
    for tick in range(3):
        shorter = policy_of(head=name, n_obs=tick + 1).head
        shorter.load_state_dict(head.state_dict())
        alone = shorter.loss(condition[:, : (tick + 1) * OBSERVED], labels[:, tick], mask[:, tick])
        torch.testing.assert_close(losses[:, tick], alone)
    newest = head.loss(condition, labels[:, -1], mask[:, -1])
    torch.testing.assert_close(newest, losses[:, -1])


def test_each_tick_of_a_window_is_taught_what_was_done_at_it():
    windows = numbered()
    batch = windows.drawn(torch.tensor([4, 7]), 3)
    assert batch.ticks == 3
    assert batch.observations["x"][:, :, 0].tolist() == [[2, 3, 4], [6, 6, 7]]
    assert batch.actions[:3, :, 0].tolist() == [[2, 3], [3, 4], [4, 5]]
    # Before an episode begins nothing was done.
    assert batch.weight.tolist() == [1, 1, 1, 0, 1, 1]
    assert batch.actions[4:, :, 0].tolist() == [[6, 7], [7, 8]]
    assert batch.mask.any(dim=1).all()


def test_a_tick_that_teaches_nobody_does_not_teach_as_an_earlier_one():
    weights = np.ones(12)
    weights[3] = 0
    batch = numbered(frame_weights=weights).drawn(torch.tensor([3, 4, 5]), 3)
    taught = (batch.weight > 0).reshape(3, 3).tolist()
    assert taught == [[True, True, False], [True, False, True], [False, True, True]]


def test_whichever_windows_are_drawn_a_tick_teaches_by_its_own_weight():
    """Over all draws an earlier tick weighs what it does as the newest of its own window."""

    def corrected(number, x):
        source = np.array(["policy"] * 4 + ["human"] * 2)
        columns = {"control.source": source, "intervention": source == "human"}
        asked = np.where(source == "human", x[:, 0], np.nan)[:, None]
        return {**columns, "control.human_action": asked}

    windows = numbered(interventions=corrected, weighting="iwr")
    whole = windows.take(torch.arange(len(windows))).weight
    drawn = np.diff(np.concatenate([[0], windows._cumulated.numpy()]))
    batch = windows.drawn(torch.arange(len(windows)), 3)
    earlier = batch.weight.reshape(-1, 3)[:, 1].numpy() * drawn
    for window in range(1, len(windows)):
        if window == 6:
            continue
        assert earlier[window] / whole[window - 1] == pytest.approx(earlier[1] / whole[0])
    assert len(set(whole.tolist())) > 1


def test_a_perturbed_window_teaches_at_its_newest_tick_alone():
    windows = numbered(perturb=Stray((0.1,), {"x": ((1.0,),)}, ((1.0,),), ticks=2))
    assert windows.drawn(torch.tensor([4, 5]), 3).ticks == 1


def test_ways_to_go_begin_where_each_tick_is():
    spec = Spec(
        (Feature("x", (1,), units=("m",), names=("x",)),),
        Feature("action", (1,), units=("m",), names=("target_x",)),
        10.0,
    )
    policy = Policy(spec, PolicyConfig(network="rnn", n_obs=3, horizon=2, actions="relative"))
    batch = numbered().drawn(torch.tensor([3, 4]), 3)
    ways = policy.represent(batch.actions, batch.observations, batch.ticks)
    assert (ways - ways[:1]).abs().max() < 1e-6  # at each tick 0 and 1 m
    alone = policy.represent(batch.actions[2::3], batch.observations)
    torch.testing.assert_close(ways[2::3], alone)


@pytest.mark.parametrize("members", [1, 2])
def test_training_asks_for_every_tick(members, monkeypatch):
    asked, drawn = [], Windows.drawn

    def heard(windows, index, ticks=1):
        asked.append(ticks)
        return drawn(windows, index, ticks)

    policy = policy_of(members=members)
    windows = Windows(recordings(CONTINUOUS), n_obs=3, horizon=2)
    monkeypatch.setattr(Windows, "drawn", heard)
    Training(policy, windows, None, TRAINING).advance()
    assert asked == [3]
    assert policy_of(members=members, network="transformer").members[0].ticks == 1


def test_members_learn_apart():
    policy = policy_of(members=2)
    assert isinstance(policy.head, EnsembleHead)
    windows = Windows(recordings(CONTINUOUS), n_obs=3, horizon=2)
    index = torch.tensor([5, 30])
    batch = windows.drawn(index, 3)
    losses = policy.loss(batch)
    condition = policy.encode(batch.observations)
    labels = policy.represent(batch.actions, batch.observations, 3)
    for member, part in zip(policy.head.members, (0, 1), strict=True):
        rows = slice(3 * part, 3 * part + 3)
        alone = member.loss(condition[part : part + 1], labels[rows], batch.mask[rows])
        torch.testing.assert_close(losses[rows], alone)


def formerly(state, prefix="head."):
    """Names of weights as they were when a head's network began with the LSTM."""
    former = {}
    for name, value in state.items():
        own = name.removeprefix(prefix)
        if own == name:
            former[name] = value
        elif own.startswith("lstm."):
            former[f"{prefix}network.{own}"] = value
        elif own.startswith("head.network."):
            former[f"{prefix}network.decode.{own.removeprefix('head.network.')}"] = value
        else:
            former[f"{prefix}{own.removeprefix('head.')}"] = value
    return former


@pytest.mark.parametrize("head", ["mixture", "mse", "bins", "flow"])
def test_a_policy_of_before_acts_as_it_did(head, tmp_path):
    policy, file = policy_of(head=head).eval(), tmp_path / "policy.pt"
    policy.save(file)
    content = load_tensors(file)
    content["weights"] = formerly(content["weights"])
    assert content["weights"].keys() != policy.state_dict().keys()
    save_tensors(file, content)
    given = example(policy, batch=3)
    with torch.no_grad():
        assert torch.equal(Policy.load(file)(*given), policy(*given))


def test_a_policy_of_before_with_two_lstms_is_refused(tmp_path):
    policy, file = policy_of(head="cvae"), tmp_path / "policy.pt"
    policy.save(file)
    content = load_tensors(file)
    content["weights"]["head.decoder.lstm.0"] = content["weights"].pop("head.lstm.0")
    save_tensors(file, content)
    with pytest.raises(UserError, match=r"has two LSTMs, where now is one; train it again"):
        Policy.load(file)


def test_a_run_of_before_that_is_not_done_is_not_gone_on_with(tmp_path):
    """The optimiser's moments lie in the order of the weights, which is another."""
    data, run = recordings(CONTINUOUS), tmp_path / "run"
    train(data, SMALL, TRAINING, run)
    (run / "policy.pt").unlink()
    content = load_tensors(run / "checkpoint.pt")
    content["training"]["policy"] = formerly(content["training"]["policy"])
    save_tensors(run / "checkpoint.pt", content)
    with pytest.raises(UserError, match=r"does not fit its run; begin again in another --output"):
        train(data, SMALL, TRAINING, run, resume=True)

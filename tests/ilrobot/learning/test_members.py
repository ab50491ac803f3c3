"""Members of an ensemble: what each is trained on, how they act together, when they differ."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from ilrobot.data.episode import Episode, EpisodeInfo, Outcome
from ilrobot.data.memory import MemoryRecordings
from ilrobot.data.windows import Windows
from ilrobot.ensemble import novelty, spread
from ilrobot.learners.behavioral_cloning import train
from ilrobot.learners.bootstrap import Bootstraps
from ilrobot.learners.config import TrainConfig
from ilrobot.learners.training import Training
from ilrobot.learners.validation import validation_loss
from ilrobot.policies.config import PolicyConfig
from ilrobot.policies.heads.stacked_ensemble import StackedEnsemble
from ilrobot.policies.in_batches import opinions, predict_batch
from ilrobot.policies.policy import Policy
from ilrobot.spec import Feature, Spec
from tests.exhaustive import thinned
from tests.ilrobot.policy_tester import CONTINUOUS, DISCRETE, example, recordings

SMALL = PolicyConfig(n_obs=2, horizon=4, execute=2, width=16, blocks=1, sampler_steps=3, members=3)
TRAIN = TrainConfig(steps=20, batch_size=8, warmup=0, held_out=0.0, patience=0, device="cpu")


def numbered(count: int) -> Windows:
    """Windows whose only label is their number."""
    spec = Spec((Feature("x", (1,)),), Feature("action", (1,)), 10.0)
    x = np.arange(count, dtype=np.float32)[:, None]
    episode = Episode(EpisodeInfo("", 10.0, outcome=Outcome.SUCCESS), {"x": x, "action": x})
    return Windows(MemoryRecordings(spec, [episode]), n_obs=1, horizon=1)


def seen(windows: Windows, members: int, seed: int) -> list[list[int]]:
    """Which windows each member is ever given."""
    bootstraps = Bootstraps(windows, members, seed)
    batch = bootstraps.sample(20_000, torch.Generator().manual_seed(0))
    return [sorted(set(part.flatten().int().tolist())) for part in batch.actions.chunk(members)]


def test_each_member_has_its_own_bootstrap_of_the_windows():
    windows = numbered(1000)
    first = seen(windows, 3, seed=0)
    assert [len(part) / 1000 for part in first] == pytest.approx([1 - np.exp(-1)] * 3, abs=0.04)
    assert first[0] != first[1] != first[2]
    assert seen(windows, 5, seed=0)[:3] == first  # it depends on the seed and the member alone
    assert seen(windows, 3, seed=1)[0] != first[0]


def test_a_member_learns_as_it_would_alone():
    """With nothing else drawn at random, from the same weights and batches: the same steps."""
    plain = replace(SMALL, head="mse")
    data = recordings(CONTINUOUS)
    windows = Windows(data, n_obs=2, horizon=4)
    config = replace(TRAIN, clip=0.1)  # so low that it always clips
    together = Policy(CONTINUOUS, plain)
    together.fit_normalizers(windows)
    alone = Policy(CONTINUOUS, replace(plain, members=1))
    alone.fit_normalizers(windows)
    alone.head.load_state_dict(together.members[1].state_dict())

    bootstraps = Bootstraps(windows, 3, config.seed)

    class SecondPart:
        device = windows.device

        def sample(self, batch_size, generator, ticks):
            batch = bootstraps.sample(batch_size, generator)
            part = slice(batch_size, 2 * batch_size)
            return replace(
                batch,
                observations={name: value[part] for name, value in batch.observations.items()},
                actions=batch.actions[part],
                mask=batch.mask[part],
                weight=batch.weight[part],
            )

    Training(together, windows, None, config).run(lambda progress: None)
    Training(alone, SecondPart(), None, config).run(lambda progress: None)
    pairs = zip(together.members[1].parameters(), alone.head.parameters(), strict=True)
    for one, other in pairs:
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_its_validation_loss_is_the_mean_of_its_members():
    windows = Windows(recordings(CONTINUOUS), n_obs=2, horizon=4)
    together = Policy(CONTINUOUS, replace(SMALL, head="mse"))
    together.fit_normalizers(windows)
    losses = []
    for member in together.members:
        alone = Policy(CONTINUOUS, replace(SMALL, head="mse", members=1))
        alone.fit_normalizers(windows)
        alone.head.load_state_dict(member.state_dict())
        losses.append(validation_loss(alone, windows))
    assert len(set(losses)) == 3
    assert validation_loss(together, windows) == pytest.approx(np.mean(losses), rel=1e-5)


def test_choices_are_decided_by_majority_and_ties_by_the_first():
    head = Policy(DISCRETE, replace(SMALL, head="cross-entropy")).head
    votes = torch.tensor([[[2, 1, 0]], [[2, 0, 2]], [[0, 1, 1]]])  # three members, a chunk of three
    assert head.combine(votes).tolist() == [[2, 1, 0]]


@pytest.mark.parametrize("members", [1, 3])
@pytest.mark.parametrize("head", ["mse", "diffusion", "cross-entropy"])
def test_many_situations_at_once_are_each_as_alone(head, members):
    spec = DISCRETE if head == "cross-entropy" else CONTINUOUS
    torch.manual_seed(0)
    policy = Policy(spec, replace(SMALL, head=head, members=members))
    observations, _ = example(policy, batch=1500)
    histories = {name: value.numpy() for name, value in observations.items()}
    chunks = predict_batch(policy, histories, seed=4)
    assert chunks.shape == (1500, 4, *spec.action.shape)
    np.testing.assert_array_equal(predict_batch(policy, histories, seed=4), chunks)
    noise = None
    if policy.noise_shape is not None:
        noise = np.random.default_rng(4).standard_normal((1500, *policy.noise_shape), "f4")
    mean, each = opinions(policy, histories, noise)
    np.testing.assert_array_equal(mean, chunks)
    assert each.shape == (members, 1500, 4, *spec.action.shape)
    if head == "diffusion":
        np.testing.assert_array_equal(each[0], chunks)
    elif head == "mse":
        np.testing.assert_allclose(each.mean(axis=0), chunks, atol=1e-5)

    for row in (0, 1200):
        alone = {name: value[row : row + 1] for name, value in observations.items()}
        drawn = None if noise is None else torch.from_numpy(noise[row : row + 1])
        with torch.no_grad():
            np.testing.assert_allclose(policy(alone, drawn)[0], chunks[row], atol=1e-5)
    none = {name: value[:0] for name, value in histories.items()}
    assert predict_batch(policy, none).shape == (0, 4, *spec.action.shape)


def test_members_part_where_there_was_no_data(tmp_path):
    """Taught for x within -1 and 1; asked from there to 3."""
    spec = Spec((Feature("x", (1,)),), Feature("action", (1,), low=(-1.0,), high=(1.0,)), 10.0)
    rng = np.random.default_rng(0)
    episodes = []
    for _ in range(20):
        x = rng.uniform(-1, 1, (25, 1)).astype(np.float32)
        action = np.sin(3 * x) + rng.normal(0, 0.05, x.shape).astype(np.float32)
        info = EpisodeInfo("", 10.0, outcome=Outcome.SUCCESS)
        episodes.append(Episode(info, {"x": x, "action": action.astype(np.float32)}))
    config = PolicyConfig(width=32, blocks=1, members=5)
    training = replace(TRAIN, steps=300, batch_size=64)
    policy = train(MemoryRecordings(spec, episodes), config, training, tmp_path / "run")

    asked = np.linspace(-3, 3, 121, dtype=np.float32)
    _, each = opinions(policy, {"x": asked.reshape(-1, 1, 1)})
    found = novelty(spread(each[:, :, 0], spec, policy.disagreement_scale))
    inside = np.abs(asked) < 0.9
    assert np.median(found[np.abs(asked) > 2]) > 10 * np.median(found[inside])
    actor = policy.actor()
    actor.reset(0)
    observation = {"x": asked[:1]}
    actor.act(observation, 0.0)
    assert actor.novelty(observation) == pytest.approx(found[0], rel=1e-4)


@pytest.mark.parametrize("head", thinned(["mixture", "bins", "diffusion"], ["bins"]))
def test_members_that_sample_keep_two_right_answers_apart(head, tmp_path):
    """Always -1 or always +1 over a chunk; what lies between was never shown."""
    spec = Spec((Feature("x", (1,)),), Feature("action", (1,), low=(-1.0,), high=(1.0,)), 10.0)
    side = np.random.default_rng(0).choice([-1.0, 1.0], 60)
    info = EpisodeInfo("", 10.0, outcome=Outcome.SUCCESS)
    ones = np.ones((4, 1), np.float32)
    episodes = [Episode(info, {"x": 0 * ones, "action": s * ones}) for s in side.astype(np.float32)]
    config = PolicyConfig(
        head=head, horizon=2, execute=2, width=32, blocks=1, members=3, diffusion_steps=20
    )
    training = replace(TRAIN, steps=400, batch_size=64, learning_rate=3e-3)
    policy = train(MemoryRecordings(spec, episodes), config, training, tmp_path / "run")
    chunks = predict_batch(policy, {"x": np.zeros((200, 1, 1), np.float32)}, seed=0)
    assert np.mean(np.abs(np.abs(chunks) - 1) < 0.3) > 0.95
    assert 0.2 < np.mean(chunks > 0) < 0.8


SAMPLERS = ["diffusion", "flow", "mip"]
IN_ONE_HEAD = ["mse", "l1", "gaussian", "mixture", "bins", "cvae", "cross-entropy", *SAMPLERS]


def both_ways(head: str) -> tuple[Policy, Policy]:
    """The same ensemble computed one member after the other, and all at once."""
    spec = DISCRETE if head == "cross-entropy" else CONTINUOUS
    stacked = Policy(spec, replace(SMALL, head=head, blocks=2))
    assert isinstance(stacked.head, StackedEnsemble)
    stacked.fit_normalizers(Windows(recordings(spec), n_obs=2, horizon=4))
    apart = Policy(spec, stacked.config)
    apart.head = stacked.head.one_by_one()
    apart.load_state_dict(stacked.state_dict())  # the same names, the same shapes
    return apart.eval(), stacked.eval()


@pytest.mark.parametrize("head", IN_ONE_HEAD)
def test_members_in_one_head_answer_as_each_does_alone(head):
    torch.manual_seed(0)
    apart, stacked = both_ways(head)
    observations, noise = example(apart, batch=7)
    with torch.no_grad():
        (one, each), (other, together) = (p.opinions(observations, noise) for p in (apart, stacked))
        torch.testing.assert_close(together, each)
        torch.testing.assert_close(other, one)
        torch.testing.assert_close(stacked(observations, noise), apart(observations, noise))
    assert (each[0] != each[1]).any()


@pytest.mark.parametrize("head", SAMPLERS)
@torch.no_grad()
def test_members_in_one_head_are_led_as_each_is_alone(head):
    torch.manual_seed(0)
    apart, stacked = both_ways(head)
    observations, noise = example(apart, batch=7)
    plan = torch.rand(7, 4, 2)
    weights = torch.rand(7, apart.sampler_steps, 4)
    (one, each), (other, together) = (
        p.opinions(observations, noise, plan, weights) for p in (apart, stacked)
    )
    torch.testing.assert_close(together, each)
    torch.testing.assert_close(other, one)
    assert (each != apart.opinions(observations, noise)[1]).any()


@pytest.mark.parametrize("head", ["mse", "gaussian", "mixture", "bins", "cross-entropy", *SAMPLERS])
def test_members_in_one_head_learn_by_the_loss_of_each(head, monkeypatch):
    """Where what a loss draws is the same for all."""
    torch.manual_seed(0)
    apart, stacked = both_ways(head)
    monkeypatch.setattr(torch, "randn_like", lambda like: torch.full_like(like, 0.7))
    monkeypatch.setattr(torch, "rand", lambda *shape, device: torch.full(shape, 0.4))
    monkeypatch.setattr(torch, "randint", lambda _, shape, device: torch.ones(shape).long())
    windows = Windows(recordings(apart.spec), n_obs=2, horizon=4)
    batch = windows.take(torch.arange(15))
    losses = [policy.loss(batch) for policy in (apart, stacked)]
    torch.testing.assert_close(losses[1], losses[0])
    for loss, policy in zip(losses, (apart, stacked), strict=True):
        loss.sum().backward()
        policy.head.clip_gradients(0.1)
    for index in range(3):
        own = dict(apart.head.members[index].named_parameters())
        for name, parameter in stacked.head.together.named_parameters():
            torch.testing.assert_close(parameter.grad[index], own[name].grad)


def test_members_in_one_head_drop_out_each_for_itself():
    torch.manual_seed(0)
    policy = Policy(CONTINUOUS, replace(SMALL, head="mse", dropout=0.5, width=64))
    state = policy.state_dict()
    policy.load_state_dict(
        {name: state[re.sub(r"members\.\d", "members.0", name)] for name in state}
    )
    observations, _ = example(policy)
    for training in (True, False):
        policy.train(training)
        _, chunks = policy.opinions(observations)
        assert bool((chunks[0] == chunks[1]).all()) is not training

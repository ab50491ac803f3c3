"""Which frames teach, how windows are padded and masked, what is refused."""

import numpy as np
import pytest
import torch

from ilrobot.data.episode import Episode, EpisodeInfo, Outcome
from ilrobot.data.labels import labels, split_episodes
from ilrobot.data.memory import MemoryRecordings
from ilrobot.data.windows import Windows
from ilrobot.errors import UserError
from ilrobot.learners.config import TrainConfig
from ilrobot.learners.split import split_windows
from ilrobot.policies.config import PolicyConfig
from ilrobot.spec import Feature, Spec

SPEC = Spec((Feature("observation.state", (2,)),), Feature("action", (1,)), 10.0)
NAN = float("nan")


def _episode(length, outcome=Outcome.SUCCESS, *, first=0, sources=None, wanted=None):
    """Frame t has state (first + t, -(first + t)) and action 10 (first + t)."""
    t = np.arange(first, first + length, dtype=np.float32)
    columns = {
        "observation.state": np.stack([t, -t], axis=1),
        "action": 10 * t[:, None],
    }
    if sources is not None:
        columns["control.source"] = np.array(sources, dtype=object)
        columns["intervention"] = np.array([source == "human" for source in sources])
        columns["control.human_action"] = np.array(wanted, dtype=np.float32)[:, None]
    return Episode(EpisodeInfo("", 10.0, outcome=outcome), columns)


def _data(*episodes, spec=SPEC):
    return MemoryRecordings(spec, episodes)


def _all(windows):
    return windows.take(torch.arange(len(windows)))


def test_history_starts_with_copies_of_the_first_frame_and_chunks_end_masked():
    batch = _all(Windows(_data(_episode(3), _episode(2, first=7)), n_obs=3, horizon=3))
    assert batch.observations["observation.state"][..., 0].tolist() == [
        [0, 0, 0],
        [0, 0, 1],
        [0, 1, 2],
        [7, 7, 7],
        [7, 7, 8],
    ]
    assert torch.equal(
        batch.observations["observation.state"][..., 1],
        -batch.observations["observation.state"][..., 0],
    )
    assert batch.actions[..., 0].tolist() == [
        [0, 10, 20],
        [10, 20, 20],
        [20, 20, 20],
        [70, 80, 80],
        [80, 80, 80],
    ]
    assert batch.mask.sum(dim=1).tolist() == [3, 2, 1, 2, 1]
    assert batch.mask[:, 0].all()
    assert batch.weight.tolist() == [1] * 5


def test_windows_equal_those_cut_one_by_one():
    rng = np.random.default_rng(0)
    episodes = [_episode(int(n), first=100 * i) for i, n in enumerate(rng.integers(1, 12, 20))]
    data = _data(*episodes)
    windows = Windows(data, n_obs=4, horizon=6)
    batch = _all(windows)
    state, action = data.column("observation.state"), data.column("action")
    index = 0
    for start, end in zip(data.starts[:-1], data.starts[1:], strict=True):
        for t in range(start, end):
            history = state[np.maximum(np.arange(t - 3, t + 1), start)]
            chunk = np.arange(t, t + 6)
            np.testing.assert_array_equal(batch.observations["observation.state"][index], history)
            np.testing.assert_array_equal(batch.actions[index], action[np.minimum(chunk, end - 1)])
            np.testing.assert_array_equal(batch.mask[index], chunk < end)
            index += 1
    assert index == len(windows) == data.num_frames


def test_a_draw_depends_on_its_generator_alone_and_reaches_every_window():
    windows = Windows(_data(_episode(5), _episode(4)), n_obs=1, horizon=1)
    draws = [windows.sample(500, torch.Generator().manual_seed(3)) for _ in range(2)]
    assert torch.equal(draws[0].actions, draws[1].actions)
    assert len(set(draws[0].actions.flatten().tolist())) == 5


@pytest.mark.parametrize(
    ("outcome", "teaches"),
    [
        (Outcome.SUCCESS, True),
        (Outcome.UNKNOWN, True),
        (Outcome.FAILURE, False),
        (Outcome.TIMEOUT, False),
        (Outcome.UNFINISHED, False),
        (Outcome.DISCARDED, False),
    ],
)
def test_demonstrations_teach_by_their_outcome(outcome, teaches):
    # A scripted expert notes its own action at every frame; that makes it no correction.
    episode = _episode(3, outcome, sources=["demo"] * 3, wanted=[1, 2, 3])
    mask, _ = labels(_data(episode))
    assert mask.tolist() == [teaches] * 3


@pytest.mark.parametrize("outcome", [Outcome.SUCCESS, Outcome.FAILURE, Outcome.UNFINISHED])
def test_a_persons_corrections_teach_what_they_wanted_in_any_kept_episode(outcome):
    sources = ["policy", "human", "human", "policy", "human", "policy"]
    wanted = [NAN, 1, 2, NAN, NAN, NAN]
    mask, values = labels(_data(_episode(6, outcome, sources=sources, wanted=wanted)))
    assert mask.tolist() == [False, True, True, False, False, False]
    assert values[mask].ravel().tolist() == [1, 2]


def test_nothing_in_a_discarded_episode_teaches():
    episode = _episode(2, Outcome.DISCARDED, sources=["human"] * 2, wanted=[1, 2])
    assert not labels(_data(episode))[0].any()


def test_an_expert_teaches_wherever_it_was_asked():
    sources = ["policy", "human", "policy"]
    asked = _episode(3, Outcome.FAILURE, sources=sources, wanted=[5, 6, 7])
    not_always = _episode(3, Outcome.FAILURE, sources=sources, wanted=[NAN, 6, 7])
    mask, values = labels(_data(asked, not_always))
    assert mask.tolist() == [True, True, True, False, True, True]
    assert values[mask].ravel().tolist() == [5, 6, 7, 6, 7]


def test_a_chunk_ends_where_its_run_of_labels_ends_but_history_goes_on():
    sources = ["policy", "human", "human", "policy", "human"]
    episode = _episode(5, Outcome.FAILURE, sources=sources, wanted=[NAN, 1, 2, NAN, 4])
    batch = _all(Windows(_data(episode), n_obs=2, horizon=3))
    assert batch.observations["observation.state"][..., 0].tolist() == [[0, 1], [1, 2], [3, 4]]
    assert batch.actions[..., 0].tolist() == [[1, 2, 2], [2, 2, 2], [4, 4, 4]]
    assert batch.mask.tolist() == [[True, True, False], [True, False, False], [True, False, False]]


def test_discrete_labels_are_whole_numbers():
    spec = Spec(SPEC.observations, Feature("action", (), "int64"), 10.0, choices=4)
    episode = _episode(3, Outcome.FAILURE, sources=["policy", "human", "human"], wanted=[NAN, 3, 1])
    columns = {**episode.columns, "action": np.array([0, 1, 2])}
    columns["control.human_action"] = columns["control.human_action"][:, 0].astype(np.float64)
    data = _data(Episode(episode.info, columns), spec=spec)
    batch = _all(Windows(data, n_obs=1, horizon=2))
    assert (batch.actions.dtype, batch.actions.tolist()) == (torch.int64, [[3, 1], [1, 1]])

    columns["control.human_action"][2] = 4
    with pytest.raises(UserError, match="action 4 at episode 0, frame 2 is none of the 4 choices"):
        Windows(_data(Episode(episode.info, columns), spec=spec), n_obs=1, horizon=1)


def test_frame_weights_reach_their_windows_with_mean_one():
    data = _data(_episode(2), _episode(2, Outcome.FAILURE), _episode(1))
    weights = np.array([1.0, 3.0, 9.0, 9.0, 2.0])
    batch = _all(Windows(data, n_obs=1, horizon=1, frame_weights=weights))
    assert batch.weight.tolist() == [0.5, 1.5, 1.0]


@pytest.mark.parametrize("name", ["observation.state", "action"])
def test_what_is_not_finite_is_named(name):
    episodes = [_episode(4), _episode(4)]
    episodes[1].columns[name][2, 0] = NAN
    with pytest.raises(UserError, match=f"'{name}' is not finite at episode 1, frame 2"):
        Windows(_data(*episodes), n_obs=1, horizon=1)
    Windows(_data(*episodes), n_obs=1, horizon=1, episodes=[0])


def test_a_dataset_without_labels_says_why():
    with pytest.raises(UserError, match="1 failure, 2 timeout"):
        Windows(
            _data(_episode(3, Outcome.FAILURE), *[_episode(3, Outcome.TIMEOUT)] * 2),
            n_obs=1,
            horizon=1,
        )
    with pytest.raises(UserError, match="holds no frames"):
        Windows(_data(), n_obs=1, horizon=1)


def test_images_are_left_out_and_are_not_enough():
    image = Feature("observation.images.top", (2, 2, 3), "uint8")
    both = Spec((image, *SPEC.observations), SPEC.action, 10.0)
    assert Windows(_data(_episode(2), spec=both), n_obs=1, horizon=1).spec == SPEC
    with pytest.raises(UserError, match="no vector observation"):
        Windows(_data(_episode(2), spec=Spec((image,), SPEC.action, 10.0)), n_obs=1, horizon=1)


def test_the_split_is_by_episode_and_by_seed():
    data = _data(*[_episode(3)] * 10, *[_episode(3, Outcome.FAILURE)] * 10)
    teaches, _ = labels(data)
    training, held_out = split_episodes(data, teaches, 0.2, seed=0)
    assert sorted([*training, *held_out]) == list(range(10))
    assert len(held_out) == 2
    assert split_episodes(data, teaches, 0.2, seed=0)[1].tolist() == held_out.tolist()
    others = {tuple(split_episodes(data, teaches, 0.2, seed=s)[1]) for s in range(5)}
    assert len(others) > 1


@pytest.mark.parametrize("share", [0.01, 0.1, 0.3, 0.5, 0.8])
def test_what_was_trained_on_is_never_held_out_when_the_data_grow(share):
    growing = [_data(*[_episode(2)] * count) for count in range(1, 30)]
    for seed in range(5):
        trained: set[int] = set()
        for data in growing:
            training, held_out = split_episodes(data, labels(data)[0], share, seed)
            assert not trained & set(held_out.tolist())
            trained |= set(training.tolist())
            expected = max(1, share * data.num_episodes) if data.num_episodes > 1 else 0
            assert abs(len(held_out) - expected) <= 1


def test_every_episode_after_the_first_is_held_out_about_as_often_as_any_other():
    data = _data(*[_episode(2)] * 20)
    held_out = [split_episodes(data, labels(data)[0], 0.2, seed)[1] for seed in range(500)]
    often = np.bincount(np.concatenate(held_out), minlength=20) / 500
    assert often[0] == 0.0
    assert often[1:] == pytest.approx(np.array([0.25] * 4 + [0.2] * 15), abs=0.07)


@pytest.mark.parametrize(
    ("episodes", "share", "expected"), [(1, 0.5, 0), (2, 0.01, 1), (2, 0.99, 1), (5, 0.0, 0)]
)
def test_the_split_leaves_something_to_train_on(episodes, share, expected):
    data = _data(*[_episode(2)] * episodes)
    training, held_out = split_episodes(data, labels(data)[0], share, seed=0)
    assert (len(training), len(held_out)) == (episodes - expected, expected)


def _split(data, weights):
    config = TrainConfig(held_out=0.3, seed=0)
    return split_windows(data, PolicyConfig(width=8, blocks=1), config, weights)


def test_held_out_episodes_that_weigh_nothing_are_no_validation():
    data = _data(*[_episode(2)] * 8)
    kept, held_out = split_episodes(data, labels(data)[0], 0.3, 0)
    weights = np.repeat(np.isin(np.arange(8), kept).astype(float), 2)
    train, validation = _split(data, weights)
    assert len(train) == 2 * len(kept)
    assert validation is None
    weights[2 * held_out[0]] = 1.0
    _, validation = _split(data, weights)
    assert validation is not None
    assert len(validation) == 2


@pytest.mark.parametrize("bad", [0.0, -1.0, NAN])
def test_weights_that_are_none_are_told(bad):
    data = _data(*[_episode(2)] * 8)
    with pytest.raises(UserError, match="frame weights must be finite, at least 0, and above 0"):
        _split(data, np.full(16, bad))

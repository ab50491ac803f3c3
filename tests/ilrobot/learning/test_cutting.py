"""What a chunk is taught that crosses an intervention, by each of the three rules."""

import numpy as np
import pytest
import torch

from ilrobot.data.episode import Episode, EpisodeInfo, Outcome
from ilrobot.data.memory import MemoryRecordings
from ilrobot.data.windows import Windows
from ilrobot.errors import UserError
from ilrobot.spec import Feature, Spec

SPEC = Spec((Feature("observation.state", (1,)),), Feature("action", (1,)), rate=4.0)
NAN = float("nan")


def _data(executed=None):
    """Seven ticks: policy, policy, human, human, policy, human, policy; state and action are t.

    The person wanted t + 10, so that labels tell who gave them.
    """
    t = np.arange(7, dtype=np.float32)
    human = np.array([0, 0, 1, 1, 0, 1, 0], dtype=bool)
    columns = {
        "observation.state": t[:, None],
        "action": (t if executed is None else executed)[:, None],
        "control.source": np.where(human, "human", "policy").astype(object),
        "intervention": human,
        "control.human_action": np.where(human, t + 10, NAN).astype(np.float32)[:, None],
    }
    episode = Episode(EpisodeInfo("", 4.0, outcome=Outcome.SUCCESS), columns)
    return MemoryRecordings(SPEC, [episode])


def _chunks(**options):
    """Per chunk: the tick that it begins at, and its labels, None where they do not count."""
    windows = Windows(_data(), n_obs=2, horizon=3, **options)
    batch = windows.take(torch.arange(len(windows)))
    found = []
    for state, labels, counts in zip(
        batch.observations["observation.state"][:, -1, 0].tolist(),
        batch.actions[..., 0].tolist(),
        batch.mask.tolist(),
        strict=True,
    ):
        found.append((state, [a if c else None for a, c in zip(labels, counts, strict=True)]))
    return found


def test_cut_ends_with_the_run_and_begins_at_the_takeover():
    assert _chunks(chunk_labels="cut") == [
        (2, [12, 13, None]),
        (3, [13, None, None]),
        (5, [15, None, None]),
    ]
    assert _chunks() == _chunks(chunk_labels="cut")


def test_padded_repeats_the_last_label_of_the_run():
    assert _chunks(chunk_labels="padded") == [
        (2, [12, 13, 13]),
        (3, [13, 13, 13]),
        (5, [15, 15, 15]),
    ]


def test_completed_counts_every_label_in_the_span_on_both_edges():
    assert _chunks(chunk_labels="completed") == [
        (0, [None, None, 12]),
        (1, [None, 12, 13]),
        (2, [12, 13, None]),
        (3, [13, None, 15]),
        (4, [None, 15, None]),
        (5, [15, None, None]),
    ]


def test_where_the_policys_own_actions_teach_a_chunk_is_what_was_executed():
    """Three quarters of a second before each takeover are the first two ticks and the fifth."""
    chunks = _chunks(chunk_labels="cut", weighting="iwr")
    assert chunks[:4] == [(0, [0, 1, 12]), (1, [1, 12, 13]), (2, [12, 13, 4]), (3, [13, 4, 15])]
    assert chunks[-1] == (6, [6, None, None])
    # Sirius leaves those out; the last tick is the policy's own.
    assert _chunks(chunk_labels="cut", weighting="sirius") == [
        (2, [12, 13, None]),
        (3, [13, None, None]),
        (5, [15, 6, None]),
        (6, [6, None, None]),
    ]


def test_a_window_weighs_what_its_first_label_does():
    windows = Windows(
        _data(),
        n_obs=1,
        horizon=3,
        chunk_labels="completed",
        frame_weights=np.array([0, 0, 1, 2, 0, 3, 0.0]),
    )
    weight = windows.take(torch.arange(6)).weight
    assert (weight / weight[0]).tolist() == pytest.approx([1, 1, 1, 2, 3, 3])


def test_labels_for_normalising_are_each_counted_once():
    for rule in ("cut", "padded", "completed"):
        windows = Windows(_data(), n_obs=1, horizon=3, chunk_labels=rule)
        assert windows.actions.ravel().tolist() == [12, 13, 15]


def test_completed_refuses_what_it_would_read_between_labels():
    executed = np.array([0, NAN, 2, 3, 4, 5, 6], dtype=np.float32)
    Windows(_data(executed), n_obs=1, horizon=3)
    with pytest.raises(UserError, match=r"'action' is not finite at episode 0, frame 1"):
        Windows(_data(executed), n_obs=1, horizon=3, chunk_labels="completed")

"""What a discriminator remembers of the policies on the way."""

import torch

from ilrobot.learners.adversarial.remembered import Remembered
from ilrobot.learners.adversarial.rows import Rows


def rollout(number: int, count: int = 50) -> Rows:
    """Its steps are told by its number."""
    column = torch.full((count,), float(number))
    return Rows(column[:, None], column[:, None], column[:, None], column, column)


def test_without_a_limit_the_newest_rollout_is_all():
    remembered, draw = Remembered(None), torch.Generator()
    for number in range(3):
        remembered.add(rollout(number), draw)
    assert len(remembered.rows) == 50
    assert remembered.rows.terminal.unique().tolist() == [2]
    assert remembered.state() == {}


def test_all_is_remembered_up_to_the_limit():
    remembered, draw = Remembered(120), torch.Generator().manual_seed(0)
    for number in range(2):
        remembered.add(rollout(number), draw)
    assert sorted(remembered.rows.actions[:, 0].tolist()) == [0.0] * 50 + [1.0] * 50


def test_each_transition_is_as_likely_to_be_remembered_as_any_other():
    counted, trials, draw = torch.zeros(10), 400, torch.Generator().manual_seed(0)
    for _ in range(trials):
        remembered = Remembered(60)
        for number in range(10):
            remembered.add(rollout(number), draw)
        assert len(remembered.rows) == 60
        counted += remembered.rows.terminal.long().bincount(minlength=10)
    # 6 of each of ten rollouts of 50 are expected, with a variance of less than 6.
    assert (counted / trials - 6).abs().max() < 4 * (6 / trials) ** 0.5


def test_what_is_remembered_goes_on_as_it_would_have():
    there, draw = Remembered(60), torch.Generator().manual_seed(0)
    for number in range(4):
        there.add(rollout(number), draw)
    again = Remembered(60)
    again.load_state(there.state(), torch.device("cpu"))
    rest = draw.clone_state()
    there.add(rollout(4), draw)
    again.add(rollout(4), rest)
    assert torch.equal(there.rows.terminal, again.rows.terminal)


def test_a_newest_rollout_of_a_checkpoint_of_before_is_not_needed():
    remembered = Remembered(None)
    remembered.load_state([rollout(0).state()], torch.device("cpu"))
    remembered.add(rollout(1), torch.Generator())
    assert remembered.rows.terminal.unique().tolist() == [1]

"""What no label says does not count, by finite differences of every head's loss."""

from typing import get_args

import pytest
import torch

from ilrobot.policies.config import HeadName, PolicyConfig
from ilrobot.policies.heads.diffusion import DiffusionHead
from ilrobot.policies.heads.flow import FlowHead
from ilrobot.policies.heads.making import make_head
from ilrobot.policies.heads.mip import MipHead
from tests.ilrobot.learning.known_heads import known

SHAPE = (4, 2)
MASK = torch.tensor([[True, True, True, True], [True, True, False, False], [True] + 3 * [False]])
STEP = 1e-2
#: Their network sees all of a noised chunk; here one that looks at each tick by itself.
_ITERATED = {
    "diffusion": (DiffusionHead, {"train_steps": 9, "sample_steps": 3, "prediction": "epsilon"}),
    "flow": (FlowHead, {"sample_steps": 3}),
    "mip": (MipHead, {}),
}


def head_of(name):
    if name in _ITERATED:
        head_class, settings = _ITERATED[name]
        head = known(head_class, lambda sample, time: 0.3 * sample.tanh(), shape=SHAPE, **settings)
    else:
        # Dropout would draw other elements each time.
        config = PolicyConfig(head=name, horizon=SHAPE[0], width=16, blocks=1, dropout=0.0)
        head = make_head(config, 5, 3 if name == "cross-entropy" else SHAPE[1])
    return head


def loss_of(head, actions):
    """Of each sample, with the same noise each time."""
    torch.manual_seed(1)
    condition = torch.linspace(-1, 1, 15).reshape(3, 5)
    return head.loss(condition[:, : 0 if hasattr(head, "times") else 5], actions, MASK)


@pytest.mark.parametrize("name", [name for name in get_args(HeadName) if name != "cross-entropy"])
def test_a_loss_changes_by_the_labels_that_count_and_by_no_other(name):
    torch.manual_seed(0)
    head = head_of(name)
    actions = torch.randn(3, *SHAPE) / 2
    slopes = torch.zeros_like(actions)
    for tick in range(SHAPE[0]):
        for element in range(SHAPE[1]):
            nudge = torch.zeros_like(actions)
            nudge[:, tick, element] = STEP
            with torch.no_grad():
                apart = loss_of(head, actions + nudge) - loss_of(head, actions - nudge)
            slopes[:, tick, element] = apart / (2 * STEP)
    assert torch.equal((slopes != 0).all(dim=2), MASK)
    assert torch.equal((slopes != 0).any(dim=2), MASK)


def test_a_choice_that_does_not_count_does_not():
    torch.manual_seed(0)
    head = head_of("cross-entropy")
    labels = torch.randint(3, (3, SHAPE[0]))
    usual = loss_of(head, labels)
    for tick in range(SHAPE[0]):
        other = labels.clone()
        other[:, tick] = (other[:, tick] + 1) % 3
        assert torch.equal(loss_of(head, other) != usual, MASK[:, tick])

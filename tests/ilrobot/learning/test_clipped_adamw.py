"""AdamW that clips on the way is torch's after `clip_grad_norm_`, and keeps the same state."""

import copy

import pytest
import torch

from ilrobot.learners.clipped_adamw import ClippedAdamW

SHAPES = [(7, 5), (5,), (), (3, 4)]
SETTINGS = {"lr": 0.03, "weight_decay": 0.1, "fused": True}


def weights():
    torch.manual_seed(0)
    return [torch.nn.Parameter(torch.randn(shape)) for shape in SHAPES]


def give_gradients(parameters, step, missing=()):
    torch.manual_seed(step)
    for index, parameter in enumerate(parameters):
        gradient = torch.randn_like(parameter) * 0.1 * step
        parameter.grad = None if index in missing else gradient


def torchs_step(optimizer, parameters, greatest):
    if greatest:
        torch.nn.utils.clip_grad_norm_(parameters, greatest)
    optimizer.step()


@pytest.mark.parametrize("greatest", [0.0, 0.5, 1e6])
@pytest.mark.parametrize("missing", [(), (1,)])
def test_it_steps_as_torchs_own_does(greatest, missing):
    ours, torchs = weights(), weights()
    clipped = ClippedAdamW(ours, **SETTINGS)
    reference = torch.optim.AdamW(torchs, **SETTINGS)
    for step in range(1, 6):
        give_gradients(ours, step, missing)
        give_gradients(torchs, step, missing)
        rate = 0.03 / step
        clipped.param_groups[0]["lr"] = reference.param_groups[0]["lr"] = rate
        clipped.update(greatest)
        assert all(parameter.grad is None for parameter in ours)
        torchs_step(reference, torchs, greatest)
        torch.testing.assert_close(ours, torchs, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(
        clipped.state_dict()["state"], reference.state_dict()["state"], rtol=1e-4, atol=1e-7
    )


def test_several_groups_are_clipped_together_and_their_gradients_stay():
    ours, torchs = weights(), weights()
    clipped, reference = (
        kind([{"params": w[:2], "lr": 0.03}, {"params": w[2:], "lr": 0.1}], eps=1e-5, **settings)
        for kind, w, settings in (
            (ClippedAdamW, ours, {"weight_decay": 0.0}),
            (torch.optim.Adam, torchs, {}),
        )
    )
    for step in range(1, 4):
        # Of the first group nothing learns at first.
        missing = (0, 1) if step == 1 else ()
        give_gradients(ours, step, missing)
        give_gradients(torchs, step, missing)
        kept = [parameter.grad for parameter in ours]
        clipped.move(0.5)
        torchs_step(reference, torchs, 0.5)
        torch.testing.assert_close(ours, torchs, rtol=1e-5, atol=1e-6)
        assert all(p.grad is g for p, g in zip(ours, kept, strict=True))


def test_a_state_of_torchs_own_is_taken_over():
    ours, torchs = weights(), weights()
    reference = torch.optim.AdamW(torchs, **SETTINGS)
    for step in (1, 2):
        give_gradients(torchs, step)
        torchs_step(reference, torchs, 1.0)
    clipped = ClippedAdamW(ours, **SETTINGS)
    clipped.load_state_dict(copy.deepcopy(reference.state_dict()))
    torch._foreach_copy_([p.data for p in ours], [p.data for p in torchs])
    give_gradients(ours, 3)
    give_gradients(torchs, 3)
    clipped.update(1.0)
    torchs_step(reference, torchs, 1.0)
    torch.testing.assert_close(ours, torchs, rtol=1e-5, atol=1e-6)


def test_a_gradient_that_is_not_finite_is_not_hidden():
    parameters = weights()
    give_gradients(parameters, 1)
    parameters[0].grad[0, 0] = torch.nan
    ClippedAdamW(parameters, **SETTINGS).update(1.0)
    assert bool(parameters[0].isnan().all())

"""Threads and precision of training and of acting."""

import torch

from ilrobot.learners.machine import acting, numerics


def _set() -> tuple[int, str]:
    return torch.get_num_threads(), torch.get_float32_matmul_precision()


def test_a_policy_acts_by_the_same_numbers_within_training() -> None:
    before = _set()
    with numerics(torch.device("cpu"), "mlp"):
        training = _set()
        assert training[1] == "medium"
        with acting():
            assert _set() == (1, "highest")
        assert _set() == training
    assert _set() == before

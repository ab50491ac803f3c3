"""Worker processes: order, one setup each, and one clear line where one of them dies."""

import multiprocessing
import os
import signal
import time

import pytest

from ilrobot import workers
from ilrobot.errors import UserError, WorkFailed
from ilrobot.workers import Workers


@pytest.fixture(autouse=True)
def _spawned(monkeypatch):
    monkeypatch.setattr(workers, "CONTEXT", multiprocessing.get_context("spawn"))


class _Made:
    """What a process makes once: it counts what ran in it."""

    def __init__(self) -> None:
        self.pid, self.count = os.getpid(), 0


class _Refused:
    def __init__(self) -> None:
        raise UserError("no such task")


def _workers(setup=_Made) -> Workers:
    return Workers(2, setup, purpose="the test", cure="try again")


def _late_if_first(made: _Made, item: int) -> tuple[int, int, int]:
    time.sleep(0.3 if item == 0 else 0.0)
    made.count += 1
    return item, made.pid, made.count


def _die(made: _Made, item: int) -> int:
    if item == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return item


def _threads(made: _Made, item: int) -> int:
    import torch

    return torch.get_num_threads()


def test_results_come_in_the_order_of_the_items_from_processes_that_stay():
    with _workers() as workers:
        first = list(workers.map(_late_if_first, range(6)))
        second = list(workers.map(_late_if_first, range(6)))
        assert set(workers.map(_threads, range(2))) == {1}
    assert [item for item, _, _ in first] == [item for item, _, _ in second] == list(range(6))
    pids = {pid for _, pid, _ in (*first, *second)}
    assert os.getpid() not in pids
    # Each of them makes its setup once and keeps it.
    assert sum(max(c for _, p, c in (*first, *second) if p == pid) for pid in pids) == 12


def test_a_worker_that_dies_is_one_clear_line():
    said = r"process of the test died.*; try again"
    with pytest.raises(WorkFailed, match=said) as caught, _workers() as workers:
        list(workers.map(_die, range(6)))
    assert "\n" not in str(caught.value)


def test_what_a_setup_refuses_reaches_the_caller():
    with pytest.raises(UserError, match="no such task"), _workers(_Refused) as workers:
        list(workers.map(_die, range(1)))

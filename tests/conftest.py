"""What all tests share."""

import gc
import os
import signal
import sys
from pathlib import Path

import pytest

from ilrobot import workers
from tests.forked import SERVER

WORLDS = Path(__file__).parent / "ilrobot" / "learning"

# A shell starts what runs in its background deaf to Ctrl-C, and every process begun from there
# inherits that; those that tests begin are to hear it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """What was imported so far stays: to look through it for garbage, again and again, took a tenth
    of the time of all tests. Each of their processes has one core, on which torch's threads would
    wait for each other.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def _unflushed():
    """No power fails under a test, so that none waits for the disk; who flushes what is asked
    where it matters (`test_all_is_flushed_before_the_swap_and_the_swap_too`).
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(scope="session", autouse=True)
def _workers_that_begin_at_once():
    """`test_workers` begins them as the product does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workers, "CONTEXT", SERVER)
        patch.syspath_prepend(WORLDS)  # theirs, too: tasks are found there by their namespace
        yield


@pytest.fixture(scope="session", autouse=True)
def _quick_exports():
    with pytest.MonkeyPatch.context() as patch:
        if "torch" in sys.modules:
            from tests.quick_exports import make_exports_quick

            make_exports_quick(patch)
        yield

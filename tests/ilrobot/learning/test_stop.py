"""A stop that is remembered until a step is done, and what fails meanwhile."""

import os
import signal

import pytest

from ilrobot.errors import Terminated, WorkFailed
from ilrobot.learners.stop import stop_signals


def test_a_worker_that_died_of_the_signal_itself_is_a_stop():
    """SIGTERM to a whole group ends a pool's workers, which their parent sees as a failure."""

    def fail() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        raise WorkFailed("a worker process died (out of memory?)")

    with pytest.raises(Terminated) as caught, stop_signals():
        fail()
    assert caught.value.signal == signal.SIGTERM


def test_work_that_fails_unasked_has_failed():
    with pytest.raises(WorkFailed, match="out of memory"), stop_signals():
        raise WorkFailed("a worker process died (out of memory?)")

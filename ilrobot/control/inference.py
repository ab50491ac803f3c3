"""Who computes the chunks of a control loop: the loop itself, or a thread that it never waits for.

The thread and the loop hand each other what they own in three atomic operations and no lock: the
loop takes one of three questions that were made once, fills it in, and lays it where the thread
finds it; the thread lays its answer where the loop looks once per tick. A question that the thread
has not begun when the next is asked is taken back; an answer to any question but the newest is
thrown away. The thread sleeps while nothing is asked.
"""

from __future__ import annotations

import contextlib
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ilrobot.actors import LateAnswer
from ilrobot.control.drawing import Prediction

#: Predicts a chunk: history, source of the noise, the rest of the plan, the expected delay.
Predict = Callable[
    [Mapping[str, NDArray[Any]], np.random.Generator, NDArray[Any] | None, int], Prediction
]


@dataclass(slots=True)
class Answer:
    """What became of a question.

    Attributes:
        number: Of the question.
        seconds: How long it took.
        prediction: The chunk (None: there was none this time, but there may be next time).
        error: What went wrong instead.
    """

    number: int
    seconds: float
    prediction: Prediction | None = None
    error: BaseException | None = None


class Inference(Protocol):
    """Answers the question that was asked last."""

    @property
    def thread_id(self) -> int | None:
        """Its thread, as the operating system knows it (None: it has none of its own)."""

    def ask(
        self,
        history: Mapping[str, NDArray[Any]],
        generator: np.random.Generator,
        rest: NDArray[Any] | None,
        delay: int,
    ) -> None:
        """Begin a prediction; see `ilrobot.control.drawing.Draw`."""

    def answer(self) -> Answer | None:
        """The answer, once (None: it is not there).

        Raises:
            BaseException: What the prediction raised, other than `LateAnswer`.
        """

    def forget(self) -> None:
        """Nobody wants the answer any more."""

    def wait(self, seconds: float, stopped: Callable[[], bool] = lambda: False) -> bool:
        """Return when the answer is there, after so long, or where nobody wants it any more.

        Returns:
            Whether it brings what was asked.
        """


class Inline:
    """Predicts where it is asked.

    Args:
        predict: The policy.
    """

    thread_id: int | None = None

    def __init__(self, predict: Predict) -> None:
        self._predict = predict
        self._answer: Answer | None = None

    def ask(
        self,
        history: Mapping[str, NDArray[Any]],
        generator: np.random.Generator,
        rest: NDArray[Any] | None,
        delay: int,
    ) -> None:
        """See `Inference`."""
        self._answer = Answer(0, 0.0, self._predict(history, generator, rest, delay))

    def answer(self) -> Answer | None:
        """See `Inference`."""
        answer, self._answer = self._answer, None
        return answer

    def forget(self) -> None:
        """See `Inference`."""
        self._answer = None

    def wait(self, seconds: float, stopped: Callable[[], bool] = lambda: False) -> bool:
        """The answer is there as soon as it was asked for."""
        return True


class Threaded:
    """Predicts in a thread of its own; `ask` and `answer` never wait for it.

    A prediction that never ends keeps neither the loop nor the process; where it raises
    `LateAnswer` it counts as one that did not come.

    Args:
        predict: The policy; a bound method does not keep its object alive.
        like: Arrays of the history's shapes.
    """

    def __init__(self, predict: Predict, like: Mapping[str, NDArray[Any]]) -> None:
        self._slot = _Slot(
            deque(
                _Question({name: np.empty_like(array) for name, array in like.items()})
                for _ in range(3)
            )
        )
        self._number = 0
        method = weakref.WeakMethod(predict) if hasattr(predict, "__self__") else lambda: predict
        thread = threading.Thread(
            target=_work, args=(self._slot, method), name="inference", daemon=True
        )
        thread.start()
        self.thread_id: int | None = thread.native_id
        weakref.finalize(self, self._slot.close)

    def ask(
        self,
        history: Mapping[str, NDArray[Any]],
        generator: np.random.Generator,
        rest: NDArray[Any] | None,
        delay: int,
    ) -> None:
        """See `Inference`; `rest` is not to be changed any more."""
        self._number += 1
        question = self._slot.free.popleft()
        for name, array in question.history.items():
            np.copyto(array, history[name])
        question.number, question.rest, question.delay = self._number, rest, delay
        question.generator = generator
        self._slot.put(question)

    def answer(self) -> Answer | None:
        """See `Inference`."""
        if not self._slot.answers:
            return None
        answer = self._slot.answers.popleft()
        if answer.number != self._number:
            return None
        if answer.error is not None:
            raise answer.error
        return answer

    def forget(self) -> None:
        """See `Inference`."""
        self._number += 1

    def wait(self, seconds: float, stopped: Callable[[], bool] = lambda: False) -> bool:
        """See `Inference`; an error is brought, too."""
        until = time.perf_counter() + seconds
        answers = self._slot.answers
        while time.perf_counter() < until and not stopped():
            if answers and answers[0].number == self._number:
                return answers[0].prediction is not None or answers[0].error is not None
            time.sleep(_POLL)
        return False


#: How often `Threaded.wait` looks, s. Nothing moves meanwhile.
_POLL = 0.001


@dataclass
class _Question:
    history: dict[str, NDArray[Any]]
    number: int = 0
    rest: NDArray[Any] | None = None
    delay: int = 0
    generator: np.random.Generator | None = None


@dataclass
class _Slot:
    """Where loop and thread meet; every operation here is atomic.

    Of the three questions at most one is asked and one is being answered, so one is always free.
    """

    free: deque[_Question]
    asked: deque[_Question] = field(default_factory=lambda: deque(maxlen=1))
    answers: deque[Answer] = field(default_factory=lambda: deque(maxlen=1))
    wake: threading.Lock = field(default_factory=threading.Lock)
    closed: bool = False

    def __post_init__(self) -> None:
        self.wake.acquire()

    def put(self, question: _Question) -> None:
        """Ask it in the place of what was asked before."""
        with contextlib.suppress(IndexError):  # the thread has it, or has answered it
            self.free.append(self.asked.pop())
        self.asked.append(question)
        self._wake_up()

    def close(self) -> None:
        """Let the thread end when it has done what it is at."""
        self.closed = True
        self._wake_up()

    def _wake_up(self) -> None:
        # Released by the loop alone, taken by the thread alone: this never waits nor fails.
        if self.wake.locked():
            self.wake.release()


def _work(slot: _Slot, method: Callable[[], Predict | None]) -> None:
    """Answer questions until nobody can ask any more."""
    while True:
        slot.wake.acquire()
        if slot.closed:
            return
        try:
            question = slot.asked.popleft()
        except IndexError:
            continue
        predict = method()
        if predict is None or question.generator is None:
            return
        begun = time.perf_counter()
        prediction: Prediction | None = None
        error: BaseException | None = None
        try:
            prediction = predict(
                question.history, question.generator, question.rest, question.delay
            )
        except LateAnswer:
            pass
        except BaseException as raised:
            error = raised
        seconds = time.perf_counter() - begun
        number = question.number
        del predict
        slot.free.append(question)
        slot.answers.append(Answer(number, seconds, prediction, error))

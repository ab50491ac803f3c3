"""The word for how chunks are executed, and what fits which policy."""

from dataclasses import replace

import pytest

from ilrobot.control.chunking import Chunking, Predicts
from ilrobot.control.drawing import Coherent, Guided
from ilrobot.control.execution import Receding, TemporalEnsemble
from ilrobot.errors import UserError
from tests.ilrobot.control.contracts import ABSOLUTE

SAMPLES = Predicts(ABSOLUTE, horizon=4, execute=2, noise_shape=(4, 2), scale=(1.0, 1.0))
LED = replace(SAMPLES, steps=3)
SURE = Predicts(ABSOLUTE, horizon=4, execute=2, noise_shape=None, scale=(1.0, 1.0))


@pytest.mark.parametrize(
    ("text", "chunking"),
    [
        ("receding", Chunking("receding")),
        ("ensemble", Chunking("ensemble", 0.01)),
        ("ensemble:0", Chunking("ensemble", 0.0)),
        ("ensemble:0.25", Chunking("ensemble", 0.25)),
        ("coherent", Chunking("coherent", 8)),
        ("coherent:16", Chunking("coherent", 16)),
        ("warm:2", Chunking("warm", 2)),
        ("realtime", Chunking("realtime", 1)),
        ("realtime:3", Chunking("realtime", 3)),
    ],
)
def test_a_word_is_read_and_written(text: str, chunking: Chunking) -> None:
    assert Chunking.parse(text) == chunking
    assert Chunking.parse(str(chunking)) == chunking


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "none of receding, ensemble"),
        ("average", "--chunks average is none of"),
        ("receding:3", "none of"),
        ("ensemble:", "'' is not a number"),
        ("ensemble:x", "'x' is not a number"),
        ("ensemble:-1", "0 or more"),
        ("ensemble:nan", "0 or more"),
        ("ensemble:inf", "0 or more"),
        ("coherent:0", "within 1 and 1000"),
        ("coherent:2.5", "whole number"),
        ("coherent:inf", "whole number"),
        ("coherent:nan", "whole number"),
        ("warm:0", "steps must be a whole number"),
        ("realtime:0", "delay must be a whole number"),
        ("realtime:-1", "within 1 and 1000"),
    ],
)
def test_another_word_is_refused(text: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        Chunking.parse(text)


def test_each_word_makes_its_own() -> None:
    assert isinstance(Chunking.parse("receding").make(SURE)[0], Receding)
    assert isinstance(Chunking.parse("ensemble").make(SURE)[0], TemporalEnsemble)
    assert isinstance(Chunking.parse("coherent").make(SAMPLES)[1], Coherent)
    for text in ("warm:2", "realtime"):
        assert isinstance(Chunking.parse(text).make(LED)[1], Guided)


@pytest.mark.parametrize(
    ("text", "policy", "words"),
    [
        ("ensemble", Predicts(ABSOLUTE, 1, 1, None, (1.0, 1.0)), "nothing to average"),
        ("coherent", SURE, "does not sample"),
        ("coherent", Predicts(ABSOLUTE, 2, 2, (2, 2), (1.0, 1.0)), "whole chunks"),
        ("warm", SAMPLES, "cannot be led"),
        ("warm", replace(LED, execute=4), "whole chunks"),
        ("warm:3", LED, "has 3 steps, of which one must be free"),
        ("realtime", SAMPLES, "cannot be led"),
        ("realtime:3", LED, "at most 2 ticks"),
        ("realtime:2", replace(LED, execute=1), "at most 1 ticks"),
        ("realtime", replace(LED, execute=4), "at most 0 ticks"),
    ],
)
def test_what_does_not_fit_the_policy_is_refused(text: str, policy: Predicts, words: str) -> None:
    with pytest.raises(UserError, match=words):
        Chunking.parse(text).make(policy)

"""The word for how chunks are executed, and what fits which policy."""

import pytest

from ilrobot.control.chunking import Chunking, Predicts
from ilrobot.control.drawing import Coherent
from ilrobot.control.execution import Receding, TemporalEnsemble
from ilrobot.errors import UserError
from tests.ilrobot.control.contracts import ABSOLUTE

SAMPLES = Predicts(ABSOLUTE, horizon=4, execute=2, noise_shape=(4, 2), scale=(1.0, 1.0))
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
    ],
)
def test_another_word_is_refused(text: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        Chunking.parse(text)


def test_each_word_makes_its_own() -> None:
    assert isinstance(Chunking.parse("receding").make(SURE)[0], Receding)
    assert isinstance(Chunking.parse("ensemble").make(SURE)[0], TemporalEnsemble)
    assert isinstance(Chunking.parse("coherent").make(SAMPLES)[1], Coherent)


@pytest.mark.parametrize(
    ("text", "policy", "words"),
    [
        ("ensemble", Predicts(ABSOLUTE, 1, 1, None, (1.0, 1.0)), "nothing to average"),
        ("coherent", SURE, "does not sample"),
        ("coherent", Predicts(ABSOLUTE, 2, 2, (2, 2), (1.0, 1.0)), "whole chunks"),
    ],
)
def test_what_does_not_fit_the_policy_is_refused(text: str, policy: Predicts, words: str) -> None:
    with pytest.raises(UserError, match=words):
        Chunking.parse(text).make(policy)

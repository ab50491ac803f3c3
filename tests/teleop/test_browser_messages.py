"""What a page may say, and nothing else."""

import json
from typing import Any

import pytest

from teleop.browser.messages import BadMessage, Drawn, Freshness, Input, LetGo, Take, parse

GOOD: dict[str, Any] = {
    "type": "input",
    "sequence": 3,
    "time": 12.5,
    "axes": {"leftx": -1, "righttrigger": 0.25},
    "held": ["a"],
    "pressed": ["a", "start"],
    "released": [],
    "present": True,
}


def test_an_input_is_read() -> None:
    assert parse(json.dumps(GOOD)) == Input(
        sequence=3,
        time=12.5,
        axes={"leftx": -1.0, "righttrigger": 0.25},
        held=frozenset({"a"}),
        pressed=("a", "start"),
    )


def test_the_other_messages_are_read() -> None:
    assert parse('{"type": "take"}') == Take()
    assert parse('{"type": "let_go"}') == LetGo()
    assert parse('{"type": "drawn", "frame": 7}') == Drawn(7)


def changed(**fields: Any) -> str:
    return json.dumps({**GOOD, **fields})


BAD = {
    "nothing": "",
    "no JSON": "hello robot",
    "half": json.dumps(GOOD)[:40],
    "a list": "[1, 2]",
    "a number": "3",
    "deep": "[" * 4000,
    "a deep object": '{"a":' * 800,
    "no type": json.dumps({k: v for k, v in GOOD.items() if k != "type"}),
    "an unknown type": changed(type="execute"),
    "a type that is a list": changed(type=["input"]),
    "a field too many": changed(action=[0, 0, 0]),
    "a field too few": json.dumps({k: v for k, v in GOOD.items() if k != "held"}),
    "take with more": '{"type": "take", "force": true}',
    "drawn without a frame": '{"type": "drawn"}',
    "drawn nonsense": '{"type": "drawn", "frame": "1"}',
    "a negative frame": '{"type": "drawn", "frame": -1}',
    "NaN": changed(axes={"leftx": float("nan")}),
    "infinity": changed(axes={"leftx": float("inf")}),
    "an overflow": changed().replace("-1", "1e999"),
    "out of range": changed(axes={"leftx": 1.0001}),
    "a trigger below zero": changed(axes={"lefttrigger": -0.1}),
    "a huge integer": changed().replace("-1", "9" * 500),
    "an endless integer": changed().replace("-1", "9" * 4500),
    "an axis that is true": changed(axes={"leftx": True}),
    "an axis that is text": changed(axes={"leftx": "1"}),
    "an axis that is null": changed(axes={"leftx": None}),
    "an unknown axis": changed(axes={"warp": 0.5}),
    "axes as a list": changed(axes=[0, 0]),
    "an unknown button": changed(pressed=["launch"]),
    "buttons as text": changed(held="a"),
    "a button that is a list": changed(held=[["a"]]),
    "too many presses": changed(pressed=["a"] * 33),
    "a sequence that is text": changed(sequence="3"),
    "a fractional sequence": changed(sequence=3.5),
    "a sequence beyond counting": changed(sequence=2**60),
    "a time before all time": changed(time=-1.0),
    "present as a number": changed(present=1),
}


@pytest.mark.parametrize("text", BAD.values(), ids=BAD.keys())
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(BadMessage):
        parse(text)


def test_messages_that_were_held_up_are_told_from_fresh_ones() -> None:
    fresh = Freshness(limit=0.15)
    # The clocks differ by 1,000 s and the network takes 20 to 30 ms.
    for tick in range(100):
        assert fresh.check(
            sent=tick * 0.016, arrived=1000 + tick * 0.016 + 0.02 + 0.01 * (tick % 2)
        )
    # A stall of 2 s, and then all at once: only the last of them are news.
    burst = [fresh.check(sent=1.6 + tick * 0.016, arrived=1003.6) for tick in range(125)]
    assert not any(burst[:110])
    assert burst[-1]


@pytest.mark.parametrize("longer", [0.3, 1.0, 10.0])
def test_a_way_that_stays_longer_is_taken_after_a_steady_second(longer: float) -> None:
    fresh = Freshness(limit=0.15)
    assert all(fresh.check(0.016 * tick, 50 + 0.016 * tick) for tick in range(100))
    sent = [2.0 + 0.016 * tick for tick in range(100)]
    heard = [fresh.check(time, 50 + longer + time + 0.03 * (i % 2)) for i, time in enumerate(sent)]
    assert not any(heard[:60])
    assert all(heard[66:])


@pytest.mark.parametrize("pace", [0.0, 0.5, 0.8])
def test_what_a_stall_held_back_is_never_taken_however_slowly_it_comes(pace: float) -> None:
    fresh = Freshness(limit=0.15)
    assert all(fresh.check(0.016 * tick, 50 + 0.016 * tick) for tick in range(100))
    stall = 3.0
    for tick in range(1000):
        sent = 2.0 + 0.016 * tick
        late = stall - (1 - pace) * 0.016 * tick
        taken = fresh.check(sent, 50 + sent + max(late, 0.0))
        if not 0.15 < late < 0.17:  # what the clocks may have drifted by
            assert taken is (late <= 0.15)


def test_clocks_that_drift_apart_do_not_make_messages_old() -> None:
    fresh = Freshness(limit=0.15)
    hour = 3600 * 60
    assert all(fresh.check(tick / 60, (1 + 3e-4) * tick / 60) for tick in range(0, hour, 10))

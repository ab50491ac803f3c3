"""Guards that a person states take the place of those that the data give, or are refused."""

import json

import pytest

from exports.stated_guards import read_guards, stated_modes, with_guards
from ilrobot.control.contract_guards import FallbackAfter
from ilrobot.errors import UserError
from tests.ilrobot.control.contracts import (
    ABSOLUTE,
    DISCRETE,
    absolute_limits,
    contract_for,
)

CONTRACT = contract_for(ABSOLUTE, absolute_limits())


def test_what_is_stated_holds_and_the_rest_stays(tmp_path):
    path = tmp_path / "guards.json"
    stated = {
        "limits": {"jerk": [9.0, None]},
        "workspace": {"low": [-0.5, None], "high": [0.5, None]},
        "fallback": "retreat",
        "retreat": [0.0, None],
        "fallback_after": {"late": 5},
        "stale_after": 0.2,
    }
    path.write_text(json.dumps(stated))
    changed = with_guards(CONTRACT, read_guards(path), str(path))
    assert changed.limits.jerk == (9.0, float("inf"))
    assert changed.limits.velocity == CONTRACT.limits.velocity
    assert changed.workspace.high == (0.5, float("inf"))
    assert (changed.fallback, changed.stale_after) == ("retreat", 0.2)
    assert changed.fallback_after == FallbackAfter(late=5)
    assert changed.spec == CONTRACT.spec
    assert changed.golden[0].noise is None
    untouched = with_guards(CONTRACT, {}, "nothing")
    assert untouched.to_json() == CONTRACT.to_json()


@pytest.mark.parametrize(
    ("stated", "words"),
    [
        ({"fallback": "jump"}, "has the unknown fallback 'jump'; mend it"),
        ({"fallback": "retreat"}, "states no pose"),
        ({"limits": {"velocity": [1.0]}}, "1 values of 'velocity' for 2"),
        ({"limits": {"speed": [1.0, 1.0]}}, "'limits.speed' is not known"),
        ({"limits": 3}, "must be a JSON object"),
        ({"workspace": {"low": [0.0, 0.0]}}, "lacks the key 'high'"),
        ({"workspace": {"low": [2.0, 0.0], "high": [3.0, 0.0]}}, "without room"),
        ({"stale_after": -1}, "timeout of -1.0 s"),
        ({"fallback_after": {"late": 0}}, "not positive"),
        ({"fallback_after": {"lates": 5}}, "'fallback_after.lates' is not known"),
        ({"fallback_after": {"late": True}}, "true in 'fallback_after.late' is no number"),
        ({"fallback_after": []}, "'fallback_after' must be a JSON object"),
        ({"workspace": {"low": [0, 0], "high": [1, 1], "hgih": [1]}}, "'workspace.hgih'"),
        ({"workspace": {"low": [False, 0], "high": [1, 1]}}, "false in 'workspace.low'"),
        ({"limits": {"velocity": ["0.2", 1.0]}}, "\"0.2\" in 'limits.velocity' is no number"),
        ({"retreat": [True, 0.0]}, "true in 'retreat'"),
        ({"stale_after": "0.2"}, "in 'stale_after' is no number"),
        ({"stale_after": 10**400}, "int too large"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_line(stated, words):
    with pytest.raises(UserError, match=words) as caught:
        with_guards(CONTRACT, stated, "guards.json")
    assert str(caught.value).startswith("guards.json")
    assert "\n" not in str(caught.value)
    assert "export the policy" not in str(caught.value)


@pytest.mark.parametrize(
    ("stated", "modes"),
    [
        ({"limits": {"mode": ["delta", "velocity"]}}, ("delta", "velocity")),
        ({"limits": {"velocity": [1, 1]}}, None),
        ({}, None),
        ({"limits": 3}, None),  # and what `with_guards` refuses
        ({"limits": {"mode": ["delta"]}}, None),
        ({"limits": {"mode": ["delta", "torque"]}}, None),
        ({"limits": {"mode": "delta"}}, None),
    ],
)
def test_what_elements_are_is_known_before_limits_are_derived(stated, modes):
    assert stated_modes(stated, 2) == modes


def test_choices_have_no_limits_to_state():
    with pytest.raises(UserError, match="choices have none"):
        with_guards(contract_for(DISCRETE), {"limits": {"velocity": [1.0]}}, "guards.json")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"limits": {"jerk": [1]}, "limits": {}}', "'limits' is there twice"),
        ('{"workspace": {"low": [1], "low": [2]}}', "'low' is there twice"),
        ("{", "is no JSON"),
        ("[]", "no JSON object"),
        ('{"golden": []}', "'golden' states no guard"),
    ],
)
def test_a_file_of_something_else_is_refused(text, words, tmp_path):
    path = tmp_path / "guards.json"
    path.write_text(text)
    with pytest.raises(UserError, match=words):
        read_guards(path)
    with pytest.raises(UserError, match="cannot be read"):
        read_guards(tmp_path / "none.json")

"""Several actors as one: who acts when, what the others see, and the folder they are kept in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ilrobot.actors import Actor, Decision, Source
from ilrobot.combined_actors import MixtureActor, SequenceActor
from ilrobot.env import make_env
from ilrobot.erring import ErringActor
from ilrobot.errors import UserError
from ilrobot.policies.combined import (
    PolicyMixture,
    PolicySequence,
    load_policies,
    save_policies,
)
from ilrobot.policies.config import PolicyConfig
from ilrobot.policies.policy import Policy

SEEN = {"observation.state": np.zeros(3, np.float32)}


class Noting(Actor):
    """Says who it is, and keeps what was asked of it."""

    def __init__(self, name: float) -> None:
        self.name, self.notes = name, ""

    def act(self, observation, now):
        self.notes += "a"
        return Decision(np.array([self.name]), Source.POLICY)

    def observe(self, observation):
        self.notes += "o"

    def flush(self):
        self.notes += "f"


def _acts(actor: Actor, steps: int, seed: int = 0) -> list[float]:
    actor.reset(seed)
    return [float(actor.act(SEEN, 0.0).action[0]) for _ in range(steps)]


def test_a_mixture_draws_each_step_by_its_weights_and_its_seed():
    mixture = MixtureActor([Noting(0), Noting(1), Noting(2)], [0.2, 0.0, 0.8])
    drawn = _acts(mixture, 4_000)
    assert drawn == _acts(mixture, 4_000)
    assert drawn != _acts(mixture, 4_000, seed=1)
    assert drawn.count(1) == 0
    assert np.mean(np.array(drawn) == 0) == pytest.approx(0.2, abs=0.03)


def test_each_of_a_sequence_has_its_block_and_the_last_one_the_rest():
    assert _acts(SequenceActor([Noting(0), Noting(1)], 2), 6) == [0, 0, 1, 1, 1, 1]


def test_who_does_not_act_sees_the_tick_and_who_begins_to_act_plans_afresh():
    first, second = Noting(0), Noting(1)
    _acts(SequenceActor([first, second], 2), 4)
    assert first.notes == "faaoo"
    assert second.notes == "oofaa"


def test_steps_at_which_somebody_else_acts_count():
    sequence = SequenceActor([Noting(0), Noting(1)], 2)
    sequence.reset(0)
    sequence.observe(SEEN)
    sequence.observe(SEEN)
    assert float(sequence.act(SEEN, 0.0).action[0]) == 1
    sequence.rewind([SEEN], None)
    assert float(sequence.act(SEEN, 0.0).action[0]) == 0


@pytest.mark.parametrize("weights", [[0.5], [0.7, 0.7], [1.5, -0.5]])
def test_weights_that_are_no_distribution_are_refused(weights: list[float]):
    with pytest.raises(UserError) as caught:
        MixtureActor([Noting(0), Noting(1)], weights)
    assert "\n" not in str(caught.value)


def test_an_erring_actor_errs_as_often_as_it_is_told():
    spec = make_env("ilrobot/PointPath-v0").spec
    drawn = np.array(_acts(ErringActor(Noting(0), spec, 0.1), 5_000))
    assert np.mean(drawn != 0) == pytest.approx(0.1, abs=0.02)
    assert set(drawn) == {0.0, -4.0, 4.0}
    assert set(_acts(ErringActor(Noting(0), spec, 0.0), 100)) == {0.0}
    choices = make_env("CartPole-v1").spec

    class Left(Noting):
        def act(self, observation, now):
            return Decision(np.asarray(0), Source.POLICY)

    erring = ErringActor(Left(0), choices, 1.0)
    erring.reset(0)
    assert {int(erring.act(SEEN, 0.0).action) for _ in range(20)} == {1}
    with pytest.raises(UserError, match="in \\[0, 1\\]"):
        ErringActor(Noting(0), spec, 1.1)


def test_it_is_known_beforehand_whether_an_episode_has_an_error():
    erring = ErringActor(Noting(0), make_env("ilrobot/PointPath-v0").spec, 0.1)
    known, happened = [], []
    for seed in range(50):
        known.append(erring.errs_within(8, seed))
        erring.reset(seed)
        happened.append(any(float(erring.act(SEEN, 0.0).action[0]) for _ in range(8)))
    assert known == happened
    assert 10 < sum(known) < 45


def _policies(count: int) -> list[Policy]:
    spec = make_env("ilrobot/PointPath-v0").spec
    return [Policy(spec, PolicyConfig(width=8, blocks=1)).eval() for _ in range(count)]


@pytest.mark.parametrize(
    "several", [PolicyMixture(_policies(2), (0.25, 0.75)), PolicySequence(_policies(3), 4)]
)
def test_what_was_saved_acts_as_before(several: PolicyMixture | PolicySequence, tmp_path: Path):
    save_policies(several, tmp_path / "kept")
    loaded = load_policies(tmp_path / "kept")
    assert type(loaded) is type(several)
    assert _acts(loaded.actor(), 20) == _acts(several.actor(), 20)
    with pytest.raises(UserError, match="is not empty"):
        save_policies(several, tmp_path / "kept")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "holds no policies.json"),
        ("{", "damaged"),
        ('{"policies": 0}', "damaged"),
        ('{"policies": 2, "weights": [0.5, 0.6]}', "no probabilities"),
        ('{"policies": 2, "block": 0}', "at least 1 step"),
        ('{"policies": 3, "block": 1}', "policy-3.pt"),
    ],
)
def test_a_damaged_folder_is_one_line(content: str | None, said: str, tmp_path: Path):
    save_policies(PolicySequence(_policies(2)), tmp_path / "kept")
    file = tmp_path / "kept" / "policies.json"
    if content is None:
        file.unlink()
    else:
        file.write_text(content)
    with pytest.raises(UserError, match=said) as caught:
        load_policies(tmp_path / "kept")
    assert "\n" not in str(caught.value)

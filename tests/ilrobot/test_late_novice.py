"""A policy that answers late, breaks or hangs while a person shares control with it."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from ilrobot.actors import Action, Actor, Decision, LateAnswer, Observation, Source
from ilrobot.blend import Blend
from ilrobot.control.chunks import ChunkActor
from ilrobot.control.drawing import Prediction, Single
from ilrobot.control.execution import Receding
from ilrobot.data.episode import MemoryRecorder, Outcome
from ilrobot.env import make_env
from ilrobot.gates.human import HumanGate
from ilrobot.punctual import PunctualActor
from ilrobot.rollout import rollout
from ilrobot.shared_control import SharedControl
from ilrobot.spec import Feature
from tests.ilrobot.handing import SPEC, Novice, Person, action_of, letters_of, shared


class Slow(Novice):
    """Answers when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.may = threading.Event()
        self.may.set()

    def act(self, observation: Observation, now: float) -> Decision:
        assert self.may.wait(10.0)
        return super().act(observation, now)


def test_a_late_policy_holds_the_robot_and_its_old_answer_is_dropped() -> None:
    slow = Slow()
    actor, person = shared("...hh.......", PunctualActor(slow, patience=0.5))
    actor.reset(0)
    sources = []
    for tick in range(8):
        if tick == 1:
            slow.may.clear()
        if tick == 6:
            slow.may.set()
            while slow.tick < 5:  # what it owes and was to see
                threading.Event().wait(0.001)
        sources.append(actor.act({}, tick / 20).source)
    H, P, W, B = Source.HUMAN, Source.POLICY, Source.PAUSED, Source.BLEND
    assert sources == [P, W, W, H, H, W, B, B]
    assert set(person.told) == {"the policy does not answer"}
    # Every tick was seen once, and a fresh plan was asked for after the flush.
    assert [x for x in slow.seen if x != "f"] == list("aaooooaa")
    assert slow.seen[-2:] == ["a", "a"]
    assert slow.seen[-3] == "f"


def test_a_person_who_drives_does_not_wait_for_the_policy() -> None:
    slow = Slow()
    # Whoever waited for this policy would do so until it gave up.
    actor, person = shared(1000 * "h", PunctualActor(slow, patience=60.0))
    actor.reset(0)
    assert actor.act({}, 0.0).policy_action is not None
    slow.may.clear()
    decisions = [actor.act({}, tick / 20) for tick in range(5)]
    assert {d.source for d in decisions} == {Source.HUMAN}
    assert all(d.policy_action is None for d in decisions)
    assert person.told == []
    slow.may.set()
    for tick in range(5, 900):
        decision = actor.act({}, tick / 20)
        assert decision.source is Source.HUMAN
        if decision.policy_action is not None:
            return
    pytest.fail("the policy's answer is never recorded")


@pytest.mark.parametrize(("script", "held"), [("...hhh", Source.HUMAN), ("...PPP", Source.PAUSED)])
def test_a_policy_that_predicts_in_the_background_acts_again(script: str, held: Source) -> None:
    """Asking it anew at every tick would throw away each answer before it comes."""

    def predict(history: object, noise: object, guide: object = None) -> Prediction:
        return Prediction(np.full((4, 3), -1.0, np.float32))

    state = Feature("observation.state", (1,))
    seen = {state.name: np.zeros(1, np.float32)}
    novice = ChunkActor(
        *(predict, replace(SPEC, observations=(state,))),
        history=1,
        execution=Receding(4),
        draw=Single(None),
        background=True,
    )
    actor, _ = shared(script + 10 * ".", novice)
    actor.reset(0)
    actor.prepare(seen)
    decisions = []
    for tick in range(18):
        decisions.append(actor.act(seen, tick / 20))
        novice.inference.wait(0.1)  # what a robot's period leaves it
    sources = [decision.source for decision in decisions]
    assert sources[:6] == [Source.POLICY] * 3 + [held] * 3
    assert sources.count(Source.BLEND) == 4
    assert sources[-1] is Source.POLICY
    # What it would do is known while they drive, if not at every tick.
    known = [decision.policy_action is not None for decision in decisions[3:6]]
    assert any(known) is (held is Source.HUMAN)


def test_a_policy_that_takes_its_time_still_says_its_doubt_at_the_takeover() -> None:
    class Unhurried(Novice):
        def glance(self, observation: Observation, now: float) -> Decision:
            raise LateAnswer

    person = Person("..hh..h.")
    gate = HumanGate(lambda: person.engaged)
    actor = SharedControl(Unhurried(), person, gate, doubt=lambda observation: 0.25)
    letters_of(actor, 8)
    assert actor.control_log().doubts == (0.25, 0.25)


def test_an_episode_with_a_mad_policy_is_not_lost() -> None:
    env = make_env("ilrobot/PandaReach-v0")

    class Away(Actor):
        def act(self, observation: Observation, now: float) -> Decision:
            return Decision(np.zeros(7, np.float32), Source.HUMAN)

    class Mad(Actor):
        tick = 0

        def act(self, observation: Observation, now: float) -> Decision:
            self.tick += 1
            action = np.full(7, np.nan if self.tick > 5 else 0.01, np.float32)
            return Decision(action, Source.POLICY, policy_action=action)

    recorder = MemoryRecorder(env.spec)
    actor = SharedControl(Mad(), Away(), HumanGate(lambda: False), blend=Blend(env.spec))
    result = rollout(env, actor, seed=0, recorder=recorder, max_steps=20)
    columns = recorder.episodes[0].columns
    assert result.length == 20
    assert recorder.episodes[0].info.outcome is not Outcome.UNFINISHED
    assert (columns["control.source"] == "paused").tolist() == [False] * 5 + [True] * 15


def test_an_error_of_the_policy_is_passed_on() -> None:
    class Broken(Actor):
        def act(self, observation: Observation, now: float) -> Decision:
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        PunctualActor(Broken()).act({}, 0.0)


class Hung(Actor):
    """Hangs where it is told to until it is let go; ``broken`` raises."""

    def __init__(self, hangs: str = "", broken: str = "") -> None:
        self.hangs, self.broken, self.go = hangs, broken, threading.Event()

    def _do(self, what: str) -> None:
        if what == self.hangs:
            assert self.go.wait(10.0)
        if what == self.broken:
            raise ValueError(f"{what} is broken")

    def reset(self, seed: int | None = None) -> None:
        self._do("reset")

    def observe(self, observation: Observation) -> None:
        self._do("observe")

    def flush(self) -> None:
        self._do("flush")

    def rewind(self, past: Sequence[Observation], executed: Action | None) -> None:
        self._do("rewind")

    def act(self, observation: Observation, now: float) -> Decision:
        self._do("act")
        return Decision(action_of(0.0, 0.0, 0.0), Source.POLICY)


@pytest.mark.parametrize("broken", ["reset", "observe", "flush", "rewind"])
def test_what_a_policy_raises_where_nobody_waits_for_it_is_not_lost(broken: str) -> None:
    asked = PunctualActor(Hung(broken=broken), patience=10.0)

    def run() -> None:
        asked.reset(0)
        asked.observe({})
        asked.flush()
        asked.rewind([], None)
        asked.act({}, 0.0)

    with pytest.raises(ValueError, match=f"{broken} is broken"):
        run()


def test_what_a_late_policy_raises_is_not_lost() -> None:
    policy = Hung(hangs="act", broken="act")
    asked = PunctualActor(policy, patience=0.01)
    with pytest.raises(LateAnswer):
        asked.act({}, 0.0)
    policy.go.set()

    def go_on() -> None:
        for _ in range(1000):
            asked.observe({})
            threading.Event().wait(0.005)

    with pytest.raises(ValueError, match="act is broken"):
        go_on()


@pytest.mark.parametrize("hangs", ["reset", "act"])
def test_an_episode_begins_though_the_policy_hangs_and_the_person_is_told(hangs: str) -> None:
    policy = Hung(hangs=hangs)
    actor, person = shared("........", PunctualActor(policy, patience=0.01))
    for _ in range(2):
        actor.reset(0)
        assert actor.act({}, 0.0).source is Source.PAUSED
    assert set(person.told) == {"the policy does not answer"}
    policy.go.set()
    sources = []
    for _ in range(1000):
        sources.append(actor.act({}, 0.0).source)
        if sources[-1] is not Source.PAUSED:
            break
        threading.Event().wait(0.005)
    assert sources[-1] is Source.BLEND


def test_a_policy_that_hangs_for_ever_does_not_keep_the_process_alive() -> None:
    program = """
import threading
from ilrobot.actors import Actor, LateAnswer
from ilrobot.punctual import PunctualActor

class Hung(Actor):
    def act(self, observation, now):
        threading.Event().wait()

try:
    PunctualActor(Hung(), 0.01).act({}, 0.0)
except LateAnswer:
    print("late")
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "late\n"

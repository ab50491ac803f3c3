"""From the person's hand back to the policy, and what happens when the policy has no answer."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Sequence

import numpy as np
import pytest

from ilrobot.actors import Action, Actor, Decision, LateAnswer, Observation, Source
from ilrobot.blend import Blend
from ilrobot.data.episode import MemoryRecorder, Outcome
from ilrobot.env import make_env
from ilrobot.errors import WorkFailed
from ilrobot.gates.beta import BetaGate
from ilrobot.gates.human import HumanGate
from ilrobot.punctual import PunctualActor
from ilrobot.rollout import rollout
from ilrobot.shared_control import SharedControl
from ilrobot.spec import Feature, Spec

NAMES, UNITS = ("dx", "turn", "left_gripper"), ("m/tick", "rad", "1")
SPEC = Spec((), Feature("action", (3,), names=NAMES, units=UNITS), 20.0)


def _action(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def test_motions_are_averaged_angles_go_the_short_way_and_grippers_switch() -> None:
    blend = Blend(SPEC)
    blend.begin(_action(1.0, 3.0, 0.0))
    mixed = [blend.mix(_action(-1.0, -3.0, 1.0)) for _ in range(5)]
    assert mixed[4] is None
    taken = np.array(mixed[:4])
    assert taken[:, 0] == pytest.approx([0.6, 0.2, -0.2, -0.6])
    step = (2 * np.pi - 6.0) / 5
    assert taken[:, 1] == pytest.approx([3.0 + k * step for k in range(1, 5)])
    assert taken[:, 2].tolist() == [1.0] * 4
    assert taken.dtype == np.float32


def test_a_target_far_away_is_met_step_by_step() -> None:
    blend = Blend(SPEC, most=np.array([0.25, np.inf, np.inf]))
    blend.begin(_action(0.0, 0.0, 0.0))
    mixed = [blend.mix(_action(2.0, 0.0, 1.0)) for _ in range(9)]
    assert [float(m[0]) for m in mixed[:7] if m is not None] == pytest.approx(
        [0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75]
    )
    assert mixed[7:] == [None, None]


def test_choices_switch() -> None:
    blend = Blend(Spec((), Feature("action", (), "int64"), 20.0, choices=3))
    blend.begin(np.array(2))
    assert blend.mix(np.array(0)) is None


@pytest.mark.parametrize(("rate", "ticks"), [(20.0, 4), (10.0, 2), (50.0, 10), (2.0, 1)])
def test_it_takes_a_fifth_of_a_second(rate: float, ticks: int) -> None:
    blend = Blend(SPEC.with_rate(rate))
    blend.begin(_action(0, 0, 0))
    assert sum(blend.mix(_action(1, 1, 1)) is not None for _ in range(20)) == ticks


class Person(Actor):
    """Holds the bumper and steers by 1 where the script says ``h``; ``P`` pauses."""

    def __init__(self, script: str) -> None:
        self.script, self.told, self.tick, self.engaged = script, [], -1, False

    told: list[str]

    def reset(self, seed: int | None = None) -> None:
        self.tick = -1

    def act(self, observation: Observation, now: float) -> Decision:
        self.tick += 1
        sign = self.script[min(self.tick, len(self.script) - 1)]
        self.engaged = sign == "h"
        action = _action(1.0 if self.engaged else 0.0, 0.0, 1.0)
        source = Source.PAUSED if sign == "P" else Source.HUMAN
        return Decision(action, source, human_action=action if self.engaged else None)

    def tell(self, message: str) -> None:
        self.told.append(message)


class Novice(Actor):
    """Wants -1; at the ticks of `mad` NaN."""

    def __init__(self, *mad: int) -> None:
        self.mad, self.tick = mad, -1
        self.seen: list[str] = []

    def observe(self, observation: Observation) -> None:
        self.tick += 1
        self.seen.append("o")

    def flush(self) -> None:
        self.seen.append("f")

    def act(self, observation: Observation, now: float) -> Decision:
        self.tick += 1
        self.seen.append("a")
        action = _action(np.nan if self.tick in self.mad else -1.0, 0.0, 0.0)
        return Decision(action, Source.POLICY, policy_action=action)


def _shared(script: str, novice: Actor) -> tuple[SharedControl, Person]:
    person = Person(script)
    gate = HumanGate(lambda: person.engaged)
    return SharedControl(novice, person, gate, blend=Blend(SPEC)), person


def _letters(actor: Actor, ticks: int) -> tuple[str, list[Decision]]:
    actor.reset(0)
    decisions = [actor.act({}, t / 20) for t in range(ticks)]
    return "".join(d.source.value[0] for d in decisions), decisions


def test_a_handback_leads_over_and_its_steps_are_nobodys_word() -> None:
    actor, _ = _shared("..hh........", Novice())
    letters, decisions = _letters(actor, 12)
    # p is policy here: nobody pauses.
    assert letters == "pphhbbbbpppp"
    values = [float(d.action[0]) for d in decisions]
    assert values[3:9] == pytest.approx([1.0, 0.6, 0.2, -0.2, -0.6, -1.0])
    assert [d.human_action is not None for d in decisions] == [x == "h" for x in letters]


def test_a_takeover_ends_the_blending() -> None:
    actor, _ = _shared(".hh.h.....", Novice())
    letters, decisions = _letters(actor, 10)
    assert letters == "phhbhbbbbp"
    assert float(decisions[4].action[0]) == 1.0


def test_a_pause_holds_whoever_was_acting_and_the_policy_plans_anew_after_it() -> None:
    novice = Novice()
    actor, _ = _shared(".hPP..", novice)
    _, decisions = _letters(actor, 6)
    sources = [d.source for d in decisions]
    assert sources == [
        Source.POLICY, Source.HUMAN, Source.PAUSED, Source.PAUSED, Source.BLEND, Source.BLEND,
    ]  # fmt: skip
    assert [float(d.action[0]) for d in decisions[2:4]] == [0.0, 0.0]
    assert all(d.human_action is None for d in decisions[2:4])
    assert "".join(novice.seen).endswith("ofofaa")
    summary = actor.control_log()
    assert (summary.switches, summary.expert_steps) == (2, 1)


@pytest.mark.parametrize("hold", ["P", "nan"])
def test_after_every_hold_the_policy_begins_at_the_command_that_held(hold: str) -> None:
    actor, _ = _shared(
        "..PP...." if hold == "P" else 8 * ".", Novice(*([2, 3] if hold != "P" else []))
    )
    _, decisions = _letters(actor, 9)
    values = [float(d.action[0]) for d in decisions[2:]]
    assert values == pytest.approx([0.0, 0.0, -0.2, -0.4, -0.6, -0.8, -1.0])


def test_an_answer_that_is_not_finite_holds_the_robot_and_the_person_is_told() -> None:
    novice = Novice(2, 3)
    actor, person = _shared("........", novice)
    _, decisions = _letters(actor, 6)
    held = [d.source is Source.PAUSED for d in decisions]
    assert held == [False, False, True, True, False, False]
    assert all(np.isfinite(d.action).all() for d in decisions)
    assert person.told == 2 * ["the policy's action is not finite"]


def test_with_nobody_to_hold_the_robot_a_mad_policy_is_an_error() -> None:
    env = make_env("ilrobot/PandaReach-v0")

    class Mad(Actor):
        def act(self, observation: Observation, now: float) -> Decision:
            return Decision(np.full(7, np.nan, np.float32), Source.POLICY)

    class Expert(Actor):
        def act(self, observation: Observation, now: float) -> Decision:
            action = np.zeros(7, np.float32)
            return Decision(action, Source.DEMO, human_action=action)

    with pytest.raises(WorkFailed, match="finite"):
        rollout(env, SharedControl(Mad(), Expert(), BetaGate(0.0)), seed=0)


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
    actor, person = _shared("...hh.......", PunctualActor(slow, patience=0.5))
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
    actor, person = _shared(1000 * "h", PunctualActor(slow, patience=60.0))
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


def test_a_policy_that_takes_its_time_still_says_its_doubt_at_the_takeover() -> None:
    class Unhurried(Novice):
        def glance(self, observation: Observation, now: float) -> Decision:
            raise LateAnswer

    person = Person("..hh..h.")
    gate = HumanGate(lambda: person.engaged)
    actor = SharedControl(Unhurried(), person, gate, doubt=lambda observation: 0.25)
    _letters(actor, 8)
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
        return Decision(_action(0.0, 0.0, 0.0), Source.POLICY)


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
    actor, person = _shared("........", PunctualActor(policy, patience=0.01))
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

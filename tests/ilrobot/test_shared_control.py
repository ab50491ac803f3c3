from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ilrobot.actors import Actor, Decision, Event, Observation, Source
from ilrobot.control.chunks import ChunkActor
from ilrobot.control.drawing import History, Prediction, Single
from ilrobot.control.execution import Receding
from ilrobot.data.dataset import Dataset, DatasetRecorder
from ilrobot.data.episode import MemoryRecorder
from ilrobot.env import make_env
from ilrobot.gates.beta import BetaGate
from ilrobot.gates.gate import Gate, GateContext
from ilrobot.gates.human import HumanGate
from ilrobot.rollout import rollout
from ilrobot.shared_control import SharedControl
from ilrobot.spec import Feature, Spec
from ilrobot.task_env import TaskEnv


class Planner(Actor):
    """Plans chunks of six: the tick at which each was planned, in hundredths, plus its step."""

    def __init__(self) -> None:
        self.seen: list[int] = []
        self.plans: list[int] = []
        self._left = 0

    def reset(self, seed: int | None = None) -> None:
        self.seen, self.plans, self._left = [], [], 0

    def observe(self, observation: Observation) -> None:
        self.seen.append(int(observation["tick"]))

    def flush(self) -> None:
        self._left = 0

    def act(self, observation: Observation, now: float) -> Decision:
        self.observe(observation)
        if self._left == 0:
            self.plans.append(self.seen[-1])
            self._left = 6
        self._left -= 1
        action = np.array([self.plans[-1] / 100], np.float32)
        return Decision(action, Source.POLICY, policy_action=action)


class Hand(Actor):
    """Holds the bumper at the ticks of `holds`; its action is minus the tick."""

    def __init__(self, *holds: int) -> None:
        self.holds, self.engaged = holds, False
        self.flushes = 0

    def flush(self) -> None:
        self.flushes += 1

    def act(self, observation: Observation, now: float) -> Decision:
        tick = int(observation["tick"])
        self.engaged = tick in self.holds
        action = np.array([-float(tick)], np.float32)
        event = Event.SUCCESS if tick == 9 else None
        human = action if self.engaged else None
        return Decision(action, Source.HUMAN, human_action=human, event=event, input_time=now)


class Recall(Gate):
    """A gate that reads a script."""

    def __init__(self, *expert_at: int, asks_novice: bool = False) -> None:
        self._at, self.asks_novice, self.asks_expert = expert_at, asks_novice, False

    def decide(self, context: GateContext) -> bool:
        return int(context.observation["tick"]) in self._at


def _run(actor: Actor, ticks: int = 10) -> list[Decision]:
    actor.reset(0)
    return [actor.act({"tick": np.array(t)}, 0.1 * t) for t in range(ticks)]


def _human(hand: Hand, novice: Actor) -> SharedControl:
    return SharedControl(novice, hand, HumanGate(lambda: hand.engaged))


def test_sources_and_labels_follow_the_hand() -> None:
    decisions = _run(_human(Hand(3, 4, 5), Planner()))
    assert [d.source for d in decisions] == [Source.POLICY] * 3 + [Source.HUMAN] * 3 + [
        Source.POLICY
    ] * 4
    labels = [None if d.human_action is None else float(d.human_action[0]) for d in decisions]
    assert labels == [None] * 3 + [-3.0, -4.0, -5.0] + [None] * 4
    for decision in decisions:
        own = decision.human_action if decision.source is Source.HUMAN else decision.policy_action
        assert decision.action is own
        assert decision.policy_action is not None


def test_first_human_action_is_of_the_very_tick_of_takeover() -> None:
    decisions = _run(_human(Hand(4), Planner()))
    assert decisions[4].action == pytest.approx([-4.0])
    assert decisions[4].input_time == pytest.approx(0.4)


def test_chunk_is_flushed_at_takeover_and_at_handback() -> None:
    novice = Planner()
    decisions = _run(_human(Hand(2, 3), novice))
    planned_at = [round(100 * float(d.action[0])) for d in decisions if d.source is Source.POLICY]
    assert planned_at == [0, 0, 4, 4, 4, 4, 4, 4]
    assert novice.seen == list(range(10))


def test_what_the_novice_would_do_is_planned_afresh_while_the_expert_acts() -> None:
    decisions = _run(_human(Hand(2, 3, 4), Planner()))
    wanted = [round(100 * float(d.policy_action[0])) for d in decisions[3:5]]
    assert wanted == [3, 4]


@pytest.mark.parametrize("asks_novice", [False, True])
def test_history_has_no_gap_and_both_plans_are_dropped(asks_novice: bool) -> None:
    novice, hand = Planner(), Hand()
    actor = SharedControl(novice, hand, Recall(1, 2, 6, asks_novice=asks_novice))
    decisions = _run(actor)
    assert novice.seen == list(range(10))
    assert (actor.control_log().switches, hand.flushes) == (4, 2)
    for tick, decision in enumerate(decisions):
        if decision.source is Source.POLICY:
            last_expert = max([t for t in (1, 2, 6) if t < tick], default=-1)
            assert round(100 * float(decision.action[0])) > last_expert


def test_an_expert_of_chunks_says_what_is_right_here_and_not_what_it_planned() -> None:
    def predict(history: History, noise: object, guide: object = None) -> Prediction:
        here = history["observation.state"][-1]
        return Prediction(np.tile(here + np.float32(1.0), (8, 1)))

    state = Feature("observation.state", (1,))
    spec = Spec((state,), Feature("action", (1,)), 10.0)
    expert = ChunkActor(predict, spec, history=1, execution=Receding(8), draw=Single(None))
    actor = SharedControl(Planner(), expert, BetaGate(0.0))
    actor.reset(0)
    labels = []
    for tick in range(10):
        seen = {state.name: np.array([10.0 * tick], np.float32), "tick": np.array(tick)}
        labels.append(actor.act(seen, tick / 10).human_action)
    assert np.ravel(labels).tolist() == [10.0 * t + 1.0 for t in range(10)]


def test_an_expert_that_is_not_asked_gives_no_label_and_costs_nothing() -> None:
    actor = SharedControl(Planner(), Hand(), Recall(4, 5))
    labels = [d.human_action is not None for d in _run(actor)]
    assert labels == [t in (4, 5) for t in range(10)]
    assert actor.control_log().queries == 2


def test_a_hand_that_is_away_is_no_query_but_its_word_counts() -> None:
    actor = _human(Hand(3, 4), Planner())
    decisions = _run(actor)
    assert actor.control_log().queries == 2
    assert decisions[9].source is Source.POLICY
    assert decisions[9].event is Event.SUCCESS


def test_counts_begin_anew_with_each_episode() -> None:
    actor = _human(Hand(3), Planner())
    for _ in range(2):
        _run(actor)
        log = actor.control_log()
        assert (log.switches, log.expert_steps, log.queries) == (2, 1, 1)


def test_listener_sees_every_decision() -> None:
    seen: list[Decision] = []
    hand = Hand(3)
    gate = HumanGate(lambda: hand.engaged)
    decisions = _run(SharedControl(Planner(), hand, gate, on_decision=seen.append))
    assert seen == decisions


class Asked(Actor):
    """An expert of a real task, asked at each tick; draws so that a missed call would show."""

    def __init__(self, gain: float) -> None:
        self._gain = gain

    def reset(self, seed: int | None = None) -> None:
        self._random = np.random.default_rng(seed)

    def act(self, observation: Observation, now: float) -> Decision:
        y = observation["observation.state"][1]
        action = np.array([-self._gain * y + self._random.normal()], np.float32)
        return Decision(action, Source.DEMO, human_action=action)


@pytest.fixture
def env() -> Iterator[TaskEnv]:
    made = make_env("ilrobot/Junction-v0")
    yield made
    made.close()


def _record(env: TaskEnv, actor: Actor) -> dict[str, np.ndarray]:
    recorder = MemoryRecorder(env.spec)
    rollout(env, actor, seed=5, recorder=recorder)
    return recorder.episodes[0].columns


@pytest.mark.parametrize(("beta", "other"), [(1.0, 0.7), (0.0, 0.2)])
def test_beta_one_is_the_expert_and_beta_zero_the_novice_bit_for_bit(
    env: TaskEnv, beta: float, other: float
) -> None:
    mixed = _record(env, SharedControl(Asked(0.2), Asked(0.7), BetaGate(beta)))
    alone = _record(env, Asked(other))
    assert np.array_equal(mixed["action"], alone["action"])
    assert np.array_equal(mixed["observation.state"], alone["observation.state"])
    assert np.array_equal(mixed["intervention"], np.full(len(mixed["action"]), beta == 1.0))


def test_beta_labels_every_step_and_draws_at_each(env: TaskEnv) -> None:
    columns = _record(env, SharedControl(Asked(0.2), Asked(0.7), BetaGate(0.5)))
    assert np.isfinite(columns["control.human_action"]).all()
    by_expert = columns["intervention"]
    assert 0.2 < by_expert.mean() < 0.8
    executed = np.where(
        by_expert[:, None], columns["control.human_action"], columns["control.policy_action"]
    )
    assert np.array_equal(executed, columns["action"])


def test_the_recording_and_the_result_tell_how_control_was_shared(
    env: TaskEnv, tmp_path: Path
) -> None:
    with DatasetRecorder(tmp_path, env.spec, state_size=env.state_size) as recorder:
        shared = SharedControl(Asked(0.2), Asked(0.7), BetaGate(0.5))
        results = [rollout(env, shared, seed=5, recorder=recorder)]
        results.append(rollout(env, Asked(0.7), seed=6, recorder=recorder))
    data = Dataset.open(tmp_path)
    assert [info.control for info in data.infos] == [result.control for result in results]
    said, acted = data.infos[0].control, data.episode(0).columns["intervention"]
    assert said is not None
    assert said.queries == len(acted)
    assert said.expert_steps == acted.sum()
    assert said.switches == np.count_nonzero(np.diff(acted, prepend=False))
    assert data.infos[1].control is None  # one actor had it alone


class Called(Hand):
    """A person who is there; remembers how the robot called."""

    attends = True

    def __init__(self, *holds: int) -> None:
        super().__init__(*holds)
        self.calls: list[bool] = []

    def call(self, needed: bool) -> None:
        self.calls.append(needed)


def test_a_robot_that_calls_holds_until_the_person_takes_hold_and_goes_on_by_itself() -> None:
    hand = Called(4, 5, 6, 7)
    actor = SharedControl(Planner(), hand, Recall(2, 3, 4, 5, 6, asks_novice=True))
    decisions = _run(actor)
    letters = "".join(d.source.value[:2] for d in decisions)
    assert letters == "popo" + "papa" + "huhuhu" + "popopo"
    assert hand.calls == [True, False]
    # At tick 7 the hand still holds on; it is neither executed nor a label.
    labels = [tick for tick, decision in enumerate(decisions) if decision.human_action is not None]
    assert labels == [4, 5, 6]
    log = actor.control_log()
    assert (log.steps, log.expert_steps, log.takeovers, log.queries) == (8, 3, 1, 3)


def test_a_person_who_lets_go_before_the_robot_goes_on_is_called_again() -> None:
    hand = Called(2, 3, 5, 6)
    actor = SharedControl(Planner(), hand, Recall(2, 3, 4, 5, asks_novice=True))
    sources = [d.source for d in _run(actor, 8)]
    assert sources[2:6] == [Source.HUMAN, Source.HUMAN, Source.PAUSED, Source.HUMAN]
    assert set(sources[:2] + sources[6:]) == {Source.POLICY}
    assert hand.calls == [True, False]
    log = actor.control_log()
    assert (log.takeovers, log.switches, log.expert_steps) == (2, 4, 3)


class Lingering(Recall):
    """A gate that keeps the expert longer than it would call it."""

    def decide(self, context: GateContext) -> bool:
        return context.expert_acting or super().decide(context)


@pytest.mark.parametrize(
    "gate", [Recall(2, 3, asks_novice=True), Lingering(2, 3, asks_novice=True)]
)
def test_a_person_who_lets_go_where_the_robot_would_not_call_is_not_called_again(
    gate: Gate,
) -> None:
    hand = Called(2, 3)
    actor = SharedControl(Planner(), hand, gate)
    sources = [d.source for d in _run(actor, 8)]
    assert sources[2:4] == [Source.HUMAN, Source.HUMAN]
    assert set(sources[:2] + sources[4:]) == {Source.POLICY}
    assert not hand.calls  # it held on when the robot first needed it
    log = actor.control_log()
    assert (log.takeovers, log.switches, log.expert_steps) == (1, 2, 2)


def test_beta_draws_repeat_with_the_seed_and_differ_between_seeds() -> None:
    def draws(gate: BetaGate, seed: int) -> list[bool]:
        gate.reset(seed)
        context = GateContext({}, 0.0, False, None, None)
        return [gate.decide(context) for _ in range(64)]

    gate = BetaGate(0.5)
    assert draws(gate, 1) == draws(gate, 1)
    assert draws(gate, 1) != draws(gate, 2)
    assert draws(gate, 1) != draws(BetaGate(0.5, seed=7), 1)


@pytest.mark.parametrize("beta", [-0.1, 1.1, float("nan")])
def test_beta_must_be_a_probability(beta: float) -> None:
    with pytest.raises(ValueError, match="beta must be in"):
        BetaGate(beta)

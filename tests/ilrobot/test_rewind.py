"""Going back in simulation: the world, what is counted, what is recorded, who is told."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from ilrobot.actors import Action, Actor, Decision, Event, Observation, Source
from ilrobot.control.chunks import ChunkActor
from ilrobot.control.drawing import Prediction, Single
from ilrobot.control.execution import Receding
from ilrobot.data.branches import surviving, takeovers
from ilrobot.data.dataset import Dataset, DatasetRecorder
from ilrobot.data.episode import Episode, EpisodeInfo, MemoryRecorder, Outcome
from ilrobot.data.summary import summarize
from ilrobot.env import make_env
from ilrobot.gates.human import HumanGate
from ilrobot.rollout import EpisodeResult, rollout
from ilrobot.shared_control import SharedControl
from ilrobot.task_env import TaskEnv
from tests.forked import Forked

TASK = "ilrobot/PushT-v0"


SOURCES = {"d": Source.DEMO, "h": Source.HUMAN, "p": Source.POLICY, "P": Source.PAUSED}


class Script(Actor):
    """One sign per tick: a letter chooses an action and who it is from, ``<`` goes back.

    ``d`` demo, ``h`` human, ``p`` policy, ``P`` paused, ``!`` declares success.
    """

    rewinds = True

    def __init__(self, script: str) -> None:
        self.script = script
        self.told: list[str] = []
        self.pasts: list[tuple[list[Observation], Action | None]] = []
        self.engaged = False

    def reset(self, seed: int | None = None) -> None:
        self.tick = -1

    def act(self, observation: Observation, now: float) -> Decision:
        self.tick += 1
        sign = self.script[self.tick % len(self.script)]
        rng = np.random.default_rng([self.tick, 7])
        action = rng.uniform(150.0, 350.0, 2).astype(np.float32)
        self.engaged = sign == "h"
        return Decision(
            action,
            SOURCES.get(sign, Source.DEMO),
            human_action=action if sign in "dh" else None,
            event=Event.SUCCESS if sign == "!" else None,
            rewind=sign == "<",
        )

    def rewind(self, past: Sequence[Observation], executed: Action | None) -> None:
        self.pasts.append((list(past), executed))

    def cannot_rewind(self) -> None:
        self.told.append("cannot")

    def saved(self) -> None:
        self.told.append("saved")


def _run(script: str, task: str = TASK) -> tuple[EpisodeResult, Episode, Script, TaskEnv]:
    env, actor = make_env(task), Script(script)
    recorder = MemoryRecorder(env.spec, env.state_size)
    result = rollout(env, actor, seed=3, recorder=recorder, max_steps=60)
    return result, recorder.episodes[0], actor, env


def test_both_branches_are_kept_and_the_undone_one_is_marked() -> None:
    _, episode, _, _ = _run("dddd<<dd<<<dd!")
    columns = episode.columns
    assert columns["control.discarded"].tolist() == [False] + [True] * 5 + [False] * 3
    assert columns["control.branch"].tolist() == [0] * 4 + [1] * 2 + [2] * 3
    assert surviving(columns).tolist() == [True] + [False] * 5 + [True] * 3


def test_what_is_left_is_what_would_have_been_without_the_detour() -> None:
    _, episode, _, env = _run("dddd<<dd<<<dd!")
    lives = surviving(episode.columns)
    observation = env.reset(3)
    for index in np.flatnonzero(lives):
        assert np.array_equal(
            observation["observation.state"], episode.columns["observation.state"][index]
        )
        assert np.array_equal(env.get_state(), episode.columns["sim.state"][index])
        observation = env.step(episode.columns["action"][index]).observation


def test_counts_are_of_what_is_left() -> None:
    result, episode, _, _ = _run("pphhpp<<<<phhp!")
    columns, lives = episode.columns, surviving(episode.columns)
    rewards = columns["next.reward"][lives]
    assert result.length == lives.sum() == 7
    assert result.total_reward == pytest.approx(rewards.sum())
    assert result.max_reward == pytest.approx(rewards.max())
    assert (result.interventions, result.human_steps) == (1, 2)
    assert takeovers(columns) == 1
    # A number belongs to one takeover, whatever became of it.
    assert columns["control.intervention_id"].tolist() == [-1] * 2 + [0] * 2 + [-1] * 3 + [
        1,
        1,
        -1,
        -1,
    ]
    assert result.outcome is Outcome.SUCCESS


def test_nothing_lies_before_the_beginning() -> None:
    result, episode, actor, _ = _run("dd<<<<d!")
    assert episode.columns["control.discarded"].tolist() == [True, True, False, False]
    assert result.length == 2
    assert actor.pasts[-1] == ([], None)


def test_actors_see_the_past_and_what_was_executed_last() -> None:
    _, episode, actor, _ = _run("dddd<<d!")
    past, executed = actor.pasts[-1]
    states = [observation["observation.state"] for observation in past]
    assert np.array_equal(states, episode.columns["observation.state"][:2])
    assert executed is not None
    assert np.array_equal(executed, episode.columns["action"][1])


def test_the_time_limit_goes_back_too_and_does_not_run_while_paused() -> None:
    env = make_env(TASK)
    limit = env.time_limit
    assert limit is not None
    for script in ("dd<", "dP"):
        result = rollout(env, Script(script), seed=3)
        episode_steps = result.length if script == "dd<" else (result.length + 1) // 2
        assert (episode_steps, result.outcome) == (limit, Outcome.TIMEOUT)


def test_a_task_that_cannot_go_back_says_so_and_goes_on() -> None:
    class Stubborn(Script):
        def act(self, observation: Observation, now: float) -> Decision:
            decision = super().act(observation, now)
            rewind = decision.rewind and "cannot" not in self.told
            return Decision(np.array(1), decision.source, event=decision.event, rewind=rewind)

    env, actor = make_env("CartPole-v1"), Stubborn("d<<<d!")
    recorder = MemoryRecorder(env.spec)
    result = rollout(env, actor, seed=3, recorder=recorder)
    assert actor.told == ["cannot", "saved"]
    assert result.length == 5
    assert not recorder.episodes[0].columns["control.discarded"].any()


def test_a_policys_history_is_that_of_the_branch_it_is_on() -> None:
    env = make_env(TASK)
    seen: list[np.ndarray] = []

    def predict(history, noise):  # type: ignore[no-untyped-def]
        seen.append(history["observation.state"].copy())
        return Prediction(np.full((4, 2), 250.0, np.float32))

    novice = ChunkActor(predict, env.spec, history=3, execution=Receding(1), draw=Single(None))
    hand = Script("ppppp<<<pp!")
    actor = SharedControl(novice, hand, HumanGate(lambda: hand.engaged))
    recorder = MemoryRecorder(env.spec, env.state_size)
    rollout(env, actor, seed=3, recorder=recorder)
    columns = recorder.episodes[0].columns
    states = columns["observation.state"][surviving(columns)]
    for index, history in enumerate(seen[-3:], start=2):
        assert np.array_equal(history, states[index - 2 : index + 1])


def test_on_disk_it_is_sealed_and_counted(tmp_path: Path) -> None:
    env = make_env(TASK)
    path = tmp_path / "data"
    with DatasetRecorder(path, env.spec, state_size=env.state_size) as recorder:
        for _ in range(2):
            rollout(env, Script("pphhpp<<<<phhp!"), seed=3, recorder=recorder)
    dataset = Dataset.open(path)
    assert dataset.column("control.discarded").sum() == 8
    assert dataset.column("frame_index").tolist() == 2 * list(range(11))
    summary = summarize(dataset)
    assert (summary["interventions"], summary["intervention_steps"]) == (2, 4)
    assert (summary["frames"], summary["discarded_frames"]) == (22, 8)


def test_who_goes_back_and_takes_over_there_again_took_over_twice(tmp_path: Path) -> None:
    env = make_env(TASK)
    with DatasetRecorder(tmp_path, env.spec, state_size=env.state_size, resume=True) as recorder:
        for _ in range(2):
            rollout(env, Script("phhhh<<hhp!"), seed=3, recorder=recorder)
    dataset = Dataset.open(tmp_path)
    assert [takeovers(dataset.episode(index).columns) for index in (0, 1)] == [2, 2]
    assert summarize(dataset)["interventions"] == 4


def test_a_killed_recording_keeps_its_rewinds(tmp_path: Path) -> None:
    """The journal alone, as a killed process leaves it: cut off at every record."""
    env = make_env(TASK)
    path = tmp_path / "data"
    recorder = DatasetRecorder(path, env.spec, state_size=env.state_size)
    with pytest.raises(KeyboardInterrupt):
        rollout(env, _Killed("dddd<<dd<d"), seed=3, recorder=_Unsealed(recorder))
    journal = next(path.glob("journal/*.journal")).read_bytes()
    from ilrobot.data.journal import read_journal

    head = journal.index(b"\n") + 1
    size = (len(journal) - head) // 10
    expected = {4: "....", 5: "...x", 6: "..xx", 7: "..xx.", 9: "..xx.x", 10: "..xx.x."}
    for records, marks in expected.items():
        cut = tmp_path / f"{records}.journal"
        cut.write_bytes(journal[: head + records * size + 3])
        found = read_journal(cut)
        assert found is not None
        undone = found.columns["control.discarded"]
        assert "".join("x" if mark else "." for mark in undone) == marks
        assert found.info.outcome is Outcome.UNFINISHED


def _rewind_and_die(path: Path) -> None:
    env = make_env("ilrobot/PushT-v0")
    recorder = DatasetRecorder(path, env.spec, state_size=env.state_size)
    recorder.begin(EpisodeInfo(env.spec.task, env.spec.rate))
    frame = {
        column.name: "demo" if column.dtype == "string" else np.zeros(column.shape)
        for column in recorder._catalogue.columns
    }
    for _ in range(6):
        recorder.append(frame)
    recorder.rewind(3)
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_process_loses_no_rewind(tmp_path: Path) -> None:
    killed = Forked(_rewind_and_die, tmp_path / "data", errors=tmp_path / "errors")
    assert killed.wait() == -signal.SIGKILL
    dataset = Dataset.open(tmp_path / "data")
    assert dataset.infos[0].outcome is Outcome.UNFINISHED
    assert dataset.column("control.discarded").tolist() == [False] * 3 + [True] * 3


class _Killed(Script):
    def act(self, observation: Observation, now: float) -> Decision:
        if self.tick + 1 == len(self.script):
            raise KeyboardInterrupt
        return super().act(observation, now)


class _Unsealed:
    """Passes everything on but the end."""

    def __init__(self, recorder: DatasetRecorder) -> None:
        self._recorder = recorder
        self.append, self.rewind = recorder.append, recorder.rewind

    def begin(self, info: EpisodeInfo) -> None:
        self._recorder.begin(info)

    def end(self, *_: object) -> None:
        raise AssertionError("it was killed")

"""The one loop: actor × environment × clock × recorder.

Recording, DAgger, evaluation and a policy's trial run differ in these four and in nothing else.

While a person wants to go back, each tick undoes one: the world and its time limit return to where
they were, nothing is executed, and the recorder is told what was undone. Time goes on meanwhile.
While a robot is held on purpose the time limit does not run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from ilrobot.actors import Actor, Decision, Event, Source
from ilrobot.control.clock import Clock, SimulatedClock
from ilrobot.data.episode import EpisodeInfo, Outcome, Recorder
from ilrobot.frames import frame, judged
from ilrobot.gates.log import GateLog
from ilrobot.task_env import Step, TaskEnv
from ilrobot.timeline import Tick, Timeline

#: Called after each tick, for a display or a film.
TickListener = Callable[[Decision, Step], None]


@dataclass(frozen=True)
class EpisodeResult:
    """What an episode came to; ticks that a rewind undid do not count.

    Attributes:
        seed: Seed of its reset.
        outcome: How it ended.
        success: Whether the task counted as done at any step.
        max_reward: Greatest reward of any step.
        total_reward: Sum of rewards.
        length: Number of steps.
        interventions: How often a person took over.
        human_steps: Steps at which a person's action was executed while a policy was running.
        missed_deadlines: Ticks that came late (real time only).
        control: How control was shared (None: one actor had it alone).
    """

    seed: int | None
    outcome: Outcome
    success: bool
    max_reward: float
    total_reward: float
    length: int
    interventions: int
    human_steps: int
    missed_deadlines: int
    control: GateLog | None = None


def rollout(
    env: TaskEnv,
    actor: Actor,
    *,
    seed: int | None = None,
    clock: Clock | None = None,
    recorder: Recorder | None = None,
    info: EpisodeInfo | None = None,
    max_steps: int | None = None,
    on_tick: TickListener | None = None,
) -> EpisodeResult:
    """Run one episode.

    Args:
        env: The world.
        actor: Whoever chooses the actions.
        seed: Seed of the reset and of the actor's own draws.
        clock: What paces it; simulated time, as fast as it goes, by default.
        recorder: Where the frames go (None: nowhere).
        info: What the recording shall know about the episode; task and rate by default.
        max_steps: Stop after so many steps, for environments without a time limit.
        on_tick: Called after each step.
    """
    clock = clock or SimulatedClock(env.spec.rate)
    observation = env.reset(seed)
    actor.reset(seed)
    if recorder is not None:
        info = info or EpisodeInfo(task=env.spec.task, rate=env.spec.rate, seed=seed)
        recorder.begin(replace(info, real_time=not isinstance(clock, SimulatedClock)))
    state_recorded = recorder is not None and env.can_restore
    way_back = actor.rewinds and env.can_restore

    timeline = Timeline()
    missed_deadlines = 0
    missed = False
    declared: Event | None = None
    clock.start()
    while True:
        observed = clock.now()
        decision = actor.act(observation, observed)
        if decision.rewind:
            if not way_back:
                actor.cannot_rewind()
            undone = timeline.back() if way_back else None
            if undone is not None and undone.moment is not None:
                observation = env.restore(undone.moment)
                actor.rewind(timeline.past(), timeline.ticks[-1].action if timeline.ticks else None)
                if recorder is not None:
                    recorder.rewind(undone.frame)
            if on_tick is not None:
                on_tick(decision, Step(observation, 0.0, False, False, False))
            missed = clock.wait()
            missed_deadlines += missed
            continue
        moment = env.snapshot() if way_back else None
        state = None
        if state_recorded:
            state = env.get_state() if moment is None else moment.state
        if decision.source is Source.PAUSED:
            env.stop_time()
        applied = clock.now()
        step = env.step(decision.action)

        declared = decision.event or declared
        human_now = decision.source is Source.HUMAN
        takeover = timeline.takeover(human_now)
        timeline.append(
            Tick(
                frame=timeline.frames,
                observation={} if moment is None else observation,
                moment=moment,
                action=decision.action,
                reward=step.reward,
                success=step.success,
                human=human_now,
                intervention=takeover,
            )
        )
        done = step.terminated or step.truncated or declared is not None
        done = done or (max_steps is not None and len(timeline.ticks) >= max_steps)

        if recorder is not None:
            kept = frame(
                observation,
                decision.action,
                decision,
                reward=step.reward,
                done=done,
                success=step.success,
                terminated=step.terminated,
                takeover=takeover,
                branch=timeline.branch,
                observed=observed,
                applied=applied,
                missed=missed,
            )
            if state is not None:
                kept["sim.state"] = state
            recorder.append(kept)
        if on_tick is not None:
            on_tick(decision, step)
        observation = step.observation
        if done:
            break
        missed = clock.wait()
        missed_deadlines += missed

    # What a simulator calls success at some step counts also where it does not judge in general.
    success = timeline.success if env.judges_success or timeline.success else None
    outcome, judge = judged(declared, success, terminated=step.terminated)
    control = actor.control_log()
    if recorder is not None:
        recorder.end(outcome, judge, control)
        if outcome is not Outcome.DISCARDED:
            actor.saved()
    rewards = [tick.reward for tick in timeline.ticks]
    return EpisodeResult(
        seed=seed,
        outcome=outcome,
        success=outcome is Outcome.SUCCESS,
        max_reward=max(rewards),
        total_reward=sum(rewards),
        length=len(rewards),
        interventions=timeline.interventions,
        human_steps=sum(tick.human for tick in timeline.ticks),
        missed_deadlines=missed_deadlines,
        control=control,
    )

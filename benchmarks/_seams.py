"""Where one chunk ends and the next begins, when predictions take a random time.

A flow policy on PandaLift, trained for about a minute, predicts chunks of 16 ticks (0.8 s) in
simulated time. Ours is real-time chunking with delays counted in executed actions. The reference is
what LeRobot 0.4.4 does (`lerobot/async_inference/robot_client.py`, `_aggregate_action_queues`): it
asks when half of the queue is left, places a chunk by the step that its observation was of, and
where both know a step it takes 0.3 of the old action and 0.7 of the new one; and the same queue
with its other aggregate, the newest action.

How far the command jumps at a seam is how far it is from what was planned for that tick before the
new chunk came: the arm moves on between two ticks anyway, which is no jump.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import row
from benchmarks._delayed import DelayedInference
from benchmarks._methods import Method
from benchmarks.panda import demonstrations
from exports.real_data import taught_actions
from exports.runtime.session import OnnxPolicy
from exports.to_onnx import export_policy
from ilrobot.actors import Action, LateAnswer, Observation
from ilrobot.control.chunking import Chunking
from ilrobot.control.chunks import ObservationHistory
from ilrobot.control.clock import SimulatedClock
from ilrobot.data.windows import Windows
from ilrobot.env import make_env
from ilrobot.learners.behavioral_cloning import train
from ilrobot.task_env import TaskEnv

TASK, TASK_ID = "PandaLift", "ilrobot/PandaLift-v0"
METHOD = Method("flow", {"steps": 2_000, "ema": 0.999, "prefix_delay": 6})
LONGEST, SHORT = 0.3, 0.1
EPISODES = 60
_FIRST_SEED = 1_000_000


@dataclass(frozen=True)
class Seam:
    """A new chunk begins at this tick.

    Attributes:
        planned: What the plan was for this tick before it came (None: it had run out).
    """

    planned: Action | None


class Waits:
    """How long each prediction takes, seconds; by its own seed, so that all have the same."""

    def __init__(self, least: float, most: float) -> None:
        self._least, self._most = least, most
        self._rng = np.random.default_rng(0)

    def __call__(self) -> float:
        """The next one."""
        return float(self._rng.uniform(self._least, self._most))


class Ours:
    """The actor that `ilrobot deploy` runs, in simulated time."""

    def __init__(self, policy: OnnxPolicy, chunking: str, now: Callable[[], float], wait: Waits):
        self._actor = policy.actor(Chunking.parse(chunking))
        self._actor.inference = DelayedInference(self._actor.inference, now, wait)
        self._actor.thinks_ahead = True

    def reset(self, seed: int, first: Observation) -> None:
        """Begin an episode."""
        self._actor.reset(seed)
        self._actor.prepare(first)

    def act(self, observation: Observation, now: float) -> tuple[Action | None, Seam | None]:
        """The action (None: the plan has run out), and the seam if there is one."""
        chunks, rest = self._actor.tally.seconds.count, self._actor._execution.rest
        planned = None if rest is None else rest[0]
        try:
            action = self._actor.act(observation, now).action
        except LateAnswer:
            return None, None
        return action, Seam(planned) if self._actor.tally.seconds.count > chunks else None


class PeerQueue:
    """The queue of LeRobot's asynchronous client, see above.

    Args:
        policy: Draws each chunk freely.
        now: The clock.
        wait: How long each prediction takes.
        old: Weight of the old action where both chunks know a step.
    """

    def __init__(
        self, policy: OnnxPolicy, now: Callable[[], float], wait: Waits, old: float
    ) -> None:
        self._policy, self._now, self._wait, self._old = policy, now, wait, old
        self._history = ObservationHistory(policy.spec, policy.contract.n_obs)

    def reset(self, seed: int, first: Observation) -> None:
        """Begin an episode; the first chunk is there when its clock starts, as with ours."""
        self._history.reset()
        self._rng = np.random.default_rng(seed)
        self._queue: dict[int, NDArray[Any]] = {}
        self._step = 0
        self._history.push(first)
        self._ask()
        self._due = self._now()

    def act(self, observation: Observation, now: float) -> tuple[Action | None, Seam | None]:
        """As that of `Ours`."""
        self._history.push(observation)
        planned = self._queue.get(self._step)
        merged = self._chunk is not None and now >= self._due - 1e-9
        if merged:
            self._merge()
        if self._chunk is None and len(self._queue) <= self._policy.contract.horizon // 2:
            self._ask()
        action = self._queue.pop(self._step, None)
        if action is not None:
            self._step += 1
        return action, Seam(planned) if merged and action is not None else None

    def _ask(self) -> None:
        shape = self._policy.contract.noise_shape
        noise = None if shape is None else self._rng.standard_normal(shape, dtype=np.float32)
        self._chunk: NDArray[Any] | None = self._policy(self._history.windows, noise)
        self._first = self._step
        self._due = self._now() + self._wait()

    def _merge(self) -> None:
        assert self._chunk is not None
        merged = {}
        for step, new in enumerate(self._chunk, self._first):
            if step >= self._step:
                old = self._queue.get(step)
                merged[step] = new if old is None else self._old * old + (1 - self._old) * new
        self._queue, self._chunk = merged, None


@dataclass
class Run:
    """What the episodes of one way came to.

    Attributes:
        successes: Of `EPISODES`.
        jumps: Distance of the command from what was planned for its tick before a new chunk came,
            the greatest over the elements, in shares of their ranges.
        seams: Change of the command from the tick before, likewise, where a new chunk begins.
        within: The same at the other ticks.
        run_out: Ticks without an action.
    """

    successes: int = 0
    jumps: list[float] = field(default_factory=list)
    seams: list[float] = field(default_factory=list)
    within: list[float] = field(default_factory=list)
    run_out: int = 0


def run(folder: Path) -> list[dict[str, Any]]:
    """Rows of the jumps at seams and of success."""
    policy = _policy(folder)
    random = (0.0, LONGEST)
    with closing(make_env(TASK_ID)) as env:
        ours = _try(env, policy, "realtime", random)
        merged, newest = _try(env, policy, 0.3, random), _try(env, policy, 0.0, random)
        short = _try(env, policy, "realtime", (SHORT, SHORT))
        none = _try(env, policy, "receding", (0.0, 0.0))
    what = f"seams of chunks under delays of 0 to {1e3 * LONGEST:.0f} ms"
    references = {"merged 0.3 to 0.7": merged, "the newest taken": newest}
    rows = [
        row(
            f"{what}: mean jump from what was planned (reference: {of})",
            100 * float(np.mean(ours.jumps)),
            "% of range",
            reference=100 * float(np.mean(theirs.jumps)),
            at_most=0.5,
            of="ratio",
        )
        for of, theirs in references.items()
    ]
    rows += [
        row(
            f"{what}: mean change of the command there, motion included (reference: {of})",
            100 * float(np.mean(ours.seams)),
            "% of range",
            reference=100 * float(np.mean(theirs.seams)),
        )
        for of, theirs in references.items()
    ]
    rows.append(
        row(
            "change of the command between two ticks of one chunk, mean (reference: merged)",
            100 * float(np.mean(ours.within)),
            "% of range",
            reference=100 * float(np.mean(merged.within)),
        )
    )
    for name, tried in ((f"{1e3 * SHORT:.0f} ms", short), (f"0 to {1e3 * LONGEST:.0f} ms", ours)):
        rows.append(
            row(
                f"success of {EPISODES} at delays of {name} (reference: none)",
                tried.successes / EPISODES,
                "share",
                reference=none.successes / EPISODES,
            )
        )
    rows.append(
        row(
            f"success of {EPISODES} at delays of 0 to {1e3 * LONGEST:.0f} ms, merged 0.3 to 0.7",
            merged.successes / EPISODES,
            "share",
        )
    )
    return rows


def _policy(folder: Path) -> OnnxPolicy:
    data = demonstrations(TASK, 0)
    policy_config, training = METHOD.configure(data.spec)
    policy = train(data, policy_config, training, folder / "run")
    windows = Windows(data, n_obs=policy_config.n_obs, horizon=policy_config.horizon)
    some = windows.take(windows.spread(100)).observations
    path = folder / "policy.onnx"
    export_policy(
        policy,
        path,
        windows={name: history.numpy() for name, history in some.items()},
        actions=taught_actions(data),
        data_hash="",
        chunking=Chunking.parse("realtime"),
    )
    return OnnxPolicy(path)


def _try(env: TaskEnv, policy: OnnxPolicy, how: str | float, delays: tuple[float, float]) -> Run:
    """Episodes with ours by a word of chunking, or with the peer's queue by its weight."""
    assert policy.contract.limits is not None
    delta = np.array(policy.contract.limits.mode) == "delta"
    clock = SimulatedClock(env.spec.rate)
    wait = Waits(*delays)
    actor = (
        Ours(policy, how, clock.now, wait)
        if isinstance(how, str)
        else PeerQueue(policy, clock.now, wait, how)
    )
    run, scale = Run(), policy.contract.scale
    for seed in range(_FIRST_SEED, _FIRST_SEED + EPISODES):
        observation = env.reset(seed)
        clock.start()
        actor.reset(seed, observation)
        held = np.zeros(env.spec.action.shape, np.float32)
        before: Action | None = None
        while True:
            action, seam = actor.act(observation, clock.now())
            if action is None:
                run.run_out += 1
                action = np.where(delta, 0.0, held).astype(np.float32)
            elif before is not None:
                # An element that is no delta is the gripper, which is to open and close.
                change = float(np.max(np.abs((action - before) / scale)[delta]))
                (run.within if seam is None else run.seams).append(change)
            if action is not None and seam is not None and seam.planned is not None:
                jump = float(np.max(np.abs((action - seam.planned) / scale)[delta]))
                run.jumps.append(jump)
            held = before = action
            step = env.step(action)
            observation = step.observation
            clock.wait()
            if step.terminated or step.truncated:
                run.successes += bool(step.success)
                break
    return run

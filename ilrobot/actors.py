"""Whoever chooses an action: a policy, a scripted expert, a person, an ONNX session, a server."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from numpy.typing import NDArray

from ilrobot.gates.log import GateLog

#: One tick's observations: column name (``observation.state``) to an array of its feature's shape.
Observation = Mapping[str, NDArray[Any]]
Action = NDArray[Any]


class Source(StrEnum):
    """Who chose the action that was executed."""

    DEMO = "demo"
    POLICY = "policy"
    HUMAN = "human"
    BLEND = "blend"
    PAUSED = "paused"


class Event(StrEnum):
    """What a person may declare about the episode while it runs."""

    SUCCESS = "success"
    FAILURE = "failure"
    DISCARD = "discard"


@dataclass(slots=True)
class Decision:
    """An action and where it came from.

    Not changed once it is made; to be frozen would cost every tick of a control loop 0.4 µs.

    Attributes:
        action: What is to be executed: shape of the action feature, in its units.
        source: Who chose it.
        policy_action: What the policy wanted (None: it was not asked).
        human_action: What the person or expert wanted (None: it was not asked). It is the label
            that the DAgger family learns from.
        event: Something that the person declared at this tick.
        input_time: When the input behind it arrived, in seconds of the loop's clock.
        rewind: The person wants the last tick undone instead; the action is not executed.
        doubt: How much the policy doubts itself, see `ilrobot.gates.doubt` (None: not known).
        calls_for_help: Whether the policy, which acts, says that it should not, see
            `ilrobot.control.signals`.
    """

    action: Action
    source: Source
    policy_action: Action | None = None
    human_action: Action | None = None
    event: Event | None = None
    input_time: float | None = None
    rewind: bool = False
    doubt: float | None = None
    calls_for_help: bool = False


class LateAnswer(Exception):
    """An actor has no action for this tick; somebody else must act."""


class Actor(ABC):
    """Chooses one action per tick."""

    rewinds = False
    """Whether its decisions may ask for a rewind, so that a way back must be kept."""

    attends = False
    """Whether it is a person: seen at every tick, and helping only once they have taken hold."""

    @property
    def driven(self) -> bool:
        """Whether a person acts, by what they last said (`act`, `hear`), be it that they halt."""
        return False

    @property
    def halted(self) -> bool:
        """Whether a person has the robot hold, by what they last said."""
        return False

    thinks_ahead = False
    """Whether it is to `prepare` before an episode's clock starts."""

    def reset(self, seed: int | None = None) -> None:  # noqa: B027 (many actors keep no state)
        """Begin a new episode; `seed` fixes whatever the actor draws at random."""

    @abstractmethod
    def act(self, observation: Observation, now: float) -> Decision:
        """Choose the action for this tick.

        Args:
            observation: What was measured at this tick.
            now: The time of the loop's clock in seconds (simulated time in simulation).

        Raises:
            LateAnswer: It computes its actions meanwhile, and none is there yet.
        """

    def glance(self, observation: Observation, now: float) -> Decision:
        """`act` where somebody else drives: the answer is only noted, and nobody waits for it."""
        return self.act(observation, now)

    def prepare(  # noqa: B027
        self, observation: Observation, stopped: Callable[[], bool] = lambda: False
    ) -> None:
        """Think about an episode's first tick before its clock starts; that may take its time.

        Args:
            observation: What is seen then.
            stopped: Asked meanwhile; where it is true nobody waits for it any more.
        """

    def observe(self, observation: Observation) -> None:  # noqa: B027
        """See a tick at which somebody else acts, so that a history has no gap."""

    def hear(self, now: float) -> Event | None:
        """A tick at which a robot's guard acts: what a person says is heard all the same.

        Args:
            now: As in `act`.

        Returns:
            What they declare (None: nothing).
        """
        return None

    def flush(self) -> None:  # noqa: B027
        """Forget planned actions, not observations: control has changed hands."""

    def rewind(  # noqa: B027
        self, past: Sequence[Observation], executed: Action | None
    ) -> None:
        """The world has gone back: forget what came after, plans included.

        Args:
            past: The observations that led to where it is now, oldest first and without the
                present one; long ago ones may be missing.
            executed: What was executed at the last of them (None: the episode begins here).
        """

    def cannot_rewind(self) -> None:  # noqa: B027
        """The world cannot go back; the wish is to be dropped for this episode."""

    def saved(self) -> None:  # noqa: B027
        """The episode is safe on disk."""

    def tell(self, message: str) -> None:  # noqa: B027
        """Something that a person should know now; actors that are no persons do not listen."""

    def call(self, needed: bool) -> None:  # noqa: B027
        """The robot needs help, or needs it no more; only who attends listens."""

    def control_log(self) -> GateLog | None:
        """How control was shared since the reset (None: it was not shared)."""
        return None


class WrappedActor(Actor):
    """Another actor, something of which a subclass changes.

    Args:
        actor: Whose decisions they are at first.
    """

    def __init__(self, actor: Actor) -> None:
        self._actor = actor
        self.rewinds = actor.rewinds
        self.attends = actor.attends
        self.thinks_ahead = actor.thinks_ahead

    def reset(self, seed: int | None = None) -> None:
        """See `Actor`."""
        self._actor.reset(seed)

    def act(self, observation: Observation, now: float) -> Decision:
        """See `Actor`."""
        return self._actor.act(observation, now)

    def prepare(
        self, observation: Observation, stopped: Callable[[], bool] = lambda: False
    ) -> None:
        """See `Actor`."""
        self._actor.prepare(observation, stopped)

    def observe(self, observation: Observation) -> None:
        """See `Actor`."""
        self._actor.observe(observation)

    @property
    def driven(self) -> bool:
        """See `Actor`."""
        return self._actor.driven

    @property
    def halted(self) -> bool:
        """See `Actor`."""
        return self._actor.halted

    def hear(self, now: float) -> Event | None:
        """See `Actor`."""
        return self._actor.hear(now)

    def flush(self) -> None:
        """See `Actor`."""
        self._actor.flush()

    def rewind(self, past: Sequence[Observation], executed: Action | None) -> None:
        """See `Actor`."""
        self._actor.rewind(past, executed)

    def cannot_rewind(self) -> None:
        """See `Actor`."""
        self._actor.cannot_rewind()

    def saved(self) -> None:
        """See `Actor`."""
        self._actor.saved()

    def tell(self, message: str) -> None:
        """See `Actor`."""
        self._actor.tell(message)

    def call(self, needed: bool) -> None:
        """See `Actor`."""
        self._actor.call(needed)

    def control_log(self) -> GateLog | None:
        """See `Actor`."""
        return self._actor.control_log()


class Scripted(Protocol):
    """A scripted expert as `sims` writes it: arrays in the environment's own keys, nothing else."""

    def reset(self, seed: int | None = None) -> None:
        """Begin a new episode."""

    def act(self, observation: Any) -> NDArray[Any]:
        """The expert's action for the environment's own (unflattened) observation."""

"""Who shares control in ``ilrobot dagger``: the policy, a gate, and the task's expert or a hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ilrobot.cli.dagger_gate import GatePlan

if TYPE_CHECKING:
    from ilrobot.actors import Actor
    from ilrobot.cli.page import PageAddress
    from ilrobot.data.dataset import Dataset
    from ilrobot.data.episode import EpisodeInfo
    from ilrobot.gates.doubt import Doubt
    from ilrobot.learners.interactive.collect import RunEpisode
    from ilrobot.learners.interactive.gate_network import OnSteps
    from ilrobot.spec import Spec
    from ilrobot.task_env import TaskEnv
    from teleop.actor import TeleopActor
    from teleop.display import Display
    from teleop.engagement import EngageMode
    from teleop.hands import DeviceKind


@dataclass(frozen=True)
class _CastOnTask:
    """What each process makes anew: the task and the gate of a round.

    Attributes:
        task: Gymnasium id.
        options: Keyword arguments for the environment.
        rate: Control rate in Hz (None: the one that the environment states).
        plan: The gates.
    """

    task: str
    options: dict[str, Any]
    rate: float | None
    plan: GatePlan

    def make_env(self) -> TaskEnv:
        """See `ilrobot.learners.interactive.collect.Cast`."""
        from ilrobot.env import make_env

        return make_env(self.task, self.options, rate=self.rate)

    def prepare(self, number: int, dataset: Dataset, policy_run: Path, on_steps: OnSteps) -> None:
        """See `Cast`."""
        self.plan.prepare(number, dataset, policy_run, on_steps)


@dataclass(frozen=True)
class ExpertCast(_CastOnTask):
    """An expert that can be asked; picklable.

    Attributes:
        policy: Run or .onnx file of the expert (None: the task's script).
    """

    policy: Path | None = None

    @contextmanager
    def share_control(self, env: TaskEnv, policy_run: Path, number: int) -> Iterator[Actor]:
        """See `ilrobot.learners.interactive.collect.Cast`."""
        from ilrobot.cli.actors import load_run
        from ilrobot.noisy_expert import NoisyExpert
        from ilrobot.shared_control import SharedControl

        novice, expert = load_run(policy_run).actor(), self.expert(env)
        gate = self.plan.make(number, env.spec, novice, engaged=lambda: False)
        noise = self.plan.noise(number, env.spec)
        if noise is not None:
            expert = NoisyExpert(expert, env.spec, noise, self.plan.seed)
        yield SharedControl(novice, expert, gate, doubt=doubt_of(novice))

    def expert(self, env: TaskEnv) -> Actor:
        """The expert.

        Raises:
            UserError: The task has no script, or the policy does not fit the task.
        """
        from ilrobot.cli.actors import load_actor
        from ilrobot.cli.people import scripted_expert
        from ilrobot.compatibility import check_policy_fits

        if self.policy is None:
            return scripted_expert(
                env,
                "give a policy that is stronger: --expert RUN, or correct it by hand: --gate human "
                "--device gamepad",
            )
        expert, spec = load_actor(self.policy)
        check_policy_fits(spec, env.spec, f"--expert {self.policy}")
        return expert

    def info(self, env: TaskEnv) -> EpisodeInfo:
        """What each episode shall know about itself."""
        from ilrobot.data.episode import EpisodeInfo

        operator = "expert" if self.policy is None else str(self.policy)
        return EpisodeInfo(env.spec.task, env.spec.rate, operator=operator, device="expert")


@dataclass(frozen=True)
class OperatorCast(_CastOnTask):
    """A simulated person's hand; picklable: each process has the same person.

    Attributes:
        seed: Who the person is.
        bindings: A file that changes what the buttons do.
    """

    seed: int
    bindings: Path | None = None

    @contextmanager
    def share_control(self, env: TaskEnv, policy_run: Path, number: int) -> Iterator[Actor]:
        """See `Cast`; the pad is unplugged after the round."""
        with closing(self._hand(env)) as hand:
            cast = HandCast(env, hand, self.plan)
            with cast.share_control(env, policy_run, number) as actor:
                yield actor

    def info(self, env: TaskEnv) -> EpisodeInfo:
        """What each episode shall know about itself.

        Raises:
            UserError: The task has no script that this person could follow, no pad can command
                its actions, or the file of bindings is wrong.
        """
        from ilrobot.cli.people import hand_info

        with closing(self._hand(env)) as hand:
            return hand_info(env, hand, simulated=True)

    def _hand(self, env: TaskEnv) -> TeleopActor:
        from ilrobot.cli.people import scripted_expert
        from teleop.hands import make_hand
        from teleop.takeover import Summoned

        return make_hand(
            "operator",
            env.spec,
            expert=scripted_expert(env),
            seed=self.seed,
            engage="hold",
            bindings=self.bindings,
            # Another gate than the person's own calls them.
            patience=None if self.plan.name == "human" else Summoned(),
        )


@dataclass(frozen=True)
class HandCast:
    """A hand on a device, in this process, in front of a window or page if a person's.

    Attributes:
        env: The world.
        hand: The hand, which engages to take over or when it is called.
        plan: The gates.
        display: What the person sees (None: nobody watches).
    """

    env: TaskEnv
    hand: TeleopActor
    plan: GatePlan
    display: Display | None = field(default=None)

    def make_env(self) -> TaskEnv:
        """The one that the person sees."""
        return self.env

    def prepare(self, number: int, dataset: Dataset, policy_run: Path, on_steps: OnSteps) -> None:
        """See `ilrobot.learners.interactive.collect.Cast`."""
        self.plan.prepare(number, dataset, policy_run, on_steps)

    @contextmanager
    def share_control(self, env: TaskEnv, policy_run: Path, number: int) -> Iterator[Actor]:
        """See `Cast`; a person does not wait for a policy that hangs."""
        from ilrobot.blend import Blend
        from ilrobot.cli.actors import load_run
        from ilrobot.punctual import PunctualActor
        from ilrobot.shared_control import SharedControl
        from teleop.clutch import most_jump

        hand, novice = self.hand, load_run(policy_run).actor()
        yield SharedControl(
            novice if self.display is None else PunctualActor(novice),
            hand,
            self.plan.make(number, env.spec, novice, engaged=lambda: hand.engaged),
            blend=Blend(env.spec, most=most_jump(hand.mapping.action_step)),
            doubt=doubt_of(novice),
            on_decision=hand.watch,
        )

    def run_episode(self, total: int) -> RunEpisode | None:
        """Runs each of so many episodes in front of the person (None: nobody watches)."""
        if self.display is None:
            return None
        from teleop.live import LiveStage

        return LiveStage(self.display, self.env, self.hand, total).run_episode


def take_hand(
    spec: Spec,
    device: DeviceKind,
    page: PageAddress,
    engage: EngageMode,
    bindings: Path | None,
) -> AbstractContextManager[tuple[TeleopActor, Display | None]]:
    """A person's hand for a task, and what they see."""
    from ilrobot.cli.page import tell_address
    from teleop.hands import make_hand
    from teleop.stages import take_place

    return take_place(
        device,
        f"ilrobot dagger {spec.task}",
        lambda device: make_hand(device, spec, engage=engage, bindings=bindings),
        address=page.check(device),
        tell=tell_address,
    )


def doubt_of(novice: Actor) -> Doubt | None:
    """How it doubts itself (None: it does not)."""
    from ilrobot.ensemble import EnsembleActor

    return novice.doubt if isinstance(novice, EnsembleActor) else None

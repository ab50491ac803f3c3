"""``ilrobot dagger``: learn from corrections."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ilrobot.cli.page import Page, PageAddress, tell_address
from ilrobot.cli.usage import BindingsFile, TaskOptions
from ilrobot.errors import UserError

if TYPE_CHECKING:
    from rich.progress import Progress as ProgressBar

    from ilrobot.actors import Actor
    from ilrobot.data.dataset import Dataset
    from ilrobot.data.episode import EpisodeInfo
    from ilrobot.env import TaskEnv
    from ilrobot.learners.interactive.dagger import RunEpisode
    from ilrobot.policies.policy import Policy
    from ilrobot.run_description import Config, RoundSummary
    from ilrobot.spec import Spec

#: The expert's share of the first round's steps with --gate beta; it halves each round.
FIRST_BETA = 0.5


@dataclass
class Dagger:
    """Let the policy try, take over when it goes wrong, and learn from that too.

    With --gate human (HG-DAgger) a person takes over by holding the right bumper; what the person
    did is what is learnt. With --gate beta (DAgger) the expert is asked at every step, drives with
    a probability that halves each round, and all its answers are learnt.

    Example: ilrobot dagger --task ilrobot/PandaLift-v0 --dataset data/lift --policy
    runs/bc --output runs/dagger
    """

    task: str
    """Gymnasium id, e.g. ilrobot/PandaLift-v0."""

    dataset: Path
    """Demonstrations to begin with; they are copied, never changed."""

    policy: Path
    """Run of the policy that tries first; its settings are used for each fit."""

    output: Path
    """Folder of this run: the growing dataset, a policy per round, and policy.pt, the last."""

    gate: Literal["human", "beta"] = "human"
    """Who decides who acts: the person's hand on the bumper, or a draw."""

    device: Literal["operator", "gamepad", "keyboard", "spacemouse", "browser", "expert"] = (
        "operator"
    )
    """A simulated person's hand, your own at a window or a page (browser), or the expert itself."""

    page: Page = PageAddress()  # noqa: RUF009 (it is frozen)

    bindings: BindingsFile = None
    """A TOML file that changes what buttons, keys and axes do."""

    engage: Literal["hold", "toggle", "motion"] = "hold"
    """How you take over: while you hold the right bumper, from press to press, or by moving."""

    rounds: int = 3
    """Rounds of trying and learning."""

    episodes: int = 10
    """Episodes in each round."""

    seed: int = 10_000
    """Seed of the first episode; the next ones count up from it."""

    options: TaskOptions = ()
    """Options of the environment, e.g. engine=pybullet."""

    warm_start: bool = False
    """Begin each fit with the weights of the policy that acted, not from scratch."""

    resume: bool = False
    """Go on with a run that was stopped."""

    json: bool = False
    """Print one JSON object as the last line."""

    def run(self) -> int:
        """Run the rounds and print what each came to."""
        from ilrobot.cli.options import parse_options
        from ilrobot.cli.output import console, print_json, progress_bar
        from ilrobot.env import make_env
        from ilrobot.learners.interactive.dagger import describe_dagger, run_dagger
        from ilrobot.run import Run
        from ilrobot.run_description import DaggerPlan

        self._check()
        live = self.device not in ("operator", "expert")
        with ExitStack() as stack:
            env = make_env(
                self.task, parse_options(self.options), render_mode="rgb_array" if live else None
            )
            stack.callback(env.close)
            # All that can be refused is refused before anything is made or anybody's time is spent.
            setting = self._setting(env.spec)
            plan = DaggerPlan(self.rounds, self.episodes, self.seed)
            description = describe_dagger(
                env, self.dataset, self.policy, plan, setting, warm_start=self.warm_start
            )
            Run.check(self.output, description, resume=self.resume)
            cast = self._by_expert(env) if self.gate == "beta" else self._by_hand(env, stack)
            bars = stack.enter_context(progress_bar())
            trying = bars.add_task("trying", total=self.rounds * self.episodes, note="")
            try:
                rounds = run_dagger(
                    env=env,
                    description=description,
                    output=self.output,
                    cast=cast,
                    fit=lambda data, run, initial: _fit(
                        description.config, data, run, initial, bars
                    ),
                    info=cast.info,
                    resume=self.resume,
                    run_episode=cast.run_episode,
                    on_episode=lambda number, kept: bars.update(
                        trying, completed=kept, note=f"round {number}"
                    ),
                )
            except KeyboardInterrupt:
                stack.close()
                console.print(self._stopped(), soft_wrap=True)
                raise
        _print_rounds(rounds)
        print(f"policy: {self.output}   dataset: {self.output / 'dataset'}")
        if self.json:
            print_json({"output": str(self.output), "rounds": [asdict(row) for row in rounds]})
        return 0

    def _check(self) -> None:
        from ilrobot.cli.seeds import check_seeds

        if self.rounds < 1 or self.episodes < 1:
            raise UserError("--rounds and --episodes must be at least 1")
        check_seeds(self.rounds * self.episodes, self.seed)
        self.page.check(self.device)
        if self.gate == "beta" and self.device != "expert":
            raise UserError(
                "--gate beta asks for a label at every step, which no hand gives while the robot "
                "moves; take --device expert, or --gate human"
            )
        if self.gate == "beta" and self.bindings is not None:
            raise UserError("--bindings is for a hand, and --gate beta takes none; leave it out")
        if self.gate == "human" and self.device == "expert":
            raise UserError(
                "--gate human needs a hand on the bumper; take --device operator, gamepad or "
                "browser, or --gate beta"
            )
        if self.engage != "hold" and self.device in ("operator", "expert"):
            raise UserError(
                f"--engage {self.engage} is for a hand of your own; --device {self.device} takes "
                "--engage hold"
            )

    def _setting(self, spec: Spec) -> dict[str, Any]:
        from ilrobot.cli.options import parse_options
        from teleop.hands import bound_mapping

        setting = {
            "task": spec.task,
            "options": parse_options(self.options),
            "gate": self.gate,
            "device": self.device,
        }
        if self.gate == "beta":
            return {**setting, "first beta": FIRST_BETA}
        if self.bindings is not None:
            setting["bindings of hash"] = bound_mapping(spec, self.bindings).hash
        return {**setting, "engage": self.engage}

    def _stopped(self) -> str:
        """What is kept, and how to go on."""
        from ilrobot.cli.command import resuming
        from ilrobot.data.dataset import Dataset
        from ilrobot.run import RUN_FILE

        data = self.output / "dataset"
        if not (self.output / RUN_FILE).exists():
            return "Stopped before the first attempt; nothing is lost."
        made = 0
        if data.exists():
            made = Dataset.open(data).num_episodes - Dataset.open(self.dataset).num_episodes
        attempts = "1 attempt" if made == 1 else f"{made} attempts"
        return (
            f"Stopped; {self.output} keeps {attempts} and every policy fitted so far. Go on "
            f"with: {resuming(self)}"
        )

    def _by_expert(self, env: TaskEnv) -> _Cast:
        from ilrobot.cli.people import scripted_expert
        from ilrobot.data.episode import EpisodeInfo
        from ilrobot.gates.beta import BetaGate
        from ilrobot.shared_control import SharedControl

        expert = scripted_expert(env)

        def share_control(novice: Actor, number: int) -> Actor:
            return SharedControl(novice, expert, BetaGate(FIRST_BETA**number, seed=self.seed))

        info = EpisodeInfo(env.spec.task, env.spec.rate, operator="expert", device="expert")
        return _Cast(env, share_control, info, None)

    def _by_hand(self, env: TaskEnv, stack: ExitStack) -> _Cast:
        from ilrobot.blend import Blend
        from ilrobot.cli.people import hand_info, scripted_expert
        from ilrobot.gates.human import HumanGate
        from ilrobot.punctual import PunctualActor
        from ilrobot.shared_control import SharedControl
        from teleop.clutch import most_jump
        from teleop.hands import make_hand
        from teleop.stages import take_place

        assert self.device != "expert"
        expert = scripted_expert(env) if self.device == "operator" else None
        hand, display = stack.enter_context(
            take_place(
                self.device,
                f"ilrobot dagger {self.task}",
                lambda device: make_hand(
                    device,
                    env.spec,
                    expert=expert,
                    seed=self.seed,
                    engage=self.engage,
                    bindings=self.bindings,
                ),
                address=self.page.check(self.device),
                tell=tell_address,
            )
        )

        def share_control(novice: Actor, number: int) -> Actor:
            gate = HumanGate(lambda: hand.engaged)
            asked = PunctualActor(novice) if display is not None else novice
            blend = Blend(env.spec, most=most_jump(hand.mapping.action_step))
            return SharedControl(asked, hand, gate, blend=blend, on_decision=hand.watch)

        run_episode: RunEpisode | None = None
        if display is not None:
            from teleop.live import LiveStage

            total = self.rounds * self.episodes
            run_episode = LiveStage(display, env, hand, total).run_episode
        info = hand_info(env, hand, simulated=self.device == "operator")
        return _Cast(env, share_control, info, run_episode)


@dataclass(frozen=True)
class _Cast:
    """Who shares control with the novice, what the episodes say of them, how they are run."""

    env: TaskEnv
    share: Callable[[Actor, int], Actor]
    info: EpisodeInfo
    run_episode: RunEpisode | None

    def make_env(self) -> TaskEnv:
        """The one that the person sees."""
        return self.env

    def prepare(self, number: int, dataset: Dataset, policy_run: Path) -> None:
        """Neither gate has anything to fit."""

    def share_control(self, env: TaskEnv, policy_run: Path, number: int) -> Actor:
        """See `ilrobot.learners.interactive.collect.Cast`."""
        from ilrobot.policies.loading import load_policy

        return self.share(load_policy(policy_run).actor(), number)


def _fit(
    config: Config, data: Dataset, run: Path, initial: Policy | None, bars: ProgressBar
) -> Policy:
    """Train as the first policy was trained, on all there is now."""
    from ilrobot.learners.behavioral_cloning import train

    bar = bars.add_task(run.name, total=config.train.steps, note="fitting")
    policy = train(
        data,
        config.policy,
        config.train,
        run,
        resume=True,
        initial=initial,
        on_progress=lambda progress: bars.update(bar, completed=progress.step),
    )
    bars.update(bar, completed=config.train.steps)
    return policy


def _print_rounds(rounds: list[RoundSummary]) -> None:
    print("round  without help   interventions   steps by the expert")
    for row in rounds:
        print(
            f"{row.round:5}  {row.autonomous:5} of {row.episodes:<4}  {row.interventions:13}   "
            f"{row.human_steps} of {row.steps} ({row.human_steps / max(row.steps, 1):.0%})"
        )

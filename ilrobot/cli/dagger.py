"""``ilrobot dagger``: learn from corrections."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from ilrobot.cli.dagger_gate import BUDGETS, BetaName, GateName, GatePlan
from ilrobot.cli.page import Page, PageAddress
from ilrobot.cli.usage import BindingsFile, TaskId, optional
from ilrobot.data.lessons import Weighting
from ilrobot.errors import UserError

if TYPE_CHECKING:
    from ilrobot.learners.interactive.collect import RunEpisode
    from ilrobot.spec import Spec

#: What holds without an option, in words.
_DEVICES = "operator with --gate human, else expert"
_BETA = "exponential"

DeviceName = Literal["operator", "gamepad", "keyboard", "spacemouse", "browser", "expert"]


@dataclass
class Dagger:
    """Let the policy try, take over when it goes wrong, and learn from that too.

    Who acts at each step is decided by --gate.

    human: a person, who takes over by holding the right bumper (HG-DAgger).

    beta: a draw; the expert labels every step (DAgger).

    safe, lazy, ensemble, thrifty: the robot, which calls for help when it is about to stray, doubts
    itself or is about to fail (the DAggers of these names).

    benefit: the robot, which calls when help would change what comes of it.

    dart: nobody; the expert acts alone, disturbed as the policy would err.

    Example: ilrobot dagger --task ilrobot/PandaLift-v0 --dataset data/lift --policy
    runs/bc --output runs/dagger
    """

    task: TaskId
    """Gymnasium id, e.g. ilrobot/PandaLift-v0."""

    dataset: Path
    """Demonstrations to begin with; they are copied, never changed, unless with --aggregate."""

    policy: Path
    """Run of the policy that tries first; each fit has the settings that it was cloned with."""

    output: Path
    """Folder of this run: the growing dataset, a policy per round, and policy.pt, the last."""

    gate: GateName = "human"
    """Who decides who acts: a person, a draw (beta), or the robot."""

    device: Annotated[
        DeviceName | None, optional(f"{{{','.join(get_args(DeviceName))}}}", _DEVICES)
    ] = None
    """A simulated person's hand, your own at a window or a page (browser), or the task's expert."""

    expert: Annotated[Path | None, optional("PATH", "the task's script")] = None
    """With --device expert: a stronger policy in its place, a run or an .onnx file."""

    budget: Annotated[
        float | None, optional("SHARE", " or ".join(str(share) for share in BUDGETS.values()))
    ] = None
    """Share of the policy's steps (thrifty) or attempts (benefit) at which it may call for help."""

    beta: Annotated[BetaName | None, optional(f"{{{','.join(get_args(BetaName))}}}", _BETA)] = None
    """Expert's share under --gate beta: none; falling to none after the last round; halved each."""

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

    workers: Annotated[int | None, optional("N", "the cores; 1 for a hand of your own")] = None
    """Processes that share the episodes of a round; the result does not depend on it."""

    warm_start: bool = False
    """Begin each fit with the weights of the policy that acted, not from scratch."""

    weighting: Annotated[
        Weighting | None, optional("{plain,iwr,sirius,own}", "as --policy was")
    ] = None
    """How corrections count beside demonstrations in each fit; see train."""

    aggregate: bool = False
    """Add the attempts to --dataset itself, not to a copy in --output."""

    options: Annotated[
        tuple[str, ...], optional("KEY=VALUE ...", "those of the demonstrations")
    ] = ()
    """Options of the environment, e.g. engine=pybullet; those not given are as recorded."""

    resume: bool = False
    """Go on with a run that was stopped; where there is none yet, begin it."""

    json: bool = False
    """Print one JSON object as the last line."""

    def run(self) -> int:
        """Run the rounds and print what each came to."""
        from ilrobot.cli.actors import keep_rate
        from ilrobot.cli.dagger_bars import GateBars, fit_policy
        from ilrobot.cli.dagger_cast import ExpertCast, HandCast, OperatorCast, take_hand
        from ilrobot.cli.dagger_check import check_options
        from ilrobot.cli.dagger_table import print_rounds
        from ilrobot.cli.options import parse_options
        from ilrobot.cli.output import console, print_json, progress_bar
        from ilrobot.cli.people import hand_info
        from ilrobot.cli.training_plan import print_unheeded
        from ilrobot.data.dataset import Dataset
        from ilrobot.env import make_env
        from ilrobot.learners.interactive.dagger import describe_dagger, run_dagger
        from ilrobot.run import Run
        from ilrobot.run_description import DaggerPlan
        from ilrobot.typed_json import dump

        check_options(self)
        trained = Run.read(self.policy).description.spec
        demonstrations = Dataset.open(self.dataset)
        recorded = demonstrations.spec
        options = recorded.task_options if recorded.task == self.task else {}
        device, options = self.who, {**options, **parse_options(self.options)}
        with ExitStack() as stack:
            env = make_env(self.task, options, render_mode=None if self.simulated else "rgb_array")
            stack.callback(env.close)
            keep_rate(env, trained)
            # All that can be refused is refused before anything is made or anybody's time is spent.
            setting = self._setting(env.spec, options)
            plan = DaggerPlan(self.rounds, self.episodes, self.seed)
            description = describe_dagger(
                env,
                self.dataset,
                self.policy,
                plan,
                setting,
                warm_start=self.warm_start,
                weighting=self.weighting,
                aggregate=self.output if self.aggregate else None,
            )
            Run.check(self.output, description, resume=self.resume)
            members = description.config.policy.members
            self.gates.check(env.spec, demonstrations, self.policy, members)
            print_unheeded(demonstrations)
            cast: ExpertCast | OperatorCast | HandCast
            run_episode: RunEpisode | None = None
            if device == "expert":
                cast = by_expert = ExpertCast(
                    self.task, options, env.spec.rate, self.gates, self.expert
                )
                info = by_expert.info(env)
                by_expert.expert(env)
            elif device == "operator":
                cast = simulated = OperatorCast(
                    self.task, options, env.spec.rate, self.gates, self.seed, self.bindings
                )
                info = simulated.info(env)
            else:
                hand, display = stack.enter_context(
                    take_hand(env.spec, device, self.page, self.engage, self.bindings)
                )
                cast = seated = HandCast(env, hand, self.gates, display)
                info = hand_info(env, hand, simulated=False)
                run_episode = seated.run_episode(self.rounds * self.episodes)
            bars = stack.enter_context(progress_bar())
            trying = bars.add_task("trying", total=self.rounds * self.episodes, note="")
            try:
                rounds = run_dagger(
                    env=env,
                    description=description,
                    output=self.output,
                    cast=cast,
                    fit=lambda data, run, initial: fit_policy(
                        description.config, data, run, initial, bars
                    ),
                    info=info,
                    resume=self.resume,
                    rehearsals=self.gates.rehearsals,
                    workers=self.processes,
                    run_episode=run_episode,
                    on_episode=lambda number, kept: bars.update(
                        trying, completed=kept, note=f"round {number}"
                    ),
                    on_gate=GateBars(bars),
                )
            except KeyboardInterrupt:
                stack.close()
                console.print(self._stopped(), soft_wrap=True)
                raise
        print_rounds(rounds, self.output)
        print(f"policy: {self.output}   dataset: {self._data}")
        print(f"next    ilrobot eval --policy {self.output}")
        if self.json:
            print_json({"output": str(self.output), "rounds": dump(list(rounds))})
        return 0

    @property
    def processes(self) -> int:
        """How many share the episodes of a round."""
        if self.workers is not None:
            return self.workers
        from ilrobot.cli.cores import cores

        return min(cores(), self.episodes) if self.simulated else 1

    @property
    def who(self) -> DeviceName:
        """What or whom the expert's actions come from."""
        return self.device or ("operator" if self.gate == "human" else "expert")

    @property
    def simulated(self) -> bool:
        """Whether nobody is there, so that nothing is shown and attempts may run side by side."""
        return self.who in ("operator", "expert")

    @property
    def _data(self) -> Path:
        return self.dataset if self.aggregate else self.output / "dataset"

    @property
    def gates(self) -> GatePlan:
        """A gate for each round."""
        beta = self.beta or "exponential"
        return GatePlan(self.gate, self.output, self.seed, self.rounds, self.budget, beta)

    def _setting(self, spec: Spec, options: dict[str, Any]) -> dict[str, Any]:
        from ilrobot.cli.actors import trained_hash
        from ilrobot.run import policy_hash
        from teleop.hands import bound_mapping

        setting = {
            "task": spec.task,
            "options": options,
            **self.gates.setting(),
            "device": self.who,
        }
        if self.expert is not None:
            trained = trained_hash(self.expert)
            setting["an expert of hash"] = policy_hash(self.expert)
            if trained == policy_hash(self.policy):
                raise UserError(
                    f"--expert {self.expert} is the policy that is to learn, which it can teach "
                    "nothing; give a stronger one, or leave it out for the task's script"
                )
        if self.who == "expert":
            return setting
        if self.bindings is not None:
            setting["bindings of hash"] = bound_mapping(spec, self.bindings).hash
        return {**setting, "engage": self.engage}

    def _stopped(self) -> str:
        """What is kept, and how to go on."""
        from ilrobot.cli.command import resuming
        from ilrobot.data.dataset import Dataset
        from ilrobot.run import RUN_FILE, Run
        from ilrobot.run_description import DaggerDescription

        data = self._data
        if not (self.output / RUN_FILE).exists():
            return "Stopped before the first attempt; nothing is lost."
        made = 0
        if data.exists():
            begun = Run.read_as(self.output, DaggerDescription).description
            made = Dataset.open(data).num_episodes - begun.demonstrations.episodes
        attempts = "1 attempt" if made == 1 else f"{made} attempts"
        return (
            f"Stopped; {self.output} keeps {attempts} and every policy fitted so far. Go on "
            f"with: {resuming(self)}"
        )

"""Dataset aggregation: the policy acts, somebody corrects it, it learns from all that came so far.

    D ← demonstrations;  π₁ ← fit(D)
    for i = 1 … N:   D ← D ∪ {(o, label)} from rollouts of SharedControl(πᵢ, expert, gate)
                     πᵢ₊₁ ← fit(D)

Ross, Gordon and Bagnell 2011, "A reduction of imitation learning and structured prediction to
no-regret online learning", algorithm 3.1, where the gate draws the expert with probability β at
each step and every step is labelled; Kelly et al. 2019, "HG-DAgger", algorithm 1, where a person
is the gate and only the steps that the person drives are labelled. Which steps are labels is
decided in one place, `ilrobot.data.windows`, from the columns that a rollout records.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from ilrobot import __version__
from ilrobot.actors import Actor
from ilrobot.atomic import write_bytes, write_json
from ilrobot.data.dataset import Dataset, DatasetRecorder
from ilrobot.data.episode import EpisodeInfo, Outcome, Recorder
from ilrobot.env import TaskEnv
from ilrobot.errors import UserError
from ilrobot.learners.run import holds_something
from ilrobot.policies.loading import load_policy
from ilrobot.policies.policy import Policy
from ilrobot.rollout import EpisodeResult, rollout

#: Fits a policy to a dataset into a run's folder, resuming what is there; see `run_dagger`.
Fit = Callable[[Dataset, Path], Policy]
#: The shared control of one round: novice, round number (from 1) to actor.
ShareControl = Callable[[Actor, int], Actor]


class RunEpisode(Protocol):
    """Runs one recorded episode; `ilrobot.rollout.rollout`, or that in front of a person."""

    def __call__(
        self, env: TaskEnv, actor: Actor, *, seed: int, recorder: Recorder, info: EpisodeInfo
    ) -> EpisodeResult:
        """Run it from `seed`."""


@dataclass(frozen=True)
class RoundSummary:
    """What one round of collection came to.

    Attributes:
        round: Counted from 1.
        episodes: Episodes rolled out.
        successes: Episodes in which the task was done, with or without help.
        autonomous: Episodes in which it was done without any help.
        interventions: How often the expert took over.
        human_steps: Steps that the expert drove.
        steps: All steps.
    """

    round: int
    episodes: int
    successes: int
    autonomous: int
    interventions: int
    human_steps: int
    steps: int


@dataclass(frozen=True)
class DaggerPlan:
    """How much of everything.

    Attributes:
        rounds: Rounds of collecting and fitting.
        episodes: Episodes in each round.
        seed: Seed of the first episode; the next ones count up from it.
    """

    rounds: int
    episodes: int
    seed: int

    def seeds(self, number: int) -> range:
        """Seeds of the episodes of round `number`, counted from 1."""
        first = self.seed + (number - 1) * self.episodes
        return range(first, first + self.episodes)


def run_dagger(
    *,
    env: TaskEnv,
    demonstrations: Path,
    initial: Path,
    output: Path,
    plan: DaggerPlan,
    share_control: ShareControl,
    fit: Fit,
    info: EpisodeInfo,
    resume: bool = False,
    run_episode: RunEpisode = rollout,
    on_episode: Callable[[int, EpisodeResult], None] | None = None,
    on_round: Callable[[RoundSummary], None] | None = None,
) -> list[RoundSummary]:
    """Run the rounds; a run that was cut off anywhere goes on where it was.

    The run's folder holds ``dataset`` (the demonstrations and all that was added),
    ``round-N`` (the policy fitted after round N), ``policy.pt`` (the last of them) and
    ``run.json``.

    Args:
        env: The world.
        demonstrations: Dataset to begin with; it is copied, never changed.
        initial: Run of the policy that acts in the first round.
        output: Folder of this run.
        plan: How much of everything.
        share_control: Puts a novice under a gate and an expert.
        fit: Fits a policy to the aggregated dataset.
        info: What each recorded episode shall know about itself.
        resume: Go on with a run that exists.
        run_episode: Runs each episode.
        on_episode: Called with the round and each episode as it ends.
        on_round: Called as each round's collection ends.

    Raises:
        UserError: `output` exists without `resume`, or is no run of DAgger.
    """
    run = _Run.open(output, demonstrations, initial, plan, resume)
    policy_run = output / f"round-{len(run.rounds)}" if run.rounds else initial
    for number in range(len(run.rounds) + 1, plan.rounds + 1):
        actor = share_control(load_policy(policy_run).actor(), number)
        summary = _collect(run, env, actor, number, info, run_episode, on_episode)
        if on_round is not None:
            on_round(summary)
        policy_run = output / f"round-{number}"
        fit(Dataset.open(run.dataset), policy_run)
        write_bytes(output / "policy.pt", (policy_run / "policy.pt").read_bytes())
        run.finish_round(summary)
    return run.rounds


def _collect(
    run: _Run,
    env: TaskEnv,
    actor: Actor,
    number: int,
    info: EpisodeInfo,
    run_episode: RunEpisode,
    on_episode: Callable[[int, EpisodeResult], None] | None,
) -> RoundSummary:
    seeds = run.plan.seeds(number)
    with DatasetRecorder(run.dataset, env.spec, state_size=env.state_size, resume=True) as recorder:
        recorded = {known.seed for _, known in run.episodes(number)}
        for seed in seeds:
            if seed in recorded:
                continue
            known = replace(info, seed=seed)
            result = run_episode(env, actor, seed=seed, recorder=recorder, info=known)
            if on_episode is not None:
                on_episode(number, result)
    return run.summarise(number)


class _Run:
    """The run's folder; every change to it is one atomic rename."""

    def __init__(self, output: Path, state: dict[str, Any]) -> None:
        self.output, self.dataset = output, output / "dataset"
        self._state = state
        self.plan = DaggerPlan(**state["plan"])
        self.rounds = [RoundSummary(**row) for row in state["rounds"]]

    @classmethod
    def open(
        cls, output: Path, demonstrations: Path, initial: Path, plan: DaggerPlan, resume: bool
    ) -> _Run:
        file = output / "run.json"
        if file.exists():
            state = json.loads(file.read_text())
            if state.get("kind") != "dagger":
                raise UserError(
                    f"{output} is a run of '{state.get('kind')}'; give another --output"
                )
            if not resume:
                raise UserError(
                    f"{output} exists; continue it with --resume or give another folder"
                )
            known = DaggerPlan(**state["plan"])
            if (known.episodes, known.seed) != (plan.episodes, plan.seed):
                raise UserError(
                    f"{output} was begun with {known.episodes} episodes a round from seed "
                    f"{known.seed}; resume it with the same"
                )
            run = cls(output, {**state, "plan": asdict(plan)})
            run._copy_demonstrations()
            return run
        if output.exists() and (not output.is_dir() or holds_something(output)):
            raise UserError(f"{output} is not empty and no run of dagger; give another --output")
        source = Dataset.open(demonstrations)
        output.mkdir(parents=True, exist_ok=True)
        state = {
            "kind": "dagger",
            "status": "running",
            "version": __version__,
            "plan": asdict(plan),
            "initial": str(initial.resolve()),
            "demonstrations": str(demonstrations.resolve()),
            "demonstration_episodes": source.num_episodes,
            "spec": source.spec.to_json(),
            "rounds": [],
        }
        run = cls(output, state)
        run._save()
        run._copy_demonstrations()
        return run

    def _copy_demonstrations(self) -> None:
        if self.dataset.exists():
            return
        part = self.output / "dataset.part"
        shutil.rmtree(part, ignore_errors=True)  # left by a copy that was cut off
        shutil.copytree(self._state["demonstrations"], part)
        part.rename(self.dataset)

    def episodes(self, number: int) -> list[tuple[int, EpisodeInfo]]:
        """Index and description of each finished episode of a round."""
        seeds = self.plan.seeds(number)
        infos = list(enumerate(Dataset.open(self.dataset).infos))
        return [
            (index, info)
            for index, info in infos[self._state["demonstration_episodes"] :]
            if info.seed in seeds and info.outcome is not Outcome.UNFINISHED
        ]

    def summarise(self, number: int) -> RoundSummary:
        """What the recording says about a round, so that a crash cannot change the count."""
        data = Dataset.open(self.dataset)
        successes = autonomous = interventions = human_steps = steps = 0
        rows = self.episodes(number)
        for index, info in rows:
            columns = data.episode(index).columns
            taken_over = int(columns["control.intervention_id"].max()) + 1
            success = info.outcome is Outcome.SUCCESS
            successes += success
            autonomous += success and taken_over == 0
            interventions += taken_over
            human_steps += int(columns["intervention"].sum())
            steps += len(columns["intervention"])
        return RoundSummary(
            number, len(rows), successes, autonomous, interventions, human_steps, steps
        )

    def finish_round(self, summary: RoundSummary) -> None:
        self.rounds.append(summary)
        fitted = json.loads((self.output / f"round-{summary.round}" / "run.json").read_text())
        self._state.update({key: fitted[key] for key in ("config", "dataset", "parameters")})
        self._state["seconds"] = self._state.get("seconds", 0.0) + fitted["seconds"]
        self._state["rounds"] = [asdict(row) for row in self.rounds]
        if len(self.rounds) == self.plan.rounds:
            self._state["status"] = "done"
        self._save()

    def _save(self) -> None:
        write_json(self.output / "run.json", self._state)

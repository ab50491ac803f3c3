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

import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from ilrobot import __version__
from ilrobot.atomic import PART, write_bytes
from ilrobot.data.agreement import difference
from ilrobot.data.branches import surviving, takeovers
from ilrobot.data.dataset import Dataset
from ilrobot.data.episode import UNCOUNTED, EpisodeInfo, Outcome
from ilrobot.data.info import read_ours
from ilrobot.data.lessons import Weighting
from ilrobot.data.writing import copy_with_states
from ilrobot.env import TaskEnv
from ilrobot.errors import UserError
from ilrobot.gates.log import total
from ilrobot.learners.behavioral_cloning import data_used
from ilrobot.learners.interactive.collect import Cast, Collector, Round, RunEpisode
from ilrobot.learners.machine import find_device, require_memory
from ilrobot.lock import LOCK_FILE
from ilrobot.policies.loading import load_policy
from ilrobot.policies.policy import Policy
from ilrobot.run import Run, policy_hash
from ilrobot.run_description import (
    DaggerDescription,
    DaggerPlan,
    DataUsed,
    InitialPolicy,
    RoundSummary,
)
from ilrobot.spec import check_policy_fits

#: Fits a policy to a dataset into a run's folder, resuming what is there, and from the weights of a
#: policy where one is given; see `run_dagger`.
Fit = Callable[[Dataset, Path, Policy | None], Policy]


def describe_dagger(
    env: TaskEnv,
    demonstrations: Path,
    initial: Path,
    plan: DaggerPlan,
    setting: dict[str, Any],
    *,
    warm_start: bool = False,
    aggregate: Path | None = None,
    weighting: Weighting | None = None,
) -> DaggerDescription:
    """What a run shall be, if demonstrations, first policy and task fit each other.

    Args:
        env: The world.
        demonstrations: Dataset to begin with.
        initial: Run of the policy that acts in the first round; each fit has its settings.
        plan: How much of everything.
        setting: Where and how corrections are collected, plain JSON; on resuming it must be the
            same.
        warm_start: Whether each fit begins with the weights of the policy that acted; else from
            scratch, which forgets nothing of the first data but takes all its steps.
        weighting: Of each fit (None: as `initial` was trained).
        aggregate: Folder of the run whose attempts are to be added to the demonstrations
            themselves (None: to a copy). What it began with is then told from what it added by the
            number of episodes that its ``run.json`` states.

    Raises:
        UserError: They do not fit, or one of them is missing or damaged.
        WorkFailed: The policy's weights are not finite.
    """
    trained, source = Run.read(initial).description, Dataset.open(demonstrations)
    check_policy_fits(load_policy(initial).spec, env.spec, str(initial))
    _check_grows(source, env, copied=aggregate is None)
    began_with = data_used(source) if aggregate is None else _data_of_run(source, aggregate)
    # The machine that trained it may have been another one.
    config = replace(trained.config, train=replace(trained.config.train, device="auto"))
    if weighting is not None:
        config = replace(config, train=replace(config.train, weighting=weighting))
    config.train.check()
    config.policy.check(source.spec)
    require_memory(source.spec, config.policy, config.train, find_device(config.train.device))
    return DaggerDescription(
        kind="dagger",
        status="running",
        version=__version__,
        seconds=0.0,
        spec=source.spec,
        config=config,
        dataset=began_with,
        parameters=trained.parameters,
        plan=plan,
        setting=setting,
        demonstrations=began_with,
        initial=InitialPolicy(str(initial.resolve()), policy_hash(initial)),
        rounds=(),
        warm_start=warm_start,
        aggregate=aggregate is not None,
    )


def run_dagger(
    *,
    env: TaskEnv,
    description: DaggerDescription,
    output: Path,
    cast: Cast,
    fit: Fit,
    info: EpisodeInfo,
    resume: bool = False,
    workers: int = 1,
    run_episode: RunEpisode | None = None,
    on_episode: Callable[[int, int], None] | None = None,
) -> list[RoundSummary]:
    """Run the rounds; a run that was cut off anywhere goes on where it was.

    The run's folder holds ``dataset`` (the demonstrations and all that was added),
    ``round-N`` (the policy fitted after round N), ``policy.pt`` (the last of them) and
    ``run.json``. An episode that a person discards, or in which one was cut off, is kept and run
    again.

    Args:
        env: The world.
        description: What the run shall be, from `describe_dagger`.
        output: Folder of this run.
        cast: Who acts in a round.
        fit: Fits a policy to the aggregated dataset.
        info: What each recorded episode shall know about itself; seed and policy are filled in.
        resume: Go on with a run that exists, or begin it where there is none yet.
        workers: Processes that share the episodes of a round; the dataset does not depend on it.
        run_episode: Runs each episode in front of a person (None: nobody watches).
        on_episode: Called with the round and the number of episodes kept so far in all rounds, at
            the beginning of each round and after each episode.

    Raises:
        UserError: `output` exists without `resume`, is something else, or was begun with other
            settings; nothing is changed then.
        WorkFailed: The disk is full, a worker process died, or the policy's actions are not finite.
    """

    def tell(number: int, kept: int) -> None:
        if on_episode is not None:
            on_episode(number, (number - 1) * description.plan.episodes + kept)

    with Run.claim(output, description, resume=resume) as run:
        rounds = _Rounds(run)
        rounds.copy_demonstrations(Path(description.demonstrations.path), env.state_size)
        if rounds.left:
            with Collector(cast, env, workers=workers, run_episode=run_episode) as collector:
                for number in rounds.left:
                    acting = rounds.acting(number)
                    data = Dataset.open(rounds.dataset)
                    cast.prepare(number, data, acting)
                    wanted = Round(
                        number,
                        rounds.plan.seeds(number),
                        acting,
                        replace(info, policy_hash=policy_hash(acting)),
                    )
                    kept = rounds.kept(number, data)
                    collector.collect(rounds.dataset, wanted, kept, partial(tell, number))
                    data = Dataset.open(rounds.dataset)
                    rounds.fit(number, data, fit)
                    rounds.finish(number, data)
        if not run.policy_file.exists():
            rounds.fit(len(run.description.rounds), Dataset.open(rounds.dataset), fit)
        return list(run.description.rounds)


def _data_of_run(source: Dataset, folder: Path) -> DataUsed:
    """What a run that adds to the demonstrations began with, or begins with now."""
    try:
        begun = Run.read_as(folder, DaggerDescription).description
    except UserError:  # there is none yet; what else may be wrong with the folder is told later
        return data_used(source)
    count = begun.demonstrations.episodes
    if not begun.aggregate or not 0 < count <= source.num_episodes:
        return data_used(source)
    return replace(
        data_used(source),
        content_hash=source.hash_of_first(count),
        episodes=count,
        frames=int(source.starts[count]),
    )


def _check_grows(demonstrations: Dataset, env: TaskEnv, *, copied: bool) -> None:
    """Refuse what the task's episodes cannot be added to, before it is copied."""
    read_ours(demonstrations.path)
    recorded, size = demonstrations.spec, env.state_size
    if not copied and size and not demonstrations.has_column("sim.state"):
        raise UserError(
            f"{demonstrations.path}: has no column 'sim.state', as the attempts would have, so "
            "that they cannot be added to it; leave --aggregate out to add them to a copy"
        )
    differs = difference(recorded, _copied_state_size(demonstrations, size), env.spec, size)
    if differs is not None:
        raise UserError(
            f"{demonstrations.path}: was recorded with another {differs}; give demonstrations of "
            "this task, or the --task and --options of these"
        )


def _copied_state_size(demonstrations: Dataset, state_size: int) -> int:
    """Of the simulator's state in the copy: as it was recorded, or as it is filled in."""
    if demonstrations.has_column("sim.state"):
        return int(demonstrations.features["sim.state"]["shape"][0])
    return 0 if demonstrations.spec.cameras else state_size


class _Rounds:
    """What the folder of a run of DAgger holds beside its ``run.json``."""

    def __init__(self, run: Run[DaggerDescription]) -> None:
        self._run = run
        self.plan = run.description.plan
        source = Path(run.description.demonstrations.path)
        self.dataset = source if run.description.aggregate else run.path / "dataset"

    def folder(self, number: int) -> Path:
        """The run of training after round `number`, counted from 1."""
        return self._run.path / f"round-{number}"

    def acting(self, number: int) -> Path:
        """The run of the policy that acts in round `number`."""
        if number == 1:
            return Path(self._run.description.initial.path)
        return self.folder(number - 1)

    @property
    def left(self) -> range:
        """Numbers of the rounds that are not done."""
        return range(len(self._run.description.rounds) + 1, self.plan.rounds + 1)

    def copy_demonstrations(self, source: Path, state_size: int) -> None:
        """Begin the dataset; a copy that was cut off is begun anew.

        Imported demonstrations have no states of the simulator, as the episodes to come have.
        """
        if self.dataset.exists():
            return
        part = self.dataset.with_name(self.dataset.name + PART)
        with self._run.writing():
            shutil.rmtree(part, ignore_errors=True)
            demonstrations = Dataset.open(source)
            if state_size and not demonstrations.has_column("sim.state"):
                copy_with_states(demonstrations, part, state_size)
            else:
                shutil.copytree(source, part, ignore=shutil.ignore_patterns(LOCK_FILE))
            part.rename(self.dataset)

    def episodes(self, number: int, data: Dataset) -> list[tuple[int, EpisodeInfo]]:
        """Index and description of each episode of a round that counts."""
        seeds = self.plan.seeds(number)
        infos = list(enumerate(data.infos))
        return [
            (index, info)
            for index, info in infos[self._run.description.demonstrations.episodes :]
            if info.seed in seeds and info.outcome not in UNCOUNTED
        ]

    def kept(self, number: int, data: Dataset) -> set[int]:
        """Their seeds."""
        return {info.seed for _, info in self.episodes(number, data) if info.seed is not None}

    def fit(self, number: int, data: Dataset, fit: Fit) -> None:
        """Fit the policy of a round and make it the run's."""
        folder = self.folder(number)
        warm = self._run.description.warm_start
        fit(data, folder, load_policy(self.acting(number)) if warm else None)
        with self._run.writing():
            write_bytes(self._run.policy_file, Run.read(folder).policy_file.read_bytes())

    def finish(self, number: int, data: Dataset) -> None:
        """Note that a round is done and what it came to."""
        fitted, now = Run.read(self.folder(number)).description, self._run.description
        rounds = (*now.rounds, self.summarise(number, data))
        self._run.update(
            dataset=fitted.dataset,
            seconds=now.seconds + fitted.seconds,
            rounds=rounds,
            status="done" if len(rounds) == now.plan.rounds else "running",
        )

    def summarise(self, number: int, data: Dataset) -> RoundSummary:
        """What the recording says about a round, so that a crash cannot change the count."""
        successes = autonomous = interventions = human_steps = steps = 0
        rows = self.episodes(number, data)
        for index, info in rows:
            columns = data.episode(index).columns
            taken_over, lives = takeovers(columns), surviving(columns)
            success = info.outcome is Outcome.SUCCESS
            successes += success
            # Going back is help, too.
            autonomous += success and taken_over == 0 and bool(lives.all())
            interventions += taken_over
            human_steps += int(columns["intervention"][lives].sum())
            steps += int(lives.sum())
        logs = [info.control for _, info in rows if info.control is not None]
        return RoundSummary(
            round=number,
            episodes=len(rows),
            successes=successes,
            autonomous=autonomous,
            interventions=interventions,
            human_steps=human_steps,
            steps=steps,
            log=total(logs) if logs else None,
        )

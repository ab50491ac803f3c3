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

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from ilrobot import __version__
from ilrobot.compatibility import check_policy_fits
from ilrobot.data.agreement import difference
from ilrobot.data.dataset import Dataset
from ilrobot.data.episode import EpisodeInfo
from ilrobot.data.info import read_ours
from ilrobot.data.lessons import Weighting
from ilrobot.errors import UserError
from ilrobot.learners.behavioral_cloning import data_used
from ilrobot.learners.interactive.collect import Cast, Collector, Round, RunEpisode
from ilrobot.learners.interactive.gate_network import unwatched
from ilrobot.learners.interactive.rehearsal import rehearse
from ilrobot.learners.interactive.rounds import FitRun, Rounds, check_at_rest
from ilrobot.learners.machine import find_device, require_memory
from ilrobot.learners.refitting import refit_config
from ilrobot.observed import vector_spec
from ilrobot.policies.loading import load_policy
from ilrobot.run import Run, policy_hash
from ilrobot.run_description import (
    DaggerDescription,
    DaggerPlan,
    DataUsed,
    InitialPolicy,
    RoundSummary,
)
from ilrobot.task_env import TaskEnv


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
        initial: Run of the policy that acts in the first round; each fit has its settings, see
            `ilrobot.learners.refitting.refit_config`.
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
        UserError: They do not fit, one of them is missing or damaged, or somebody is recording.
        WorkFailed: The policy's weights are not finite.
    """
    trained, source = Run.read(initial).description, Dataset.open(demonstrations)
    check_policy_fits(load_policy(initial).spec, env.spec, str(initial))
    _check_grows(source, env, copied=aggregate is None)
    if aggregate is None:
        check_at_rest(demonstrations)
    began_with = data_used(source) if aggregate is None else _data_of_run(source, aggregate)
    # The machine that trained it may have been another one; steps chosen by the time stay.
    fit = replace(refit_config(initial), device="auto", time_budget=None)
    config = replace(trained.config, train=fit)
    if weighting is not None:
        config = replace(config, train=replace(config.train, weighting=weighting))
    config.train.check()
    config.policy.check_to_train(source.spec)
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
    fit: FitRun,
    info: EpisodeInfo,
    resume: bool = False,
    rehearsals: int = 0,
    workers: int = 1,
    run_episode: RunEpisode | None = None,
    on_episode: Callable[[int, int], None] | None = None,
    on_gate: Callable[[int, int, int], None] | None = None,
) -> list[RoundSummary]:
    """Run the rounds; a run that was cut off anywhere goes on where it was.

    The run's folder holds ``dataset`` (the demonstrations and all that was added),
    ``round-N`` (the policy fitted after round N), ``rehearsal-N`` (what the policy of round
    N did alone before it), ``policy.pt`` (the last policy) and ``run.json``. An episode that a
    person discards, or in which one was cut off, is kept and run again.

    Args:
        env: The world.
        description: What the run shall be, from `describe_dagger`.
        output: Folder of this run.
        cast: Who acts in a round.
        fit: Fits a policy to the aggregated dataset.
        info: What each recorded episode shall know about itself; seed and policy are filled in.
        resume: Go on with a run that exists, or begin it where there is none yet.
        rehearsals: Attempts that the policy makes alone before each round. They teach the gate
            and, where the policy's own actions teach by the weighting, the policy; they cost no
            expert.
        workers: Processes that share the episodes of a round; the dataset does not depend on it.
        run_episode: Runs each episode in front of a person (None: nobody watches).
        on_episode: Called with the round and the number of episodes kept so far in all rounds, at
            the beginning of each round and after each episode.
        on_gate: Called with the round, the steps of its gate's fit that are done, and how many
            there are to be.

    Raises:
        UserError: `output` exists without `resume`, is something else, or was begun with other
            settings; nothing is changed then.
        WorkFailed: The disk is full, a worker process died, or the policy's actions are not finite.
    """

    def tell(number: int, kept: int) -> None:
        if on_episode is not None:
            on_episode(number, (number - 1) * description.plan.episodes + kept)

    with Run.claim(output, description, resume=resume) as run:
        rounds = Rounds(run)
        rounds.copy_demonstrations(Path(description.demonstrations.path), env.state_size)
        if rounds.left:
            with Collector(cast, env, workers=workers, run_episode=run_episode) as collector:
                for number in rounds.left:
                    acting = rounds.acting(number)
                    if rehearsals:
                        rehearse(collector, env, output, number, acting, rounds.plan, rehearsals)
                    data = Dataset.open(rounds.dataset)
                    watched = unwatched if on_gate is None else partial(on_gate, number)
                    cast.prepare(number, data, acting, watched)
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
    state_size = size
    if demonstrations.has_column("sim.state"):
        state_size = int(demonstrations.features["sim.state"]["shape"][0])
    elif env.spec.cameras and recorded.cameras:
        state_size = 0
    elif copied and size:  # the copy has states and no films
        recorded = vector_spec(recorded)
    differs = difference(recorded, state_size, env.spec, size)
    if differs is not None:
        raise UserError(
            f"{demonstrations.path}: was recorded with another {differs}; give demonstrations of "
            "this task, or the --task and --options of these"
        )

"""``ilrobot train --learner raft``: try, keep the best attempts, clone them; again."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from ilrobot.cli.learners.online import learn
from ilrobot.cli.learners.tried_task import TriedInTask
from ilrobot.cli.usage import optional
from ilrobot.errors import UserError
from ilrobot.required import require

if TYPE_CHECKING:
    from ilrobot.learners.config import TrainConfig


@dataclass(kw_only=True)
class Raft(TriedInTask):
    """Improve any policy by rejection sampling (RAFT, Dong et al. 2023).

    In each round the policy tries from many beginnings, again and exploring where it failed; what
    succeeded is cloned together with the demonstrations. It suits policies of every kind, chunks
    and diffusion included, and needs nothing but to know what succeeded, or a reward.

    Example: ilrobot train --learner raft --from runs/flow --output runs/better
    """

    from_: Annotated[Path, tyro.conf.arg(name="from", metavar="RUN")]
    """Run of the policy to begin with."""

    output: Path
    """Folder of the run; it must not exist yet, except with --resume."""

    dataset: Annotated[Path | None, optional("PATH", "what --from was trained on")] = None
    """Demonstrations that stay among what is learnt."""

    rounds: int = 3
    """Rounds of trying and cloning."""

    time_budget: Annotated[str | None, optional("TIME", "--rounds says how long")] = None
    """How long all may take, such as 90s, 10m or 1h: the first round, and as many more as fit."""

    episodes: int = 100
    """Beginnings in each round."""

    tries: int = 3
    """Attempts from each beginning, at most; one success is enough."""

    exploration: float = 0.02
    """Noise on all but the first attempt from a beginning, in halves of the demonstrated range."""

    workers: Annotated[int | None, optional("N", "the cores")] = None
    """Processes that share the attempts of a round; the result does not depend on it."""

    fit_steps: Annotated[int | None, optional("INT", "those of --from")] = None
    """Optimiser steps of each round's cloning, which begins from scratch."""

    seed: Annotated[int | None, optional("INT", "20000, or that of a run to go on with")] = None
    """Seed of the first beginning, apart from those of demonstrations, and of all that is drawn."""

    resume: bool = False
    """Go on with the run in --output (the same options, or more --rounds, --tries or time)."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to clone; auto takes a GPU where there is one."""

    json: bool = False
    """Print one JSON object as the last line."""

    def run(self) -> int:
        """Train and say what to do next."""
        require("--learner raft", "gymnasium", "torch")
        from ilrobot.cli.cores import check_workers, cores
        from ilrobot.cli.duration import time_budget
        from ilrobot.cli.seeds import check_seeds
        from ilrobot.cli.training_plan import print_unheeded
        from ilrobot.compatibility import check_policy_fits
        from ilrobot.data.dataset import Dataset
        from ilrobot.learners.behavioral_cloning import data_used, weights_hash
        from ilrobot.learners.config import TrainConfig
        from ilrobot.learners.finetuning.raft import RaftConfig, RaftLearner
        from ilrobot.learners.refitting import refit_config
        from ilrobot.observed import vector_spec
        from ilrobot.policies.loading import load_vector_policy
        from ilrobot.run import Run, run_of

        budget = time_budget(self.time_budget, None)
        workers = cores() if self.workers is None else self.workers
        check_workers(workers)
        begun = load_vector_policy(self.from_, "raft")
        if begun.spec.choices is not None:
            raise UserError(
                f"{self.from_}: its actions are {begun.spec.choices} choices, and --learner raft "
                "explores by noise, which is for continuous ones; correct it by `ilrobot dagger`, "
                "or demonstrate more"
            )
        run = run_of(self.from_)
        known = Run.read(run).description
        demonstrations = Dataset.open(self.dataset or Path(known.dataset.path))
        config = RaftConfig(
            rounds=self.rounds,
            episodes=self.episodes,
            tries=self.tries,
            exploration=self.exploration,
            seed=self._seed(),
        )
        config.check()
        fewer = self._tries_before()
        check_seeds(config.rounds * config.episodes, config.seed)
        fit, make = self._fit(refit_config(run), config.seed), self.maker(begun)
        with closing(make()) as env:
            check_policy_fits(begun.spec, env.spec, "the policy of --from")
            shown = vector_spec(demonstrations.spec)
            check_policy_fits(shown, env.spec, str(demonstrations.path), "dataset")
        print_unheeded(demonstrations)
        learner = RaftLearner(
            self.output, begun, demonstrations, make, config, fit, workers=workers
        )
        nothing_left = learner.steps >= config.rounds * config.episodes
        try:
            settings: dict[str, Any] = {
                # How many rounds is said by the steps, of which there may be more later.
                **{name: value for name, value in asdict(config).items() if name != "rounds"},
                "task": make.task,
                "options": make.options,
                "fit steps": fit.steps,
                "fit epochs": fit.epochs,
            }
            ended = learn(
                self,
                "raft",
                learner,
                settings,
                make,
                TrainConfig(
                    steps=config.rounds * config.episodes, seed=config.seed, time_budget=budget
                ),
                dataset=data_used(demonstrations),
                initial=weights_hash(begun),
                counted="beginnings",
                last=config.episodes,
                told="first attempts of the last round, before its cloning",
                growing="tries",
                together=config.episodes,
            )
            if nothing_left and fewer is not None and fewer < self.tries:
                _note(
                    f"--tries {self.tries} changes nothing here: {self.output} has learnt from all "
                    f"of its {config.rounds} rounds already; --rounds {config.rounds + 1} or more "
                    "goes on"
                )
            without = ", ".join(map(str, learner.without_news()))
            if without:
                _note(
                    f"nothing new succeeded in round {without}: the policy stayed as it was; more "
                    "--tries may help, or a better policy to begin with"
                )
            return ended
        finally:
            learner.close()

    def _seed(self) -> int:
        """As it was given, or that of a run to go on with: the usual one was another before."""
        from ilrobot.run import RUN_FILE, Run

        if self.seed is not None:
            return self.seed
        if self.resume and (self.output / RUN_FILE).exists():
            return Run.read(self.output).description.config.train.seed
        return _SEED

    def _tries_before(self) -> int | None:
        """Of a run to go on with; other episodes or fewer rounds than it has are refused."""
        from ilrobot.run import RUN_FILE, Run
        from ilrobot.run_description import TrainDescription

        if not self.resume or not (self.output / RUN_FILE).exists():
            return None
        known = Run.read(self.output).description
        if isinstance(known, TrainDescription) and known.learner == "raft":
            episodes = known.settings["episodes"]
            begun = known.config.train.steps // episodes
            if episodes != self.episodes:
                raise UserError(
                    f"{self.output} was begun with --episodes {episodes}, not {self.episodes}; "
                    "resume it with the same settings or give another --output"
                )
            if self.rounds < begun:
                raise UserError(
                    f"{self.output} was begun with --rounds {begun}, and may go on with more, not "
                    f"with {self.rounds}; give another --output"
                )
            tries: int = known.settings["tries"]
            return tries
        return None

    def _fit(self, known: TrainConfig, seed: int) -> TrainConfig:
        """How the rounds are cloned."""
        fit = replace(known, device=self.device, time_budget=None, keep_checkpoints=0)
        if self.fit_steps is not None:
            if self.fit_steps < 1:
                raise UserError(f"--fit-steps must be at least 1, not {self.fit_steps}")
            fit = fit.with_steps(self.fit_steps)
        fit = replace(fit, seed=seed)
        fit.check()
        return fit


def _note(words: str) -> None:
    from ilrobot.cli.output import console

    console.print(f"note: {words}", soft_wrap=True, markup=False)


#: Of the first beginning where none is given; others than those of demonstrations.
_SEED = 20_000

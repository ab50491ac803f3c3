"""The folder of a run of DAgger: its dataset, its policies and what each round came to."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ilrobot.atomic import PART, write_bytes
from ilrobot.data.branches import surviving, takeovers
from ilrobot.data.dataset import Dataset
from ilrobot.data.episode import EpisodeInfo, Outcome
from ilrobot.data.labels import own_teach
from ilrobot.data.recordings import Recordings
from ilrobot.data.writing import copy_with_states
from ilrobot.errors import UserError
from ilrobot.gates.log import total
from ilrobot.learners.behavioral_cloning import data_used
from ilrobot.learners.interactive.own_successes import with_own_successes
from ilrobot.learners.interactive.rehearsal import rehearsal_folder
from ilrobot.lock import LOCK_FILE, WriteLock
from ilrobot.policies.loading import load_policy
from ilrobot.policies.policy import Policy
from ilrobot.round_attempts import round_attempts, round_folder
from ilrobot.run import Run
from ilrobot.run_description import DaggerDescription, RoundSummary

#: Fits a policy to a dataset into a run's folder, resuming what is there, and from the weights of a
#: policy where one is given.
FitRun = Callable[[Recordings, Path, Policy | None], Policy]


class Rounds:
    """What the folder of a run of DAgger holds beside its ``run.json``."""

    def __init__(self, run: Run[DaggerDescription]) -> None:
        self._run = run
        self.plan = run.description.plan
        self.dataset = run.description.recordings(run.path)

    def folder(self, number: int) -> Path:
        """The run of training after round `number`, counted from 1."""
        return round_folder(self._run.path, number)

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

        Raises:
            UserError: They are being recorded or edited, or were since the run was begun.
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
                _copy(source, part)
            check_at_rest(source)
            known, now = self._run.description.demonstrations, Dataset.open(source)
            if (now.num_episodes, now.num_frames) != (known.episodes, known.frames):
                raise UserError(
                    f"{source} has {now.num_episodes} episodes, and had {known.episodes} when this "
                    "run was begun; begin again in another --output"
                )
            part.rename(self.dataset)

    def episodes(self, number: int, data: Dataset) -> list[tuple[int, EpisodeInfo]]:
        """Index and description of each episode of a round that counts."""
        return round_attempts(self._run.path, self._run.description, number, data)

    def kept(self, number: int, data: Dataset) -> set[int]:
        """Their seeds."""
        return {info.seed for _, info in self.episodes(number, data) if info.seed is not None}

    def fit(self, number: int, data: Dataset, fit: FitRun) -> None:
        """Fit the policy of a round and make it the run's."""
        folder = self.folder(number)
        warm = self._run.description.warm_start
        fit(self._lessons(number, data), folder, load_policy(self.acting(number)) if warm else None)
        with self._run.writing():
            write_bytes(self._run.policy_file, Run.read(folder).policy_file.read_bytes())

    def _lessons(self, number: int, data: Dataset) -> Recordings:
        """What the policy of a round learns: of what it did alone, too, where that teaches."""
        if not own_teach(self._run.description.config.train.weighting):
            return data
        done = (rehearsal_folder(self._run.path, before) for before in range(1, number + 1))
        rehearsals = [path for path in done if path.exists()]
        return with_own_successes(data, rehearsals)

    def finish(self, number: int, data: Dataset) -> None:
        """Note that a round is done and what it came to."""
        fitted, now = Run.read(self.folder(number)).description, self._run.description
        rounds = (*now.rounds, self.summarise(number, data))
        self._run.update(
            dataset=replace(data_used(data), besides=fitted.dataset.besides),
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


def check_at_rest(demonstrations: Path) -> None:
    """Refuse to copy what would not be whole; several runs may copy it at once.

    Raises:
        UserError: Somebody is recording or editing there.
    """
    if WriteLock.is_held(demonstrations):
        raise UserError(
            f"{demonstrations}: another process is recording or editing there; wait for it"
        )


def _copy(source: Path, to: Path) -> None:
    """Copy a dataset, up to the first file that cannot be: `shutil.copytree` lists them all.

    Raises:
        OSError: The disk is full, a folder cannot be read or written.
    """

    def cannot_be_read(error: OSError) -> None:
        raise error

    for folder, _, files in os.walk(source, onerror=cannot_be_read, followlinks=True):
        into = to / Path(folder).relative_to(source)
        into.mkdir()
        for name in files:
            if name != LOCK_FILE:
                shutil.copy2(Path(folder, name), into / name)

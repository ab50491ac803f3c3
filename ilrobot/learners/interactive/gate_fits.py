"""What a gate decides by in a round, fitted to the policy of the round and to what was recorded.

All of it follows from the dataset, the policy and a seed, and lies in a folder of the round that is
there whole or not at all: a run that is cut off goes on as if it had not been. Attempts that were
cut off or discarded are left out.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ilrobot.actors import Source
from ilrobot.atomic import PART, make_folder, sync_folder, write_json
from ilrobot.data.branches import lives
from ilrobot.data.dataset import Dataset
from ilrobot.data.episode import UNCOUNTED, Episode
from ilrobot.data.labels import labels
from ilrobot.data.memory import MemoryRecordings
from ilrobot.errors import UserError, explained
from ilrobot.gates.benefit import BenefitThresholds, patience
from ilrobot.gates.discrepancy import action_ranges, discrepancies
from ilrobot.gates.foresight import UNSAFE
from ilrobot.gates.human import risk_threshold
from ilrobot.gates.thrifty import Thresholds
from ilrobot.learners.interactive.dart import fit_noise, held_out_episodes
from ilrobot.learners.interactive.doubt_replay import replay
from ilrobot.learners.interactive.gate_network import OnSteps, unwatched
from ilrobot.learners.interactive.help_critic import HelpCritic, Rehearsed, fit_help_critic
from ilrobot.learners.interactive.novice import novice_actions
from ilrobot.learners.interactive.safety_classifier import SafetyClassifier, fit_safety_classifier
from ilrobot.learners.interactive.success_critic import SuccessCritic, fit_success_critic
from ilrobot.policies.loading import load_policy
from ilrobot.policies.policy import Policy

VALUES, CRITIC, CLASSIFIER = "gate.json", "critic.pt", "classifier.pt"

#: SafeDAgger's τ is not below this: an error of a hundredth of each element's range is none, so
#: that a policy that hardly errs hardly calls.
NEGLIGIBLE = 1e-4

#: Share of the ticks of held-out episodes, demonstrations and from the second round on attempts, at
#: which an ensemble may doubt more than χ. The paper on EnsembleDAgger leaves χ to the user.
DOUBTFUL = 0.05
#: ThriftyDAgger's thresholds are fitted to what the novices did once that is more ticks than this,
#: as in its authors' program; before that to held-out episodes.
FEWEST = 25

#: What is read back from the folder of a round.
Values = dict[str, Any]


@dataclass(frozen=True)
class Material:
    """What there is to fit to.

    Attributes:
        dataset: All that was recorded so far.
        policy_run: Run of the policy that acts in the round.
        seed: Of all draws.
        latest: Indexes of the attempts of the round before (empty: this is the first).
        rehearsal: What the policy came to alone before the round (None: it did not rehearse).
        on_steps: Follows the fit of a network.
    """

    dataset: Dataset
    policy_run: Path
    seed: int
    latest: tuple[int, ...] = ()
    rehearsal: Dataset | None = None
    on_steps: OnSteps = unwatched

    @cached_property
    def policy(self) -> Policy:
        """The novice."""
        return load_policy(self.policy_run)

    @cached_property
    def recordings(self) -> MemoryRecordings:
        """The episodes that count."""
        return self.with_rehearsals(())

    def with_rehearsals(self, alone: Sequence[Episode]) -> MemoryRecordings:
        """The episodes that count, and these."""
        episodes = [self.dataset.episode(int(index)) for index in np.flatnonzero(self._counts)]
        return MemoryRecordings(self.dataset.spec, [*episodes, *alone], str(self.dataset.path))

    @cached_property
    def actions(self) -> NDArray[np.float32]:
        """What the novice would do at each tick of `recordings`."""
        return novice_actions(self.policy, self.recordings, self.seed)

    @cached_property
    def held_out(self) -> NDArray[np.bool_]:
        """The ticks of `recordings` in episodes that the novice was not trained on."""
        return self._ticks_of(held_out_episodes(self.dataset, self.policy_run))

    @cached_property
    def unseen(self) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
        """Ticks of `recordings` at which a novice acts untaught, and what it wants at each.

        They are those held out, with the present novice, and those of the latest attempts, with the
        novice that made them: what it was not taught, the present one may have learnt by heart.
        """
        actions, recordings = self.actions, self.recordings
        if not recordings.has_column("control.policy_action"):
            return self.held_out, actions
        wanted = recordings.column("control.policy_action").astype(np.float32)
        # It may have been late: then it is not known what it wanted.
        known = np.isfinite(wanted.reshape(len(wanted), -1)).all(axis=1)
        then = self.tried & known & ~self.held_out
        return self.held_out | then, np.where(
            then.reshape(-1, *(1,) * (actions.ndim - 1)), wanted, actions
        )

    @cached_property
    def driven(self) -> NDArray[np.bool_]:
        """The ticks of `recordings` at which a novice had control."""
        if not self.recordings.has_column("control.source"):
            return np.zeros(self.recordings.num_frames, dtype=bool)
        return np.isin(self.recordings.column("control.source"), (Source.POLICY, Source.BLEND))

    @property
    def tried(self) -> NDArray[np.bool_]:
        """The ticks of `recordings` in the attempts of the round before."""
        return self._ticks_of(self.latest)

    def _ticks_of(self, episodes: ArrayLike) -> NDArray[np.bool_]:
        """The ticks of `recordings` in some episodes of `dataset`."""
        chosen = np.isin(np.arange(self.dataset.num_episodes), episodes)
        return np.repeat(chosen[self._counts], self.recordings.lengths)

    @property
    def _counts(self) -> NDArray[np.bool_]:
        return np.array([info.outcome not in UNCOUNTED for info in self.dataset.infos], dtype=bool)


#: Fits what one gate needs, writes what is no plain JSON into the folder, gives back the rest.
GateFit = Callable[[Material, Path], Values]


def prepare_gate(folder: Path, material: Material, fit: GateFit) -> None:
    """Fit and write what a gate needs, unless it is there.

    Raises:
        UserError: There is nothing to fit to.
        WorkFailed: The disk is full.
    """
    if folder.exists():
        return
    part = folder.with_name(folder.name + PART)
    with explained(folder, "all that was recorded is safe", "go on with --resume"):
        shutil.rmtree(part, ignore_errors=True)
        make_folder(part)
        write_json(part / VALUES, fit(material, part))
        part.rename(folder)
        sync_folder(folder.parent)


def read_values(folder: Path) -> Values:
    """What `prepare_gate` wrote.

    Raises:
        UserError: The file is missing or damaged.
    """
    try:
        values = json.loads((folder / VALUES).read_bytes())
    except (OSError, ValueError) as error:
        raise UserError(
            f"{folder / VALUES} cannot be read ({error}); delete {folder} to have it made again"
        ) from error
    if not isinstance(values, dict):
        raise UserError(
            f"{folder / VALUES} is no JSON object; delete {folder} to have it made again"
        )
    return _Read(values, folder)


class _Read(Values):
    """Values of a file, which may be of another version."""

    def __init__(self, values: Values, folder: Path) -> None:
        super().__init__(values)
        self._folder = folder

    def __missing__(self, name: str) -> Any:
        raise UserError(
            f"{self._folder / VALUES} does not say '{name}'; delete {self._folder} to have it made "
            "again"
        )


def fit_human(material: Material, folder: Path) -> Values:
    """HG-DAgger's bound of risk, once a person took over from a policy that knows its doubt."""
    infos = [info for info in material.dataset.infos if info.outcome not in UNCOUNTED]
    logs = [info.control for info in infos if info.control is not None]
    doubts = [doubt for log in logs for doubt in log.doubts]
    return {"doubt": risk_threshold(doubts)} if doubts else {}


def fit_ensemble(material: Material, folder: Path) -> Values:
    """EnsembleDAgger's χ: the novice doubts more at `DOUBTFUL` of the ticks it was not trained on.

    Raises:
        UserError: The policy is no ensemble, or nothing is held out.
    """
    seen = replay(material.policy, material.recordings, material.held_out, material.seed)
    return {"doubt": float(np.quantile(seen.doubt, 1.0 - DOUBTFUL))}


def fit_safety(material: Material, folder: Path, threshold: float | None = None) -> Values:
    """SafeDAgger's classifier, for SafeDAgger and LazyDAgger.

    Args:
        material: What there is to fit to.
        folder: Where it goes.
        threshold: τ of the first round (None: this is it, and τ is such that at most `UNSAFE` of
            the held-out ticks are unsafe, as LazyDAgger's authors say it was of SafeDAgger's first
            data, but not below `NEGLIGIBLE`).

    Raises:
        UserError: The actions are choices or have no limits, or nothing is held out.
    """
    ticks, actions = material.unseen
    if threshold is None:
        strays = _discrepancies(material, ticks)
        first = float(np.quantile(strays, 1.0 - UNSAFE, method="higher"))
        threshold = max(first, NEGLIGIBLE)
    classifier = fit_safety_classifier(
        material.recordings, actions, material.seed, threshold, ticks, material.on_steps
    )
    classifier.save(folder / CLASSIFIER)
    return {"discrepancy": threshold, "validation": _report(classifier)}


def fit_thrifty(material: Material, folder: Path, budget: float) -> Values:
    """ThriftyDAgger's critic, its thresholds and β_R.

    δ_N, δ_Q and the median are of the ticks at which the novices so far had control, as the present
    novice and critic see them; before there are more than `FEWEST`, of episodes that were held out.

    Raises:
        UserError: The policy is no ensemble, no episode succeeded, or nothing is held out.
    """
    recordings = material.recordings
    critic = fit_success_critic(
        recordings, material.actions, material.seed, on_steps=material.on_steps
    )
    critic.save(folder / CRITIC)
    enough = np.count_nonzero(material.driven & lives(recordings)) > FEWEST
    ticks = material.driven if enough else material.held_out
    seen = replay(material.policy, recordings, ticks, material.seed)
    observed = {f.name: recordings.column(f.name)[seen.frames] for f in critic.spec.observations}
    now = Thresholds.fit(seen.novelty, critic.values(observed, seen.actions), budget)
    return {
        "novelty": now.novelty,
        "success": now.success,
        "recovery": now.recovery,
        "agreement": float(_discrepancies(material).mean()),
        "validation": _report(critic),
    }


def fit_benefit(material: Material, folder: Path, budget: float) -> Values:
    """What help is worth, and the gate's thresholds, of what is foretold of rehearsals untaught.

    Raises:
        UserError: No episode succeeded by an expert's hand, it is not known how the rehearsals
            ended, or the actions are choices or have no limits.
    """
    assert material.rehearsal is not None
    alone, spec = material.rehearsal, material.dataset.spec
    episodes = [alone.episode(index) for index in range(alone.num_episodes)]
    rehearsed = Rehearsed.of(MemoryRecordings(spec, episodes, str(alone.path)))
    known = material.with_rehearsals(episodes)
    critic = fit_help_critic(known, rehearsed, material.seed, material.on_steps)
    critic.save(folder / CRITIC)
    benefit, ticks = rehearsed.benefit(critic), patience(spec.rate)
    now = BenefitThresholds.fit(benefit, rehearsed.attempt, budget, ticks)
    return {"benefit": now.call, "handback": now.handback, "validation": _report(critic)}


def _report(learnt: SuccessCritic | SafetyClassifier | HelpCritic) -> Values:
    """How well it does on episodes that it was not fitted to."""
    assert learnt.report is not None
    return asdict(learnt.report)


def _discrepancies(
    material: Material, ticks: NDArray[np.bool_] | None = None
) -> NDArray[np.float64]:
    """ε of the novice at each tick that teaches, of these (None: of all)."""
    teaches, wanted = labels(material.recordings)
    if ticks is not None:
        teaches &= ticks
    spec = material.recordings.spec
    novice, expert = material.actions[teaches], wanted[teaches]
    return discrepancies(novice, expert, action_ranges(spec), spec.target_rotations)


def fit_dart(material: Material, folder: Path) -> Values:
    """DART's covariance.

    Raises:
        UserError: Nothing is held out, or the actions are choices.
    """
    noise = fit_noise(material.dataset, material.policy_run, seed=material.seed)
    return {"covariance": noise.tolist()}

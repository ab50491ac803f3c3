"""What a gate decides by in a round, fitted to the policy of the round and to what was recorded.

All of it follows from the dataset, the policy and a seed.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ilrobot.data.episode import UNCOUNTED
from ilrobot.data.labels import labels
from ilrobot.data.memory import MemoryRecordings
from ilrobot.data.recordings import lives
from ilrobot.gates.benefit import BenefitThresholds, patience
from ilrobot.gates.discrepancy import action_ranges, discrepancies
from ilrobot.gates.foresight import UNSAFE
from ilrobot.gates.human import risk_threshold
from ilrobot.gates.thrifty import Thresholds
from ilrobot.learners.interactive.dart import fit_noise
from ilrobot.learners.interactive.doubt_replay import replay
from ilrobot.learners.interactive.gate_material import Material
from ilrobot.learners.interactive.gate_values import CLASSIFIER, CRITIC, Values
from ilrobot.learners.interactive.help_critic import HelpCritic, Rehearsed, fit_help_critic
from ilrobot.learners.interactive.safety_classifier import SafetyClassifier, fit_safety_classifier
from ilrobot.learners.interactive.success_critic import SuccessCritic, fit_success_critic

#: SafeDAgger's τ is not below this: an error of a hundredth of each element's range is none, so
#: that a policy that hardly errs hardly calls.
NEGLIGIBLE = 1e-4

#: Share of the ticks of held-out episodes, demonstrations and from the second round on attempts, at
#: which an ensemble may doubt more than χ. The paper on EnsembleDAgger leaves χ to the user.
DOUBTFUL = 0.05
#: ThriftyDAgger's thresholds are fitted to what the novices did once that is more ticks than this,
#: as in its authors' program; before that to held-out episodes.
FEWEST = 25


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
    alone, spec = material.rehearsal, material.policy.spec
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
    equal = spec.target_rotations, spec.action.angles
    return discrepancies(novice, expert, action_ranges(spec), *equal)


def fit_dart(material: Material, folder: Path) -> Values:
    """DART's covariance.

    Raises:
        UserError: Nothing is held out, or the actions are choices.
    """
    noise = fit_noise(material.dataset, material.policy_run, seed=material.seed)
    return {"covariance": noise.tolist()}

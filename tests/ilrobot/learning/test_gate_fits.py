"""What a gate is fitted to: a function of data, policy and seed, written whole or not at all."""

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ilrobot.atomic import write_json
from ilrobot.cli import output
from ilrobot.data.dataset import Dataset
from ilrobot.data.episode import EpisodeInfo, Outcome
from ilrobot.data.labels import labels
from ilrobot.errors import UserError
from ilrobot.gates.benefit import LEAST
from ilrobot.gates.discrepancy import action_ranges
from ilrobot.gates.foresight import Foresight
from ilrobot.gates.gate import GateContext
from ilrobot.gates.human import risk_threshold
from ilrobot.gates.log import GateLog
from ilrobot.gates.safe import SafeGate
from ilrobot.learners.interactive import help_critic, success_critic
from ilrobot.learners.interactive.doubt_replay import replay
from ilrobot.learners.interactive.gate_fits import fit_benefit, fit_human, fit_safety, fit_thrifty
from ilrobot.learners.interactive.gate_material import Material
from ilrobot.learners.interactive.gate_values import (
    CLASSIFIER,
    CRITIC,
    VALUES,
    GateFit,
    prepare_gate,
    read_values,
)
from ilrobot.learners.interactive.round_gates import gate_fit
from ilrobot.learners.interactive.safety_classifier import SafetyClassifier
from ilrobot.learners.interactive.success_critic import SuccessCritic
from ilrobot.run import policy_hash
from tests.ilrobot.gate_tester import DEMONSTRATIONS, EPISODES, make_novice, run_gate

BUDGET = 0.2


@pytest.fixture(scope="module")
def novice(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_novice(tmp_path_factory.mktemp("novice"))


@pytest.fixture(autouse=True)
def _learn_hardly_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(success_critic, "_SWEEPS", 2)
    monkeypatch.setattr(help_critic, "_SWEEPS", 2)
    monkeypatch.setattr(help_critic, "_STEPS", 2)


def material(novice: tuple[Path, Path], seed: int = 0) -> Material:
    return Material(Dataset.open(novice[0]), novice[1], seed)


@pytest.mark.parametrize(
    ("fit", "file"),
    [
        (partial(fit_thrifty, budget=BUDGET), CRITIC),
        (fit_safety, CLASSIFIER),
    ],
)
def test_the_same_seed_writes_the_same_and_what_is_there_stays(
    novice: tuple[Path, Path], tmp_path: Path, fit: GateFit, file: str
) -> None:
    for name, seed in (("one", 0), ("again", 0), ("other", 1)):
        prepare_gate(tmp_path / name, material(novice, seed), fit)
    assert read_values(tmp_path / "one") == read_values(tmp_path / "again")
    weights = [(tmp_path / name / file).read_bytes() for name in ("one", "again", "other")]
    assert weights[0] == weights[1]
    assert weights[0] != weights[2]
    assert "validation" in read_values(tmp_path / "one")
    prepare_gate(tmp_path / "one", material(novice, 1), fit)
    assert (tmp_path / "one" / file).read_bytes() == weights[0]


def test_what_a_file_of_another_version_lacks_is_told(tmp_path: Path) -> None:
    (tmp_path / "gate-1").mkdir()
    write_json(tmp_path / "gate-1" / "gate.json", {})
    with pytest.raises(UserError, match=r"does not say 'discrepancy'; delete .*gate-1 to have"):
        gate_fit("safe", tmp_path, 2, 0.0)
    with pytest.raises(UserError, match="is missing, which says by what threshold"):
        gate_fit("lazy", tmp_path / "elsewhere", 2, 0.0)


def test_a_fit_tells_how_far_it_is(novice: tuple[Path, Path], tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    of = replace(material(novice), on_steps=lambda done, steps: told.append((done, steps)))
    prepare_gate(tmp_path / "gate", of, partial(fit_thrifty, budget=BUDGET))
    _goes_to_its_end(told)


def _goes_to_its_end(told: list[tuple[int, int]]) -> None:
    done, steps = zip(*told, strict=True)
    assert len(done) > 1
    assert list(done) == sorted(done)
    assert set(steps) == {done[-1]}


def test_the_verb_shows_how_far_the_fit_of_a_gate_is(
    novice: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(output, "QUIET", 0.0)
    run_gate("benefit", *novice, tmp_path / "run", rounds=1)
    shown = re.findall(r"gate-1 (\d+)/(\d+), \d+ s, fitting", capsys.readouterr().err)
    _goes_to_its_end([(int(done), int(steps)) for done, steps in shown])


def test_thrifty_calls_no_more_than_the_budget_where_it_was_not_taught(
    novice: tuple[Path, Path], tmp_path: Path
) -> None:
    from_ = material(novice)
    prepare_gate(tmp_path / "gate", from_, partial(fit_thrifty, budget=BUDGET))
    values, critic = read_values(tmp_path / "gate"), SuccessCritic.load(tmp_path / "gate" / CRITIC)
    seen = replay(from_.policy, from_.recordings, from_.held_out, 0)
    columns = {n: from_.recordings.column(n)[seen.frames] for n in critic.spec.observation_names}
    success = critic.values(columns, seen.actions)
    calls = (seen.novelty > values["novelty"]) | (success < values["success"])
    assert 0.0 < calls.mean() <= BUDGET
    assert values["recovery"] == pytest.approx(np.median(success))
    assert values["agreement"] > 0.0


def test_who_calls_by_benefit_first_watches_what_becomes_of_the_novice_alone(
    novice: tuple[Path, Path], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    run_gate("benefit", *novice, run, budget=0.5)
    seeds = [info.seed for info in Dataset.open(run / "dataset").infos]
    for number, acted in ((1, novice[1]), (2, run / "round-1")):
        alone = Dataset.open(run / f"rehearsal-{number}")
        assert set(alone.column("control.source")) == {"policy"}
        assert {info.policy_hash for info in alone.infos} == {policy_hash(acted)}
        assert all(info.control is None for info in alone.infos)
        seeds += [info.seed for info in alone.infos]
        values = read_values(run / f"gate-{number}")
        assert values["benefit"] >= LEAST
        assert values["validation"]["rehearsals"] == alone.num_episodes == 4
    assert len(seeds) == len(set(seeds))  # no attempt is known before it is made
    # The policy is not taught what it did alone.
    assert len(seeds) == DEMONSTRATIONS + 2 * EPISODES + 2 * 4


def test_the_same_seed_gives_the_same_gate_by_benefit(
    novice: tuple[Path, Path], tmp_path: Path
) -> None:
    run_gate("benefit", *novice, tmp_path / "run", rounds=1)
    alone = Dataset.open(tmp_path / "run" / "rehearsal-1")
    for name, seed in (("one", 0), ("again", 0), ("other", 1)):
        of = replace(material(novice, seed), rehearsal=alone)
        prepare_gate(tmp_path / name, of, partial(fit_benefit, budget=BUDGET))
    weights = [(tmp_path / name / CRITIC).read_bytes() for name in ("one", "again", "other")]
    assert weights[0] == weights[1]
    assert weights[0] != weights[2]


def test_a_fifth_of_the_first_data_is_unsafe_and_the_threshold_stays(
    novice: tuple[Path, Path], tmp_path: Path
) -> None:
    prepare_gate(tmp_path / "first", material(novice), fit_safety)
    first = read_values(tmp_path / "first")
    assert first["validation"]["unsafe"] == pytest.approx(
        0.2, abs=0.03
    )  # at most that, of few ticks
    later = partial(fit_safety, threshold=2 * first["discrepancy"])
    prepare_gate(tmp_path / "later", material(novice), later)
    assert read_values(tmp_path / "later")["discrepancy"] == 2 * first["discrepancy"]
    assert read_values(tmp_path / "later")["validation"]["unsafe"] < 0.2


def test_no_more_than_a_fifth_is_unsafe_of_any_number_of_ticks(
    novice: tuple[Path, Path], tmp_path: Path
) -> None:
    of = material(novice)
    _, wanted = labels(of.recordings)
    of.__dict__["actions"] = wanted + np.random.default_rng(0).normal(size=wanted.shape) * 0.2
    for ticks in (102, 105):  # of which a fifth is no whole number, and one
        of.__dict__["held_out"] = np.arange(of.recordings.num_frames) < ticks
        prepare_gate(tmp_path / str(ticks), of, fit_safety)
        unsafe = read_values(tmp_path / str(ticks))["validation"]["unsafe"]
        assert 0.18 < unsafe <= 0.2


def strayed(
    novice: tuple[Path, Path], errs: Callable[[NDArray[np.float32]], NDArray[np.bool_]], by: float
) -> Material:
    """The demonstrations, none of them taught to a policy that is off at some of the ticks."""
    of = material(novice)
    _, wanted = labels(of.recordings)
    state = of.recordings.column("observation.state").reshape(len(wanted), -1)
    off = errs(state).reshape(-1, *[1] * (wanted.ndim - 1)) * by * action_ranges(of.recordings.spec)
    of.__dict__["actions"] = (wanted + off).astype(np.float32)  # in place of the cached property
    of.__dict__["held_out"] = np.ones(of.recordings.num_frames, dtype=bool)
    return of


def calls(of: Material, folder: Path, threshold: float | None = None) -> float:
    """The share of the ticks at which SafeDAgger's gate calls the expert."""
    prepare_gate(folder, of, partial(fit_safety, threshold=threshold))
    foresight = Foresight(SafetyClassifier.load(folder / CLASSIFIER))
    gate, recordings = SafeGate(foresight), of.recordings
    names = recordings.spec.observation_names
    called = [
        gate.decide(
            GateContext(
                observation={name: recordings.column(name)[tick] for name in names},
                now=0.0,
                expert_acting=False,
                policy_action=of.actions[tick],
                human_action=None,
            )
        )
        for tick in range(recordings.num_frames)
    ]
    return float(np.mean(called))


def test_a_poor_policy_calls_though_its_mistakes_are_not_certain_and_a_better_one_hardly_does(
    novice: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(0)

    def in_one_half(share: float) -> Callable[[NDArray[np.float32]], NDArray[np.bool_]]:
        return lambda state: (
            (state[:, 0] > np.median(state[:, 0])) & (random.random(len(state)) < share)
        )

    poor = calls(strayed(novice, in_one_half(0.42), 0.3), tmp_path / "poor")
    assert 0.2 < poor < 0.7  # about that half, where straying is never likelier than not
    threshold = read_values(tmp_path / "poor")["discrepancy"]
    better = calls(strayed(novice, in_one_half(0.04), 0.3), tmp_path / "better", threshold)
    assert better < 0.02


def test_what_a_policy_was_taught_says_nothing_of_it(
    novice: tuple[Path, Path], tmp_path: Path
) -> None:
    of = material(novice)
    _, wanted = labels(of.recordings)
    assert 0 < of.held_out.sum() < of.recordings.num_frames
    errs = of.held_out & (np.arange(len(wanted)) % 4 == 0)  # it knows the others by heart
    off = 0.3 * errs[:, None] * action_ranges(of.recordings.spec)
    of.__dict__["actions"] = (wanted + off).astype(np.float32)
    prepare_gate(tmp_path / "gate", of, partial(fit_safety, threshold=0.01))
    assert read_values(tmp_path / "gate")["validation"]["unsafe"] == pytest.approx(0.25, abs=0.02)


def test_a_policy_that_knows_its_corrections_by_heart_still_calls_where_it_was_corrected(
    novice: tuple[Path, Path], tmp_path: Path
) -> None:
    run_gate("safe", *novice, tmp_path / "run", rounds=1)
    data = Dataset.open(tmp_path / "run" / "dataset")
    latest = tuple(range(DEMONSTRATIONS, data.num_episodes))
    corrected = np.arange(data.num_frames) >= data.starts[DEMONSTRATIONS]
    threshold = read_values(tmp_path / "run" / "gate-1")["discrepancy"]
    for name, attempts in (("blind", ()), ("seeing", latest)):
        of = Material(data, tmp_path / "run" / "round-1", 0, attempts)
        teaches, wanted = labels(of.recordings)
        of.__dict__["actions"] = wanted.astype(np.float32)
        ticks, actions = of.unseen
        prepare_gate(tmp_path / name, of, partial(fit_safety, threshold=threshold))
    used = ticks & teaches & corrected & ~of.held_out
    assert used.any()
    recorded = data.column("control.policy_action")[used]
    assert np.array_equal(actions[used], recorded.astype(np.float32))
    blind, seeing = (read_values(tmp_path / name)["validation"] for name in ("blind", "seeing"))
    assert blind["unsafe"] == 0.0
    assert seeing["unsafe"] > 0.0


def test_a_policy_that_hardly_errs_hardly_calls_in_the_first_round_either(
    novice: tuple[Path, Path], tmp_path: Path
) -> None:
    good = strayed(novice, lambda state: np.arange(len(state)) % 3 == 0, 0.005)
    assert calls(good, tmp_path / "gate") == 0.0


def test_the_bound_of_risk_is_read_without_the_recordings(
    novice: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = material(novice)
    nothing = GateLog(steps=1, expert_steps=0, takeovers=0, switches=0, queries=0, context_time=0.0)
    outcomes = (Outcome.SUCCESS, Outcome.DISCARDED, Outcome.FAILURE)
    of.dataset.infos = tuple(
        EpisodeInfo("t", 10.0, outcome, control=replace(nothing, doubts=(doubt,)))
        for outcome, doubt in zip(outcomes, (0.25, 9.0, 0.5), strict=True)
    )
    monkeypatch.setattr(Dataset, "episode", None)  # no episode is read
    assert fit_human(of, tmp_path) == {"doubt": risk_threshold([0.25, 0.5])}


def test_what_cannot_be_read_says_how_to_have_it_made_again(tmp_path: Path) -> None:
    for content in ("{", "[]"):
        (tmp_path / VALUES).write_text(content)
        with pytest.raises(UserError, match="delete"):
            read_values(tmp_path)

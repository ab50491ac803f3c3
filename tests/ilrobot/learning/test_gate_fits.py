"""What a gate is fitted to: a function of data, policy and seed, written whole or not at all."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from ilrobot.data.dataset import Dataset
from ilrobot.errors import UserError
from ilrobot.learners.interactive import safety_classifier, success_critic
from ilrobot.learners.interactive.gate_fits import (
    CLASSIFIER,
    CRITIC,
    VALUES,
    GateFit,
    Material,
    fit_safety,
    fit_thrifty,
    prepare_gate,
    read_values,
)
from ilrobot.learners.interactive.replay import replay
from ilrobot.learners.interactive.success_critic import SuccessCritic
from tests.ilrobot.gate_tester import make_novice

BUDGET = 0.2


@pytest.fixture(scope="module")
def novice(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_novice(tmp_path_factory.mktemp("novice"))


@pytest.fixture(autouse=True)
def _learn_hardly_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(success_critic, "_SWEEPS", 2)
    monkeypatch.setattr(safety_classifier, "_STEPS", 20)


def material(novice: tuple[Path, Path], seed: int = 0) -> Material:
    return Material(Dataset.open(novice[0]), novice[1], seed)


@pytest.mark.parametrize(
    ("fit", "file"), [(partial(fit_thrifty, budget=BUDGET), CRITIC), (fit_safety, CLASSIFIER)]
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


def test_a_fifth_of_the_first_data_is_unsafe_and_the_threshold_stays(
    novice: tuple[Path, Path], tmp_path: Path
) -> None:
    prepare_gate(tmp_path / "first", material(novice), fit_safety)
    first = read_values(tmp_path / "first")
    assert first["validation"]["unsafe"] == pytest.approx(0.2, abs=0.02)
    later = partial(fit_safety, threshold=2 * first["discrepancy"])
    prepare_gate(tmp_path / "later", material(novice), later)
    assert read_values(tmp_path / "later")["discrepancy"] == 2 * first["discrepancy"]
    assert read_values(tmp_path / "later")["validation"]["unsafe"] < 0.2


def test_what_cannot_be_read_says_how_to_have_it_made_again(tmp_path: Path) -> None:
    for content in ("{", "[]"):
        (tmp_path / VALUES).write_text(content)
        with pytest.raises(UserError, match="delete"):
            read_values(tmp_path)

"""What help is worth, on a task where it is known: fine, at risk, lost, or stuck."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ilrobot.data.episode import Episode, EpisodeInfo, Outcome
from ilrobot.data.memory import MemoryRecordings
from ilrobot.errors import UserError
from ilrobot.learners.interactive import help_critic
from ilrobot.learners.interactive.help_critic import (
    GAMMA,
    HelpCritic,
    Rehearsed,
    fit_help_critic,
)
from ilrobot.learners.interactive.piecewise import PiecewiseLinear
from ilrobot.spec import Feature, Spec
from tests.exhaustive import thinned

PLACE = "observation.state"
SPEC = Spec((Feature(PLACE, (1,)),), Feature("action", (1,), low=(-1.0,), high=(1.0,)), 10.0)
FINE, AT_RISK, LOST, STUCK, BEGUN = 0.0, 1.0, 2.0, 3.0, 4.0
OFTEN = 12


def episode(places: list[float], sources: list[str], outcome: Outcome) -> Episode:
    succeeds = np.zeros(len(places), dtype=bool)
    succeeds[-1] = outcome is Outcome.SUCCESS
    columns = {
        PLACE: np.array(places, np.float32)[:, None],
        # The novice, which wants 0, would not have done what the expert did.
        "action": np.array([[float(s != "policy")] for s in sources], np.float32),
        "next.success": succeeds,
        "control.source": np.array(sources, dtype=object),
        "control.discarded": np.zeros(len(places), dtype=bool),
    }
    return Episode(EpisodeInfo("t", 10.0, outcome), columns)


def attempts() -> list[Episode]:
    """The novice is lost once it was at risk, and stands still where it is stuck."""
    kinds = [
        episode([FINE] * 2, ["policy"] * 2, Outcome.SUCCESS),
        episode([FINE, AT_RISK, *[LOST] * 30], ["policy"] * 32, Outcome.TIMEOUT),
        episode([*[STUCK] * 40], ["policy"] * 40, Outcome.TIMEOUT),
    ]
    return [kind for kind in kinds for _ in range(OFTEN)]


def recordings() -> MemoryRecordings:
    """What experts did, and what the novice did."""
    kinds = [
        episode([FINE] * 2, ["demo"] * 2, Outcome.SUCCESS),
        episode([AT_RISK, FINE, FINE], ["demo"] * 3, Outcome.SUCCESS),
        episode([*[STUCK] * 6, FINE], ["demo"] * 7, Outcome.SUCCESS),
        episode([*[LOST] * 5], ["human"] * 5, Outcome.TIMEOUT),
    ]
    return MemoryRecordings(SPEC, [kind for kind in kinds for _ in range(OFTEN)] + attempts())


def idle(outcome: Outcome) -> list[Episode]:
    """A novice that stays where experts began and soon were done, to an end of this kind."""
    begun = [episode([BEGUN, FINE], ["demo"] * 2, Outcome.SUCCESS) for _ in range(4)]
    return begun + [episode([BEGUN] * 10, ["policy"] * 10, outcome) for _ in range(OFTEN)]


def rehearsed(episodes: list[Episode] | None = None) -> Rehearsed:
    alone = MemoryRecordings(SPEC, attempts() if episodes is None else episodes)
    return Rehearsed.of(alone)


def still(dataset: MemoryRecordings) -> NDArray[np.float32]:
    return np.zeros((dataset.num_frames, 1), np.float32)


def worth(critic: HelpCritic, place: float) -> float:
    return critic({PLACE: np.array([place], np.float32)}, np.zeros(1, np.float32))


@pytest.fixture(scope="module")
def critic() -> HelpCritic:
    dataset = recordings()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(help_critic, "_SWEEPS", 25)
        patch.setattr(help_critic, "_STEPS", 500)
        return fit_help_critic(dataset, rehearsed(), seed=0)


def test_help_is_worth_what_it_changes(critic: HelpCritic) -> None:
    assert worth(critic, AT_RISK) > 0.7
    assert abs(worth(critic, LOST)) < 0.2
    assert worth(critic, FINE) < 0.5
    assert critic.report is not None
    assert (critic.report.rehearsals, critic.report.successes) == (3 * OFTEN, OFTEN)
    assert critic.report.brier < 0.5 * critic.report.constant


def test_each_half_is_judged_by_the_network_that_saw_the_other(critic: HelpCritic) -> None:
    of = rehearsed()
    for kind in range(3):  # of each kind one half
        halves = [of.first[of.attempt == n].all() for n in range(kind * OFTEN, (kind + 1) * OFTEN)]
        assert sum(halves) == OFTEN // 2
    with torch.inference_mode():
        first, second = critic.novice(critic.encode(of.columns, of.actions)).sigmoid().numpy()
        expert = critic.expert.lesser(critic.encode_seen(of.columns, of.actions)).numpy()
    said = of.benefit(critic)
    assert np.array_equal(said[of.first], (expert - second)[of.first])
    assert np.array_equal(said[~of.first], (expert - first)[~of.first])


def test_what_becomes_of_a_tick_becomes_of_what_was_done_there() -> None:
    ticks = np.linspace(-1.0, 1.0, 5, dtype=np.float32)[:, None]
    alone = episode([FINE] * 5, ["policy"] * 5, Outcome.SUCCESS)
    alone.columns["action"] = ticks
    assert np.array_equal(rehearsed([alone]).actions, ticks)


def test_who_stands_still_needs_help_though_a_state_that_leads_to_itself_could_have_any_value(
    critic: HelpCritic,
) -> None:
    assert worth(critic, STUCK) > 0.6


@pytest.mark.parametrize(
    ("outcome", "hopes"),
    thinned(
        [(Outcome.TIMEOUT, True), (Outcome.FAILURE, False)],
        [(Outcome.TIMEOUT, True)],
    ),
)
def test_an_expert_could_go_on_where_a_novice_ran_out_of_time_but_not_where_it_failed(
    outcome: Outcome, hopes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(help_critic, "_SWEEPS", 25)
    monkeypatch.setattr(help_critic, "_STEPS", 500)
    made = idle(outcome)
    stood = rehearsed([*attempts(), *made[4:]])
    critic = fit_help_critic(MemoryRecordings(SPEC, made), stood, seed=0)
    assert (worth(critic, BEGUN) > 0.6) is hopes


def test_the_expert_is_worth_the_discount_to_the_steps_that_it_takes(critic: HelpCritic) -> None:
    dataset = recordings()
    expert = critic.expert.lesser(
        critic.encode_seen({PLACE: np.array([[AT_RISK], [LOST]], np.float32)}, still(dataset)[:2])
    )
    assert expert.tolist() == pytest.approx([GAMMA**2, 0.0], abs=0.1)


def test_the_same_seed_gives_the_same_critic_and_a_file_gives_it_back(
    critic: HelpCritic, tmp_path: Path
) -> None:
    critic.save(tmp_path / "critic.pt")
    loaded, places = HelpCritic.load(tmp_path / "critic.pt"), (FINE, AT_RISK, LOST, STUCK)
    assert [worth(loaded, place) for place in places] == [worth(critic, p) for p in places]
    assert loaded.report == critic.report
    torch.save({}, tmp_path / "other.pt")
    with pytest.raises(UserError, match="is no help critic"):
        HelpCritic.load(tmp_path / "other.pt")


def test_an_action_that_is_not_finite_comes_to_nothing(critic: HelpCritic) -> None:
    seen = {PLACE: np.array([FINE], np.float32)}
    assert critic(seen, np.array([np.nan], np.float32)) > worth(critic, FINE)


def test_without_an_expert_who_succeeded_it_is_told() -> None:
    alone = MemoryRecordings(SPEC, [episode([FINE], ["policy"], Outcome.SUCCESS)] * 3)
    with pytest.raises(UserError, match="no episode succeeded by an expert's hand") as caught:
        fit_help_critic(alone, rehearsed(), seed=0)
    assert "\n" not in str(caught.value)


def test_rehearsals_that_nobody_judged_tell_nothing() -> None:
    with pytest.raises(UserError, match="not known how any of these attempts ended") as caught:
        rehearsed([episode([FINE] * 5, ["policy"] * 5, Outcome.UNKNOWN)])
    assert "\n" not in str(caught.value)


def test_each_bin_says_how_far_a_number_has_come_through_it() -> None:
    encoding = PiecewiseLinear(2, bins=2)
    encoding.fit(np.array([[0.0, 5.0], [1.0, 5.0], [11.0, 5.0]]))
    through = encoding(torch.tensor([[0.5, 5.0], [6.0, 9.0], [-3.0, 0.0], [99.0, 5.0]]))
    assert through[:, :2].tolist() == [[0.5, 0.0], [1.0, 0.5], [0.0, 0.0], [1.0, 1.0]]
    assert not through[:, 2:].any()  # what never differed says nothing

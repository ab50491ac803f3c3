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
from ilrobot.learners.interactive.help_critic import GAMMA, HelpCritic, fit_help_critic
from ilrobot.learners.interactive.piecewise import PiecewiseLinear
from ilrobot.spec import Feature, Spec

PLACE = "observation.state"
SPEC = Spec((Feature(PLACE, (1,)),), Feature("action", (1,), low=(-1.0,), high=(1.0,)), 10.0)
FINE, AT_RISK, LOST, STUCK = 0.0, 1.0, 2.0, 3.0
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


def recordings() -> MemoryRecordings:
    """The novice is lost once it was at risk, and stands still where it is stuck."""
    novice, expert = ["policy"], ["demo"]
    kinds = [
        episode([FINE] * 2, expert * 2, Outcome.SUCCESS),
        episode([FINE] * 2, novice * 2, Outcome.SUCCESS),
        episode([AT_RISK, FINE, FINE], expert * 3, Outcome.SUCCESS),
        episode([*[STUCK] * 6, FINE], expert * 7, Outcome.SUCCESS),
        episode([FINE, AT_RISK, *[LOST] * 30], novice * 32, Outcome.TIMEOUT),
        episode([*[LOST] * 5], ["human"] * 5, Outcome.TIMEOUT),
        episode([*[STUCK] * 40], novice * 40, Outcome.TIMEOUT),
    ]
    return MemoryRecordings(SPEC, [kind for kind in kinds for _ in range(OFTEN)])


def still(dataset: MemoryRecordings) -> NDArray[np.float32]:
    return np.zeros((dataset.num_frames, 1), np.float32)


def worth(critic: HelpCritic, place: float) -> float:
    return critic({PLACE: np.array([place], np.float32)}, np.zeros(1, np.float32))


@pytest.fixture(scope="module")
def critic() -> HelpCritic:
    dataset = recordings()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(help_critic, "_SWEEPS", 15)
        return fit_help_critic(dataset, still(dataset), seed=0)


def test_help_is_worth_what_it_changes(critic: HelpCritic) -> None:
    assert worth(critic, AT_RISK) > 0.7
    assert abs(worth(critic, LOST)) < 0.2
    assert worth(critic, FINE) < 0.5
    assert critic.report is not None
    assert critic.report.episodes > 0
    assert critic.report.novice is not None
    assert critic.report.expert is not None


def test_who_stands_still_needs_help_though_a_state_that_leads_to_itself_could_have_any_value(
    critic: HelpCritic,
) -> None:
    assert worth(critic, STUCK) > 0.6


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
        fit_help_critic(alone, still(alone), seed=0)
    assert "\n" not in str(caught.value)


def test_each_bin_says_how_far_a_number_has_come_through_it() -> None:
    encoding = PiecewiseLinear(2, bins=2)
    encoding.fit(np.array([[0.0, 5.0], [1.0, 5.0], [11.0, 5.0]]))
    through = encoding(torch.tensor([[0.5, 5.0], [6.0, 9.0], [-3.0, 0.0], [99.0, 5.0]]))
    assert through[:, :2].tolist() == [[0.5, 0.0], [1.0, 0.5], [0.0, 0.0], [1.0, 1.0]]
    assert not through[:, 2:].any()  # what never differed says nothing

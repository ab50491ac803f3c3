"""What interventions leave: where each label comes from, how often it is drawn, what it weighs."""

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
import torch

from ilrobot.data.episode import Episode, EpisodeInfo, Outcome
from ilrobot.data.labels import Origin, labels, origins
from ilrobot.data.lessons import Weighting
from ilrobot.data.memory import MemoryRecordings
from ilrobot.data.weights import class_weights
from ilrobot.data.windows import Windows
from ilrobot.spec import Feature, Spec

SPEC = Spec((Feature("observation.state", (1,)),), Feature("action", (1,)), rate=4.0)  # 3 in 0.75 s
NOBODY, DEMO, CORRECTION, ROBOT, BEFORE = Origin
SOURCES = {"d": "demo", "p": "policy", "h": "human", "b": "blend", "x": "paused"}


def _episode(letters, outcome=Outcome.SUCCESS, first=0, discarded=""):
    """A letter per frame; frame t executed t, and the person wanted t + 0.5 where one drove."""
    t = np.arange(first, first + len(letters), dtype=np.float32)[:, None]
    human = np.array([x == "h" for x in letters])
    columns = {
        "observation.state": t,
        "action": t,
        "control.source": np.array([SOURCES[x] for x in letters], dtype=object),
        "intervention": human,
        "control.human_action": np.where(human[:, None], t + 0.5, np.nan).astype(np.float32),
        "control.discarded": np.array([x == "1" for x in discarded.ljust(len(letters))]),
    }
    return Episode(EpisodeInfo("", 4.0, outcome=outcome), columns)


def _data(*episodes):
    return MemoryRecordings(SPEC, episodes)


def test_each_frame_has_its_origin():
    found = origins(_data(_episode("ddd"), _episode("pppphhbxpp"), _episode("hp", first=20)))
    assert found[:3].tolist() == [DEMO] * 3
    assert found[3:13].tolist() == [
        ROBOT, BEFORE, BEFORE, BEFORE, CORRECTION, CORRECTION, NOBODY, NOBODY, ROBOT, ROBOT,
    ]  # fmt: skip
    assert found[13:].tolist() == [CORRECTION, ROBOT]  # what was before it was another episode


@pytest.mark.parametrize("weighting", get_args(Weighting))
def test_what_the_expert_said_at_the_handback_teaches_though_the_policy_acts(weighting):
    attempt = _episode("pphhpp")
    attempt.columns["control.human_action"][4] = 4.5  # it was asked, and control went back
    data = _data(attempt)
    assert origins(data)[2:].tolist() == [CORRECTION] * 3 + [ROBOT]
    teaches, values = labels(data, weighting)
    assert teaches[4]
    assert values[4] == 4.5


def test_the_policys_actions_in_an_attempt_that_failed_are_nobodys():
    for outcome in (Outcome.FAILURE, Outcome.TIMEOUT, Outcome.UNFINISHED):
        found = origins(_data(_episode("pppphh", outcome)))
        assert found.tolist() == [NOBODY] * 4 + [CORRECTION] * 2


def _driven(letters, outcome, discarded="", hand="a pad's"):
    """As `_episode`, but what the person wanted was executed, by a hand on a device."""
    episode = _episode(letters, outcome, discarded=discarded)
    wanted = episode.columns["control.human_action"]
    episode.columns["action"] = np.where(np.isnan(wanted), episode.columns["action"], wanted)
    return replace(episode, info=replace(episode.info, mapping_hash=hand))


@pytest.mark.parametrize("outcome", [Outcome.FAILURE, Outcome.TIMEOUT])
def test_the_last_drive_of_a_lost_attempt_teaches_nobody(outcome):
    drives = _data(_driven("phhphbhhp", outcome), _driven("hhp", Outcome.SUCCESS))
    found = origins(drives)
    assert found[:9].tolist() == [NOBODY, *[CORRECTION] * 2, NOBODY, CORRECTION, *[NOBODY] * 4]
    assert found[9:].tolist() == [CORRECTION, CORRECTION, ROBOT]
    to_the_end = origins(_data(_driven("phhph", outcome), _driven("hp", outcome)))
    assert to_the_end.tolist() == [NOBODY, *[CORRECTION] * 2, *[NOBODY] * 4]


@pytest.mark.parametrize("outcome", [Outcome.SUCCESS, Outcome.UNKNOWN, Outcome.UNFINISHED])
def test_every_drive_teaches_where_the_attempt_was_not_lost(outcome):
    found = origins(_data(_driven("phhph", outcome)))
    assert (found == CORRECTION).tolist() == [False, True, True, False, True]


def test_a_drive_that_a_rewind_interrupted_is_one():
    found = origins(_data(_driven("hphhhhp", Outcome.FAILURE, discarded="0001100")))
    assert found.tolist() == [CORRECTION] + [NOBODY] * 6


def test_a_pause_or_a_guard_does_not_make_part_of_a_drive_teach():
    paused = _driven("phhxhh", Outcome.FAILURE)
    assert CORRECTION not in origins(_data(paused))
    limited = _driven("phhhhh", Outcome.FAILURE)
    limited.columns["action"][2:4] += 0.25  # what was sent behind the guards
    assert CORRECTION not in origins(_data(limited))
    wide = _driven("phhhhh", Outcome.FAILURE)
    wide.columns["control.human_action"] += np.float32(0.1)
    wide.columns["action"] = wide.columns["action"].astype(np.float64) + 0.1
    assert CORRECTION not in origins(_data(wide))


def test_an_expert_without_a_hand_is_right_though_time_ran_out():
    assert origins(_data(_driven("hhhh", Outcome.TIMEOUT, hand=""))).tolist() == [CORRECTION] * 4


def test_what_was_disturbed_teaches_though_the_attempt_was_lost():
    disturbed = _driven("hhhh", Outcome.FAILURE)
    disturbed.columns["action"] += np.array([[0.1], [0.0], [-0.2], [0.3]], np.float32)
    assert origins(_data(disturbed)).tolist() == [CORRECTION] * 4


def test_what_was_right_before_is_counted_over_what_a_rewind_left():
    found = origins(_data(_episode("ppppppph", discarded="00001110")))
    assert found.tolist() == [ROBOT] + [BEFORE] * 3 + [NOBODY] * 3 + [CORRECTION]


def test_who_teaches_depends_on_the_weighting_and_the_policy_teaches_what_it_did():
    data = _data(_episode("dd"), _episode("pppphhbp", first=2))
    taught = {}
    for weighting in get_args(Weighting):
        teaches, values = labels(data, weighting)
        taught[weighting] = values[teaches].ravel().tolist()
    assert taught["plain"] == [0, 1, 6.5, 7.5]
    assert taught["iwr"] == [0, 1, 2, 3, 4, 5, 6.5, 7.5, 9]
    assert taught["sirius"] == taught["own"] == [0, 1, 2, 6.5, 7.5, 9]


def _counted(demos=0, corrections=0, robot=0, before=0):
    return np.repeat([DEMO, CORRECTION, ROBOT, BEFORE], [demos, corrections, robot, before]).astype(
        np.int8
    )


def _shares(found, weighting):
    """Share of each class in the draws."""
    weights = class_weights(found, weighting)
    teaching = [DEMO, CORRECTION, ROBOT] + [BEFORE] * (weighting == "iwr")
    mass = {c: weights[found == c].sum() for c in teaching}
    assert sum(mass.values()) == pytest.approx(np.isin(found, teaching).sum())  # mean 1
    return {c: m / sum(mass.values()) for c, m in mass.items()}


def test_iwr_gives_corrections_one_half_and_all_else_the_other():
    share = _shares(_counted(demos=60, corrections=10, robot=20, before=10), "iwr")
    assert share == pytest.approx(
        {CORRECTION: 0.5, DEMO: 60 / 180, ROBOT: 20 / 180, BEFORE: 10 / 180}
    )


def test_sirius_weights_are_the_papers():
    found = _counted(demos=20, corrections=10, robot=60, before=10)
    weights = class_weights(found, "sirius")
    weight = {c: weights[found == c][0] for c in (DEMO, CORRECTION, ROBOT)}
    assert weight[CORRECTION] / weight[DEMO] == pytest.approx(0.5 / 0.1)
    assert weight[ROBOT] / weight[DEMO] == pytest.approx((0.5 - 0.2) / 0.6)
    assert weights[found == BEFORE].tolist() == [0] * 10


@pytest.mark.parametrize(
    ("counts", "share"),
    [
        ({"demos": 70, "corrections": 10, "robot": 20}, (0.5, 0.5, 0.0)),  # 0.5 - r_demo < 0
        ({"demos": 50, "corrections": 10, "robot": 40}, (0.5, 0.5, 0.0)),
        ({"demos": 10, "corrections": 10, "before": 5}, (0.5, 0.5, 0.0)),
        ({"corrections": 10, "robot": 30}, (0.0, 0.5, 0.5)),
        ({"corrections": 10, "before": 30}, (0.0, 1.0, 0.0)),
        ({"corrections": 10}, (0.0, 1.0, 0.0)),
    ],
)
def test_sirius_where_a_class_is_empty_or_would_be_negative(counts, share):
    found = _shares(_counted(**counts), "sirius")
    assert [found[c] for c in (DEMO, CORRECTION, ROBOT)] == pytest.approx(share)


@pytest.mark.parametrize("weighting", ["iwr", "sirius"])
def test_without_corrections_all_weigh_alike(weighting):
    assert class_weights(_counted(demos=5, robot=3), weighting).tolist() == [1.0] * 8


def test_iwr_with_nothing_but_corrections_draws_them_alike():
    assert class_weights(_counted(corrections=4), "iwr").tolist() == [1.0] * 4


def test_windows_are_drawn_by_the_weighting_and_weighed_by_it_where_they_are_not_drawn():
    """Drawn, half are corrections and weigh 1; taken one by one, they weigh what evens it out."""
    data = _data(_episode("d" * 30), _episode("pppppphh", first=100))
    windows = Windows(data, n_obs=1, horizon=1, weighting="iwr")
    drawn = windows.sample(20_000, torch.Generator().manual_seed(0))
    corrected = (drawn.actions[:, 0, 0] % 1) == 0.5
    assert corrected.float().mean() == pytest.approx(0.5, abs=0.02)
    assert set(drawn.weight.tolist()) == {1.0}
    taken = windows.take(torch.arange(len(windows)))
    corrected = (taken.actions[:, 0, 0] % 1) == 0.5
    assert taken.weight[corrected].sum() == pytest.approx(taken.weight[~corrected].sum())
    assert taken.weight.mean() == pytest.approx(1.0)


def test_drawing_and_weighing_have_the_same_mean_and_drawing_the_smaller_spread():
    """Means of batches of 32 of something that differs between the classes and within."""
    data = _data(_episode("d" * 95), _episode("hhhhh", first=200))
    windows = Windows(data, n_obs=1, horizon=1, weighting="iwr")
    everything = windows.take(torch.arange(len(windows)))
    exact = float((everything.actions[:, 0, 0] * everything.weight).mean())
    drawn, weighed = torch.Generator().manual_seed(1), torch.Generator().manual_seed(2)
    by_draws, by_weights = [], []
    for _ in range(2_000):
        by_draws.append(float(windows.sample(32, drawn).actions[:, 0, 0].mean()))
        batch = windows.take(torch.randint(len(windows), (32,), generator=weighed))
        by_weights.append(float((batch.actions[:, 0, 0] * batch.weight).mean()))
    assert np.mean(by_draws) == pytest.approx(exact, rel=0.02)
    assert np.mean(by_weights) == pytest.approx(exact, rel=0.05)
    assert np.std(by_draws) < 0.5 * np.std(by_weights)


def test_weights_of_frames_come_on_top():
    data = _data(_episode("dddd"), _episode("hh", first=10))
    weights = np.array([1.0, 0.0, 1.0, 1.0, 3.0, 1.0])
    windows = Windows(data, n_obs=1, horizon=1, weighting="iwr", frame_weights=weights)
    taken = windows.take(torch.arange(6)).weight.numpy()
    assert taken / taken[0] == pytest.approx(weights * [1, 1, 1, 1, 2, 2])
    batch = windows.sample(100, torch.Generator().manual_seed(0))
    label = batch.actions[:, 0, 0]
    assert (batch.weight[label == 10.5] == 3 * batch.weight[label == 11.5].max()).all()

"""The study `multimodal`, small."""

from __future__ import annotations

import numpy as np
import pytest

from ilrobot.cli.studies.multimodal import HEADS, TASK, Scale, drive, drive_one
from ilrobot.env import make_env
from ilrobot.intervals import runs_interval
from ilrobot.report.html import render
from ilrobot.report.multimodal import CrashRate, crash_rows, multimodal_report

SMALL = Scale(seeds=1, demonstrations=30, steps=300, attempts=6, workers=1)


@pytest.mark.exhaustive
def test_an_average_of_two_ways_crashes_and_a_choice_between_them_does_not():
    env = make_env(TASK)
    average, choice = (drive_one(SMALL, env, (head, 0)) for head in ("mse", "bins"))
    assert all(average.crashed)
    assert sum(choice.crashed) <= 2


def test_every_head_and_seed_is_driven_once():
    told: list[None] = []
    scale = Scale(seeds=2, demonstrations=2, steps=2, attempts=2, workers=1)
    found = drive(("mse", "mixture"), scale, lambda: told.append(None))
    assert len(told) == 4
    assert {head: len(driven) for head, driven in found.items()} == {"mse": 2, "mixture": 2}
    again = drive_one(scale, make_env(TASK), ("mixture", 1))
    for path, same in zip(found["mixture"][1].paths, again.paths, strict=True):
        np.testing.assert_array_equal(path, same)
    for driven in (one for of_head in found.values() for one in of_head):
        for crashed, path in zip(driven.crashed, driven.paths, strict=True):
            assert path.shape[1] == 2
            assert (path[-1, 0] > 5) != crashed


def test_a_cvae_is_driven_as_in_act_and_with_a_latent_that_is_drawn():
    assert (HEADS["cvae"].kl_weight, HEADS["cvae"].latent) == (10.0, "zero")
    scale = Scale(seeds=1, demonstrations=2, steps=2, attempts=2, workers=1)
    zero, drawn = (found for (found,) in drive(("cvae", "cvae-drawn"), scale).values())
    assert not np.array_equal(zero.paths[0], drawn.paths[0])


def test_crash_rates_and_their_page():
    rate = CrashRate.of([[True, True], [False, True]])
    assert (rate.by_seed, rate.attempts, rate.mean) == ((1.0, 0.5), 2, 0.75)
    assert rate.interval == runs_interval([1.0, 0.5], 2)
    (row,) = crash_rows({"mse": rate})
    assert row[:2] == ("mse", "75.0%")
    assert row[3:] == ("50%", "100%")
    path = np.zeros((3, 2), np.float32)
    page = render(multimodal_report({"mse": rate}, {"mse": [path]}))
    assert page.count("<svg") == 4
    assert "75%" in page


@pytest.mark.parametrize("crashed", [[[True] * 40] * 5, [[False] * 40] * 5])
def test_policies_that_came_out_alike_still_leave_a_doubt(crashed):
    low, high = CrashRate.of(crashed).interval
    assert high - low > 0.01

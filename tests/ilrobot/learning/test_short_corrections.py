"""Corrections shorter than a chunk count in what actions are normalised by."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ilrobot.actors import Source
from ilrobot.cli.training_plan import print_lessons
from ilrobot.data.episode import Episode, EpisodeInfo, Judge, Outcome
from ilrobot.data.memory import MemoryRecordings
from ilrobot.data.windows import Windows
from ilrobot.policies.config import PolicyConfig
from ilrobot.policies.policy import Policy
from ilrobot.spec import Feature, Spec

PLACES = ("gripper_x", "gripper_y", "gripper_z", "cube_x", "cube_y", "goal_x", "goal_y")
LIFT = 0.03
SMALL = PolicyConfig(horizon=8, execute=4, width=16, blocks=1)


def _spec(action):
    return Spec(
        (Feature("observation.state", (7,), names=PLACES, units=("m",) * 7, frame="base"),),
        Feature("action", (3,), names=action, units=("m",) * 3, frame="base"),
        20.0,
        semantics="delta" if action[0] == "dx" else "absolute",
    )


def _recordings(spec):
    """Demonstrations in the plane, and attempts of the policy with one lift of five ticks."""
    rng = np.random.default_rng(0)
    episodes = []
    for corrected in [False] * 4 + [True] * 4:
        state = rng.uniform(-0.3, 0.3, (20, 7)).astype(np.float32)
        action = rng.uniform(-0.04, 0.04, (20, 3)).astype(np.float32)
        action[:, 2] = 0.0
        lift = slice(6, 11) if corrected else slice(0)
        action[lift, 2] = LIFT
        if spec.semantics == "absolute":  # targets of where the gripper is
            action += state[:, :3]
        source = np.full(20, (Source.POLICY if corrected else Source.DEMO).value, dtype=object)
        person = np.full((20, 3), np.nan, np.float32)
        source[lift], person[lift] = Source.HUMAN.value, action[lift]
        intervention = np.zeros(20, bool)
        intervention[lift] = True
        columns = {
            "observation.state": state,
            "action": action,
            "control.source": source,
            "control.human_action": person,
            "intervention": intervention,
        }
        info = EpisodeInfo("test", 20.0, Outcome.SUCCESS, Judge.ENVIRONMENT, mapping_hash="m")
        episodes.append(Episode(info, columns))
    return MemoryRecordings(spec, episodes)


@pytest.mark.parametrize(
    ("weighting", "said"),
    [("plain", "100 of 160 frames, in 8 of 8"), ("own", "136 of 160 frames, in 8 of 8")],
)
def test_train_says_how_many_frames_teach(weighting, said, capsys):
    print_lessons(_recordings(_spec(("dx", "dy", "dz"))), weighting)
    told = capsys.readouterr()
    assert told.out == f"teach      {said} episodes\n"
    assert not told.err


def test_train_says_where_too_few_frames_teach(capsys):
    spec = _spec(("dx", "dy", "dz"))
    columns = {
        feature.name: np.zeros((5, *feature.shape), np.float32)
        for feature in (*spec.observations, spec.action)
    }
    few = MemoryRecordings(spec, [Episode(EpisodeInfo("test", 20.0, Outcome.SUCCESS), columns)])
    print_lessons(few, "plain")
    told = capsys.readouterr()
    assert told.out == "teach      5 of 5 frames, in 1 of 1 episodes\n"
    assert "5 frames teach, and fewer than 16 are too few" in told.err
    assert told.err.count("\n") == 1


@pytest.mark.parametrize(
    ("names", "changes"),
    [
        (("dx", "dy", "dz"), {"frame": ("cube", "goal")}),
        (("gripper_x", "gripper_y", "gripper_z"), {"actions": "relative"}),
        (("gripper_x", "gripper_y", "gripper_z"), {"actions": "delta"}),
    ],
)
def test_what_only_short_corrections_use_is_not_frozen(names, changes):
    data = _recordings(_spec(names))
    windows = Windows(data, n_obs=1, horizon=8)
    policy = Policy(data.spec, replace(SMALL, **changes))
    policy.fit_normalizers(windows)
    assert policy.frozen == {}
    batch = windows.take(torch.arange(len(windows)))
    codes = policy.represent(batch.actions, batch.observations)
    back = policy.decode(codes, batch.observations)
    torch.testing.assert_close(back[batch.mask], batch.actions[batch.mask], atol=1e-5, rtol=0)


@pytest.mark.parametrize("mode", ["limits", "standardize"])
def test_each_tick_is_normalised_by_the_labels_that_count_there(mode):
    data = _recordings(_spec(("gripper_x", "gripper_y", "gripper_z")))
    windows = Windows(data, n_obs=1, horizon=8)
    policy = Policy(data.spec, replace(SMALL, actions="relative", normalize=mode))
    policy.fit_normalizers(windows)
    batch = windows.take(torch.arange(len(windows)))
    codes = policy.represent(batch.actions, batch.observations)
    assert not batch.mask.all(dim=1)[-5:].any()
    for tick in range(8):
        counted = codes[batch.mask[:, tick], tick]
        if mode == "limits":
            lowest, greatest = counted.amin(dim=0), counted.amax(dim=0)
            torch.testing.assert_close(lowest, -torch.ones(3), atol=1e-5, rtol=0)
            torch.testing.assert_close(greatest, torch.ones(3), atol=1e-5, rtol=0)
        else:
            torch.testing.assert_close(counted.mean(dim=0), torch.zeros(3), atol=1e-5, rtol=0)


def test_a_tick_that_no_correction_is_long_enough_for_has_a_scale():
    data = _recordings(_spec(("gripper_x", "gripper_y", "gripper_z")))
    windows = Windows(data, n_obs=1, horizon=8, episodes=[4, 5, 6, 7])
    policy = Policy(data.spec, replace(SMALL, actions="relative"))
    policy.fit_normalizers(windows)
    batch = windows.take(torch.arange(len(windows)))
    assert not batch.mask[:, 5:].any()
    assert policy.represent(batch.actions, batch.observations).isfinite().all()

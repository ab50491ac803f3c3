"""What `train` says of its length, and what it refuses that it could only learn badly."""

import json
import re

import numpy as np
import pytest

from ilrobot.data.learnable import require_finite
from ilrobot.errors import UserError
from ilrobot.policies.config import PolicyConfig
from ilrobot.spec import Feature, Spec
from tests.ilrobot.learning.train_verb import run_train
from tests.ilrobot.policy_tester import CONTINUOUS, recordings

SMALL = ("--policy", "bc", "--width", "16", "--blocks", "1", "--json")


def test_epochs_with_a_patience_say_that_they_may_be_fewer_and_were(dataset, tmp_path, capsys):
    """So fast that held-out episodes get worse at once."""
    command = ("--dataset", dataset, *SMALL, "--epochs", "4000", "--learning-rate", "0.5")
    assert run_train(*command, "--patience", "1", "--output", tmp_path / "run") == 0
    out = capsys.readouterr().out
    assert re.search(r"length +4000 epochs, .*, fewer once held-out episodes do not improve", out)
    assert re.search(r"steps +\d+ \(held-out episodes no longer improved\)", out)
    assert json.loads(out.splitlines()[-1])["early"]


def test_epochs_without_a_patience_are_all_done(dataset, tmp_path, capsys):
    command = ("--dataset", dataset, *SMALL, "--epochs", "1", "--output", tmp_path / "run")
    assert run_train(*command, "--patience", "0") == 0
    out = capsys.readouterr().out
    assert "improve" not in out
    assert not json.loads(out.splitlines()[-1])["early"]


def test_what_float32_cannot_hold_is_named():
    data = recordings(CONTINUOUS)
    column, needed = np.ones((data.num_frames, 1)), np.ones(data.num_frames, bool)
    column[21] = 1e300
    with pytest.raises(UserError, match="'x' is too large for float32 at episode 1, frame 1 "):
        require_finite(data, "x", column, needed)
    column[21] = np.nan
    with pytest.raises(UserError, match="'x' is not finite at episode 1, frame 1 "):
        require_finite(data, "x", column, needed)


def test_noise_that_float32_cannot_hold_is_refused():
    spec = Spec((Feature("observation.state", (2,)),), Feature("action", (2,)), 10.0)
    PolicyConfig(head="flow", noise_scale=10.0).check(spec)
    with pytest.raises(UserError, match="--noise-scale"):
        PolicyConfig(head="flow", noise_scale=1e300).check(spec)


def _targets(observed):
    names = (*observed, "cube_x", "cube_y", "goal_x", "goal_y")
    units = ("m",) * len(names)
    state = Feature("observation.state", (len(names),), names=names, units=units)
    action = Feature("action", (3,), names=("target_x", "target_y", "target_z"), units=("m",) * 3)
    return Spec((state,), action, 20.0, semantics="absolute")


def test_places_that_command_nothing_observed_are_not_turned_as_ways():
    relative = PolicyConfig(actions="relative", frame=("cube", "goal"))
    relative.check_to_train(_targets(("agent_x", "agent_y", "agent_z")))
    with pytest.raises(UserError, match="turns 'target_x' and 'target_y', which are places"):
        relative.check_to_train(_targets(("agent_z",)))
    relative.check(_targets(("agent_z",)))  # a policy that is kept may have it

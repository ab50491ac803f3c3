"""Views that stray, with labels that lead back."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ilrobot.data.episode import Episode, EpisodeInfo, Outcome
from ilrobot.data.memory import MemoryRecordings
from ilrobot.data.stray import Stray
from ilrobot.data.windows import Windows
from ilrobot.errors import UserError
from ilrobot.learners.behavioral_cloning import train
from ilrobot.learners.config import TrainConfig
from ilrobot.policies.config import PolicyConfig
from ilrobot.spec import Feature, Spec

#: A cart on a road: where it is across, how far it has come; it steps across and along.
SPEC = Spec(
    (Feature("observation.state", (2,)), Feature("observation.lidar", (1,))),
    Feature("action", (2,)),
    rate=10.0,
)
#: A drift of 1 across is seen as that, and as 1 less by what measures the way to the right edge.
STRAY = Stray(
    std=(0.5,),
    observations={"observation.state": ((1.0,), (0.0,)), "observation.lidar": ((-1.0,),)},
    action=((1.0,), (0.0,)),
    ticks=4,
)


def _road(episodes=4, length=30):
    """Demonstrations in the very middle: across 0, along 0.1 per tick."""
    along = np.arange(length, dtype=np.float32) / 10
    columns = {
        "observation.state": np.stack([np.zeros(length, "f4"), along], axis=1),
        "observation.lidar": np.full((length, 1), 2.0, "f4"),
        "action": np.tile(np.array([0.0, 0.1], "f4"), (length, 1)),
    }
    info = EpisodeInfo("", 10.0, outcome=Outcome.SUCCESS)
    return MemoryRecordings(SPEC, [Episode(info, columns) for _ in range(episodes)])


def test_what_is_seen_strays_and_the_labels_lead_back_in_time():
    windows = Windows(_road(), n_obs=3, horizon=6, perturb=STRAY)
    torch.manual_seed(0)
    batch = windows.sample(4_000, torch.Generator().manual_seed(0))
    drift = batch.observations["observation.state"][:, -1, 0]
    assert torch.equal(
        batch.observations["observation.state"][..., 0], drift[:, None].expand(-1, 3)
    )
    lidar = batch.observations["observation.lidar"][..., 0]
    assert torch.allclose(lidar, 2 - drift[:, None].expand(-1, 3))
    led = batch.actions[..., 0].sum(dim=1)
    assert torch.allclose(led, -drift, atol=1e-6)  # back in the middle
    assert torch.allclose(batch.actions[:, :4, 0], -drift[:, None].expand(-1, 4) / 4)
    assert not batch.actions[:, 4:, 0].any()
    assert torch.allclose(batch.actions[..., 1], torch.tensor(0.1))
    strayed = drift != 0
    assert strayed.float().mean() == pytest.approx(0.5, abs=0.03)
    assert drift[strayed].std() == pytest.approx(0.5, abs=0.03)


def test_what_is_taken_one_by_one_is_as_it_was_recorded():
    windows = Windows(_road(), n_obs=1, horizon=2, perturb=STRAY)
    batch = windows.take(torch.arange(len(windows)))
    assert not batch.observations["observation.state"][..., 0].any()
    assert not batch.actions[..., 0].any()


def _driven(policy, across=0.4, ticks=25):
    """Where a policy's cart is across after some ticks from off the middle."""
    along = 0.0
    for _ in range(ticks):
        seen = {
            "observation.state": torch.tensor([[[across, along]]]),
            "observation.lidar": torch.tensor([[[2 - across]]]),
        }
        with torch.no_grad():
            step = policy(seen)[0, 0]
        across, along = across + float(step[0]), along + float(step[1])
    return across


def test_a_policy_learns_to_come_back_which_nobody_demonstrated(tmp_path):
    config = TrainConfig(steps=400, batch_size=64, learning_rate=3e-3, held_out=0.25, patience=0)
    policy_config = PolicyConfig(width=32, blocks=1)
    data = _road()
    policy = train(data, policy_config, config, tmp_path / "strayed", perturb=STRAY)
    plain = train(data, policy_config, config, tmp_path / "plain")
    assert abs(_driven(policy)) < 0.1
    assert abs(_driven(plain)) > 0.3


def test_a_run_goes_on_with_the_same_perturbation_only(tmp_path):
    config = TrainConfig(steps=2, batch_size=8)
    policy_config = PolicyConfig(width=8, blocks=1)
    train(_road(), policy_config, config, tmp_path / "run", perturb=STRAY)
    train(_road(), policy_config, config, tmp_path / "run", perturb=STRAY, resume=True)
    for other in (None, replace(STRAY, ticks=5)):
        with pytest.raises(UserError, match="begun with perturbation Stray"):
            train(_road(), policy_config, config, tmp_path / "run", perturb=other, resume=True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ticks": 0}, "at least 1 tick"),
        ({"std": ()}, "at least one direction"),
        ({"std": (-1.0,)}, "no negative std"),
        ({"share": 1.5}, "share within 0 and 1"),
        ({"observations": {"observation.sonar": ((1.0,),)}}, "'observation.sonar', which is none"),
        ({"observations": {"observation.lidar": ((1.0, 0.0),)}}, "1 rows of 1 for 'observation"),
        ({"action": ((1.0,),)}, "2 rows of 1 for 'action'"),
    ],
)
def test_what_does_not_fit_is_refused(changes, message):
    with pytest.raises(UserError, match=message):
        Windows(_road(), n_obs=1, horizon=1, perturb=replace(STRAY, **changes))

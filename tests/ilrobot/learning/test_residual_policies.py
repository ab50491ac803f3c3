"""Policies with a residual: where it sees things, what it adds and within which bounds."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ilrobot.env import make_env
from ilrobot.env_spec import stated_frame
from ilrobot.errors import UserError
from ilrobot.policies.config import PolicyConfig
from ilrobot.policies.density import as_gaussian
from ilrobot.policies.frame import MovingFrame
from ilrobot.policies.heads.residual import ResidualHead
from ilrobot.policies.places import check_frame, level_pair, places_from
from ilrobot.policies.policy import Policy
from ilrobot.policies.residual import with_residual
from ilrobot.spec import Feature, Spec

FRAME = ("cube", "goal")
SMALL = PolicyConfig(head="mse", width=8, blocks=1)


def _spec(task: str) -> Spec:
    with closing(make_env(f"ilrobot/{task}-v0")) as env:
        return env.spec


@pytest.fixture(scope="module")
def push() -> Spec:
    return _spec("PandaPush")


def _clone(spec: Spec, config: PolicyConfig = SMALL) -> Policy:
    """One that has seen the workspace, far from the limits of its actions."""
    torch.manual_seed(0)
    clone = Policy(spec, config)
    size = sum(f.size for f in clone.spec.observations)
    clone.encoder.normalizer.adopt(
        np.full(size, 0.1), np.full(size, 0.2), np.full(size, -0.2), np.full(size, 0.2)
    )
    spread = np.array([0.003, 0.005, 0.003, 1e-6, 1e-6, 0.02, 0.2])
    middle = np.array([0.0] * 6 + [0.5])
    clone.action_normalizer.adopt(middle, spread, middle - spread, middle + spread)
    return clone.eval()


def _head(policy: Policy) -> ResidualHead:
    assert isinstance(policy.head, ResidualHead)
    return policy.head


def _observed(policy: Policy, cube, goal, hand=(0.5, 0.0)) -> dict[str, torch.Tensor]:
    seen = {"observation.environment_state": [*cube, 0.02, 1.0, 0.0, *goal]}
    seen["observation.state"] = [*hand, 0.02, 1, 0, 0, 0, -1, 0, 0.0]
    return {name: torch.tensor([[seen[name]]]).float() for name in policy.spec.observation_names}


def test_places_are_found_by_the_names_of_what_is_observed(push: Spec):
    found = places_from(push, "cube")
    assert found.keys() == {"goal", "ee"}
    assert found["goal"].keys() == {"x", "y"}  # no height is observed
    names = [name for feature in push.observations for name in feature.element_names]
    told = {names[index]: sign for index, sign in found["ee"]["z"].items()}
    assert told == {"ee_z": 1, "cube_z": -1}


def test_places_are_found_from_one_thing_to_the_next():
    found = places_from(_spec("PandaPegInsert"), "peg")
    assert found.keys() == {"hole", "ee"}
    assert list(found["hole"]["x"].values()) == [1]
    assert list(found["ee"]["x"].values()) == [-1]


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (("cube", "hole"), "nothing that is observed says how hole lies from cube"),
        (("ee_x_axis", "goal"), "how goal lies from ee_x_axis"),  # a direction is no place
        (("cube",), "a frame is from one thing towards another"),
    ],
)
def test_a_frame_that_is_not_observed_is_refused(push: Spec, frame, said: str):
    with pytest.raises(UserError, match=said):
        check_frame(push, frame)


@pytest.mark.parametrize("task", ["PandaPush", "PandaPegInsert"])
def test_tasks_state_frames_that_are_observed(task: str):
    with closing(make_env(f"ilrobot/{task}-v0")) as env:
        frame = stated_frame(env.env)
        check_frame(env.spec, frame)
    assert len(frame) == 2


@pytest.mark.parametrize("stated", ["cube", 5, ("cube",), ("cube", 3)])
def test_a_frame_that_names_no_two_things_is_refused(stated: object):
    with closing(make_env("ilrobot/PandaPush-v0")) as env:
        env.env.unwrapped.task_frame = stated
        with pytest.raises(UserError, match="task_frame must name two things"):
            stated_frame(env.env)
        env.env.unwrapped.task_frame = None
        assert stated_frame(env.env) == ()


def test_what_is_told_is_the_same_wherever_things_are_turned_to(push: Spec):
    policy = with_residual(_clone(push), frame=FRAME)
    frame = _head(policy).frame
    assert frame is not None
    cube, goal, hand = np.array([0.5, 0.0]), np.array([0.6, 0.05]), np.array([0.46, 0.01])
    told = []
    for angle in (0.0, 1.0, 2.5):
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        places = [cube + turn @ (place - cube) for place in (cube, goal, hand)]
        told.append(frame(policy.encode(_observed(policy, *places)))[1][0])
    torch.testing.assert_close(told[1], told[0], atol=1e-4, rtol=0)
    torch.testing.assert_close(told[2], told[0], atol=1e-4, rtol=0)
    near, nearer = (
        frame(policy.encode(_observed(policy, cube, goal, (cube[0], cube[1] + y))))[1]
        for y in (3e-3, 1e-3)
    )
    assert (near - nearer).abs().max() > 0.3  # two millimetres are seen


@pytest.mark.parametrize("goal", [(0.6, 0.1), (0.5, 0.2), (0.43, 0.03)])
def test_a_residual_is_along_and_beside_the_way_to_the_goal(push: Spec, goal):
    policy = with_residual(_clone(push), bound=0.5, frame=FRAME)
    head, cube = _head(policy), (0.5, 0.1)
    here = _observed(policy, cube, goal)
    condition = policy.encode(here)
    _, action = head.see(condition)
    way = np.subtract(goal, cube) / np.hypot(*np.subtract(goal, cube))
    unit = np.hypot(0.003, 0.005) / 2**0.5

    def physical(residual: torch.Tensor) -> np.ndarray:
        added = head.add(condition, action, residual)
        return policy.decode(added[:, None], here)[0, 0].detach().numpy()

    none = torch.zeros(1, head.residuals)
    for element, expected in ((0, way), (1, np.array([-way[1], way[0]]))):
        one = none.clone()
        one[0, element] = 1.0
        moved = physical(one) - physical(none)
        np.testing.assert_allclose(moved[:2], 0.5 * unit * expected, rtol=1e-2, atol=1e-6)
        np.testing.assert_allclose(moved[2:], 0, atol=1e-6)


def _added(policy: Policy, far: float) -> np.ndarray:
    """The greatest residual on a normalised action that is so far from standing still."""
    head = _head(policy)
    spread, middle = policy.action_normalizer.spread, policy.action_normalizer.offset
    action = (far - middle / spread.clamp(min=1e-9))[None]
    condition = policy.encode(_observed(policy, (0.5, 0.1), (0.6, 0.2)))
    added = head.add(condition, action, torch.ones(1, head.residuals)) - action
    return (added @ head.place.T)[0].numpy()


def test_the_bound_may_follow_how_far_the_base_moves(push: Spec):
    clone = _clone(push)
    middle = torch.tensor([0.001, 0.002, 0.0, 0.0, 0.0, 0.01, 0.5])
    clone.action_normalizer.offset.copy_(middle)
    policy = with_residual(clone, bound=0.5, bound_at_rest=0.1)
    for far, bound in ((0.0, 0.1), (0.1, 0.1), (-0.4, 0.2), (1.0, 0.5), (3.0, 0.5)):
        added = _added(policy, far)
        np.testing.assert_allclose(added[:-1], bound, rtol=1e-4)
        assert added[-1] == pytest.approx(0.5)  # a gripper's follows no motion
    everywhere = with_residual(clone, bound=0.5)
    for far in (0.0, 2.0):
        np.testing.assert_allclose(_added(everywhere, far), 0.5, rtol=1e-4)


def test_a_bound_at_rest_is_refused_where_it_means_nothing(push: Spec):
    with pytest.raises(UserError, match="of actions that are motions, and these are absolute"):
        with_residual(_clone(replace(push, semantics="absolute")), bound_at_rest=0.1)
    grip = _clone(push)
    grip.action_normalizer.adopt(*(np.array([0.0] * 6 + [x]) for x in (0, 1, -1, 1)))
    with pytest.raises(UserError, match="nothing but a gripper was moved; leave it out"):
        with_residual(grip, bound_at_rest=0.1)
    for bound in (0.0, 0.8, float("nan")):
        with pytest.raises(UserError, match=r"above 0 and at most --bound 0\.7"):
            with_residual(_clone(push), bound_at_rest=bound)


def test_a_policy_of_before_bounds_followed_is_read(push: Spec):
    policy = with_residual(_clone(push))
    config = policy.config.to_json()
    del config["residual"]["bound_at_rest"]
    assert PolicyConfig.from_json(config) == policy.config


def test_actions_in_another_frame_are_not_turned(push: Spec):
    assert level_pair(push) == (0, 1)
    assert level_pair(replace(push, action=replace(push.action, frame="hand"))) is None


def test_near_the_goal_the_way_there_means_nothing(push: Spec):
    frame = _head(with_residual(_clone(push), frame=FRAME)).frame
    policy = with_residual(_clone(push), frame=FRAME)
    assert frame is not None
    way, told = frame(policy.encode(_observed(policy, (0.5, 0.1), (0.5, 0.1))))
    assert way.abs().max() < 1e-3
    assert bool(told.isfinite().all())


def test_what_hardly_moved_is_left_to_the_clone(push: Spec):
    residual = with_residual(_clone(push), frame=FRAME).config.residual
    assert residual is not None
    assert residual.elements == ("dx", "dy", "dz", "rz", "gripper_opening")
    still = _clone(push)
    still.action_normalizer.adopt(*[np.zeros(7)] * 4)
    with pytest.raises(UserError, match="never moves anything, so that"):
        with_residual(still)


@pytest.mark.parametrize("frame", [(), FRAME])
def test_a_new_residual_is_the_clone_and_none_is_more_than_its_bound(push: Spec, frame):
    clone = _clone(push)
    policy = with_residual(clone, bound=0.5, frame=frame)
    here = _observed(policy, (0.5, 0.1), (0.6, 0.2))
    with torch.no_grad():
        spread = clone.action_normalizer.spread
        moves = spread > 0

        def apart() -> torch.Tensor:
            return (((policy(here) - clone(here)) / spread).abs().flatten())[moves]

        assert apart().max() < 0.1
        for weights in _head(policy).network.parameters():
            weights.normal_(std=30.0)
        most = 0.5 * 2**0.5 * (spread[:2].square().mean().sqrt() / spread[:2]).max()
        assert 0.2 < apart().max() <= (most if frame else 0.5) + 1e-3
        clone.action_normalizer.spread.mul_(100)
        high = torch.tensor(push.action.high)
        assert (with_residual(clone)(here).abs().flatten() <= high + 1e-6).all()


def test_it_is_kept_and_known_by_its_configuration(push: Spec, tmp_path: Path):
    policy = with_residual(_clone(push), frame=FRAME)
    policy.save(tmp_path / "policy.pt")
    again = Policy.load(tmp_path / "policy.pt")
    assert again.config == policy.config
    here = _observed(policy, (0.5, 0.1), (0.6, 0.2))
    torch.testing.assert_close(again(here), policy(here), rtol=0, atol=0)
    assert "residual" not in SMALL.to_json()  # a run of before is read as it was written


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (replace(SMALL, horizon=4, execute=2), "chunks of 4"),
        (replace(SMALL, n_obs=2), "a history of 2"),
        (replace(SMALL, members=3), "members of 3"),
        (replace(SMALL, head="flow"), "draws its actions \\(head flow\\)"),
        (replace(SMALL, network="rnn"), "the network rnn"),
    ],
)
def test_other_policies_are_refused(push: Spec, config: PolicyConfig, said: str):
    with pytest.raises(UserError, match=said):
        with_residual(Policy(push, config))


def test_nothing_else_is_learnt_beside_or_below_it(push: Spec):
    policy = with_residual(_clone(push))
    for begin in (with_residual, lambda one: as_gaussian(one, -1.0)):
        with pytest.raises(UserError, match="has a residual already"):
            begin(policy)
    with pytest.raises(UserError, match="learnt by trying, not from demonstrations"):
        policy.config.check_to_train(push)


def test_angles_and_rotations_that_are_observed_do_not_disturb_it():
    """What is observed otherwise than it is encoded comes after what is plain."""
    state = Feature(
        "observation.state",
        (5,),
        names=("turn", "hand_x", "hand_y", "goal_x", "goal_y"),
        units=("rad", "m", "m", "m", "m"),
    )
    action = Feature("action", (2,), names=("dx", "dy"), units=("m", "m"))
    spec = Spec((state,), action, 10.0)
    clone = Policy(spec, SMALL)
    clone.encoder.normalizer.adopt(
        *(np.full(5, x) for x in (0.3, 0.5, -1.0, 1.0)),
    )
    policy = with_residual(clone, frame=("hand", "goal"))
    frame = _head(policy).frame
    assert isinstance(frame, MovingFrame)
    seen = torch.tensor([[[2.0, 0.1, 0.2, 0.4, 0.6]]])
    way, _ = frame(policy.encode({"observation.state": seen}))
    np.testing.assert_allclose(way[0].detach(), [0.6, 0.8], atol=1e-3)

"""Any Gymnasium environment through a Spec."""

import re

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from ilrobot.compatibility import check_policy_fits
from ilrobot.env import make_env
from ilrobot.errors import UserError, WorkFailed
from ilrobot.spec import Feature, Spec
from ilrobot.task_env import TaskEnv


class Nested(gym.Env):
    """Dict observations in two levels, a picture, and a description of itself."""

    observation_space = spaces.Dict(
        {
            "arm": spaces.Dict({"pose": spaces.Box(-1, 1, (2,)), "grip": spaces.Box(0, 1, ())}),
            "front": spaces.Box(0, 255, (4, 6, 3), np.uint8),
        }
    )
    action_space = spaces.Box(-2, 2, (1,))
    metadata = {"render_fps": 25}  # noqa: RUF012
    feature_metadata = {  # noqa: RUF012
        "arm_pose": {"names": ["x", "yaw"], "units": ["m", "rad"], "frame": "base"},
        "action": {"names": ["dx"], "units": ["m"], "semantics": "delta", "controller": "toy"},
    }

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.observation_space.sample(), {"is_success": False}

    def step(self, action):
        return self.observation_space.sample(), 1, True, False, {"is_success": True}


def test_nested_observations_are_flattened_and_described():
    env = TaskEnv(Nested(), "toy/Nested-v0", {})
    names = [(f.name, f.shape, f.dtype) for f in env.spec.observations]
    assert names == [
        ("observation.arm_grip", (1,), "float32"),
        ("observation.arm_pose", (2,), "float32"),
        ("observation.images.front", (4, 6, 3), "uint8"),
    ]
    pose = env.spec.feature("observation.arm_pose")
    assert (pose.names, pose.units, pose.frame, pose.angles) == (
        ("x", "yaw"),
        ("m", "rad"),
        "base",
        (1,),
    )
    assert (env.spec.rate, env.spec.semantics, env.spec.controller) == (25.0, "delta", "toy")
    observation = env.reset(seed=0)
    assert {k: v.shape for k, v in observation.items()} == {
        f.name: f.shape for f in env.spec.observations
    }
    step = env.step(np.zeros(1, np.float32))
    assert step.success
    assert env.judges_success


@pytest.mark.parametrize(
    "spaced",
    [
        {"arm.pose": spaces.Box(-1, 1, (2,)), "arm": {"pose": spaces.Box(-1, 1, (2,))}},
        {"arm_pose": spaces.Box(-1, 1, (2,)), "arm": {"pose": spaces.Box(-1, 1, (3,))}},
        {"a/b": spaces.Box(-1, 1, (2,)), "a_b": spaces.Box(-1, 1, (2,))},
    ],
)
def test_two_observations_of_one_name_are_told(spaced):
    """One of them would be recorded as the other."""
    env = Nested()
    inner = {k: spaces.Dict(s) if isinstance(s, dict) else s for k, s in spaced.items()}
    env.observation_space = spaces.Dict(inner)
    env.feature_metadata = {}
    with pytest.raises(UserError, match=r"two of its observations would be called 'observation\.a"):
        TaskEnv(env, "toy/Nested-v0", {})


class Canvas(gym.Env):
    """Draws each picture into the one before."""

    observation_space = spaces.Box(0, 100, (1,))
    action_space = spaces.Box(-1, 1, (1,))
    metadata = {"render_fps": 10, "render_modes": ["rgb_array"]}  # noqa: RUF012
    render_mode, camera_names = "rgb_array", ("front",)

    def __init__(self):
        self._canvas = np.zeros((4, 6, 3), np.uint8)

    def reset(self, *, seed=None, options=None):
        self._canvas[:] = 0
        return np.zeros(1, np.float32), {}

    def step(self, action):
        self._canvas += 60
        return np.zeros(1, np.float32), 0.0, False, False, {}

    def render(self):
        return self._canvas

    def render_camera(self, name):
        view = self._canvas[:]
        view.flags.writeable = False
        return view


@pytest.mark.parametrize("camera", [None, "front"])
def test_a_picture_stays_what_it_was_though_the_next_is_drawn_into_it(camera):
    env = TaskEnv(Canvas(), "toy/Canvas-v0", {})
    env.reset(0)
    pictures = [env.render(camera)]
    for _ in range(3):
        env.step(np.zeros(1, np.float32))
        pictures.append(env.render(camera))
    assert [picture.max() for picture in pictures] == [0, 60, 120, 180]
    # By which a page knows what it has to be sent anew.
    assert len({id(picture) for picture in pictures}) == 4


@pytest.mark.parametrize(
    ("drawn", "said"),
    [
        (np.full((4, 6, 3), 0.5), r"draws float64 of shape \[4, 6, 3\]; a picture must be uint8"),
        (np.zeros((4, 6), np.uint8), r"draws uint8 of shape \[4, 6\]"),
        (np.zeros((4, 6, 4), np.uint8), r"\[4, 6, 4\]"),
        (np.full((4, 6, 3), 256), "draws int64"),
        ([np.zeros((4, 6, 3), np.uint8)], r"\[1, 4, 6, 3\]"),
        ([[1, 2], [3]], "a picture must be"),
        (np.zeros((0, 0, 3), np.uint8), "a picture must be"),
        ("picture", "a picture must be"),
    ],
)
def test_what_is_no_picture_is_told_and_not_filmed_black(drawn, said):
    env = TaskEnv(Canvas(), "toy/Canvas-v0", {})
    env.reset(0)
    env.env.render = lambda: drawn
    with pytest.raises(UserError, match=said):
        env.render()


def test_an_observed_picture_of_floats_is_not_taken_for_a_black_one():
    env = TaskEnv(Nested(), "toy/Nested-v0", {})
    given = {**env.env.observation_space.sample(), "front": np.full((4, 6, 3), 0.5)}
    env.env.reset = lambda seed: (given, {})
    with pytest.raises(WorkFailed, match=r"as float64; pictures are uint8"):
        env.reset(0)


def test_whole_numbers_are_a_picture():
    env = TaskEnv(Canvas(), "toy/Canvas-v0", {})
    env.reset(0)
    env.env.render = lambda: np.full((4, 6, 3), 200)
    assert env.render().dtype == np.uint8
    assert env.render().min() == 200


class Careless(gym.Env):
    """Goes on in the array that it was given as its state."""

    observation_space = spaces.Box(-9, 9, (2,), np.float32)
    action_space = spaces.Box(-1, 1, (2,))

    def reset(self, *, seed=None, options=None):
        self.state = np.zeros(2)
        return self.state.astype(np.float32), {}

    def step(self, action):
        self.state += action
        return self.state.astype(np.float32), 0.0, False, False, {}

    def get_state(self):
        return self.state

    def set_state(self, state):
        _, _ = state
        self.state = state


def test_a_moment_can_be_gone_back_to_again_and_again():
    env = TaskEnv(Careless(), "toy/Careless-v0", {})
    env.reset(0)
    env.step(np.full(2, 0.5))
    moment = env.snapshot()
    for _ in range(3):
        env.restore(moment)
        step = env.step(np.ones(2))
        assert step.observation["observation.state"].tolist() == [1.5, 1.5]
    with pytest.raises(WorkFailed, match=r"failed in set_state: ValueError: .*unpack.* \(.*line"):
        env.set_state(np.zeros(3))


class Sick(gym.Env):
    """Does not do as it says."""

    observation_space = spaces.Dict({"joints": spaces.Box(-1, 1, (2,))})
    action_space = spaces.Box(-2, 2, (1,))

    def __init__(self, answer):
        self.answer = answer

    def reset(self, *, seed=None, options=None):
        if self.answer is OSError:
            raise OSError(5, "no such\nport")
        return {"joints": np.zeros(2)}, {}

    def step(self, action):
        if self.answer is RuntimeError:
            raise RuntimeError("motor off")
        return self.answer


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (
            OSError,
            r"failed in reset: OSError: \[Errno 5\] no such port \(.*test_env.py, line \d+\)$",
        ),
        (RuntimeError, r"failed in step: RuntimeError: motor off \(.*test_env.py, line \d+\)$"),
        (({"joints": [1, 2, 3]}, 0, 0, 0, {}), r"of shape \[2\] .*, but gave shape \[3\]$"),
        (({"joints": [1, [2]]}, 0, 0, 0, {}), "but gave rows of several lengths$"),
        (({"joints": None}, 0, 0, 0, {}), "but gave a NoneType that is no array of numbers$"),
        (
            ({"joint": [1, 2]}, 0, 0, 0, {}),
            r"describes 'observation.joints' .* gave observation.joint$",
        ),
        (({"joints": [1, 2]}, None, 0, 0, {}), "failed in step: TypeError: .*'NoneType'"),
        (
            ({"joints": [1, 2]}, 0, False, {}),
            "step must return observation, reward, terminated, tru",
        ),
    ],
)
def test_an_environment_that_fails_while_it_runs_is_one_clear_line(answer, said):
    env = TaskEnv(Sick(answer), "sick/S-v0", {})

    def tick():
        env.reset(seed=0)
        env.step(np.zeros(1, np.float32))

    with pytest.raises(WorkFailed, match=f"task 'sick/S-v0' .*{said}") as failure:
        tick()
    assert "\n" not in str(failure.value)
    assert failure.value.__cause__ is not None


@pytest.mark.parametrize("action", [np.zeros(2, np.float32), np.zeros(()), np.zeros((1, 1))])
def test_an_action_of_another_shape_is_never_executed(action):
    env = TaskEnv(Sick(RuntimeError), "sick/S-v0", {})
    env.reset(seed=0)
    said = re.escape(f"sick/S-v0 has shape {list(action.shape)}, not [1]")
    with pytest.raises(WorkFailed, match=said):
        env.step(action)


def test_success_is_unknown_where_the_environment_does_not_judge():
    env = make_env("CartPole-v1")
    env.reset(seed=0)
    assert not env.step(np.array(1)).success
    assert not env.judges_success


@pytest.mark.parametrize("nothing", [None, float("nan"), np.float32("nan")])
def test_who_says_nothing_of_success_does_not_judge(nothing):
    env = TaskEnv(Nested(), "toy/Nested-v0", {})
    env.reset(0)
    env.judges_success = False
    said = {"is_success": nothing, "success": nothing}
    env.env.step = lambda _: (env.env.observation_space.sample(), 0, False, False, said)
    assert not env.step(np.zeros(1, np.float32)).success
    assert not env.judges_success
    said["success"] = 1.0
    assert env.step(np.zeros(1, np.float32)).success


@pytest.mark.parametrize(
    ("task", "options", "said"),
    [
        ("ilrobot/PandaLft-v0", {}, "did you mean ilrobot/PandaLift-v0"),
        ("CartPol-v1", {}, "CartPole-v1"),
        ("pandalift", {}, "did you mean ilrobot/PandaLift-v0"),
        ("Nope-v0", {}, "unknown task 'Nope-v0'; ours are"),
        (
            "Nonsense-v0",
            {},
            r"unknown task 'Nonsense-v0'; ours are .*ilrobot/PandaLift-v0.*; those",
        ),
        ("CartPole-v77", {}, "cannot be made|did you mean"),
        ("CartPole-v1", {"gravitas": 1}, "has no option 'gravitas'; it has sutton_barto_reward"),
        ("ilrobot/PandaReach-v0", {"foo": "bar"}, "has no option 'foo'; it has engine, cameras"),
        ("ilrobot/Junction-v0", {"foo": "bar"}, "has no option 'foo'; it has none"),
        ("ilrobot/PandaReach-v0", {"engine": "x"}, "does not accept its options"),
        ("FrozenLake-v1", {}, "only Box observations"),
        ("", {}, "unknown task"),
        ("no_such_package/Task-v0", {}, "unknown task"),
    ],
)
def test_a_task_that_cannot_be_made_is_one_clear_line(task, options, said):
    with pytest.raises(UserError, match=said) as caught:
        make_env(task, options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "made"), [("ilrobot/Junction", "ilrobot/Junction-v0"), ("CartPole", "CartPole-v1")]
)
def test_a_task_without_a_version_is_the_newest_one_by_its_full_name(given, made, recwarn):
    env = make_env(given)
    assert env.spec.task == made
    assert [str(warning.message) for warning in recwarn] == []


@pytest.mark.parametrize("engine", ["mujoco", "pybullet"])
@pytest.mark.parametrize("task", ["PandaReach", "PandaPush", "PandaLift"])
def test_the_size_of_the_state_is_known_before_the_first_reset(task, engine):
    env = make_env(f"ilrobot/{task}-v0", {"engine": engine})
    size = env.state_size
    env.reset(seed=0)
    assert size == env.state_size > 0


def test_a_rate_that_an_import_got_wrong_is_told_with_its_remedy():
    told = "runs at 125 Hz; .*import them again with --rate 125 and train again"
    for task in ("", "toy/T-v0"):
        with pytest.raises(UserError, match=told):
            check_policy_fits(_spec(task=task, rate=10.0), _spec(rate=125.0), "runs/hopper")
    with pytest.raises(UserError, match=r"use the task it was trained on$"):
        check_policy_fits(_spec(task="toy/Other-v0", rate=10.0), _spec(rate=125.0), "runs/hopper")


@pytest.mark.parametrize("rate", [0, -5, float("nan"), float("inf")])
def test_a_rate_must_be_positive(rate):
    with pytest.raises(UserError, match="--rate"):
        make_env("CartPole-v1", rate=rate)


def _spec(**changes) -> Spec:
    base = {
        "observations": (Feature("observation.state", (2,), names=("x", "y"), units=("m", "m")),),
        "action": Feature(
            "action", (1,), names=("vx",), low=(-1.0,), high=(float("inf"),), frame="base"
        ),
        "rate": 20.0,
        "semantics": "delta",
        "controller": "ee_delta",
        "task": "toy/T-v0",
    }
    return Spec(**{**base, **changes})


def test_a_spec_survives_json_with_its_unbounded_limits():
    assert Spec.from_json(_spec().to_json()) == _spec()


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"observations": (Feature("observation.pose", (2,)),)}, "observation.state"),
        ({"observations": (Feature("observation.state", (3,)),)}, r"shape \[2\].*\[3\]"),
        ({"observations": (Feature("observation.state", (2,), names=("y", "x")),)}, "'x'.*'y'"),
        ({"action": Feature("action", (2,))}, "action"),
        ({"action": Feature("action", (), "int64"), "choices": 4}, "4 discrete actions"),
        (
            {"observations": (Feature("observation.state", (2,), units=("m", "mm")),)},
            "element 1 of 'observation.state' is in 'm' in the policy but 'mm' in toy/T-v0",
        ),
        ({"action": Feature("action", (1,), frame="world")}, "frame 'base'.*'world'"),
        ({"semantics": "absolute"}, "the action is 'delta' in the policy but 'absolute'"),
        ({"controller": "joint_delta"}, "controller is 'ee_delta'.*'joint_delta'"),
        ({"rate": 10.0}, "acts at 20 Hz but toy/T-v0 runs at 10 Hz"),
    ],
)
def test_a_policy_for_another_task_is_refused(other, said):
    with pytest.raises(UserError, match=said):
        check_policy_fits(_spec(), _spec(**other), "run")


def test_what_one_side_does_not_state_is_not_compared():
    silent = _spec(
        observations=(Feature("observation.state", (2,)),),
        action=Feature("action", (1,)),
        semantics="unknown",
        controller="",
        rate=20.001,
    )
    check_policy_fits(_spec(), silent, "run")
    check_policy_fits(silent, _spec(), "run")

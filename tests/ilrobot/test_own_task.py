"""A task that somebody wrote themselves: what it says of itself, and its mistakes."""

import re
from typing import ClassVar

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from ilrobot.actors import Actor, Decision, Source
from ilrobot.cli.people import scripted_expert
from ilrobot.data.dataset import Dataset, DatasetRecorder
from ilrobot.env import make_env
from ilrobot.env_errors import unknown_task
from ilrobot.errors import UserError, WorkFailed
from ilrobot.rollout import rollout
from ilrobot.task_env import TaskEnv


class Own(gym.Env):
    """Two joints, or three choices."""

    metadata: ClassVar = {"render_fps": 10}

    def __init__(self, feature_metadata, choices=0, start=None, state=(0.0,)):
        self.feature_metadata = feature_metadata
        self.observation_space = spaces.Dict({"joints": spaces.Box(-1, 1, (2,))})
        self.action_space = spaces.Discrete(choices) if choices else spaces.Box(-1, 1, (2,))
        self._start = start
        self._state = state

    def reset(self, *, seed=None, options=None):
        return self._start or ({"joints": np.zeros(2, np.float32)}, {})

    def step(self, action):
        return {"joints": np.zeros(2, np.float32)}, 0.0, True, False, {"is_success": True}

    def get_state(self):
        return self._state

    def set_state(self, state):
        pass


class Always(Actor):
    """The last choice."""

    def act(self, observation, now):
        return Decision(np.array(2), Source.DEMO, human_action=np.array(2))


def test_a_recording_of_named_choices_can_be_opened(tmp_path):
    env = TaskEnv(Own({"action": {"names": ["left", "stay", "right"]}}, choices=3), "own/C-v0", {})
    with DatasetRecorder(tmp_path / "data", env.spec, state_size=env.state_size) as recorder:
        rollout(env, Always(), seed=0, recorder=recorder)
    data = Dataset.open(tmp_path / "data")
    assert data.spec.action.names == ("left", "stay", "right")
    assert data.spec.action.element_names == ("action[0]",)
    assert data.column("action").tolist() == [2]


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ({"joints": {"names": ["a"]}}, "Own.feature_metadata['joints']['names'] has 1 entries; it"),
        ({"joints": {"units": ["rad"] * 3}}, "['units'] has 3 entries; it must have 2"),
        ({"joints": {"units": "rad"}}, "['units'] must be a list of texts, not 'rad'"),
        ({"joints": {"unit": ["rad", "rad"]}}, "states 'unit'; it can be names, units, frame"),
        ({"observation.joints": {}}, "describes 'observation.joints'; the task has joints, action"),
        ({"joints": ["a", "b"]}, "feature_metadata['joints'] must be a dict"),
        (["a"], "Own.feature_metadata must be a dict"),
        ({"action": {"semantics": "abs"}}, "cannot be 'abs', but absolute, delta, unknown"),
    ],
)
def test_what_a_task_says_of_nothing_that_it_has_is_refused(metadata, said):
    with pytest.raises(UserError, match=re.escape(said)):
        TaskEnv(Own(metadata), "own/O-v0", {})


def test_names_of_fewer_choices_than_there_are_are_refused():
    with pytest.raises(UserError, match=r"\['names'\] has 2 entries; it must have 3"):
        TaskEnv(Own({"action": {"names": ["left", "right"]}}, choices=3), "own/C-v0", {})


def test_a_reset_that_gives_the_observation_alone_is_told():
    env = TaskEnv(Own({}, start=[0.0]), "own/O-v0", {})
    with pytest.raises(WorkFailed, match="in reset: it gave a list, not observation, info"):
        env.reset(0)


def test_a_state_that_is_no_vector_is_told():
    env = TaskEnv(Own({}, state={"x": 0}), "own/O-v0", {})
    with pytest.raises(WorkFailed, match="in get_state: it gave a dict, not one flat vector"):
        _ = env.state_size


def test_a_task_that_draws_nothing_is_not_taken_for_a_missing_gl():
    with pytest.raises(UserError, match="'rgb_array' is not among the render_modes"):
        TaskEnv(Own({}), "own/O-v0", {}).render()


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("def (", "SyntaxError: invalid syntax (broken_lab.py, line 1)"),
        ("foo.bar()", r"NameError: name 'foo' is not defined (.*broken_lab.py, line 1)"),
        (
            "import gymnasium as gym\nclass A(gym.Env):\n"
            "    def __init__(self): assert False, 'no arm'\n"
            "gym.register('broken_lab/A-v0', A)",
            "AssertionError: no arm (.*broken_lab.py, line 3)",
        ),
    ],
)
def test_a_program_that_fails_while_its_task_is_made_is_one_clear_line(
    program, said, tmp_path, monkeypatch
):
    (tmp_path / "broken_lab.py").write_text(program)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(gym.registry, "broken_lab/A-v0", raising=False)
    wanted = said.replace("(", r"\(").replace(")", r"\)")
    with pytest.raises(UserError, match=f"^task 'broken_lab/A-v0' cannot be made: {wanted}$"):
        make_env("broken_lab/A-v0")
    monkeypatch.delitem(gym.registry, "broken_lab/A-v0", raising=False)


def test_a_module_in_this_folder_is_found_by_its_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "PYTHONPATH=." not in unknown_task("mylab/Arm-v0")
    (tmp_path / "mylab.py").touch()
    for task in ("mylab/Arm-v0", "mylab:Arm", "mylab.py"):
        assert "PYTHONPATH=. ilrobot" in unknown_task(task)


def test_who_asks_for_a_script_says_what_to_do_where_there_is_none():
    env = make_env("CartPole-v1")
    with pytest.raises(UserError, match=r"no scripted expert; .*; give another: --expert RUN$"):
        scripted_expert(env, "give another: --expert RUN")

"""Cameras as observations and as views, on both engines and on Push-T."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import sims  # noqa: F401  registers the environments
from ilrobot.env import make_env
from ilrobot.errors import UserError
from sims.experts import make_expert
from tests.exhaustive import thinned

LIFT = "ilrobot/PandaLift-v0"
BOTH = ("front", "wrist")


@pytest.fixture(scope="session")
def gl() -> None:
    trial = (
        f"import gymnasium, sims; env = gymnasium.make('{LIFT}', cameras='front'); env.reset();"
        "env.close()"
    )
    done = subprocess.run(
        [sys.executable, "-c", trial], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"no GL here: {done.stderr.strip().splitlines()[-1]}")


@pytest.fixture(params=["mujoco", "pybullet"])
def engine(request: Any) -> str:
    if request.param == "mujoco":
        request.getfixturevalue("gl")
    return str(request.param)


def red(picture: np.ndarray) -> np.ndarray:
    """Where the cube is seen."""
    r, g, b = picture.astype(int).transpose(2, 0, 1)
    return (r > 100) & (g < 0.4 * r) & (b < 0.4 * r)


def grey(picture: np.ndarray) -> np.ndarray:
    """Where the fingers are seen; the table is brown."""
    r, _, b = picture.astype(int).transpose(2, 0, 1)
    return np.abs(r - b) < 12


@pytest.mark.filterwarnings("error")
def test_gymnasium_accepts_an_environment_that_observes_cameras(engine: str) -> None:
    env = gymnasium.make(LIFT, engine=engine, cameras=BOTH).unwrapped
    assert set(env.observation_space.spaces) == {
        "state",
        "environment_state",
        "images.front",
        "images.wrist",
    }
    check_env(env, skip_render_check=True)
    env.close()


def test_gymnasium_accepts_push_t_with_its_camera() -> None:
    env = gymnasium.make("ilrobot/PushT-v0", cameras=("top",), render_size=96).unwrapped
    check_env(env, skip_render_check=True)
    expert = make_expert(env)
    observation, _ = env.reset(seed=1)
    expert.reset(1)
    before = observation["images.top"]
    assert before.shape == (96, 96, 3)
    for _ in range(20):
        observation, *_ = env.step(expert.act(observation))
    assert (observation["images.top"] != before).any()


def test_the_wrist_sees_the_fingers_and_the_cube_between_them(engine: str) -> None:
    env: Any = gymnasium.make(LIFT, engine=engine, render_mode="rgb_array").unwrapped
    expert = make_expert(gymnasium.make(LIFT))
    observation, _ = env.reset(seed=1)
    expert.reset(1)
    done = False
    while not done:
        observation, _, done, *_ = env.step(expert.act(observation))
    picture = env.render_camera("wrist")
    cube = np.argwhere(red(picture))
    fingers = np.argwhere(grey(picture)[:200])  # the hand is below
    assert len(cube) > 1000
    assert len(fingers) > 500
    middle = np.median(cube[:, 1])
    assert fingers[:, 1].min() < middle < fingers[:, 1].max()
    env.close()


def test_a_picture_is_of_the_state_it_comes_with(engine: str) -> None:
    env: Any = gymnasium.make(LIFT, engine=engine, cameras="front, wrist").unwrapped
    first, _ = env.reset(seed=3)
    state = env.get_state()
    again = env.render_camera("wrist")
    assert again is first["images.wrist"]  # drawn once
    action = np.array([0.02, 0.02, -0.02, 0, 0, 0, 1], np.float32)
    for _ in range(5):
        moved = env.step(action)[0]
    for camera in BOTH:
        assert (moved[f"images.{camera}"] != first[f"images.{camera}"]).mean() > 0.005
    env.set_state(state)
    np.testing.assert_array_equal(env.render_camera("wrist"), first["images.wrist"])
    with pytest.raises(ValueError, match="read-only"):
        first["images.wrist"][:] = 0
    env.close()


def test_views_need_no_observed_camera(engine: str) -> None:
    env = make_env(LIFT, {"engine": engine}, render_mode="rgb_array")
    assert env.camera_names == BOTH
    observation = env.reset(0)
    assert set(observation) == {"observation.state", "observation.environment_state"}
    np.testing.assert_array_equal(env.render(), env.render("front"))
    assert env.render("wrist").shape == (240, 320, 3)
    with pytest.raises(UserError, match="no camera 'left'; there is front and wrist"):
        env.render("left")
    env.close()


def test_the_spec_carries_the_cameras(engine: str) -> None:
    env = make_env(LIFT, {"engine": engine, "cameras": "front,wrist"})
    images = [f for f in env.spec.observations if len(f.shape) == 3]
    assert [(f.name, f.shape, f.dtype) for f in images] == [
        ("observation.images.front", (240, 320, 3), "uint8"),
        ("observation.images.wrist", (240, 320, 3), "uint8"),
    ]
    observation = env.reset(0)
    assert observation["observation.images.front"].dtype == np.uint8
    env.close()


@pytest.mark.parametrize(
    ("cameras", "message"),
    [("left", "no camera 'left'; there is front and wrist"), ("front,front", "named twice")],
)
def test_a_camera_that_is_not_there_is_one_line(cameras: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        make_env(LIFT, {"cameras": cameras})
    assert "\n" not in str(caught.value)


def test_without_cameras_no_gl_is_opened() -> None:
    steps = (
        f"import sys, gymnasium, sims; env = gymnasium.make('{LIFT}', render_mode='rgb_array');"
        "env.reset(); env.step(env.action_space.sample());"
        "sys.exit('sims.panda.picture' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", steps], check=True)


@pytest.mark.parametrize("task", thinned([LIFT, "ilrobot/PushT-v0"], [LIFT]))
def test_a_named_gl_without_its_library_keeps_no_task_from_running(
    task: str, tmp_path: Path
) -> None:
    # What PyOpenGL does where libOSMesa is missing, on a machine that has it too.
    (tmp_path / "OpenGL").mkdir()
    (tmp_path / "OpenGL/__init__.py").write_text("None.glGetError")
    steps = (
        "import os\nfrom ilrobot.env import make_env\nfrom ilrobot.errors import UserError\n"
        f"env = make_env('{task}', render_mode='rgb_array')\n"
        "env.reset(seed=0)\nenv.step(env.env.action_space.sample())\n"
        "print('ran', os.environ['MUJOCO_GL'], os.environ.get('PYOPENGL_PLATFORM'))\n"
        "try: env.render()\n"
        "except UserError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", steps],
        capture_output=True,
        text=True,
        env={"MUJOCO_GL": "osmesa", "PYTHONPATH": str(tmp_path), "PATH": "/usr/bin"},
        check=True,
    )
    first, *told = done.stdout.splitlines()
    assert first == "ran osmesa None"
    if task == LIFT:  # Push-T is drawn without GL
        assert "cannot be drawn: no GL to draw MuJoCo with (tried osmesa)" in told[0]
        assert "unset MUJOCO_GL" in told[0]
    assert len(told) == (task == LIFT)


def test_a_machine_without_gl_is_told_in_one_line() -> None:
    steps = (
        "from ilrobot.env import make_env\nfrom ilrobot.errors import UserError\n"
        f"try: make_env('{LIFT}', {{'cameras': 'front'}})\n"
        "except UserError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", steps],
        capture_output=True,
        text=True,
        env={"MUJOCO_GL": "egl", "__EGL_VENDOR_LIBRARY_FILENAMES": "/nowhere", "PATH": "/usr/bin"},
        check=True,
    )
    assert "cannot be made here: no GL to draw MuJoCo with" in done.stdout

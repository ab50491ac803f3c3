"""Bindings from a file: what it changes, what it leaves, and every mistake in one line."""

from pathlib import Path

import pytest

from ilrobot.errors import UserError
from ilrobot.spec import Feature, Spec
from teleop.bindings import DIRECTIONS, END_EFFECTOR, PICTURE, VECTOR, Bindings, Control
from teleop.bindings_file import read_bindings
from teleop.devices.base import AXES, DeviceState
from teleop.devices.keys import BUTTON_KEYS
from teleop.devices.scripted import Scripted
from teleop.hands import make_hand
from teleop.help import help_line

ARM = Spec(
    observations=(Feature("observation.state", (1,)),),
    action=Feature("action", (7,), low=(-1.0,) * 7, high=(1.0,) * 7),
    controller="ee_delta_gripper",
    rate=20.0,
)


def _changed(tmp_path: Path, text: str, base: Bindings = END_EFFECTOR) -> Bindings:
    return read_bindings(_file(tmp_path, text)).change(base)


def _file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("base", [END_EFFECTOR, PICTURE, VECTOR])
def test_an_empty_file_changes_nothing(tmp_path: Path, base: Bindings) -> None:
    file = read_bindings(_file(tmp_path, ""))
    assert file.change(base) == base
    assert dict(base.keys) == BUTTON_KEYS


def test_controls_move_and_the_others_stay(tmp_path: Path) -> None:
    text = '[controls]\npause = "guide"\nsuccess = ["start", "b"]\nfailure = []'
    changed = _changed(tmp_path, text)
    does = {
        button: changed.command(DeviceState(pressed=(button,))).controls
        for button in ("guide", "start", "b", "back", "x")
    }
    assert does == {
        "guide": (Control.PAUSE,),
        "start": (Control.SUCCESS,),
        "b": (Control.SUCCESS,),
        "back": (),
        "x": (Control.DISCARD,),
    }


def test_keys_follow_what_they_do_to_its_new_button(tmp_path: Path) -> None:
    text = '[controls]\npause = "y"\nnext_camera = "b"\n[keys]\nrewind = ["o", "0"]'
    keys = dict(_changed(tmp_path, text).keys)
    assert (keys["p"], keys["v"], keys["o"], keys["0"]) == ("y", "b", "lefttrigger", "lefttrigger")
    assert "r" not in keys
    assert keys["left"] == "dpleft"


def test_steering_moves_to_other_axes(tmp_path: Path) -> None:
    text = """
        [steering]
        x = "-righty"
        z = "-lefty"
        roll = ["dpup", "dpdown"]
        pitch = ["dpleft", "dpright"]
    """
    changed = _changed(tmp_path, text)
    for direction in range(6):
        pose = changed.pose([float(i == direction) for i in range(6)])
        assert set(pose.axes) <= set(AXES)
        twist = changed.command(DeviceState(pose.axes, pose.held)).twist
        assert [i for i, value in enumerate(twist) if value > 0.4] == [direction]
    forward = changed.command(DeviceState(axes={"righty": -1.0})).twist
    assert forward == pytest.approx((1, 0, 0, 0, 0, 0))
    rolled = changed.command(DeviceState(held=frozenset({"dpdown"}))).twist
    assert rolled[DIRECTIONS.index("roll")] == 0.5


def test_how_the_sticks_feel(tmp_path: Path) -> None:
    changed = _changed(tmp_path, "deadzone = 0\nexpo = 0.0\nspeeds = [0.8, 0.1]")
    state = DeviceState(axes={"lefty": -0.05}, pressed=("leftshoulder",))
    assert changed.command(state).twist[0] == pytest.approx(0.05 * 0.8)


def test_one_file_serves_tasks_that_have_less(tmp_path: Path) -> None:
    text = '[controls]\ngripper = "b"\npause = "a"\nspeed = "leftstick"'
    changed = _changed(tmp_path, text, VECTOR)
    assert dict(changed.controls).get("a") is Control.PAUSE
    assert "b" not in dict(changed.controls)


def test_it_reaches_the_hand_and_the_hash_tells(tmp_path: Path) -> None:
    device = Scripted([DeviceState(pressed=("guide",), stamp=0.1)])
    path = _file(tmp_path, '[controls]\nfailure = "guide"')
    hand, plain = make_hand(device, ARM, bindings=path), make_hand(device, ARM)
    assert hand.mapping.bindings.buttons(Control.FAILURE) == ("guide",)
    assert hand.mapping.hash != plain.mapping.hash


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[controls", "not a TOML file"),
        ("[control]", "no part is called 'control'; did you mean 'controls'"),
        ('[controls]\nsucces = "a"', "no control is called 'succes'; did you mean 'success'"),
        ('[controls]\npause = "buttonA"', "no button is called 'buttonA'; choose one of a, b"),
        ('[controls]\npause = "a"', "'a' does both pause and gripper; give one of them another"),
        ('[controls]\npause = "dpup"', "'dpup' does both pause and pitch"),
        ('[controls]\npause = "b"\ndiscard = "b"', "'b' does both pause and discard"),
        ("[controls]\npause = 3", "pause is a name in quotes or a list of them, not 3"),
        ("[controls]\nengage = []", "engage needs a button"),
        ("controls = 1", r"write controls as a table: \[controls\]"),
        ('[keys]\npause = "w"', "key 'w' for pause steers already; take another"),
        ('[keys]\npause = "v"', "key 'v' for pause presses"),
        ('[keys]\npause = "F13"', "no key is called 'F13'"),
        ('[steering]\nup = "lefty"', "no direction is called 'up'"),
        ('[steering]\nx = "leftz"', "no axis is called 'leftz'; did you mean"),
        ('[steering]\nx = "-leftx"', "nothing steers y any more"),
        ('[steering]\nx = "leftx"\ny = "-leftx"', "axis 'leftx' steers two directions"),
        ('[steering]\nx = ["a"]', "x is steered by an axis or by two buttons"),
        ("deadzone = 1", "deadzone must be less than 1"),
        ("deadzone = nan", "deadzone must be a number from 0 to 1, not nan"),
        ("expo = true", "expo must be a number"),
        ("speeds = []", "speeds is a list"),
        ("speeds = [0.5, 0.5]", "speeds is a list of different"),
        ("speeds = [0.5, 2]", "a speed must be a number from 0.01 to 1, not 2"),
    ],
)
def test_mistakes_are_told_in_one_line(tmp_path: Path, text: str, words: str) -> None:
    path = _file(tmp_path, text)
    with pytest.raises(UserError, match=words) as caught:
        make_hand(Scripted([]), ARM, bindings=path)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"{path}: ")


def test_a_task_with_choices_keeps_its_buttons(tmp_path: Path) -> None:
    discrete = Spec(ARM.observations, Feature("action", (), dtype="int64"), rate=10.0, choices=4)
    path = _file(tmp_path, '[controls]\nengage = "leftshoulder"')
    with pytest.raises(UserError, match="'leftshoulder' does both one of the task's discrete"):
        make_hand(Scripted([]), discrete, bindings=path)


def test_the_example_in_the_documentation_is_what_holds_without_it() -> None:
    example = Path(__file__).parents[2] / "docs" / "teleoperation-bindings.toml"
    changed = read_bindings(example).change(END_EFFECTOR)
    for control in Control:
        assert changed.buttons(control) == END_EFFECTOR.buttons(control)
    assert dict(changed.keys) == dict(END_EFFECTOR.keys)
    assert sorted(changed.pairs, key=str) == sorted(END_EFFECTOR.pairs, key=str)
    assert changed.sticks == END_EFFECTOR.sticks
    assert (changed.speeds, changed.shaping) == (END_EFFECTOR.speeds, END_EFFECTOR.shaping)
    for base in (PICTURE, VECTOR):
        other = read_bindings(example).change(base)
        assert set(other.controls) == set(base.controls)
        assert (other.sticks, other.pairs) == (base.sticks, base.pairs)


def test_the_line_of_help_tells_the_buttons_and_keys_of_the_file(tmp_path: Path) -> None:
    text = '[controls]\npause = "y"\nnext_camera = []\nrewind = []\n[keys]\nsuccess = "o"'
    changed = _changed(tmp_path, text)
    pad, keys = help_line(changed, keyboard=False), help_line(changed, keyboard=True)
    assert "Y pause" in pad
    assert "Start success" in pad
    assert "P pause" in keys
    assert "O success" in keys
    assert "rewind" not in pad + keys
    assert all(len(help_line(END_EFFECTOR, keyboard=k)) < 125 for k in (False, True))


@pytest.mark.parametrize("content", [None, b"\xff\xfe = 1"])
def test_a_file_that_cannot_be_read(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "mine.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=r"mine\.toml: (No such file|not a TOML file)"):
        read_bindings(path)

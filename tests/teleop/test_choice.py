"""Which of some choices the buttons that are down, and those that were pressed, mean."""

from teleop.bindings import TeleopCommand
from teleop.browser.page import hello
from teleop.devices.base import DeviceState
from teleop.help import help_line
from teleop.mappings.choice import ChoiceMapping
from tests.teleop.discrete import discrete


def test_the_last_of_two_choices_stays() -> None:
    mapping = ChoiceMapping(discrete(2))
    pressed = [("dpright",), (), ("dpleft",), ()]
    actions = [int(mapping.action(TeleopCommand(pressed_buttons=b), {})) for b in pressed]
    assert actions == [1, 1, 0, 0]


def _chosen(mapping: ChoiceMapping, held: str, pressed: str = "") -> str:
    state = DeviceState(held=frozenset(held.split()), pressed=tuple(pressed.split()))
    choice = int(mapping.action(mapping.bindings.command(state), {}))
    return mapping.spec.action.names[choice]


def test_of_buttons_that_are_down_the_one_pressed_last_counts_as_long_as_it_is_held() -> None:
    mapping = ChoiceMapping(discrete(6, ("noop", "left", "right", "up", "down", "fire")))
    polls = [
        ("dpright", "dpright"),
        ("a dpright", "a"),
        ("a dpright", ""),
        ("a dpright leftshoulder", ""),
        ("dpright", ""),
        ("dpright", "dpup"),
        ("dpright", ""),
        ("a dpright", ""),
        ("a dpright", "dpright"),
        ("a dpright", ""),
        ("a", ""),
    ]
    said = ["right", "fire", "fire", "fire", "right", "up", "right", "fire", "right", "right"]
    assert [_chosen(mapping, *poll) for poll in polls] == [*said, "fire"]


def test_a_button_that_began_the_episode_is_no_choice_until_it_is_pressed_anew() -> None:
    mapping = ChoiceMapping(discrete(6, ("noop", "left", "right", "up", "down", "fire")))
    polls = [("a", ""), ("a dpright", "dpright"), ("a", ""), ("a", "a"), ("a", ""), ("", "")]
    assert [_chosen(mapping, *poll) for poll in polls] == [
        *("noop", "right", "noop", "fire", "fire", "noop")
    ]
    mapping.reset()
    assert [_chosen(mapping, *poll) for poll in (("", ""), ("a", ""))] == ["noop", "fire"]


def test_of_two_choices_a_press_lasts_though_the_other_button_is_down() -> None:
    mapping = ChoiceMapping(discrete(2, ("brake", "go")))
    polls = [("dpright", "dpright"), ("dpleft dpright", "dpleft"), ("dpleft dpright", "")]
    assert [_chosen(mapping, *poll) for poll in polls] == ["go", "brake", "brake"]
    assert _chosen(mapping, "dpright") == "go"
    mapping.reset()
    assert _chosen(mapping, "") == "brake"


def test_a_person_is_told_which_key_is_which_choice() -> None:
    mapping = ChoiceMapping(discrete(6, ("noop", "left", "right", "up", "down", "fire")))
    assert hello(mapping.bindings, mapping.choices)["choices"] == {
        **{"dpleft": "left", "dpright": "right", "dpup": "up", "dpdown": "down", "a": "fire"}
    }
    keys = help_line(mapping.bindings, keyboard=True, choices=mapping.choices)
    assert keys.startswith("Left left · Right right · Up up · Down down · Space fire · ")
    assert "WASD" not in keys
    pad = help_line(mapping.bindings, keyboard=False, choices=mapping.choices)
    assert "D-pad down down · A fire · " in pad
    unnamed = ChoiceMapping(discrete(3))
    assert unnamed.choices == {"dpleft": "choice 0", "dpright": "choice 2"}

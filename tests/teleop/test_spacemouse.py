"""pyspacemouse's own code reads the reports here; only the HID library below it is a fake."""

import queue
import struct
import sys
import time
import types
from collections.abc import Callable, Iterator

import pytest

from ilrobot.errors import UserError
from teleop.bindings import DIRECTIONS, END_EFFECTOR
from teleop.devices.base import STICK_AXES, TILT_AXES

pytest.importorskip("pyspacemouse")

NAVIGATOR = (0x46D, 0xC626)
PRO = (0x46D, 0xC62B)


class HIDError(Exception):
    """As easyhid's HIDException."""


class FakeMouse:
    """A HID device: a queue of reports, which may be pulled out or forbidden."""

    def __init__(self, vendor: int, product: int) -> None:
        self.vendor_id, self.product_id = vendor, product
        self.product_string, self.manufacturer_string = "fake", "fake"
        self.serial_number, self.release_number, self.path = "1", 1, "/dev/hidraw9"
        self.reports: queue.Queue[bytes] = queue.Queue()
        self.readable = self.plugged = True
        self.failure: Exception = HIDError("Failed to read from HID device: -1")
        self.blocked = False

    def open(self) -> None:
        if not self.readable:
            raise HIDError("Failed to open device")

    def close(self) -> None: ...

    def set_nonblocking(self, _: bool) -> None: ...

    def read(self, size: int) -> bytes:
        while self.blocked:
            time.sleep(0.001)
        if not self.plugged:
            raise self.failure
        try:
            return self.reports.get_nowait().ljust(size, b"\0")
        except queue.Empty:
            return b""

    def move(self, *values: int) -> None:
        """x, y, z as the device sends them: right, towards the person, down; 350 is full."""
        self.reports.put(struct.pack("<Bhhh", 1, *values))

    def turn(self, *values: int) -> None:
        self.reports.put(struct.pack("<Bhhh", 2, *values))

    def buttons(self, bits: int) -> None:
        self.reports.put(struct.pack("<BI", 3, bits))


class Shop:
    """All HID devices there are."""

    def __init__(self) -> None:
        self.mice: list[FakeMouse] = []

    def add(self, kind: tuple[int, int]) -> FakeMouse:
        self.mice.append(FakeMouse(*kind))
        return self.mice[-1]


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    made = Shop()

    class Enumeration:
        def find(self) -> list[FakeMouse]:
            return [mouse for mouse in made.mice if mouse.plugged]

    fake = types.ModuleType("easyhid")
    fake.__dict__.update(Enumeration=Enumeration, HIDException=HIDError, Device=FakeMouse)
    before = {name: m for name, m in sys.modules.items() if name.startswith("pyspacemouse")}
    for name in before:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "easyhid", fake)
    yield made
    for name in [name for name in sys.modules if name.startswith("pyspacemouse")]:
        del sys.modules[name]


@pytest.fixture
def open_mouse(shop: Shop) -> Iterator[Callable[[], object]]:
    from teleop.devices.spacemouse import SpaceMouse

    opened: list[SpaceMouse] = []

    def make() -> SpaceMouse:
        opened.append(SpaceMouse())
        return opened[-1]

    yield make
    for mouse in opened:
        mouse.close()


def _wait(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 10.0
    while not condition():
        assert time.monotonic() < until, "it never happened"
        time.sleep(0.002)


def test_all_six_directions_arrive_the_way_the_cap_is_pushed(shop, open_mouse) -> None:
    fake = shop.add(NAVIGATOR)
    mouse = open_mouse()
    # (report, its values) → direction that the robot goes: right is -y, away is +x, up is +z.
    pushes = [
        (fake.move, (350, 0, 0), "y", -1.0),
        (fake.move, (0, -350, 0), "x", 1.0),
        (fake.move, (0, 0, -350), "z", 1.0),
        (fake.turn, (-350, 0, 0), "pitch", 1.0),  # the top of the cap away from the person
        (fake.turn, (0, -350, 0), "roll", 1.0),  # to the right
        (fake.turn, (0, 0, -350), "yaw", 1.0),  # counterclockwise from above
    ]
    for send, values, name, sign in pushes:
        fake.move(0, 0, 0)
        fake.turn(0, 0, 0)
        send(*values)
        _wait(fake.reports.empty)
        wanted = [sign * (direction == name) for direction in DIRECTIONS]
        _wait(lambda: any(mouse.poll(0.0).axes.values()))
        _wait(lambda w=wanted: END_EFFECTOR.command(mouse.poll(0.0)).twist == pytest.approx(w))


def test_a_slow_poller_sees_the_newest_state_and_every_press(shop, open_mouse) -> None:
    fake = shop.add(NAVIGATOR)
    mouse = open_mouse()
    for i in range(3000):  # three seconds of what it sends, before anybody polls
        fake.move(0, -(i % 351), 0)
        if i % 300 == 0:
            fake.buttons(0b01)
            fake.buttons(0b00)
    fake.move(0, -175, 0)
    fake.buttons(0b10)
    _wait(fake.reports.empty)
    states = [mouse.poll(0.0)]
    _wait(lambda: states.append(mouse.poll(0.0)) or "rightshoulder" in states[-1].held)
    assert states[-1].axes["lefty"] == -0.5
    assert [name for state in states for name in state.pressed] == ["a"] * 10 + ["rightshoulder"]
    assert [name for state in states for name in state.released] == ["a"] * 10


def test_the_larger_model_has_buttons_for_the_rest(shop, open_mouse) -> None:
    fake = shop.add(PRO)
    mouse = open_mouse()
    fake.buttons(1 << 12)  # BTN_1
    states = [mouse.poll(0.0)]
    _wait(lambda: states.append(mouse.poll(0.0)) or bool(states[-1].pressed))
    assert states[-1].pressed == ("start",)


def test_pulled_out_while_engaged_it_disengages_and_plugged_in_it_goes_on(shop, open_mouse) -> None:
    fake = shop.add(NAVIGATOR)
    mouse = open_mouse()
    fake.move(350, 0, 0)
    fake.buttons(0b10)
    _wait(lambda: END_EFFECTOR.command(mouse.poll(0.0)).engaged)
    fake.plugged = False
    states = [mouse.poll(0.0)]
    _wait(lambda: states.append(mouse.poll(0.0)) or not states[-1].connected)
    assert states[-1].held == frozenset()
    assert "rightshoulder" in states[-1].released
    assert states[-1].axes == dict.fromkeys(STICK_AXES + TILT_AXES, 0.0)
    fake.plugged = True
    _wait(lambda: mouse.poll(0.0).connected)
    assert not END_EFFECTOR.command(mouse.poll(0.0)).engaged
    fake.move(0, 350, 0)
    _wait(lambda: mouse.poll(0.0).axes["lefty"] == 1.0)


@pytest.mark.parametrize("fault", ["dies", "hangs"])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_reader_that_stops_disengages(shop, open_mouse, fault: str) -> None:
    fake = shop.add(NAVIGATOR)
    mouse = open_mouse()
    fake.move(0, -350, 0)
    fake.buttons(0b10)
    _wait(lambda: END_EFFECTOR.command(mouse.poll(0.0)).engaged)
    if fault == "dies":
        fake.failure, fake.plugged = ValueError("a bug below"), False
    else:
        fake.blocked = True
    _wait(lambda: not mouse.poll(0.0).connected)
    command = END_EFFECTOR.command(mouse.poll(0.0))
    assert not command.engaged
    assert not any(command.twist)
    fake.blocked = False


def test_a_button_that_is_down_through_a_dropout_is_pressed_once(shop, open_mouse) -> None:
    fake = shop.add(NAVIGATOR)
    mouse = open_mouse()
    states = [mouse.poll(0.0)]

    def seen(condition: Callable[[], bool]) -> None:
        _wait(lambda: states.append(mouse.poll(0.0)) or condition())

    fake.buttons(0b01)
    seen(lambda: "a" in states[-1].held)
    fake.blocked = True
    seen(lambda: not states[-1].connected)
    fake.blocked = False
    fake.move(0, 350, 0)
    seen(lambda: states[-1].axes["lefty"] == 1.0)
    assert states[-1].held == {"a"}
    assert [name for state in states for name in state.pressed] == ["a"]
    fake.buttons(0b00)
    fake.buttons(0b01)
    seen(lambda: "a" in states[-1].pressed)
    assert [name for state in states for name in state.released] == ["a", "a"]


@pytest.mark.parametrize("let_go_before", [False, True])
def test_what_is_pressed_after_a_dropout_counts(shop, open_mouse, let_go_before: bool) -> None:
    fake = shop.add(NAVIGATOR)
    mouse = open_mouse()
    fake.buttons(0b01)
    _wait(lambda: "a" in mouse.poll(0.0).held)
    if let_go_before:
        fake.buttons(0b00)
        _wait(lambda: not mouse.poll(0.0).held)
    fake.blocked = True
    _wait(lambda: not mouse.poll(0.0).connected)
    if not let_go_before:
        fake.buttons(0b00)
    fake.buttons(0b01)
    fake.blocked = False
    _wait(lambda: "a" in mouse.poll(0.0).pressed)


def test_none_connected_is_one_line(shop, open_mouse) -> None:
    with pytest.raises(UserError, match="no SpaceMouse is connected; plug one in") as caught:
        open_mouse()
    assert "\n" not in str(caught.value)


def test_a_mouse_that_may_not_be_read_gets_its_udev_rule(shop, open_mouse) -> None:
    shop.add(NAVIGATOR).readable = False
    with pytest.raises(UserError, match=r"may not be read.*rules\.d.*uaccess") as caught:
        open_mouse()
    assert "\n" not in str(caught.value)


def test_nothing_is_printed(shop, open_mouse, capsys: pytest.CaptureFixture[str]) -> None:
    shop.add(NAVIGATOR)
    assert open_mouse().name == "SpaceMouse (SpaceNavigator)"
    assert capsys.readouterr() == ("", "")


def test_without_the_system_library_it_says_what_to_install(
    shop, open_mouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> None:
        raise AttributeError("hid_enumerate")

    import pyspacemouse.api

    monkeypatch.setattr(pyspacemouse.api, "Enumeration", missing)
    with pytest.raises(UserError, match="libhidapi-hidraw0"):
        open_mouse()

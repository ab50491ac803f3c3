import numpy as np
import pytest

from teleop.takeover import Patience, Watcher, agrees, harm

TICK = 0.05
FORWARD = np.array([0.8, 0, 0, 0, 0, 0])
STILL = np.zeros(6)


class Clocked:
    """A watcher and the time that passes for it."""

    def __init__(self, patience: Patience | None = None) -> None:
        self.watcher, self.now = Watcher(patience or Patience()), 0.0

    def see(self, seconds: float, policy: np.ndarray, gripper_differs: bool = False) -> list[float]:
        """Times at which control was wished for, seconds from the first look."""
        start, wished = self.now, []
        while self.now < start + seconds - 1e-9:
            if self.watcher.look(self.now, FORWARD, policy, gripper_differs):
                wished.append(self.now - start)
            self.now += TICK
        return wished


@pytest.mark.parametrize("share", [0.4, 1.0, 1.25])
def test_a_policy_that_goes_the_same_way_is_left_alone(share: float) -> None:
    assert Clocked().see(20.0, share * FORWARD) == []


def test_tolerated_noise_is_left_alone() -> None:
    random = np.random.default_rng(0)
    clocked = Clocked()
    for _ in range(400):
        assert clocked.see(TICK, 0.5 * FORWARD + random.normal(0, 0.05, 6)) == []


def test_the_worse_it_is_the_sooner_they_take_over() -> None:
    sideways = np.array([0.4, 0.6, 0, 0, 0, 0])
    firsts = [Clocked().see(5.0, p)[0] for p in (-FORWARD, sideways, STILL)]
    assert firsts == sorted(firsts)
    assert firsts[0] < 0.5
    assert firsts[2] == pytest.approx(Patience().stall, abs=2 * TICK)


def test_a_policy_that_hovers_where_fine_work_is_to_be_done_is_helped() -> None:
    watcher, first = Watcher(Patience()), None
    for tick in range(100):
        if watcher.look(tick * TICK, 0.02 * FORWARD / 0.8, STILL, False) and first is None:
            first = tick * TICK
    assert first == pytest.approx(Patience().stall, abs=2 * TICK)


def test_a_lasting_wrong_gripper_is_noticed_and_a_late_one_forgiven() -> None:
    assert Clocked().see(0.2, FORWARD, gripper_differs=True) == []
    assert Clocked().see(2.0, FORWARD, gripper_differs=True) != []


def test_control_is_held_for_a_while_and_handed_back_when_the_policy_agrees() -> None:
    patience = Patience(hold=0.8, agree=0.4)
    clocked = Clocked(patience)
    clocked.see(0.5, -FORWARD)
    assert clocked.watcher.in_control
    wished = clocked.see(3.0, 0.6 * FORWARD)
    assert patience.hold - 0.5 - TICK <= wished[-1] <= patience.hold + TICK


def test_control_is_kept_while_the_policy_is_wrong_still_or_flutters() -> None:
    for policy in (-FORWARD, STILL):
        clocked = Clocked()
        clocked.see(3.0, -FORWARD)
        assert len(clocked.see(5.0, policy)) == 100
    clocked = Clocked()
    clocked.see(1.0, -FORWARD)
    for _ in range(50):
        clocked.see(TICK, FORWARD)
        assert clocked.see(TICK, -FORWARD)


def test_reset_lets_go() -> None:
    clocked = Clocked()
    clocked.see(1.0, -FORWARD)
    clocked.watcher.reset()
    assert not clocked.watcher.in_control
    assert clocked.see(1.0, FORWARD) == []


def test_harm_and_agreement() -> None:
    assert harm(FORWARD, 0.5 * FORWARD, 0.1) == 0.0
    assert harm(FORWARD, -FORWARD, 0.1) == pytest.approx(0.8 + 0.3 * 0.8)
    assert harm(STILL, FORWARD, 0.1) == pytest.approx(0.7)
    assert agrees(FORWARD, 0.5 * FORWARD, False)
    assert not agrees(FORWARD, 0.5 * FORWARD, True)
    assert not agrees(FORWARD, 0.1 * FORWARD, False)
    assert agrees(STILL, STILL, False)

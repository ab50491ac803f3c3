"""A seeded campaign of faults between robot and policy; the whole of it is a benchmark."""

import numpy as np
import pytest

from benchmarks.fault_campaign import in_cpp
from benchmarks.fault_campaign.kinds import KINDS, NO_FAULT
from benchmarks.fault_campaign.loading import DAMAGED, MISFITS, SIGNED
from benchmarks.fault_campaign.policies import HORIZON, draw_contract, write_policy
from benchmarks.fault_campaign.verdict import judge
from benchmarks.faults import campaign, campaign_in_cpp, table
from exports.cpp.binding import CppController
from ilrobot.control.activation import NOTHING
from ilrobot.control.guard import Guard


def assert_all_caught(verdicts):
    for line in table(verdicts):
        assert line["caught"] == line["count"], line
        assert line["exceeded"] == 0, line


def test_every_fault_is_caught_and_no_limit_passed():
    verdicts = list(campaign(500, seed=1))
    assert_all_caught(verdicts)
    names = {*(kind.name for kind in KINDS), NO_FAULT.name, *DAMAGED, *SIGNED, *MISFITS}
    assert {verdict.kind for verdict in verdicts} == names
    assert max(verdict.share for verdict in verdicts) > 0.99  # the limits are really come to


def test_the_same_seed_makes_the_same_faults():
    assert list(campaign(40, seed=2)) == list(campaign(40, seed=2))


class Blind(Guard):
    """Lets everything pass."""

    def admit(self, *_, **__):
        self.flags = NOTHING
        return True

    def limit(self, action, calling=False):
        return np.array(action, np.float64)


def test_a_guard_that_lets_everything_pass_is_found_out():
    verdicts = list(campaign(150, seed=1, make_guard=Blind))
    # The actor notices that the plan has run out, and a target may rest by itself.
    unguarded = {"observations twice each (no harm)", "observation frozen, its time going on"}
    unguarded |= {NO_FAULT.name, *(kind.name for kind in KINDS if kind.of_inference)}
    caught = {v.kind for v in verdicts if not v.problem}
    assert caught <= unguarded | {*DAMAGED, *SIGNED, *MISFITS}
    beyond = [v for v in verdicts if "10 × beyond" in v.kind]
    assert beyond
    assert all(v.exceeded for v in beyond)


@pytest.mark.usefixtures("cpp_library")
def test_every_fault_is_caught_in_cpp_too_with_the_commands_of_python():
    assert_all_caught(list(campaign_in_cpp(150, seed=2)))


@pytest.mark.usefixtures("cpp_library")
def test_in_cpp_a_prediction_that_hung_does_not_cost_the_next_episode_its_first_chunk(tmp_path):
    rng, noise = np.random.default_rng(0), in_cpp.Noise()
    (hangs,) = (kind for kind in KINDS if kind.name == "inference hangs for ever")
    contract = write_policy(tmp_path / "policy.onnx", draw_contract(rng, HORIZON))
    with CppController(tmp_path / "policy.onnx", wait=False, noise=noise) as controller:
        for seed in range(3):
            fault = hangs.draw(contract, rng)
            assert judge(fault, in_cpp.run(fault, seed, controller, noise)).problem == ""

"""A seeded campaign of faults between controller and robot; the whole of it is a benchmark."""

import pytest

from benchmarks.robot_faults import Campaign

FAULTS = 400


@pytest.fixture(scope="module")
def campaign():
    campaign = Campaign(seed=1)
    campaign.run(FAULTS)
    return campaign


def test_every_kind_of_fault_was_made(campaign):
    assert len(campaign.counts) == 19
    assert min(campaign.counts.values()) >= 5


def test_no_fault_made_the_robot_exceed_a_limit(campaign):
    # Position exactly; the others up to the rounding of differences of commands.
    position, *derivatives = campaign.joints.worst
    assert 0.1 < position <= 1.0
    assert all(0.1 < share <= 1.0 + 1e-6 for share in derivatives), derivatives


def test_every_way_to_drop_a_message_was_needed(campaign):
    dropped = campaign.dropped + campaign.server.dropped
    reasons = {"malformed", "old", "late", "foreign", "other episode", "misfit"}
    assert reasons <= set(dropped)


def test_the_same_seed_makes_the_same_faults():
    one, other = Campaign(seed=1), Campaign(seed=1)
    for campaign in (one, other):
        campaign.run(80)
    assert one.counts == other.counts
    assert one.joints.worst == other.joints.worst

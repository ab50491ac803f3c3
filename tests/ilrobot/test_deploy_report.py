"""What ``ilrobot deploy`` prints when it is done."""

import numpy as np

from exports.runtime.report import LoopReport
from exports.runtime.statistics import TickStatistics
from ilrobot.cli.deploy_report import print_summary


def printed(capsys, **changed) -> str:
    beside = {"inference": None, "disagreement": None, "recorded": None, "stopped_by": None}
    print_summary({**LoopReport(20.0, TickStatistics(0.05)).to_json(), **beside, **changed})
    return capsys.readouterr().out


def test_a_number_a_little_out_of_range_is_told_from_the_range(capsys):
    element = {"element": "observation.state 'ee_x_axis_x'", "ticks": 2, "low": 0.5}
    just = float(np.nextafter(np.float32(1), np.float32(2)))
    outside = [{**element, "least": just, "greatest": just, "high": 1.0}]
    said = printed(capsys, out_of_range=outside)
    assert "1.00000012 to 1.00000012, trained on 0.5 to 1\n" in said
    outside = [{**element, "least": 1.25, "greatest": 1.5, "high": 1.0}]
    assert "1.25 to 1.5, trained on 0.5 to 1\n" in printed(capsys, out_of_range=outside)


def test_nobody_says_of_a_robot_that_was_not_read_that_its_workspace_is_not_kept(capsys):
    assert "NOT kept" not in printed(capsys, workspace_unknown=True, ticks=0)
    assert "NOT kept" in printed(capsys, workspace_unknown=True, ticks=3)

"""What a piece of an episode says of how it ended and of who acted in it."""

import numpy as np
import pytest

from ilrobot.data.dataset import Dataset, DatasetRecorder
from ilrobot.data.episode import EpisodeInfo, Judge, Outcome
from ilrobot.gates.log import GateLog
from tests.exhaustive import thinned
from tests.ilrobot.data.editing.edited import MAKERS, edit
from tests.ilrobot.data.recording_child import SPEC, STATE_SIZE, frame


def record_outcome(path, outcome, success_at=None):
    with DatasetRecorder(path, SPEC, state_size=STATE_SIZE) as recorder:
        recorder.begin(EpisodeInfo("toy", SPEC.rate, seed=5, operator="ann", device="gamepad"))
        for tick in range(8):
            values = frame(0, tick)
            values |= {"next.success": tick == success_at, "control.discarded": False}
            recorder.append(values)
        recorder.end(outcome, Judge.PERSON)
    return path


@pytest.mark.parametrize(
    ("outcome", "success_at", "first"),
    [
        pytest.param("success", None, ("unknown", "nobody"), marks=pytest.mark.exhaustive),
        ("success", 2, ("success", "environment")),
        ("success", 6, ("unknown", "nobody")),
        ("failure", None, ("unfinished", "nobody")),
        ("timeout", 2, ("unfinished", "nobody")),
        ("discarded", 2, ("discarded", "person")),
        ("unknown", None, ("unknown", "person")),
    ],
)
def test_a_piece_claims_no_more_than_is_known(outcome, success_at, first, tmp_path, capsys):
    path = record_outcome(tmp_path / "toy", Outcome(outcome), success_at)
    infos = edit(path, "split", "--episode", 0, "--at", 4).infos
    assert [(info.outcome, info.judge) for info in infos] == [first, (outcome, "person")]
    assert [info.seed for info in infos] == [5, None]
    assert [(info.operator, info.device) for info in infos] == [("ann", "gamepad")] * 2
    said = capsys.readouterr().out
    assert "its seed 5 no longer gives its first frame" in said
    assert ("say how those ended" in said) == (first[1] == "nobody")


@pytest.mark.parametrize("path", thinned(MAKERS, ["foreign"]), indirect=True)
def test_a_person_judges(path, capsys):
    dataset = edit(path, "outcome", "--episodes", 1, "3-4", "--outcome", "discarded")
    judged = [(info.outcome, info.judge) for info in dataset.infos]
    other = judged[0]
    discarded = (Outcome.DISCARDED, Judge.PERSON)
    assert judged == [other, discarded, other, discarded, discarded]
    assert other[0] in (Outcome.SUCCESS, Outcome.UNKNOWN)
    assert "is discarded (by person) now" in capsys.readouterr().out


def test_a_person_may_leave_a_piece_unknown(tmp_path, capsys):
    path = record_outcome(tmp_path / "toy", Outcome.SUCCESS)
    edit(path, "split", "--episode", 0, "--at", 4)
    dataset = edit(path, "outcome", "--episodes", 0, "--outcome", "unknown")
    assert (dataset.infos[0].outcome, dataset.infos[0].judge) == (Outcome.UNKNOWN, Judge.PERSON)
    assert "unknown (by nobody) is unknown (by person) now" in capsys.readouterr().out
    edit(path, "split", "--episode", 0, "--at", 2)
    assert "say how those ended" not in capsys.readouterr().out


def test_what_a_rewind_undid_is_no_success_and_branches_count_from_each_beginning(tmp_path):
    path = tmp_path / "toy"
    with DatasetRecorder(path, SPEC, state_size=STATE_SIZE) as recorder:
        recorder.begin(EpisodeInfo("toy", SPEC.rate))
        for tick in range(8):
            if tick == 4:
                recorder.rewind(2)
            said = {"next.success": tick == 3, "control.discarded": False}
            recorder.append(frame(0, tick) | said | {"control.branch": int(tick >= 4)})
        recorder.end(Outcome.SUCCESS, Judge.PERSON)
    dataset = edit(path, "split", "--episode", 0, "--at", 5)
    assert dataset.infos[0].outcome is Outcome.UNKNOWN
    assert dataset.column("control.discarded").tolist() == [0, 0, 1, 1, 0, 0, 0, 0]
    assert dataset.column("control.branch").tolist() == [0, 0, 0, 0, 1, 0, 0, 0]


def test_how_control_was_shared_is_counted_anew_in_a_piece(tmp_path):
    path = tmp_path / "toy"
    acts = [False, True, True, False, True, True, False, True]
    asked = [True, True, True, False, True, True, False, True]
    number = -1
    with DatasetRecorder(path, SPEC, state_size=STATE_SIZE) as recorder:
        recorder.begin(EpisodeInfo("toy", SPEC.rate))
        for tick, act in enumerate(acts):
            number += act and not acts[tick - 1]
            values = frame(0, tick) | {"intervention": act}
            values["control.intervention_id"] = number if act else -1
            values["control.human_action"] = np.full(2, 1.0 if asked[tick] else np.nan, np.float32)
            recorder.append(values)
        log = GateLog(8, 5, 3, 5, 6, 0.5, {"doubt": 0.1}, doubts=(0.2, 0.3, 0.4))
        recorder.end(Outcome.SUCCESS, Judge.PERSON, log)
    dataset = edit(path, "split", "--episode", 0, "--at", 5)
    # The second begins with the expert in control: nobody handed it over there.
    assert [info.control for info in dataset.infos] == [
        GateLog(5, 3, 2, 3, 4, 3 / SPEC.rate, {"doubt": 0.1}, doubts=(0.2, 0.3)),
        GateLog(3, 2, 1, 2, 2, 2 / SPEC.rate, {"doubt": 0.1}, doubts=(0.4,)),
    ]
    assert dataset.column("control.intervention_id").tolist() == [-1, 0, 0, -1, 1, 0, -1, 1]
    edit(path, "relabel", "--episodes", 0, "--task", "x")
    assert Dataset.open(path).infos[0].control == GateLog(
        5, 3, 2, 3, 4, 3 / SPEC.rate, {"doubt": 0.1}, doubts=(0.2, 0.3)
    )

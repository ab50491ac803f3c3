"""Every gate from the command line: record, log, kill, resume; what each needs and refuses."""

import json
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest

from ilrobot.cli.export import Export
from ilrobot.cli.info import Info
from ilrobot.contenders import Contender
from ilrobot.control.model_file import read_model_file
from ilrobot.data.dataset import Dataset
from ilrobot.errors import UserError
from ilrobot.gates.foresight import UNSAFE
from ilrobot.gates.human import risk_threshold
from ilrobot.learners.interactive.calling import NEVER_CALLS, calling_of
from ilrobot.learners.interactive.gate_values import read_values
from ilrobot.report.rounds import round_strips
from ilrobot.run import Run
from ilrobot.run_description import DaggerDescription
from ilrobot.shared_control import SharedControl
from tests.exhaustive import thinned
from tests.forked import Forked
from tests.ilrobot import gate_tester
from tests.ilrobot.gate_tester import (
    DEMONSTRATIONS,
    EPISODES,
    GATES,
    ROUNDS,
    SEED,
    make_novice,
    outcome_of,
    rehearse_and_die,
    run_and_die,
    run_gate,
)


@pytest.fixture(scope="module")
def novice(tmp_path_factory) -> tuple[Path, Path]:
    return make_novice(tmp_path_factory.mktemp("novice"))


@pytest.fixture(scope="module")
def done(novice, tmp_path_factory):
    """The run of each gate, made when it is first asked for."""
    runs: dict[str, Path] = {}

    def of(gate: str) -> Path:
        if gate not in runs:
            runs[gate] = tmp_path_factory.mktemp(gate) / "run"
            run_gate(gate, *novice, runs[gate])
        return runs[gate]

    return of


@pytest.mark.parametrize("gate", GATES)
def test_every_gate_records_and_logs_the_same_of_each_episode_and_round(done, gate):
    run = done(gate)
    data = Dataset.open(run / "dataset")
    infos = data.infos[DEMONSTRATIONS:]
    assert [info.seed for info in infos] == list(range(SEED, SEED + ROUNDS * EPISODES))
    keys = {
        *("steps", "expert_steps", "takeovers", "switches", "queries", "context_time"),
        *("thresholds", "budget", "doubts", "budget_spent"),
    }
    for index, info in enumerate(infos, start=DEMONSTRATIONS):
        columns = data.episode(index).columns
        log = info.control
        assert set(log.to_json()) == keys
        assert log.expert_steps == columns["intervention"].sum()
        assert log.steps == (columns["control.source"] != "paused").sum()
        labelled = np.isfinite(columns["control.human_action"]).all(axis=1)
        assert log.queries == labelled.sum()
        assert (log.budget is not None) == (gate == "thrifty")
    rounds = json.loads((run / "run.json").read_text())["rounds"]
    for number, row in enumerate(rounds):
        of_round = infos[number * EPISODES : (number + 1) * EPISODES]
        assert set(row["log"]) == keys
        assert row["log"]["queries"] == sum(info.control.queries for info in of_round)
        assert row["log"]["thresholds"] == dict(of_round[-1].control.thresholds)


@pytest.mark.parametrize("gate", thinned(GATES, ["thrifty", "dart"]))
def test_every_gate_goes_on_after_a_kill_as_if_it_had_not_been(done, novice, tmp_path, gate):
    run = tmp_path / "run"
    killed_at = SEED + EPISODES + 1  # within the second round
    errors = tmp_path / "errors"
    killed = Forked(run_and_die, gate, *novice, run, killed_at, errors=errors)
    assert killed.wait() == -signal.SIGKILL, errors.read_text()[-500:]
    run_gate(gate, *novice, run, resume=True)
    assert outcome_of(run) == outcome_of(done(gate))


def test_a_rehearsal_that_was_killed_goes_on_as_if_it_had_not_been(done, novice, tmp_path):
    run, errors = tmp_path / "run", tmp_path / "errors"
    killed = Forked(rehearse_and_die, *novice, run, 2, errors=errors)
    assert killed.wait() == -signal.SIGKILL, errors.read_text()[-500:]
    assert Dataset.open(run / "dataset").num_episodes == DEMONSTRATIONS
    assert not (run / "gate-1").exists()
    run_gate("benefit", *novice, run, resume=True)
    assert outcome_of(run) == outcome_of(done("benefit"))


def test_a_gate_that_was_being_fitted_is_fitted_again(done, novice, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(done("thrifty"), run)
    with pytest.raises(UserError, match=r"begun with budget 0\.1, not 0\.2"):
        run_gate("thrifty", *novice, run, budget=0.2, resume=True)
    part = run / "gate-3.part"
    part.mkdir()
    (part / "gate.json").write_text("{")
    run_gate("thrifty", *novice, run, rounds=3, resume=True)
    assert (run / "gate-3" / "gate.json").exists()
    assert not part.exists()


def test_the_expert_is_disturbed_under_lazy_while_it_corrects_and_a_hand_is_not(
    done, novice, tmp_path
):
    run = tmp_path / "run"
    run_gate("lazy", *novice, run, device="operator", rounds=1)
    for folder, disturbed in ((done("lazy"), True), (run, False)):
        data = Dataset.open(folder / "dataset")
        columns = {
            name: data.column(name)[data.starts[DEMONSTRATIONS] :]
            for name in ("intervention", "action", "control.human_action")
        }
        apart = np.abs(columns["action"] - columns["control.human_action"])[columns["intervention"]]
        assert len(apart) > 0
        # The action goes from -4 to 4, so that σ is 0.4; a draw beyond a limit is cut.
        assert (0.1 < apart.mean() < 0.4) if disturbed else not apart.any()


def test_the_expert_is_disturbed_under_dart_and_its_labels_are_not(done):
    data = Dataset.open(done("dart") / "dataset")
    added = slice(data.starts[DEMONSTRATIONS], None)
    assert data.column("intervention")[added].all()
    executed, meant = data.column("action")[added], data.column("control.human_action")[added]
    apart = np.abs(executed - meant)
    noise = data.infos[-1].control.thresholds["noise"]
    assert 0.0 < apart.mean() < 3.0 * noise


@pytest.mark.parametrize("gate", ["safe", "lazy", "thrifty", "benefit"])
def test_a_robot_that_foretells_asks_the_expert_only_while_it_acts(done, gate):
    data = Dataset.open(done(gate) / "dataset")
    for info in data.infos[DEMONSTRATIONS:]:
        # At the tick of a handback it was asked, too.
        assert info.control.queries <= info.control.expert_steps + info.control.takeovers


def test_a_person_whom_the_robot_calls_takes_over_and_has_the_same_log(novice, tmp_path):
    run = tmp_path / "run"
    run_gate("thrifty", *novice, run, device="operator", rounds=1)
    data = Dataset.open(run / "dataset")
    added = slice(data.starts[DEMONSTRATIONS], None)
    source = data.column("control.source")[added]
    log = json.loads((run / "run.json").read_text())["rounds"][0]["log"]
    assert log["takeovers"] > 0
    assert {"policy", "human", "paused"} <= set(source)
    labelled = np.isfinite(data.column("control.human_action")[added]).all(axis=1)
    assert np.array_equal(labelled, source == "human")


def test_the_log_of_a_run_is_the_sum_of_its_rounds_with_the_last_thresholds(done, capsys):
    run = done("thrifty")
    Info(run, json=True).run()
    said = json.loads(capsys.readouterr().out.splitlines()[-1])["control"]
    logs = [row["log"] for row in json.loads((run / "run.json").read_text())["rounds"]]
    assert len(logs) == ROUNDS
    for name in ("steps", "expert_steps", "takeovers", "switches", "queries", "context_time"):
        assert said[name] == pytest.approx(sum(log[name] for log in logs))
    assert said["thresholds"] == logs[-1]["thresholds"]
    assert said["budget"] == logs[-1]["budget"]
    Info(run).run()
    assert f"queries: {said['queries']}" in capsys.readouterr().out


def test_a_stronger_policy_can_be_the_expert(novice, tmp_path):
    expert = make_novice(tmp_path / "stronger", members=1)[1]
    run_gate("beta", *novice, tmp_path / "run", expert=expert, rounds=1, beta="indicator")
    data = Dataset.open(tmp_path / "run" / "dataset")
    added = slice(data.starts[DEMONSTRATIONS], None)
    assert set(data.column("control.source")[added]) == {"policy"}
    assert np.isfinite(data.column("control.human_action")[added]).all()
    assert data.infos[-1].operator == str(expert)


def test_attempts_can_be_added_to_the_demonstrations_themselves(done, novice, tmp_path):
    data, run = tmp_path / "data", tmp_path / "run"
    shutil.copytree(novice[0], data)
    run_gate("beta", data, novice[1], run, rounds=1, aggregate=True)
    assert not (run / "dataset").exists()
    assert Dataset.open(data).num_episodes == DEMONSTRATIONS + EPISODES
    run_gate("beta", data, novice[1], run, aggregate=True, resume=True)
    assert outcome_of(run, data) == outcome_of(done("beta"))
    grown, copied = (
        (r, Run.read_as(r, DaggerDescription).description) for r in (run, done("beta"))
    )
    labels = [policy.labels for policy in Contender.read(run).policies]
    assert labels == [policy.labels for policy in Contender.read(done("beta")).policies]
    assert len(labels) == 1 + ROUNDS
    assert None not in labels
    assert len(round_strips(*grown)) == len(round_strips(*copied)) == ROUNDS * EPISODES
    with pytest.raises(UserError, match="begun with aggregate true, not false"):
        run_gate("beta", data, novice[1], run, resume=True)


@pytest.mark.parametrize(
    ("gate", "changes", "said"),
    [
        ("thrifty", {"budget": 0.0}, "budget must be a share between 0 and 1, not 0.0"),
        ("thrifty", {"budget": 1.5}, "budget must be a share"),
        ("thrifty", {"budget": float("nan")}, "budget must be a share"),
        ("safe", {"budget": 0.1}, "--budget is for --gate thrifty or benefit"),
        ("safe", {"beta": "linear"}, "--beta is for --gate beta"),
        ("ensemble", {"device": "operator"}, "asks the expert at every step"),
        ("dart", {"device": "operator"}, "asks the expert at every step"),
        ("human", {"expert": Path("x")}, "--expert is for --device expert"),
        ("safe", {"expert": Path("nowhere")}, "nowhere"),
        ("safe", {"task": "CartPole-v1"}, "observation.state"),
    ],
)
def test_what_cannot_be_is_one_line_and_writes_nothing(novice, tmp_path, gate, changes, said):
    with pytest.raises(UserError, match=said) as caught:
        run_gate(gate, *novice, tmp_path / "run", **changes)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_demonstrations_are_no_expert(novice, tmp_path):
    with pytest.raises(UserError, match="is a dataset, not a run; make a policy of it"):
        run_gate("beta", *novice, tmp_path / "run", expert=novice[0])
    assert not (tmp_path / "run").exists()


def test_a_single_net_knows_no_doubt(tmp_path):
    data, policy = make_novice(tmp_path, members=1)
    for gate in ("ensemble", "thrifty"):
        with pytest.raises(UserError, match="train an ensemble: ilrobot train --members 5"):
            run_gate(gate, data, policy, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_policy_does_not_teach_itself(novice, tmp_path):
    with pytest.raises(UserError, match="is the policy that is to learn") as caught:
        run_gate("beta", *novice, tmp_path / "run", expert=novice[1])
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_policy_is_not_taught_by_what_was_exported_of_it(novice, tmp_path):
    data, policy = novice
    exported = tmp_path / "policy.onnx"
    assert Export(policy=policy, output=exported).run() == 0
    with pytest.raises(UserError, match="is the policy that is to learn"):
        run_gate("beta", data, policy, tmp_path / "run", expert=exported)
    assert not (tmp_path / "run").exists()


def test_the_file_of_an_ensemble_says_from_which_doubt_on_it_calls(done, novice, tmp_path):
    output = tmp_path / "policy.onnx"
    run = done("ensemble")
    assert Export(policy=run, output=output).run() == 0
    doubt = read_model_file(output)[0].doubt
    assert doubt is not None
    assert calling_of(run, Dataset.open(run / "dataset")).thresholds == {"doubt": doubt.threshold}
    assert doubt.threshold > 0
    run = done("human")
    data = Dataset.open(run / "dataset")
    doubts = [doubt for info in data.infos if info.control for doubt in info.control.doubts]
    assert calling_of(run, data).thresholds == {"doubt": pytest.approx(risk_threshold(doubts))}
    assert calling_of(novice[1], Dataset.open(novice[0])) == NEVER_CALLS  # nobody gated it


@pytest.mark.parametrize(
    ("gate", "signal"), thinned([("thrifty", "risk"), ("safe", "unsafe")], [("thrifty", "risk")])
)
def test_the_file_has_the_critic_that_the_next_round_would_decide_by(
    done, novice, tmp_path, gate, signal
):
    output, run = tmp_path / "policy.onnx", tmp_path / "run"
    assert Export(policy=done(gate), output=output).run() == 0
    contract = read_model_file(output)[0]
    assert signal in contract.critics
    shutil.copytree(done(gate), run)
    run_gate(gate, *novice, run, rounds=3, resume=True)
    values = read_values(run / "gate-3")
    if gate == "thrifty":
        expected = {"novelty": values["novelty"], "risk": 1.0 - values["success"]}
    else:
        expected = {"unsafe": UNSAFE}
    assert contract.thresholds == expected


def test_a_classifier_needs_episodes_that_the_policy_was_not_taught(novice, tmp_path, monkeypatch):
    monkeypatch.setattr(gate_tester, "HELD_OUT", 0.0)
    data, policy = make_novice(tmp_path, members=1)
    for gate in ("safe", "lazy"):
        with pytest.raises(UserError, match="train it with --held-out above 0"):
            run_gate(gate, data, policy, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_an_expert_of_another_task_is_refused(novice, tmp_path):
    other = make_novice(tmp_path / "other", members=1, task="ilrobot/Junction-v0")[1]
    with pytest.raises(UserError, match="--expert") as caught:
        run_gate("beta", *novice, tmp_path / "run", expert=other)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_simulated_hand_lets_go_of_its_pad_after_each_round(novice, tmp_path, monkeypatch):
    from teleop.devices.gamepad import connected_gamepads
    from teleop.devices.virtual_gamepad import NAME

    before, within = connected_gamepads(), []
    reset = SharedControl.reset

    def counted(self, seed=None):
        within.append(len(connected_gamepads()))
        reset(self, seed)

    monkeypatch.setattr(SharedControl, "reset", counted)
    run_gate("human", *novice, tmp_path / "run", episodes=1)
    assert set(within) == {len(before) + 1}
    assert connected_gamepads() == before
    assert {i.device for i in Dataset.open(tmp_path / "run" / "dataset").infos} == {"", NAME}

"""What a request and an answer must be, for one contract."""

import json
from dataclasses import replace

import numpy as np
import pytest

from exports.server.codec import MalformedMessage, pack, unpack
from exports.server.messages import MOST_METADATA_BYTES, Messages, metadata, read_metadata
from ilrobot.control.contract_signals import DoubtScale
from ilrobot.control.drawing import Guide, Prediction
from ilrobot.control.model_file import read_model_file
from ilrobot.errors import UserError
from tests.exports.handmade import write_policy
from tests.exports.serving import question
from tests.ilrobot.policy_tester import DISCRETE


@pytest.fixture(scope="module")
def contract(tmp_path_factory):
    """Of a sampler that can be led: two ticks of history, chunks of four."""
    path = write_policy(tmp_path_factory.mktemp("messages") / "policy.onnx")
    return read_model_file(path)[0]


@pytest.fixture
def messages(contract):
    return Messages(contract)


@pytest.fixture
def asked(contract):
    """A request as a map."""
    history, noise = question(contract)
    return {**history, "noise": noise}


def test_a_request_comes_back_whole(contract, messages):
    history, noise = question(contract)
    guide = Guide(np.ones((4, 2), np.float32), np.full((contract.sampler_steps, 4), 0.5, "f4"))
    data = messages.request(history, noise, guide, 7)
    assert len(data) <= messages.most_request_bytes
    read = messages.read_request(data)
    for name, window in history.items():
        np.testing.assert_array_equal(read.history[name], window)
    np.testing.assert_array_equal(read.noise, noise)
    np.testing.assert_array_equal(read.guide.prefix, guide.prefix)
    np.testing.assert_array_equal(read.guide.weights, guide.weights)
    assert read.number == 7


def test_a_request_without_noise_guide_and_number_and_of_other_numbers(messages, asked):
    del asked["noise"]
    asked["observation.state"] = asked["observation.state"].astype(np.float64)
    asked["observation.target"] = np.array([[3], [4]])
    read = messages.read_request(pack(asked))
    assert (read.noise, read.guide, read.number) == (None, None, None)
    assert read.history["observation.target"].dtype == np.float32


def test_the_longest_request_has_numbers_of_eight_bytes(messages, asked, contract):
    asked |= {"prefix": np.ones((4, 2)), "prefix_weights": np.ones((contract.sampler_steps, 4))}
    wide = {name: value.astype(np.float64) for name, value in asked.items()}
    assert len(pack({**wide, "id": 2**62})) <= messages.most_request_bytes


def test_one_tick_needs_no_axis_for_it(contract):
    messages = Messages(replace(contract, n_obs=1))
    one = {"observation.state": np.arange(3.0), "observation.target": np.ones((1, 1))}
    read = messages.read_request(pack(one)).history
    assert read["observation.state"].shape == (1, 3)
    assert read["observation.target"].shape == (1, 1)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"observation.state": None}, "'observation.state' is missing"),
        ({"observation.state": [[0.0] * 3] * 2}, "'observation.state' is no array"),
        ({"observation.state": np.zeros(3)}, r"shape \[3\] instead of \[2, 3\]"),
        ({"observation.state": np.full((2, 3), np.nan)}, "'observation.state' is not finite"),
        ({"observation.state": np.full((2, 3), 1e300)}, "'observation.state' is not finite"),
        ({"noise": np.zeros((1, 4, 2))}, "'noise' has shape"),
        ({"prefix": np.zeros((4, 2))}, "come together"),
        ({"prompt": "pick up the fork"}, "takes no 'prompt'; it takes observation.state, "),
        ({"id": "7"}, "'id' is no whole number"),
    ],
)
def test_what_is_no_request(messages, asked, changes, why):
    with pytest.raises(MalformedMessage, match=why):
        messages.read_request(pack({**asked, **changes}))


def test_text_is_no_request(messages):
    with pytest.raises(MalformedMessage, match="text"):
        messages.read_request("infer")


def test_an_answer_comes_back_whole(messages):
    chunk = np.arange(8, dtype=np.float32).reshape(4, 2)
    data = messages.answer(Prediction(chunk), 3, {"infer_ms": 1.5})
    assert unpack(data)["server_timing"] == {"infer_ms": 1.5}
    np.testing.assert_array_equal(messages.read_answer(data, 3).chunk, chunk)


def test_the_doubt_of_an_ensemble_comes_with_its_answer(contract):
    messages = Messages(replace(contract, doubt=DoubtScale((1.0, 1.0), usual=0.1)))
    doubt, novelty = np.float32([0.1, 0.2, 0.3, 0.4]), np.zeros(4, np.float32)
    signals = {"doubt": doubt, "novelty": novelty}
    chunk = np.zeros((4, 2), np.float32)
    read = messages.read_answer(messages.answer(Prediction(chunk, signals), 1, {}), 1)
    np.testing.assert_array_equal(read.signals["doubt"], doubt)
    np.testing.assert_array_equal(read.signals["novelty"], novelty)
    with pytest.raises(MalformedMessage, match="'doubt' is missing"):
        messages.read_answer(messages.answer(Prediction(chunk), 1, {}), 1)


def test_who_does_not_count_is_not_counted_for(messages):
    data = messages.answer(Prediction(np.zeros((4, 2), np.float32)), None, {})
    assert unpack(data).keys() == {"actions", "server_timing"}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"id": 2}, "answer to request 2, not 3"),
        ({"id": None}, "answer to request None"),
        ({"actions": None}, "no array of float32"),
        ({"actions": np.zeros((4, 2))}, "no array of float32"),
        ({"actions": np.zeros((5, 2), np.float32)}, r"shape \[5, 2\] instead of \[4, 2\]"),
        ({"actions": np.full((4, 2), np.inf, np.float32)}, "not finite"),
    ],
)
def test_what_is_no_answer(messages, changes, why):
    answer = {"actions": np.zeros((4, 2), np.float32), "id": 3}
    with pytest.raises(MalformedMessage, match=why):
        messages.read_answer(pack({**answer, **changes}), 3)


def test_text_says_why_there_is_no_answer(messages):
    with pytest.raises(MalformedMessage, match="it refused: too late"):
        messages.read_answer("too late", 3)


@pytest.mark.parametrize("choice", [-1, 3])
def test_a_choice_that_there_is_not(contract, choice):
    messages = Messages(replace(contract, spec=DISCRETE))
    data = pack({"actions": np.full(4, choice), "id": 1})
    with pytest.raises(MalformedMessage, match="none of the 3 choices"):
        messages.read_answer(data, 1)


def test_the_contract_travels_whole(contract):
    data = metadata(contract)
    assert len(data) < MOST_METADATA_BYTES
    assert read_metadata(data, "ws://here").to_json() == contract.to_json()


def test_servers_that_are_refused(contract):
    said = unpack(metadata(contract))
    newer = {**json.loads(said["contract"]), "schema": "2.0"}
    for changed, why in (
        ({"v": 2}, "ws://here speaks version 2 of the messages, this side 1"),
        ({"type": "robot"}, "serves no policy with a contract"),
        ({"contract": "{"}, "not valid JSON"),
        ({"contract": json.dumps(newer)}, "schema 2.0"),
    ):
        with pytest.raises(UserError, match=why):
            read_metadata(pack({**said, **changed}), "ws://here")
    with pytest.raises(UserError, match="no policy with a contract"):
        read_metadata(pack({}), "ws://here")
    for nonsense in ("hello", b"hello"):
        with pytest.raises(UserError, match="no policy server of ilrobot"):
            read_metadata(nonsense, "ws://here")

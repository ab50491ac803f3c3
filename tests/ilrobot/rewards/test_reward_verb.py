"""``ilrobot reward``: what cannot be tried is refused before a run is looked at."""

import pytest

from ilrobot.cli import _main


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--seed", "-1"), "--seed must be from 0 to"),
        (("--seed", str(2**31), "--episodes", "0"), "--seed must be from 0 to"),
        (("--episodes", "-1"), "--episodes must be at least 0"),
        (("--episodes", str(10**9)), "--episodes must be from 1 to"),
        (("--output", "reward.onnx", "--seed", "5"), "--seed is for attempts of a policy, and"),
        (("--output", "reward.onnx", "--options", "a=1"), "reward.onnx is written without any"),
        (("--output", "reward.gif"), "--output must end in .html or .onnx"),
    ],
)
def test_what_cannot_be_tried_is_one_line(options, said, tmp_path, capsys):
    assert _main(["reward", str(tmp_path / "run"), *options]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not any(tmp_path.iterdir())

"""Finding the policy that a path means."""

from __future__ import annotations

import zipfile
from pathlib import Path

from ilrobot.data.layout import INFO
from ilrobot.errors import UserError
from ilrobot.policies.policy import Policy
from ilrobot.run import POLICY_FILE, RUN_FILE, Run
from ilrobot.run_description import TrainDescription

#: The learner whose runs have no policy.
_REWARD_ALONE = "preferences"


def load_policy(path: Path) -> Policy:
    """The policy of a run's folder, or in a file.

    Raises:
        UserError: There is none, training has not finished, or the file is damaged.
        WorkFailed: Its weights are not finite.
    """
    return Policy.load(find_policy(path))


def load_vector_policy(path: Path, learner: str) -> Policy:
    """The same for a learner that reads vectors alone, since it looks at its task without cameras.

    Raises:
        UserError: As of `load_policy`; or the policy sees pictures.
        WorkFailed: Its weights are not finite.
    """
    policy = load_policy(path)
    if policy.config.cameras:
        raise UserError(
            f"{path} sees pictures ({', '.join(policy.config.cameras)}), and --learner {learner} "
            "reads vectors alone; begin with a policy that was trained without --cameras"
        )
    return policy


def may_be_policy(file: Path) -> bool:
    """Whether a file can be a policy by its name or by what it begins with."""
    return file.suffix == Path(POLICY_FILE).suffix or zipfile.is_zipfile(file)


def find_policy(path: Path) -> Path:
    """The file of a run's policy, or the file itself.

    Raises:
        UserError: There is none, or training has not finished.
    """
    if not path.exists():
        raise UserError(f"no policy at {path}; give the folder of a run")
    if path.suffix == ".onnx":
        raise UserError(f"{path} is an exported policy; give the folder of the run it came from")
    if path.is_file():
        if not may_be_policy(path):
            raise UserError(f"{path} is no policy; give the folder of a run")
        return path
    file = path / POLICY_FILE
    if file.exists():
        return file
    if not (path / RUN_FILE).exists():
        if (path / INFO).exists():
            raise UserError(
                f"{path} is a dataset, not a run; make a policy of it: "
                f"ilrobot train --dataset {path} --policy bc --output DIR"
            )
        raise UserError(f"{path} is no run: it holds no {POLICY_FILE}; give the folder of a run")
    run = Run.read(path)
    described = run.description
    if run.done and isinstance(described, TrainDescription) and described.learner == _REWARD_ALONE:
        raise UserError(
            f"the run {path} holds a reward and no policy; improve one by it: "
            f"ilrobot train --learner ppo --from RUN --reward {path} --output DIR"
        )
    if run.done:
        raise UserError(f"the run {path} has lost its {POLICY_FILE}; make it again by --resume")
    if described.status == "failed":
        raise UserError(
            f"the run {path} failed and has no policy; do what it said, or train into another "
            "--output"
        )
    raise UserError(f"the run {path} has not finished; go on with it by --resume")

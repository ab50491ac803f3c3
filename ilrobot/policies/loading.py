"""Finding the policy that a path means."""

from __future__ import annotations

from pathlib import Path

from ilrobot.errors import UserError
from ilrobot.policies.policy import Policy

#: Name of the trained policy in a run's folder.
POLICY_FILE = "policy.pt"


def load_policy(path: Path) -> Policy:
    """The policy of a run's folder, or in a file.

    Raises:
        UserError: There is none, training has not finished, or the file is damaged.
    """
    if not path.exists():
        raise UserError(f"no policy at {path}; give the folder of a run")
    if path.is_file():
        return Policy.load(path)
    file = path / POLICY_FILE
    if not file.exists():
        if (path / "run.json").exists():
            raise UserError(f"the run {path} has not finished; go on with it by --resume")
        raise UserError(f"{path} is no run: it holds no {POLICY_FILE}")
    return Policy.load(file)

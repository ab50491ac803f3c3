"""A policy from wherever it lies: a run of training or an exported file."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ilrobot.actors import Actor
from ilrobot.env import RenderMode, TaskEnv, make_env
from ilrobot.errors import UserError
from ilrobot.spec import Spec, check_policy_fits

if TYPE_CHECKING:
    from ilrobot.policies.policy import Policy


def load_actor(path: Path) -> tuple[Actor, Spec]:
    """The actor in a run's folder or in an .onnx file, and what it was trained on.

    Raises:
        UserError: There is nothing at the path, or it cannot be loaded.
    """
    if not path.exists():
        raise UserError(f"no policy at {path}; give a run's folder or an .onnx file")
    if path.suffix == ".onnx":
        from exports.runtime.session import OnnxPolicy

        exported = OnnxPolicy(path)
        return exported.actor(), exported.spec
    policy = load_run(path)
    return policy.actor(), policy.spec


def load_run(path: Path) -> Policy:
    """The policy of a run, in a process that acts by it.

    A chunk for one observation is too little work to share: a second thread only makes it wait.
    """
    import torch

    from ilrobot.policies.loading import load_policy

    torch.set_num_threads(1)
    return load_policy(path)


@dataclass(frozen=True)
class PolicyOnTask:
    """Makes a task and a policy that fits it; picklable, so that each worker makes its own."""

    policy: Path
    task: str
    options: dict[str, Any] = field(default_factory=dict)
    render_mode: RenderMode | None = None

    def __call__(self) -> tuple[TaskEnv, Actor]:
        """The world and the actor."""
        actor, spec = load_actor(self.policy)
        env = make_env(self.task, self.options, render_mode=self.render_mode)
        check_policy_fits(spec, env.spec, str(self.policy))
        return env, actor

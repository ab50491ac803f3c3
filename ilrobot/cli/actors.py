"""A policy from wherever it lies, a run or an exported file, and the task that it acts on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ilrobot.actors import Actor
from ilrobot.compatibility import check_policy_fits
from ilrobot.control.chunking import RECEDING, Chunking
from ilrobot.control.model_file import read_model_file
from ilrobot.env import RenderMode, make_env
from ilrobot.errors import UserError
from ilrobot.run import policy_hash
from ilrobot.spec import Spec
from ilrobot.task_env import TaskEnv

if TYPE_CHECKING:
    from ilrobot.policies.policy import Policy


def load_actor(path: Path, chunks: str = "") -> tuple[Actor, Spec]:
    """The actor in a run's folder or in an .onnx file, and what it was trained on.

    Args:
        path: Where it lies.
        chunks: How its chunks are executed, see `ilrobot.control.chunking` (empty: as the file
            says, of a run receding).

    Raises:
        UserError: There is nothing at the path, it cannot be loaded, or not be executed so.
    """
    chosen = Chunking.parse(chunks) if chunks else None
    _check_file(path)
    if path.suffix == ".onnx":
        from exports.runtime.session import OnnxPolicy

        exported = OnnxPolicy(path)
        return exported.actor(chosen), exported.spec
    policy = load_run(path)
    return policy.actor(chosen or RECEDING), policy.spec


def trained_hash(path: Path) -> str:
    """SHA-256 of the trained policy in a run's folder or file, or that an .onnx file was made of.

    Raises:
        UserError: There is none, or the .onnx file is damaged.
    """
    _check_file(path)
    if path.suffix != ".onnx":
        from ilrobot.policies.loading import find_policy

        return policy_hash(find_policy(path))
    return read_model_file(path)[0].provenance.checkpoint


def _check_file(path: Path) -> None:
    """Where an exported policy would do as well, the message names it, too."""
    cure = "give a run's folder or an .onnx file"
    if not path.exists():
        raise UserError(f"no policy at {path}; {cure}")
    if path.is_file() and path.suffix != ".onnx":
        from ilrobot.policies.loading import may_be_policy  # torch, which .onnx does without

        if not may_be_policy(path):
            raise UserError(f"{path} is no policy; {cure}")


def load_run(path: Path) -> Policy:
    """The policy of a run, in a process that acts by it.

    A chunk for one observation is too little work to share: a second thread only makes it wait.
    """
    import torch

    from ilrobot.policies.loading import load_policy

    torch.set_num_threads(1)
    return load_policy(path)


@dataclass(frozen=True)
class TaskForPolicy:
    """How to make the task that a policy is to act on.

    Attributes:
        task: Gymnasium id.
        options: Keyword arguments for the environment.
        rate: Control rate in Hz that the demonstrations stated for this very task, which may
            correct what the environment states (None: it is another task).
    """

    task: str
    options: dict[str, Any]
    rate: float | None

    @classmethod
    def choose(
        cls, policy: Spec, where: Path | str, task: str, options: Mapping[str, Any]
    ) -> TaskForPolicy:
        """By default the task that the policy was trained on, with the options of then.

        Args:
            policy: What it was trained on.
            where: Its path or address, for the message.
            task: Gymnasium id that the person gave (empty: none).
            options: Options that the person gave; they go before those of the training.

        Raises:
            UserError: Neither the person nor the policy names a task.
        """
        task = task or policy.task
        if not task:
            raise UserError(f"{where} was trained on data that names no task; give --task")
        if task != policy.task:
            return cls(task, dict(options), None)
        chosen = {**policy.task_options, **options}
        return cls(task, chosen, policy.rate if chosen == policy.task_options else None)


@dataclass(frozen=True)
class PolicyOnTask:
    """Makes a task and a policy that fits it; picklable, so that each worker makes its own.

    Attributes:
        policy: A run's folder or an .onnx file.
        task: Gymnasium id (empty: the one that it was trained on).
        options: Keyword arguments for the environment, before those of the training.
        render_mode: ``rgb_array`` to film it.
        chunks: How the policy's chunks are executed, see `load_actor`.
    """

    policy: Path
    task: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    render_mode: RenderMode | None = None
    chunks: str = ""

    def __call__(self) -> tuple[TaskEnv, Actor]:
        """The world and the actor.

        Raises:
            UserError: One of them cannot be made, or they do not fit.
        """
        actor, spec = load_actor(self.policy, self.chunks)
        chosen = TaskForPolicy.choose(spec, self.policy, self.task, self.options)
        env = make_env(chosen.task, chosen.options, render_mode=self.render_mode, rate=chosen.rate)
        if env.stated_rate is None:
            env.spec = env.spec.with_rate(spec.rate)
        check_policy_fits(spec, env.spec, str(self.policy))
        return env, actor


def keep_rate(env: TaskEnv, recorded: Spec) -> None:
    """Let a task run at the rate that its recordings state, as `PolicyOnTask` does.

    It may be another than the environment states (``record --rate``); of another task, or one made
    with other options, it says nothing unless the environment states none itself.

    Args:
        env: Its spec is changed.
        recorded: What the policy was trained on.
    """
    same = (env.spec.task, env.spec.task_options) == (recorded.task, recorded.task_options)
    if same or env.stated_rate is None:
        env.spec = env.spec.with_rate(recorded.rate)

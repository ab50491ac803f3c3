"""How the quality benchmarks say which policy they mean: a preset with changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from ilrobot.learners.config import Preset, TrainConfig, preset
from ilrobot.policies.config import PolicyConfig
from ilrobot.spec import Spec


@dataclass(frozen=True)
class Method:
    """A preset with changes.

    Attributes:
        preset: Its name.
        changes: Settings of policy and training by name.
        teacher: Whose chunks it learns (None: it learns what was demonstrated).
        framed: Whether it acts in the frame that the task states, if it states one.
    """

    preset: Preset
    changes: Mapping[str, Any] = field(default_factory=dict)
    teacher: str | None = None
    framed: bool = False

    def configure(self, spec: Spec, **further: Any) -> tuple[PolicyConfig, TrainConfig]:
        """The settings for a dataset, with further changes by name."""
        policy, training = preset(self.preset, spec)
        names = {f.name for f in fields(PolicyConfig)}
        changes = {**self.changes, **further}
        steps = changes.pop("steps", None)
        policy = replace(policy, **{k: v for k, v in changes.items() if k in names})
        if self.framed:
            policy = replace(policy, frame=spec.task_frame)
        training = replace(training, **{k: v for k, v in changes.items() if k not in names})
        return policy, training if steps is None else training.with_steps(steps)

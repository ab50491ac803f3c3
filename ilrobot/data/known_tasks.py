"""Public demonstrations whose files name no task: what they are, where to try their policies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ilrobot.spec import Feature, Spec


@dataclass(frozen=True)
class KnownTask:
    """What the files do not say.

    Attributes:
        instruction: The task in words.
        rate: Control rate in Hz.
        state: Description of ``observation.state``, as arguments of a `Feature`.
        action: Description of ``action``, likewise.
        tasks: Gymnasium ids of the same observations and actions, ours first: it needs no other
            package.
    """

    instruction: str
    rate: float
    state: dict[str, Any]
    action: dict[str, Any]
    tasks: tuple[str, ...]


#: The 206 human demonstrations of Chi et al. 2023, demonstrated at 10 Hz. The frame is the picture
#: of the table from above, 512 pixels wide, origin at its upper left, y down.
PUSHT = KnownTask(
    instruction="push the T onto its target",
    rate=10.0,
    state={
        "names": ("agent_x", "agent_y", "block_x", "block_y", "block_angle"),
        "units": ("px", "px", "px", "px", "rad"),
        "frame": "table",
    },
    action={
        "names": ("target_x", "target_y"),
        "units": ("px", "px"),
        "frame": "table",
        "low": (0.0, 0.0),
        "high": (512.0, 512.0),
    },
    tasks=("ilrobot/PushT-v0", "gym_pusht/PushT-v0"),
)

_KNOWN = (PUSHT,)


def suggested_tasks(spec: Spec) -> tuple[str, ...]:
    """Gymnasium ids on which a policy from such data can be evaluated.

    Empty where the data name their task themselves, or are not known.
    """
    vectors = [feature for feature in spec.observations if not feature.is_image]
    if spec.task or len(vectors) != 1:
        return ()
    described = (_words(vectors[0]), _words(spec.action))
    for known in _KNOWN:
        if described == (_stated(known.state), _stated(known.action)):
            return known.tasks
    return ()


def _words(feature: Feature) -> tuple[Any, Any]:
    return feature.names, feature.units


def _stated(described: dict[str, Any]) -> tuple[Any, Any]:
    return described["names"], described["units"]

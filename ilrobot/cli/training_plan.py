"""What ``ilrobot train`` says before it begins: which policy it trains, and how long."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ilrobot.cli.output import console
from ilrobot.data.labels import labels, split_episodes
from ilrobot.data.pictures import small_shape
from ilrobot.data.summary import repeated_pictures
from ilrobot.data.unheeded import unheeded_successes
from ilrobot.errors import UserError
from ilrobot.learners.config import LEAST_STEPS, TrainConfig
from ilrobot.learners.enough import LEAST_TO_LEARN_FROM
from ilrobot.observed import IMAGES, seen_spec, vector_spec
from ilrobot.policies.config import PolicyConfig
from ilrobot.policies.directions import level_motions
from ilrobot.policies.heeded import USED_BY_HEAD, USED_BY_NETWORK
from ilrobot.policies.places import axes_of

if TYPE_CHECKING:
    from ilrobot.data.lessons import Weighting
    from ilrobot.data.recordings import Recordings
    from ilrobot.spec import Spec


def check_waits(data: Recordings, training: TrainConfig) -> None:
    """Refuse to wait for episodes that are held out where there are none.

    Raises:
        UserError: There are none.
    """
    teaches, _ = labels(data, training.weighting)
    if not split_episodes(data, teaches, training.held_out, training.seed)[1].size:
        why = "one episode alone teaches" if training.held_out else "--held-out is 0"
        raise UserError(
            f"--patience waits for held-out episodes, and there are none: {why}; leave it out"
        )


def print_plan(policy: PolicyConfig, training: TrainConfig, spec: Spec) -> None:
    """Print the head, the network and the settings that only these have, chunks and length."""
    head = _with_settings(policy, policy.head, USED_BY_HEAD.get(policy.head, frozenset()))
    network = _with_settings(policy, policy.network, USED_BY_NETWORK[policy.network])
    members = f"{policy.members} members, each " if policy.members > 1 else ""
    print(f"trains     {members}{head} on {network}")
    print(
        f"chunks     of {policy.horizon} from a history of {policy.n_obs}, {policy.execute} "
        f"executed; actions {policy.actions}, normalised by {policy.normalization}"
    )
    if policy.cameras:
        seen = seen_spec(spec, policy.cameras)
        pictures = [
            f"{camera.name.removeprefix(IMAGES)} ({width}×{height})"
            for camera in seen.cameras
            for height, width, _ in (small_shape(camera),)
        ]
        print(f"sees       {', '.join(pictures)}")
        for feature in vector_spec(seen).observations:
            print(f"told       {feature.name}: {', '.join(feature.element_names)}")
    if policy.frame:
        between = " towards ".join(policy.frame)
        print(f"frame      from {between}, in which it {_in_frame(policy, spec)}")
    print(f"length     {_length(training)}", flush=True)


def print_lessons(data: Recordings, weighting: Weighting) -> None:
    """Print how many frames teach, and of how many episodes, see `labels`; a note where too few do.

    Raises:
        UserError: There are no frames at all.
    """
    teaches, _ = labels(data, weighting)
    episodes = np.repeat(np.arange(data.num_episodes), data.lengths)[teaches]
    count = np.count_nonzero(teaches)
    print(
        f"teach      {count:,} of {data.num_frames:,} frames, in "
        f"{len(np.unique(episodes)):,} of {data.num_episodes:,} episodes",
        flush=True,
    )
    if 0 < count < LEAST_TO_LEARN_FROM:
        console.print(
            f"note: {data.path}: {count} frames teach, and fewer than {LEAST_TO_LEARN_FROM} are "
            "too few to tell anything from; record more demonstrations",
            soft_wrap=True,
            markup=False,
        )


def print_unheeded(data: Recordings, cameras: Sequence[str] = ()) -> None:
    """Print what teaches otherwise than one might think.

    Where all are imitated though ``next.success`` tells them apart, see `unheeded_successes`; and
    how many frames have no picture of their own, for a policy that sees these cameras.
    """
    if line := unheeded_successes(data):
        print(f"mind       {line}", flush=True)
    if cameras and (repeated := repeated_pictures(data)):
        print(
            f"mind       {repeated} of {data.num_frames} frames show the picture of the one "
            "before, and teach nothing",
            flush=True,
        )


def _length(training: TrainConfig) -> str:
    of = f"of {training.batch_size}"
    if training.time_budget is not None:
        return f"as many steps {of} as fit into {training.time_budget:g} s"
    if training.epochs:
        least = min(LEAST_STEPS, training.steps)
        early = ", fewer once held-out episodes do not improve" if training.patience else ""
        return f"{training.epochs:g} epochs, {least:,} to {training.steps:,} steps {of}{early}"
    most = "at most " if training.patience else ""
    return f"{most}{training.steps:,} steps {of}"


def _in_frame(policy: PolicyConfig, spec: Spec) -> str:
    """What it does there."""
    names = spec.action.element_names
    turned = [
        names[index]
        for pair in level_motions(
            spec, axes_of(spec, policy.frame), ways=policy.actions != "absolute"
        )
        for index in pair
    ]
    if not turned:
        return "sees; no element of the action is a motion in the plane, and turned"
    return f"sees and acts ({', '.join(turned)})"


def _with_settings(policy: PolicyConfig, name: str, used: frozenset[str]) -> str:
    """In the order of their definition; nothing of a prefix that cannot be told."""
    values = {setting: value for setting, value in vars(policy).items() if setting in used}
    if not policy.prefix_delay:
        values.pop("prefix_delay", None)
    words = [f"{setting.replace('_', ' ')} {_words(value)}" for setting, value in values.items()]
    return f"{name} ({', '.join(words)})" if words else name


def _words(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)

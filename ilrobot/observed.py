"""What of a task a policy is given to see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ilrobot.errors import UserError
from ilrobot.spec import Feature, Spec

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: How the name of a camera's feature begins, as LeRobot has it.
IMAGES = "observation.images."
#: Where things are, which nobody on a robot measures but a camera.
ENVIRONMENT = "observation.environment_state"


def vector_spec(spec: Spec) -> Spec:
    """The spec without its pictures, and without asking the task for them.

    Raises:
        UserError: Nothing is left.
    """
    vectors = tuple(f for f in spec.observations if len(f.shape) <= 1)
    if not vectors:
        raise UserError(
            "the dataset has images but no vector observation; record one such as "
            "observation.state, because every policy reads what the robot measures of itself"
        )
    options = {key: value for key, value in spec.task_options.items() if key != "cameras"}
    return replace(spec, observations=vectors, task_options=options)


def limited(spec: Spec, names: Sequence[str]) -> Spec:
    """The spec with the observations of these names alone, in this order.

    Raises:
        KeyError: It has no such observation.
    """
    return replace(spec, observations=tuple(spec.feature(name) for name in names))


def seen_spec(spec: Spec, cameras: Sequence[str] = ()) -> Spec:
    """The spec of what a policy of these cameras sees.

    Without cameras these are all vectors. With them it sees their pictures and what the robot
    measures of itself; where things are (`ENVIRONMENT`) it shall see in the pictures.

    Args:
        spec: The task's or dataset's, or one that this function gave for the same cameras.
        cameras: By their short names, such as ``wrist``.

    Raises:
        UserError: There is no such camera, one is named twice, or nothing but pictures is left.
    """
    if not cameras:
        return vector_spec(spec)
    known = [camera.name.removeprefix(IMAGES) for camera in spec.cameras]
    for camera in cameras:
        if camera not in known:
            if not known:
                have = "it has none of ours, and other programs' films are read once imported"
            else:
                have = f"it has {', '.join(known)}"
            cure = "record one with ilrobot record --options cameras=..."
            if "," in camera:
                cure = "put spaces between several"
            raise UserError(
                f"--cameras {camera}: there is no such camera in the dataset ({have}); {cure}"
            )
    if len(set(cameras)) < len(cameras):
        raise UserError(f"--cameras {' '.join(cameras)} names a camera twice; name it once")
    robot = replace(spec, observations=tuple(f for f in spec.observations if f.name != ENVIRONMENT))
    vectors = vector_spec(robot)
    pictures = tuple(f for f in spec.cameras if f.name.removeprefix(IMAGES) in cameras)
    options = dict(spec.task_options)
    if "cameras" in options:
        options["cameras"] = ",".join(f.name.removeprefix(IMAGES) for f in pictures)
    return replace(spec, observations=(*vectors.observations, *pictures), task_options=options)


def check_pictures(camera: Feature, pictures: NDArray[Any], *others: tuple[int, ...]) -> None:
    """Refuse what numpy would turn into another picture: floats from 0 to 1 would be black.

    Args:
        camera: Whose.
        pictures: Shape (..., height, width, channels).
        others: Further shapes of a picture that will do.

    Raises:
        UserError: They are not of bytes, or of another shape.
    """
    shape = pictures.shape[-len(camera.shape) :]
    if pictures.dtype != "uint8" or shape not in (camera.shape, *others):
        raise UserError(
            f"'{camera.name}' is {pictures.dtype} {shape}, and its pictures are uint8 "
            f"{camera.shape}, from 0 to 255; give them as the camera takes them"
        )

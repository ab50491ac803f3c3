"""A cabinet with one drawer: what it is made of, and how it is built for MuJoCo."""

import math

import mujoco

from sims.panda import model as panda
from sims.panda.box import Box
from sims.panda.spec import CONTACT_SOLIMP, CONTACT_SOLREF, VISUAL_GROUP

WIDTH, DEPTH, HEIGHT = 0.24, 0.22, 0.1
"""The cabinet's outside, m; it stands on the table."""
TRAVEL = 0.18
"""How far the drawer comes out, m."""
HANDLE = (-0.045, 0.0, 0.06)
"""Where the handle is gripped while the drawer is shut, m, in the cabinet's frame: its origin is
on the table in the middle of the front, x points into the cabinet."""
_WALL = 0.004
"""Half the thickness of the walls, m."""
FRICTION = 3.0
"""N; keeps the drawer where it is left."""
DAMPING = 5.0
"""N s/m."""
_DENSITY = 300.0
"""kg/m³."""
_STEEL = (0.55, 0.57, 0.6, 1.0)
_FRONT = (0.3, 0.45, 0.6, 1.0)


def cabinet_boxes() -> list[Box]:
    """The cabinet's top, sides and back; its origin is on the table in the middle of the front."""
    side = WIDTH / 2 - _WALL
    half_depth, half_height = DEPTH / 2, HEIGHT / 2
    walls = (
        ((half_depth, WIDTH / 2, _WALL), (half_depth, 0.0, HEIGHT - _WALL)),
        ((half_depth, _WALL, half_height), (half_depth, side, half_height)),
        ((half_depth, _WALL, half_height), (half_depth, -side, half_height)),
        ((_WALL, WIDTH / 2, half_height), (DEPTH - _WALL, 0.0, half_height)),
    )
    return [Box(size, position, panda.WHITE) for size, position in walls]


def drawer_boxes() -> list[Box]:
    """The drawer and its handle, in the cabinet's frame while it is shut."""
    half_width, half_length = WIDTH / 2 - 0.012, DEPTH / 2 - 0.012
    boxes = (
        ((_WALL, half_width, 0.04), (_WALL, 0.0, 0.046)),
        ((half_length, half_width, 0.002), (half_length, 0.0, 0.008)),
        ((half_length, 0.002, 0.025), (half_length, half_width - 0.002, 0.031)),
        ((half_length, 0.002, 0.025), (half_length, 0.002 - half_width, 0.031)),
    )
    # An upright post on a bar below the grip: the fingers stand on either side of it.
    x, y, z = HANDLE
    return [
        *(Box(size, position, _FRONT) for size, position in boxes),
        Box((0.008, 0.008, 0.03), (x, y, z - 0.005), _STEEL),
        Box((-x / 2, 0.006, 0.005), (x / 2, y, z - 0.03), _STEEL),
    ]


def mass() -> float:
    """Of the drawer, kg."""
    return sum(8.0 * math.prod(box.size) * _DENSITY for box in drawer_boxes())


def add_drawer(spec: mujoco.MjSpec) -> None:
    """Add the body ``cabinet``, which is placed as a whole, its joint ``drawer``, site ``handle``.

    Hand and fingers touch all of it; cabinet, drawer and table do not touch each other.
    """
    cabinet = spec.worldbody.add_body(name="cabinet", pos=(0.65, 0.0, 0.0), mocap=True)
    for box in cabinet_boxes():
        _add_box(cabinet, box)
    drawer = cabinet.add_body(name="drawer")
    drawer.add_joint(
        name="drawer",
        type=mujoco.mjtJoint.mjJNT_SLIDE,
        axis=(-1.0, 0.0, 0.0),
        range=(0.0, TRAVEL),
        limited=mujoco.mjtLimited.mjLIMITED_TRUE,
        damping=DAMPING,
        frictionloss=FRICTION,
    )
    for box in drawer_boxes():
        _add_box(drawer, box)
    drawer.add_site(name="handle", pos=HANDLE, group=4)


def _add_box(body: mujoco.MjsBody, box: Box) -> None:
    body.add_geom(
        type=mujoco.mjtGeom.mjGEOM_BOX,
        size=box.size,
        pos=box.position,
        rgba=box.colour,
        density=_DENSITY,
        friction=(panda.TABLE_FRICTION, 0.005, 0.0001),
        contype=1,
        conaffinity=0,
        solref=CONTACT_SOLREF,
        solimp=CONTACT_SOLIMP,
        group=VISUAL_GROUP,
    )

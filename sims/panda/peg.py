"""A square peg and a socket with a square hole: what they are, and how MuJoCo has them built."""

import math

import mujoco
import numpy as np

from sims.panda import model as panda
from sims.panda.box import Box
from sims.panda.spec import CONTACT_SOLREF

PEG_HALF = 0.015
"""Half the width of the peg, m."""
PEG_HALF_LENGTH = 0.04
"""m."""
CLEARANCE = 0.001
"""How much wider the hole is than the peg, m: half of it to either side."""
SOCKET_HALF = 0.04
"""Half the width of the socket, m."""
SOCKET_HEIGHT = 0.04
"""m; the hole goes through to the table."""
BEVEL = 0.002
"""The hole's mouth is bevelled by so much at 45 degrees, m, as holes for pegs are: a peg that comes
down beside the hole by less slides in along it."""
_PEG_MASS = 0.05
"""kg."""
_FOOT_MASS = 0.1
"""kg; a weight in the peg's lower end, without which it falls over when it is hardly touched, and
no gripper that points down sets it up again."""
_FOOT_HALF = 0.008
"""m."""
_FRICTION = (panda.TABLE_FRICTION, 0.005, 0.0001)
_SOLIMP = (0.998, 0.9995, 0.0002, 0.5, 2.0)
"""Harder than the other contacts: a peg that is pressed on would sink in by 0.8 mm, which is more
than the clearance to one side; so it sinks in by 0.2 mm, at a corner by up to 0.6 mm."""


def add_peg_and_socket(spec: mujoco.MjSpec) -> None:
    """Add the bodies ``peg``, free, its origin in its middle, and ``socket``, fixed, on the table.

    Whatever the hole does to the peg, it does by contact with the four walls around it.
    """
    peg = spec.worldbody.add_body(name="peg", pos=(0.5, 0.1, PEG_HALF_LENGTH))
    peg.add_freejoint(name="peg")
    peg.add_geom(
        name="peg",
        type=mujoco.mjtGeom.mjGEOM_BOX,
        size=(PEG_HALF, PEG_HALF, PEG_HALF_LENGTH),
        mass=_PEG_MASS,
        rgba=panda.RED,
        friction=_FRICTION,
        solref=CONTACT_SOLREF,
        solimp=_SOLIMP,
        contype=1,
        conaffinity=1,
    )
    peg.add_geom(
        type=mujoco.mjtGeom.mjGEOM_BOX,
        size=(_FOOT_HALF,) * 3,
        pos=(0.0, 0.0, _FOOT_HALF - PEG_HALF_LENGTH),
        mass=_FOOT_MASS,
        contype=0,
        conaffinity=0,
    )
    socket = spec.worldbody.add_body(name="socket", pos=(0.5, -0.1, 0.0), mocap=True)
    for box in socket_boxes():
        socket.add_geom(
            type=mujoco.mjtGeom.mjGEOM_BOX,
            size=box.size,
            pos=box.position,
            quat=box.orientation,
            rgba=box.colour,
            friction=_FRICTION,
            solref=CONTACT_SOLREF,
            solimp=_SOLIMP,
            contype=1,
            conaffinity=1,
        )


def socket_boxes() -> list[Box]:
    """The four sides of the hole; its origin is on the table in the middle of the hole."""
    return [box for side in range(4) for box in _wall(side * math.pi / 2)]


def mass_properties() -> tuple[float, float, list[float]]:
    """The peg's mass, kg, the height of its centre of mass over its middle, m, and its inertia.

    The inertia is that about the centre of mass along x, y and z, kg m².
    """
    mass, foot = _PEG_MASS + _FOOT_MASS, _FOOT_HALF - PEG_HALF_LENGTH
    low = _FOOT_MASS * foot / mass
    across = _PEG_MASS * (PEG_HALF**2 + PEG_HALF_LENGTH**2) / 3 + _PEG_MASS * low**2
    across += _FOOT_MASS * 2 * _FOOT_HALF**2 / 3 + _FOOT_MASS * (foot - low) ** 2
    along = 2 * (_PEG_MASS * PEG_HALF**2 + _FOOT_MASS * _FOOT_HALF**2) / 3
    return mass, low, [across, across, along]


def _wall(turn: float) -> list[Box]:
    """One side of the hole: a wall, thinner above where the bevel begins, and the bevel's bar.

    A square bar on edge shows the hole a face of 45 degrees; the rest of it lies in the wall.
    """
    hole = PEG_HALF + CLEARANCE / 2
    shoulder = (SOCKET_HEIGHT - BEVEL) / 2
    thickness, rim = (SOCKET_HALF - hole) / 2, (SOCKET_HALF - hole - BEVEL) / 2
    edge, rest = BEVEL / math.sqrt(2), math.cos(math.pi / 8)
    upright, on_edge = (1.0, 0.0, 0.0, 0.0), (rest, 0.0, math.sin(math.pi / 8), 0.0)
    boxes = (
        ((thickness, SOCKET_HALF, shoulder), (hole + thickness, shoulder), upright),
        ((rim, SOCKET_HALF, BEVEL / 2), (SOCKET_HALF - rim, SOCKET_HEIGHT - BEVEL / 2), upright),
        ((edge, hole + BEVEL, edge), (hole + BEVEL, SOCKET_HEIGHT - BEVEL), on_edge),
    )
    turned = np.array([math.cos(turn / 2), 0.0, 0.0, math.sin(turn / 2)])
    wall = []
    for size, (out, height), orientation in boxes:
        quaternion = np.empty(4)
        mujoco.mju_mulQuat(quaternion, turned, np.array(orientation))
        position = (out * math.cos(turn), out * math.sin(turn), height)
        w, x, y, z = quaternion.tolist()
        wall.append(Box(size, position, panda.BLUE, (w, x, y, z)))
    return wall

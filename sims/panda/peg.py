"""A square peg and a socket with a square hole, for MuJoCo: how they are built."""

import mujoco

from sims.panda import model as panda
from sims.panda.spec import CONTACT_SOLREF

PEG_HALF = 0.01
"""Half the width of the peg, m."""
PEG_HALF_LENGTH = 0.04
"""m."""
CLEARANCE = 0.001
"""How much wider the hole is than the peg, m: half of it to either side."""
SOCKET_HALF = 0.04
"""Half the width of the socket, m."""
SOCKET_HEIGHT = 0.04
"""m; the hole goes through to the table."""
_PEG_MASS = 0.1
"""kg."""
_SOLIMP = (0.998, 0.9995, 0.0002, 0.5, 2.0)
"""Harder than the other contacts: a peg that is pressed on would sink in by 0.8 mm, which is more
than the clearance to one side; so it sinks in by 0.2 mm, at a corner by up to 0.6 mm."""


def add_peg_and_socket(spec: mujoco.MjSpec) -> None:
    """Add the bodies ``peg``, free, its origin in its middle, and ``socket``, fixed, on the table.

    Whatever the hole does to the peg, it does by contact with the four walls around it.
    """
    peg = spec.worldbody.add_body(name="peg", pos=(0.5, 0.1, PEG_HALF_LENGTH))
    peg.add_freejoint(name="peg")
    friction = (panda.TABLE_FRICTION, 0.005, 0.0001)
    peg.add_geom(
        name="peg",
        type=mujoco.mjtGeom.mjGEOM_BOX,
        size=(PEG_HALF, PEG_HALF, PEG_HALF_LENGTH),
        mass=_PEG_MASS,
        rgba=panda.RED,
        friction=friction,
        solref=CONTACT_SOLREF,
        solimp=_SOLIMP,
        contype=1,
        conaffinity=1,
    )
    socket = spec.worldbody.add_body(name="socket", pos=(0.5, -0.1, 0.0), mocap=True)
    hole = PEG_HALF + CLEARANCE / 2
    thickness = (SOCKET_HALF - hole) / 2
    middle, half_height = hole + thickness, SOCKET_HEIGHT / 2
    for sign in (-1.0, 1.0):
        for size, x, y in (
            ((thickness, SOCKET_HALF, half_height), sign * middle, 0.0),
            ((hole, thickness, half_height), 0.0, sign * middle),
        ):
            socket.add_geom(
                type=mujoco.mjtGeom.mjGEOM_BOX,
                size=size,
                pos=(x, y, half_height),
                rgba=panda.BLUE,
                friction=friction,
                solref=CONTACT_SOLREF,
                solimp=_SOLIMP,
                contype=1,
                conaffinity=1,
            )

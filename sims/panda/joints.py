"""What the Panda's tasks say of the arm behind their commands."""

from typing import Any

from sims.panda import model as panda


def joint_metadata(engine: str) -> dict[str, Any]:
    """Joints in their order, where they begin about, and kp and kd of their servos.

    Args:
        engine: PyBullet's servos are velocity constraints of the same lag, without gains.

    Returns:
        ``names``; ``units`` of the position, rad or m; ``pose``; ``stiffness``, N m/rad or N/m, and
        ``damping``, N m s/rad or N s/m (None: there are no gains).
    """
    stiffness = [*panda.ARM_STIFFNESS.tolist(), *[panda.FINGER_STIFFNESS] * 2]
    gains = engine == "mujoco"
    return {
        "names": [*panda.ARM_JOINTS, *panda.FINGER_JOINTS],
        "units": ["rad"] * 7 + ["m"] * 2,
        "pose": [*panda.HOME.tolist(), *[panda.FINGER_STROKE] * 2],
        "stiffness": stiffness if gains else None,
        "damping": [kp * panda.SERVO_LAG for kp in stiffness] if gains else None,
    }

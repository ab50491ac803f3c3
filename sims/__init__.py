"""The worlds: Gymnasium environments on MuJoCo and PyBullet, and their scripted experts."""


def register_environments() -> None:
    """Register every environment; gymnasium calls this inside the namespace ``ilrobot``."""

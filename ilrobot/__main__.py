"""``python -m ilrobot``, the same as the command ``ilrobot``."""

from ilrobot.cli import main

if __name__ == "__main__":
    main()

"""The optional packages that something cannot do without."""

from __future__ import annotations

import importlib

from ilrobot.errors import UserError


def require(verb: str, *packages: str, extra: str = "all") -> None:
    """Refuse an installation without them, before any work.

    Args:
        verb: Or option, for whom.
        packages: Modules to import.
        extra: Of ilrobot, which brings them.

    Raises:
        UserError: One is missing.
    """
    try:
        for package in packages:
            importlib.import_module(package)
    except ModuleNotFoundError as error:
        raise UserError(
            f"{verb} needs the package '{error.name}': pip install 'ilrobot[{extra}]'"
        ) from error

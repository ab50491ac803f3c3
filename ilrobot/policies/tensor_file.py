"""Files of tensors: written whole or not at all, read without running code."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch

from ilrobot.atomic import write_bytes
from ilrobot.errors import UserError


def save_tensors(path: Path, content: dict[str, Any]) -> None:
    """Write tensors and plain values; a crash leaves the old file or the new one, never half.

    Raises:
        OSError: The disk is full, the folder cannot be written.
    """
    held = io.BytesIO()  # where a file takes no more, torch fails by an error of its own
    torch.save(content, held)
    write_bytes(path, held.getbuffer())


def load_tensors(path: Path) -> dict[str, Any]:
    """Inverse of `save_tensors`, onto the CPU.

    Raises:
        UserError: The file is missing, cut off or altered.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.testzip() is not None:
                raise zipfile.BadZipFile("a checksum does not match")
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise UserError(f"there is no file {path}") from error
    except (
        zipfile.BadZipFile,
        pickle.UnpicklingError,
        EOFError,
        KeyError,
        NotImplementedError,
        OSError,
        RuntimeError,
        ValueError,
    ) as error:
        raise UserError(
            f"{path} cannot be read as a file of weights (cut off or altered?): "
            f"{str(error).splitlines()[0] if str(error) else type(error).__name__}; copy it again "
            "from where it is whole, or train again"
        ) from error
    if not isinstance(content, dict):
        raise UserError(f"{path} is no file of ilrobot's")
    return content

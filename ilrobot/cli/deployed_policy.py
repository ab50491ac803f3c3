"""``--policy`` of deploy: an exported file, or the address of a server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ilrobot.errors import UserError

if TYPE_CHECKING:
    from exports.runtime.exported_policy import ExportedPolicy

_SCHEMES = ("ws://", "wss://")


def open_policy(where: str, trust: Path | None = None) -> ExportedPolicy:
    """The policy in a file or on a server, without torch.

    Args:
        where: Path of an .onnx file, or ``ws://HOST:PORT``.
        trust: PEM file of the public key whose owner must have signed the file (None: nobody).

    Raises:
        UserError: There is none, or it is refused.
    """
    if where.startswith(_SCHEMES):
        if trust is not None:
            raise UserError(
                f"--trust is for a file, and {where} is a server, which may compute what it likes; "
                "leave it out, or give the .onnx file"
            )
        from ilrobot.cli.output import console
        from ilrobot.required import require

        require("a policy on a server", "msgpack", "websockets", extra="server")
        from exports.server.client import RemotePolicy

        def tell(line: str) -> None:
            console.print(line, markup=False, soft_wrap=True)

        policy = RemotePolicy(where, tell)
        if policy.contract.horizon == 1:
            raise UserError(
                f"{where} serves a policy of one action at a time, so that every tick would wait "
                "for the network; run its .onnx file here, or serve one that predicts chunks"
            )
        return policy
    from exports.runtime.session import OnnxPolicy

    path = Path(where)
    if not path.exists():
        raise UserError(f"no policy at {path}; make one with ilrobot export")
    if path.is_dir():
        of = path if (path / "run.json").exists() else "RUN"
        raise UserError(
            f"{path} is a folder; a robot runs the .onnx file that "
            f"`ilrobot export --policy {of} --output FILE.onnx` writes"
        )
    return OnnxPolicy(path, trust=trust)

"""``ilrobot verify``: does an exported policy keep its promises on this machine?"""

from __future__ import annotations

import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from ilrobot.cli.usage import optional
from ilrobot.errors import UserError, WorkFailed


@dataclass
class Verify:
    """Check an exported policy on this very machine, without torch.

    Every byte is held against the digests, and with --trust against the signature beside the file;
    then the golden vectors are replayed in the same session that `ilrobot deploy` runs. Where an
    action differs by more than the contract allows, the exit code is 1.

    Example: ilrobot verify policy.onnx --trust robot.pub
    """

    path: Annotated[Path, tyro.conf.Positional]
    """File that ilrobot export wrote."""

    trust: Annotated[Path | None, optional("KEY", "a signature is not asked for")] = None
    """PEM file of the Ed25519 public key whose owner must have signed it."""

    json: bool = False
    """Print one JSON object as the last line."""

    def run(self) -> int:
        """Check and print."""
        import onnxruntime

        from exports.runtime.session import OnnxPolicy
        from exports.signature import fingerprint, load_public_key, signature_file
        from ilrobot.cli.output import print_json

        if self.path.is_dir():
            raise UserError(
                f"{self.path} is a folder; give the .onnx file that ilrobot export wrote"
            )
        signer = None if self.trust is None else fingerprint(load_public_key(self.trust))
        policy = OnnxPolicy(self.path, trust=self.trust)
        contract, errors = policy.contract, policy.golden_errors()
        holds = bool(errors) and all(error <= contract.tolerance for error in errors)
        machine = f"onnxruntime {onnxruntime.__version__} on {platform.machine()}"
        signed = signature_file(self.path).exists()
        signature = "none"
        if signer is not None:
            signature = f"by the key {signer} ({self.trust})"
        elif signed:
            signature = "there is one; --trust KEY checks whose"

        print(f"file       {self.path}")
        print(f"signature  {signature}")
        print("digests    graph, weights and contract are as they were exported")
        print(f"schema     {contract.schema}")
        print(f"machine    {machine}")
        of = "choices" if contract.limits is None else "the command range"
        for number, (known, error) in enumerate(zip(contract.golden, errors, strict=True)):
            how = "" if known.guide is None else " where its sampler is led"
            verdict = "" if error <= contract.tolerance else "  TOO MUCH"
            print(
                f"golden {number}   {error:.1e} of {of}, at most {contract.tolerance:.1e} is "
                f"allowed{how}{verdict}"
            )
        if self.json:
            print_json(
                {
                    "file": str(self.path),
                    "schema": contract.schema,
                    "signed": signed,
                    "signed_by": signer,
                    "machine": machine,
                    "golden_errors": errors,
                    "tolerance": contract.tolerance,
                    "holds": holds,
                }
            )
        if not errors:
            raise WorkFailed(
                f"{self.path}: the contract has no golden vectors, so nothing shows what it does "
                "here; export the policy again"
            )
        if not holds:
            policy.verify()
        return 0

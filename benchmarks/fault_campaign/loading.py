"""Faults before anything moves: files that are not what was exported, robots that do not fit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.fault_campaign.policies import HORIZON, draw_contract, graph, write_policy
from benchmarks.fault_campaign.verdict import Verdict
from exports.cpp.binding import CppController, Refused
from exports.runtime.session import OnnxPolicy
from exports.signature import sign, signature_file
from ilrobot.compatibility import check_policy_fits
from ilrobot.control.contract import Contract
from ilrobot.control.model_file import seal
from ilrobot.errors import UserError
from ilrobot.spec import Feature, Spec

#: Loads a file; both languages refuse by raising.
Load = Callable[[Path], None]
REFUSALS = (UserError, Refused)

CUT, CHANGED, NEWER, LACKING = (
    "file cut short",
    "file with a byte changed",
    "file of a newer schema",
    "file whose contract lacks a key",
)
FORGED, UNSIGNED, RESIGNED = (
    "file changed after it was signed",
    "file without its signature",
    "file signed by another key",
)
PERMUTED, MISSING = "joints permuted", "a joint missing"
DAMAGED = (CUT, CHANGED, NEWER, LACKING)
SIGNED = (FORGED, UNSIGNED, RESIGNED)
MISFITS = (PERMUTED, MISSING)


class Files:
    """A good file, its signature, and what may become of them.

    Attributes:
        good: The file, signed.
        public: The key that is trusted.
        contract: Of the file.

    Args:
        folder: Where they are written.
    """

    def __init__(self, folder: Path) -> None:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        rng = np.random.default_rng(0)
        self._path, self.public = folder / "faulty.onnx", folder / "key.pub"
        self.good = folder / "good.onnx"
        # Of two joints and more, so that they can be permuted.
        while (drawn := draw_contract(rng, HORIZON)).spec.action.size < 2:
            pass
        self.contract = write_policy(self.good, drawn)
        self._content = self.good.read_bytes()
        self._key, self._other = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
        pem = self._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        self.public.write_bytes(pem)
        sign(self.good, self._key)

    def load_in_python(self, path: Path) -> None:
        """As `ilrobot deploy` does."""
        OnnxPolicy(path)

    def load_in_cpp(self, path: Path) -> None:
        """As an example controller does."""
        with CppController(path):
            pass

    def load_trusted(self, path: Path) -> None:
        """As `ilrobot deploy --trust` does."""
        OnnxPolicy(path, self.public)

    def load_trusted_in_cpp(self, path: Path) -> None:
        """As `udp_controller --trust` does."""
        with CppController(path, trust=self.public):
            pass

    def damaged(self, kind: str, rng: np.random.Generator, load: Load) -> Verdict:
        """Load a damaged file."""
        self._path.write_bytes(self._damage(kind, rng))
        return _refusal(kind, lambda: load(self._path))

    def signed(self, kind: str, rng: np.random.Generator, load: Load) -> Verdict:
        """Load a file whose signature is not the one that is trusted."""
        self._path.write_bytes(self._content)
        sign(self._path, self._other if kind == RESIGNED else self._key)
        if kind == UNSIGNED:
            signature_file(self._path).unlink()
        elif kind == FORGED:
            # By one who computes the digests anew, which no longer tell.
            contract = replace(self.contract, stale_after=float(rng.uniform(1, 100)))
            self._path.write_bytes(seal(graph(contract), contract))
        return _refusal(kind, lambda: load(self._path))

    def misfit(self, kind: str, rng: np.random.Generator) -> Verdict:
        """Compare the policy with a robot of other joints."""
        feature = self.contract.spec.observations[0]
        names = self.misfitting_names(kind, rng)
        other = Feature(feature.name, (len(names),), names=tuple(names))
        spec = self.contract.spec
        robot: Spec = replace(spec, observations=(other, *spec.observations[1:]))
        return _refusal(kind, lambda: check_policy_fits(spec, robot, "policy.onnx"))

    def misfit_in_cpp(self, kind: str, rng: np.random.Generator, cpp: CppController) -> Verdict:
        """The same by the library, which holds the good file."""
        feature = self.contract.spec.observations[0].name
        differs = cpp.differing(feature, self.misfitting_names(kind, rng))
        return Verdict(kind, "" if differs else "was taken", exceeded=False)

    def misfitting_names(self, kind: str, rng: np.random.Generator) -> list[str]:
        """Names of the joints, in another order, or without one."""
        names = list(self.contract.spec.observations[0].names or ())
        if kind == MISSING:
            del names[int(rng.integers(len(names)))]
            return names
        while (order := rng.permutation(len(names))).tolist() == sorted(order.tolist()):
            pass
        return [names[i] for i in order]

    def _damage(self, kind: str, rng: np.random.Generator) -> bytes:
        content = self._content
        if kind == CUT:
            return content[: int(rng.integers(len(content)))]
        if kind == CHANGED:
            changed = bytearray(content)
            changed[int(rng.integers(len(content)))] ^= int(rng.integers(1, 256))
            return bytes(changed)
        data = self.contract.to_json()
        if kind == NEWER:
            data["schema"] = f"{int(rng.integers(2, 100))}.{int(rng.integers(10))}"
        else:
            needed = ("task", "n_obs", "horizon", "noise_shape", "limits", "stale_after", "golden")
            del data[str(rng.choice(needed))]
            if "task" not in data:
                data["task"] = None
        # With digests that are right: it is the contract itself that must be refused.
        return seal(graph(self.contract), _Stated(**vars(self.contract), data=data))


class _Stated(Contract):
    """A contract that says what it is told to.

    Args:
        data: Its JSON.
        fields: Of the contract.
    """

    def __init__(self, data: dict[str, Any], **fields: Any) -> None:
        super().__init__(**fields)
        object.__setattr__(self, "_data", data)

    def to_json(self) -> dict[str, Any]:
        """See `Contract`."""
        data: dict[str, Any] = self._data  # type: ignore[attr-defined]
        return dict(data)


def _refusal(kind: str, load: Callable[[], None]) -> Verdict:
    """A refusal is what must come; anything else but it, a traceback too, is none."""
    try:
        load()
    except REFUSALS as error:
        lines = len(str(error).splitlines())
        return Verdict(kind, "" if lines == 1 else f"told in {lines} lines", exceeded=False)
    except Exception as error:  # whatever it is counts against us
        return Verdict(kind, f"{type(error).__name__}: {error}", exceeded=False)
    return Verdict(kind, "was taken", exceeded=False)

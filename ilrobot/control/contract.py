"""The contract: what an exported policy promises, and what whoever runs it must keep.

It stands in the .onnx file as one ``metadata_props`` entry with the key ``ilrobot.contract``, as
JSON (`ilrobot.control.model_file` says where, and how it is hashed). Schema 1.4; what was added
since 1.0 may be missing, and its default stands beside it:

``schema``
    ``"major.minor"``. A reader refuses another major version and ignores keys it does not know.
``sha256``
    ``model``: digest of graph and weights; ``contract``: digest of this text. Hexadecimal.
``task``
    The `ilrobot.spec.Spec` that the policy was trained on: ``observations`` and ``action``, each
    with ``name``, ``shape``, ``dtype``, ``names``, ``units``, ``low``, ``high`` and ``frame``, in
    order; ``rate`` in Hz; ``semantics``; ``controller``; ``choices``; ``task``; ``task_options``.
``n_obs``, ``horizon``, ``execute``
    Ticks of history that the graph reads, actions that it predicts, actions executed of those.
``chunking``
    How the chunks are executed, see `ilrobot.control.chunking`: ``receding`` where an older file
    (schema 1.0) does not say.
``noise_shape``
    Shape of the standard normal input ``noise`` without the batch axis, or null: it takes none.
``sampler_steps``
    Steps of the sampler that the inputs ``prefix`` (shape (horizon, *action shape), in physical
    units) and ``prefix_weights`` (shape (sampler_steps, horizon)) lead, see
    `ilrobot.control.drawing.Guide`; null: there are no such inputs, as in files of schema 1.0.
``doubt``
    Of an ensemble, what its outputs ``doubt`` and ``novelty``, shape (horizon,), are to be held
    against; see `ilrobot.ensemble` for the two. ``scale``: what each element's disagreement was
    measured by, in the action's units, null for choices; ``usual``: greatest doubt about the
    present tick in 95 % of the real observations of the export; ``threshold``: the doubt from which
    the gate of the policy's own DAgger run calls for help, or null; ``novelty_threshold``: the
    novelty likewise. Null, or not there: no such outputs.
``critics``
    For each further output of shape (horizon,), ``risk`` or ``unsafe`` (see
    `ilrobot.control.signals`), its ``usual`` and its ``threshold``, as of doubt. Not there: none.
``joints``
    Of the arm that the task states behind its controller, one value each: ``names``; ``units`` of
    position; ``stiffness`` and ``damping`` (kp and kd, in N m or N per unit, and per unit/s) of its
    servos, null where they have none; ``pose``: where it begins. Null, or not there: not stated.
``limits``
    Per action element, null for discrete actions. ``mode``: ``absolute`` (a target, held by
    repeating it) or ``delta`` (a displacement per tick, held by zero). ``low``, ``high``: least
    and greatest command, in the action's units. ``velocity``, ``acceleration``, ``jerk``: greatest
    speed (units/s), acceleration (units/s²) and jerk (units/s³) of the commanded target; null: not
    limited, as jerk is not where an older file lacks it. Of a rotation that is a target these are
    angular, in rad/s and so on, see `ilrobot.control.rotation_limiter`.
``workspace``
    ``low``, ``high``: where the commanded target may be, per action element, in the action's units
    (null: anywhere); of a delta, the sum of its commands from where the robot says it begins. Null,
    or not there: anywhere.
``training_range``
    For each observation, ``low`` and ``high`` per element over the training data, in its units.
    ``action``: of the demonstrated actions likewise, not of choices; older files lack it.
``stale_after``
    Age in seconds from which an observation is too old to act on.
``fallback``
    What to do then: ``hold``, ``damp`` or ``retreat``, see `ilrobot.control.limiter`; choices are
    held.
``fallback_after``
    When else, see `ilrobot.control.contract_guards.FallbackAfter`: ``out_of_range``, ``frozen`` and
    ``calling`` in seconds, ``late`` in ticks. Null, or not there: never.
``retreat``
    Where ``retreat`` goes: a position for each action element, null: that one holds. Null, or not
    there: nowhere.
``provenance``
    ``data``, ``checkpoint``, ``code``: digests of what it was made from; ``version`` of ilrobot;
    ``limits``: digest of the data that the limits come from, which older files do not state.
``golden``
    Inputs (``observations``: arrays of shape (n_obs, *feature shape); ``noise``) and the ``action``
    chunk that they give, in physical units; and each further output by its name.
``golden_led``
    The same with the ``prefix`` and ``prefix_weights`` by which whoever executes the chunks leads
    the sampler. Not there: none, as in files of schema 1.3.
``quantized``
    Of a file with weights of 8 bits, what it and the file of full precision did in closed loop:
    ``bits``, ``task``, ``episodes``, ``first_seed``, ``success``, ``full_success``. Null, or not
    there: full precision.
``tolerance``
    Greatest error of an element of a golden chunk, as a fraction of that element's command range,
    see `Contract.scale`; 0 for discrete actions, which must be equal. Further outputs may differ by
    as much, and by `ilrobot.control.signals.ROUNDING` at least.

Numbers are written with the shortest decimal that reads back as the same double.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ilrobot.control.chunking import RECEDING, Chunking, Predicts
from ilrobot.control.contract_check import ACTION, inconsistency
from ilrobot.control.contract_golden import Golden, golden_from_json, golden_to_json
from ilrobot.control.contract_guards import (
    NEVER,
    FallbackAfter,
    Workspace,
    pose_from_json,
    pose_to_json,
)
from ilrobot.control.contract_joints import Joints
from ilrobot.control.contract_parts import (
    Limits,
    Provenance,
    Quantized,
    Range,
    count,
    count_or_none,
    shape_or_none,
)
from ilrobot.control.contract_signals import CriticScale, DoubtScale
from ilrobot.control.signals import DOUBT, NOVELTY, OF_ENSEMBLE
from ilrobot.errors import UserError
from ilrobot.spec import Spec

SCHEMA = "1.4"
METADATA_KEY = "ilrobot.contract"


@dataclass(frozen=True)
class Contract:
    """The contract of one exported policy; the module's docstring explains each field."""

    spec: Spec
    n_obs: int
    horizon: int
    execute: int
    noise_shape: tuple[int, ...] | None
    limits: Limits | None
    training_range: Mapping[str, Range]
    stale_after: float
    fallback: str
    provenance: Provenance
    golden: tuple[Golden, ...]
    tolerance: float
    chunking: Chunking = RECEDING
    sampler_steps: int | None = None
    quantized: Quantized | None = None
    doubt: DoubtScale | None = None
    critics: Mapping[str, CriticScale] = field(default_factory=dict)
    workspace: Workspace | None = None
    fallback_after: FallbackAfter = NEVER
    retreat: tuple[float, ...] | None = None
    joints: Joints | None = None
    schema: str = SCHEMA

    @property
    def scale(self) -> NDArray[np.float64] | None:
        """The command range of each element, by which errors are divided; None of choices.

        ``high - low`` of the limits; where they do not bound it, of the demonstrated actions; 1
        where that is 0, or not known.
        """
        if self.limits is None:
            return None
        span = np.subtract(self.limits.high, self.limits.low)
        demonstrated = self.training_range.get(ACTION)
        if demonstrated is not None:
            known = np.subtract(demonstrated.high, demonstrated.low)
            span = np.where(np.isfinite(span), span, known)
        return np.where(np.isfinite(span) & (span > 0), span, 1.0)

    @property
    def predicts(self) -> Predicts:
        """What its chunks are like, for whoever executes them."""
        return Predicts(
            self.spec, self.horizon, self.execute, self.noise_shape, self.scale, self.sampler_steps
        )

    @property
    def signals(self) -> tuple[str, ...]:
        """Outputs of the graph beside the action."""
        return (*(OF_ENSEMBLE if self.doubt else ()), *self.critics)

    @property
    def thresholds(self) -> dict[str, float]:
        """Signals above which the policy calls for help."""
        stated = {name: critic.threshold for name, critic in self.critics.items()}
        if self.doubt is not None:
            stated |= {DOUBT: self.doubt.threshold, NOVELTY: self.doubt.novelty_threshold}
        return {name: threshold for name, threshold in stated.items() if threshold is not None}

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, without the digests."""
        return {
            "schema": SCHEMA,
            "task": self.spec.to_json(),
            "n_obs": self.n_obs,
            "horizon": self.horizon,
            "execute": self.execute,
            "chunking": str(self.chunking),
            "sampler_steps": self.sampler_steps,
            "noise_shape": None if self.noise_shape is None else list(self.noise_shape),
            "limits": None if self.limits is None else self.limits.to_json(),
            "training_range": {
                name: bounds.to_json() for name, bounds in self.training_range.items()
            },
            "stale_after": self.stale_after,
            "fallback": self.fallback,
            "fallback_after": vars(self.fallback_after).copy(),
            "retreat": pose_to_json(self.retreat),
            "workspace": None if self.workspace is None else self.workspace.to_json(),
            "provenance": vars(self.provenance).copy(),
            **golden_to_json(self.golden),
            "tolerance": self.tolerance,
            "quantized": None if self.quantized is None else vars(self.quantized).copy(),
            "doubt": None if self.doubt is None else self.doubt.to_json(),
            "critics": {name: vars(critic).copy() for name, critic in self.critics.items()},
            "joints": None if self.joints is None else self.joints.to_json(),
        }

    @classmethod
    def from_json(cls, data: Any, where: str) -> Contract:
        """Inverse of `to_json`, checking everything.

        Args:
            data: The parsed JSON.
            where: Named in messages, e.g. the path of the file.

        Raises:
            UserError: A key is missing or damaged, or the schema's major version is unknown.
        """
        check_schema(data, where)
        try:
            contract = cls(
                spec=Spec.from_json(data["task"]),
                n_obs=count(data["n_obs"]),
                horizon=count(data["horizon"]),
                execute=count(data["execute"]),
                noise_shape=shape_or_none(data["noise_shape"]),
                limits=None if data["limits"] is None else Limits.from_json(data["limits"]),
                training_range={
                    str(name): Range.from_json(bounds)
                    for name, bounds in data["training_range"].items()
                },
                stale_after=float(data["stale_after"]),
                fallback=str(data["fallback"]),
                provenance=Provenance.from_json(data["provenance"]),
                golden=(),
                tolerance=float(data["tolerance"]),
                chunking=Chunking.parse(str(data.get("chunking", RECEDING))),
                sampler_steps=count_or_none(data.get("sampler_steps")),
                quantized=None
                if data.get("quantized") is None
                else Quantized.from_json(data["quantized"]),
                doubt=None if data.get("doubt") is None else DoubtScale.from_json(data["doubt"]),
                critics={
                    str(name): CriticScale.from_json(critic)
                    for name, critic in (data.get("critics") or {}).items()
                },
                joints=None if data.get("joints") is None else Joints.from_json(data["joints"]),
                workspace=None
                if data.get("workspace") is None
                else Workspace.from_json(data["workspace"]),
                fallback_after=FallbackAfter.from_json(data.get("fallback_after") or {}),
                retreat=pose_from_json(data.get("retreat")),
            )
            golden = golden_from_json(
                data,
                contract.sampler_steps,
                spec=contract.spec,
                n_obs=contract.n_obs,
                horizon=contract.horizon,
                noise_shape=contract.noise_shape,
                signals=contract.signals,
            )
        except KeyError as error:
            raise UserError(
                f"{where}: the contract lacks the key {error}; export the policy again"
            ) from error
        except (TypeError, ValueError, OverflowError, AttributeError, UserError) as error:
            raise UserError(
                f"{where}: the contract is damaged ({error}); export the policy again"
            ) from error
        contract = replace(contract, golden=golden, schema=str(data["schema"]))
        problem = inconsistency(contract)
        if problem:
            raise UserError(f"{where}: the contract {problem}; export the policy again")
        return contract

    @classmethod
    def from_text(cls, text: str, where: str) -> Contract:
        """Parse the JSON text of a contract.

        Raises:
            UserError: It is not JSON, or `from_json` refuses it.
        """
        try:
            data = json.loads(text)
        except ValueError as error:
            raise UserError(
                f"{where}: the contract is not valid JSON ({error}); export the policy again"
            ) from error
        return cls.from_json(data, where)


def check_schema(data: Any, where: str) -> None:
    """Refuse a contract of another major version.

    Raises:
        UserError: That, or it is no contract at all.
    """
    schema = data.get("schema") if isinstance(data, dict) else None
    if schema is None:
        raise UserError(f"{where}: the contract lacks the key 'schema'; export the policy again")
    major = str(schema).split(".", 1)[0]
    if major != SCHEMA.split(".", 1)[0]:
        raise UserError(
            f"{where}: the contract has schema {schema}, but this version of ilrobot reads "
            f"{SCHEMA}; export the policy again, or install the ilrobot that wrote it"
        )

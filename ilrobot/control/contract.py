"""The contract: what an exported policy promises, and what whoever runs it must keep."""

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
    PolicyFrame,
    Provenance,
    Quantized,
    Range,
    count,
    count_or_none,
    shape_or_none,
)
from ilrobot.control.contract_schema import SCHEMA, check_schema
from ilrobot.control.contract_signals import CriticScale, DoubtScale
from ilrobot.control.signals import DOUBT, NOVELTY, OF_ENSEMBLE
from ilrobot.errors import UserError
from ilrobot.spec import Spec

#: Limits this many times as wide as what was demonstrated are no measure of an error.
_WIDEST = 10.0


@dataclass(frozen=True)
class Contract:
    """The contract of one exported policy; `contract_schema` explains each field."""

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
    policy_frame: PolicyFrame | None = None
    schema: str = SCHEMA

    @property
    def scale(self) -> NDArray[np.float64] | None:
        """The command range of each element, by which errors are divided; None of choices.

        ``high - low`` of the limits, but no more than `_WIDEST` times the demonstrated range, or
        size where that is greater: limits that are stated so wide that they bound nothing would
        let any error pass. Where there are none, that of the demonstrated actions; 1 where that
        is 0, or not known.
        """
        if self.limits is None:
            return None
        span = np.subtract(self.limits.high, self.limits.low)
        demonstrated = self.training_range.get(ACTION)
        if demonstrated is not None:
            known = np.subtract(demonstrated.high, demonstrated.low)
            size = np.abs(np.stack((demonstrated.low, demonstrated.high, known))).max(axis=0)
            widest = np.where(size > 0, _WIDEST * size, np.inf)
            span = np.where(np.isfinite(span), np.minimum(span, widest), known)
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
            "policy_frame": None if self.policy_frame is None else self.policy_frame.to_json(),
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
                policy_frame=None
                if data.get("policy_frame") is None
                else PolicyFrame.from_json(data["policy_frame"]),
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

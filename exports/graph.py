"""A policy as an ONNX graph: what torch's exporter is given, and what is taken out of it again."""

from __future__ import annotations

import contextlib
import copy
import logging
import math
import os
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from exports.folded_scale import fold_scale
from exports.lowered_unet import lower, prepare
from exports.runtime.session import NOISE, OUTPUT, PREFIX, PREFIX_WEIGHTS
from ilrobot.control.signals import OF_ENSEMBLE
from ilrobot.errors import WorkFailed
from ilrobot.learners.interactive.gate_network import GateNetwork
from ilrobot.policies.heads.ensemble import EnsembleHead
from ilrobot.policies.heads.guidance import Guidance, Lead, free, towards
from ilrobot.policies.heads.head import Head
from ilrobot.policies.heads.iterated import IteratedHead, Row, State
from ilrobot.policies.heads.recurrent import RecurrentHead
from ilrobot.policies.heads.stacked_ensemble import StackedEnsemble
from ilrobot.policies.policy import Policy
from ilrobot.policies.rotations import nearest
from ilrobot.rotation_units import ROTATION_UNITS

#: The first opset with Mish and Split by number, which every ONNX Runtime since 1.14 runs.
OPSET = 18


def trace(
    policy: Policy,
    critics: Mapping[str, GateNetwork[Any]] = MappingProxyType({}),
    *,
    led: bool = False,
    unrolled: bool = False,
) -> bytes:
    """The policy as a serialised ONNX model: batch 1, weights inside, no trace of this machine.

    Args:
        policy: Which.
        critics: What judges it, by the names of their outputs.
        led: Whether its sampler, which must have `sampler_steps`, can be led in the graph, too.
        unrolled: Whether the sampler's steps stand one after the other, for runtimes that compute
            loops wrongly or not at all, such as OpenVINO.

    Raises:
        WorkFailed: Some operation has no ONNX form.
    """
    inputs = {
        f.name: torch.from_numpy(np.zeros((1, policy.config.n_obs, *f.shape), f.seen_dtype))
        for f in policy.spec.observations
    }
    if policy.noise_shape is not None:
        inputs[NOISE] = torch.zeros(1, *policy.noise_shape)
    if led:
        horizon, steps = policy.config.horizon, policy.sampler_steps or 0
        inputs[PREFIX] = torch.zeros(1, horizon, *policy.spec.action.shape)
        inputs[PREFIX_WEIGHTS] = torch.zeros(1, steps, horizon)
    # Where weights want no gradient, the loop's body is traced without its backward pass.
    frozen = copy.deepcopy(policy).eval().requires_grad_(False)
    if isinstance(frozen.head, StackedEnsemble):
        frozen.head = frozen.head.one_by_one()
    for head in frozen.members:
        lower(head)
    fold_scale(frozen)
    return serialize(
        _Graph(frozen, copy.deepcopy(dict(critics)), unrolled=unrolled),
        inputs,
        [OUTPUT, *(OF_ENSEMBLE if policy.config.members > 1 else ()), *critics],
        "the policy",
    )


def serialize(
    module: nn.Module,
    inputs: dict[str, Tensor],
    outputs: list[str],
    what: str,
    *,
    any_batch: bool = False,
) -> bytes:
    """A module as a serialised ONNX model, weights inside, no trace of this machine.

    Args:
        module: Takes the inputs by position.
        inputs: An example of each, by its name in the graph.
        outputs: Names of what it gives.
        what: It is called this in the message.
        any_batch: Whether the first axis of the inputs, two rows at least in the examples, may be
            of any length; else it is as long as in the examples.

    Raises:
        WorkFailed: Some operation has no ONNX form.
    """
    rows = torch.export.Dim("batch")
    with _quiet():
        try:
            program = torch.onnx.export(
                module,
                tuple(inputs.values()),
                input_names=list(inputs),
                output_names=outputs,
                opset_version=OPSET,
                dynamo=True,
                dynamic_shapes=(tuple({0: rows} for _ in inputs),) if any_batch else None,
                external_data=False,
                verbose=False,
            )
        except torch.onnx.errors.OnnxExporterError as error:
            reason = " ".join(str(error.__cause__ or error).split())[:300]
            raise WorkFailed(f"{what} cannot be exported: {reason}") from error
    if program is None:
        raise WorkFailed(f"{what} cannot be exported: torch gave no program")
    proto: Any = program.model_proto
    _strip(proto)
    serialized: bytes = proto.SerializeToString(deterministic=True)
    return serialized


class _Graph(nn.Module):
    """The policy with its inputs in a row, and its sampler as a loop that export understands.

    A Python loop is unrolled: ten steps of a U-Net of 4.5 M parameters make 2,870 nodes
    instead of 10, take 32 s instead of 10 to export and load in 0.24 s instead of 0.03, and run
    no faster (14.6 ms).
    """

    def __init__(
        self, policy: Policy, critics: dict[str, GateNetwork[Any]], *, unrolled: bool
    ) -> None:
        super().__init__()
        self._policy, self._unrolled = policy, unrolled
        self._critics = nn.ModuleList(
            critic.eval().requires_grad_(False) for critic in critics.values()
        )
        scale = torch.from_numpy(policy.disagreement_scale).float()
        self._scale = nn.Buffer(scale.reshape(policy.spec.action.shape))

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        policy, rest = self._policy, list(inputs)
        observations = {name: rest.pop(0) for name in policy.spec.observation_names}
        noise = None if policy.noise_shape is None else rest.pop(0)
        guidance = policy.guidance(observations, *rest) if rest else ()
        head, condition = policy.head, policy.encode(observations)
        if not isinstance(head, EnsembleHead):
            action = policy.decode(self._chunk(head, condition, noise, *guidance), observations)
            return action, *self._judgements(observations, action)
        chunks = torch.stack(
            [self._chunk(member, condition, noise, *guidance) for member in head.members]
        )
        action = policy.decode(head.combine(chunks), observations)
        apart = self._disagreement(policy.decode(chunks, observations))
        return action, *apart, *self._judgements(observations, action)

    def _chunk(
        self,
        head: Head,
        condition: Tensor,
        noise: Tensor | None,
        guidance: Guidance | None = None,
    ) -> Tensor:
        """What the head gives, where it samples step by step as a loop."""
        if isinstance(head, RecurrentHead):
            return self._chunk(head.head, head.read(condition), noise, guidance)
        if isinstance(head, IteratedHead):
            return _iterate(head, condition, noise, guidance, unrolled=self._unrolled)
        chunk: Tensor = head(condition, noise)
        return chunk

    def _judgements(self, observations: dict[str, Tensor], action: Tensor) -> Iterator[Tensor]:
        """What each critic says of the present tick, for all of the chunk, (B, H) each."""
        newest = {name: history[:, -1] for name, history in observations.items()}
        for critic in self._critics:
            assert isinstance(critic, GateNetwork)
            yield critic.judge(newest, action[:, 0])[:, None].expand(-1, action.shape[1])

    def _disagreement(self, members: Tensor) -> tuple[Tensor, Tensor]:
        """Doubt and novelty of `ilrobot.ensemble`, shape (B, H) each, of (members, B, H, ...)."""
        choices = self._policy.spec.choices
        if choices is None:
            for start, unit in self._policy.spec.target_rotations:
                end = start + ROTATION_UNITS[unit]
                turned = nearest(members[..., start:end], members[:1, ..., start:end], unit)
                members = torch.cat([members[..., :start], turned, members[..., end:]], dim=-1)
            if angles := self._policy.spec.action.angles:
                wraps = torch.zeros(members.shape[-1]).index_fill(0, torch.tensor(angles), 1.0)
                turns = torch.round((members[:1] - members) / (2 * math.pi))
                members = members + 2 * math.pi * wraps * turns
            measured = (members / self._scale).flatten(start_dim=3)
        else:
            measured = (members.unsqueeze(-1) == torch.arange(choices)).to(torch.float32)
        spread = (measured - measured.mean(dim=0)).square().mean(dim=0)
        return spread.square().sum(dim=-1).sqrt(), spread.mean(dim=-1)


def _iterate(
    head: IteratedHead,
    condition: Tensor,
    noise: Tensor | None,
    guidance: Guidance | None,
    *,
    unrolled: bool,
) -> Tensor:
    """`IteratedHead.forward` with its steps as an ONNX `Scan` over the rows of their tables."""
    from torch._higher_order_ops.scan import scan

    condition, guidance = head.prefix.given(condition, guidance)
    begun, tables = head.begin(condition, noise)
    condition = prepare(head, condition)
    if guidance is not None:
        by_step = guidance.weights.transpose(0, 1)
        tables = (*tables, by_step.clone(memory_format=torch.contiguous_format))

    def step(state: State, row: Row) -> tuple[State, tuple[()]]:
        lead: Lead = free
        if guidance is not None:
            *given, weights = row
            row, lead = tuple(given), towards(guidance.prefix, weights)
        advanced = head.step(state, row, condition, lead)
        # Laid out as what it began with, else torch refuses the loop.
        return tuple(part.clone(memory_format=torch.contiguous_format) for part in advanced), ()

    state: State = begun
    if unrolled:
        for row in zip(*(table.unbind(0) for table in tables), strict=True):
            state, _ = step(state, row)
    else:
        state = scan(step, begun, tables)[0]
    return state[0]


def _strip(proto: Any) -> None:
    """Take out stack traces and module names: they are large and show the exporter's folders."""
    for holder in (proto, proto.graph, *proto.functions):
        holder.doc_string = ""
        del holder.metadata_props[:]
    graphs = [proto.graph]
    nodes = [node for function in proto.functions for node in function.node]
    while graphs or nodes:
        if graphs:
            graph = graphs.pop()
            del graph.metadata_props[:]
            for value in (*graph.value_info, *graph.input, *graph.output, *graph.initializer):
                value.doc_string = ""
                del value.metadata_props[:]
            nodes += graph.node
            continue
        node = nodes.pop()
        node.doc_string = ""
        del node.metadata_props[:]
        graphs += [attribute.g for attribute in node.attribute if attribute.HasField("g")]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporter talks at length about things that a person exporting cannot change."""
    loggers = [logging.getLogger(name) for name in ("torch", "torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with (
            warnings.catch_warnings(),
            Path(os.devnull).open("w") as nowhere,
            contextlib.redirect_stdout(nowhere),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)

"""What an exported policy promises, for a person and for a program."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

    from ilrobot.control.contract import Contract
    from ilrobot.control.contract_guards import Workspace
    from ilrobot.control.contract_joints import Joints
    from ilrobot.control.contract_parts import PolicyFrame
    from ilrobot.spec import Feature


#: Of tables, so that names and six columns of numbers fit into 80 characters.
_INDENT = 4

#: Keys of a contract that are described otherwise, or are long.
_NOT_AS_STATED = ("task", "golden", "golden_led", "schema")


def describe_file(path: Path) -> dict[str, Any]:
    """The contract of an exported policy as plain JSON; of its golden vectors the number.

    Raises:
        UserError: The file is damaged, or its contract is refused.
    """
    contract, content, signed = _read(path)
    spec, stated = contract.spec, contract.to_json()
    return {
        "kind": "policy",
        "path": str(path),
        "size": len(content),
        "signed": signed,
        "task": spec.task,
        "rate": spec.rate,
        "observations": {f.name: list(f.element_names) for f in spec.observations},
        "action": list(spec.action.element_names),
        "semantics": spec.semantics,
        "controller": spec.controller,
        **{key: value for key, value in stated.items() if key not in _NOT_AS_STATED},
        "schema": contract.schema,
        "golden": len(contract.golden),
        "spec": stated["task"],
    }


def print_file(path: Path) -> None:
    """Print the contract of an exported policy for a person.

    Raises:
        UserError: As of `describe_file`.
    """
    from rich.console import Console
    from rich.padding import Padding

    contract, content, signed = _read(path)
    out = Console(highlight=False)

    def say(what: str, words: str) -> None:
        out.print(f"[bold]{what:13}[/bold]", end="")
        out.print(words, markup=False, soft_wrap=True)

    by = contract.provenance.version
    say("policy", f"{path}  ({len(content) / 1e6:.1f} MB, schema {contract.schema}, ilrobot {by})")
    say("signature", _signature(path, signed))
    for what, words in _task(contract):
        say(what, words)
    for feature in contract.spec.observations:
        ticks = f"{contract.n_obs} ticks, oldest first" if contract.n_obs > 1 else "its newest"
        size = "×".join(map(str, feature.shape))
        picture = f", {size} bytes from 0 to 255" if feature.is_image else ""
        say("reads", f"{feature.name}: {ticks}{_frame(feature)}{picture}")
        if not feature.is_image:
            out.print(Padding(_ranges(contract, feature), (0, 0, 0, _INDENT)))
    say("gives", _given(contract))
    if contract.policy_frame is not None:
        say("frame", _policy_frame(contract.policy_frame))
    if contract.limits is not None:
        out.print(Padding(_limits(contract), (0, 0, 0, _INDENT)))
    if contract.workspace is not None:
        say("workspace", "where the commanded target may be; of steps their sum")
        out.print(Padding(_workspace(contract, contract.workspace), (0, 0, 0, _INDENT)))
    if contract.joints is not None:
        say("joints", "of the arm behind that controller")
        out.print(Padding(_joints(contract.joints), (0, 0, 0, _INDENT)))
    for what, words in _rest(contract):
        say(what, words)


def _read(path: Path) -> tuple[Contract, bytes, bool]:
    from exports.signature import signature_file
    from ilrobot.control.model_file import read_model_file

    return *read_model_file(path), signature_file(path).exists()


def _signature(path: Path, signed: bool) -> str:
    if not signed:
        return "none"
    return f"there is one; whose, tells: ilrobot verify {path} --trust KEY"


def _task(contract: Contract) -> Iterator[tuple[str, str]]:
    spec = contract.spec
    options = ", ".join(f"{key}={value}" for key, value in spec.task_options.items())
    yield "task", f"{spec.task or 'not known'}{f' ({options})' if options else ''}"
    yield "rate", f"{spec.rate:g} Hz"


def _frame(feature: Feature) -> str:
    return f", in the frame {feature.frame}" if feature.frame else ""


def _given(contract: Contract) -> str:
    spec = contract.spec
    chunk = "1 action" if contract.horizon == 1 else f"{contract.horizon} actions"
    kind = f"one of {spec.choices} choices" if spec.choices else spec.semantics
    controller = f", for the controller {spec.controller}" if spec.controller else ""
    return f"{chunk}, {kind}{controller}{_frame(spec.action)}"


def _policy_frame(frame: PolicyFrame) -> str:
    acts = f"sees and acts ({', '.join(frame.turned)})" if frame.turned else "sees"
    inside = f"from {frame.origin} towards {frame.goal}, in which it {acts}"
    return f"{inside}; what it reads and gives stays along the axes above"


def _ranges(contract: Contract, feature: Feature) -> Table:
    bounds = contract.training_range[feature.name]
    columns = {"trained from": bounds.low, "to": bounds.high}
    if feature.low is not None and feature.high is not None:
        columns |= {"the task's least": feature.low, "greatest": feature.high}
    return _table(feature.element_names, feature.units, columns)


def _limits(contract: Contract) -> Table:
    limits = contract.limits
    assert limits is not None
    columns = {
        "least": limits.low,
        "greatest": limits.high,
        "per s": limits.velocity,
        "per s²": limits.acceleration,
        "per s³": limits.jerk,
    }
    kinds = {"absolute": "a target", "delta": "a step", "velocity": "a velocity"}
    action, words = contract.spec.action, [kinds[mode] for mode in limits.mode]
    return _table(action.element_names, action.units, columns, words)


def _workspace(contract: Contract, workspace: Workspace) -> Table:
    action = contract.spec.action
    columns = {"from": workspace.low, "to": workspace.high}
    return _table(action.element_names, (), columns)


def _joints(joints: Joints) -> Table:
    columns = {"begins at": joints.pose}
    if joints.stiffness is not None and joints.damping is not None:
        columns |= {"kp": joints.stiffness, "kd": joints.damping}
    return _table(joints.names, joints.units, columns)


def _table(
    names: Sequence[str],
    units: Sequence[str],
    columns: Mapping[str, Sequence[float]],
    words: Sequence[str] = (),
) -> Table:
    """One row for each element; what no row has a number for is left out."""
    from rich.table import Table

    known = {title: c for title, c in columns.items() if any(map(math.isfinite, c))}
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for title in ("", "", *known):
        table.add_column(title, style="cyan" if title else "", justify="right" if title else "left")
    for i, name in enumerate(names):
        numbers = (f"{c[i]:.4g}" if math.isfinite(c[i]) else "any" for c in known.values())
        table.add_row(name, units[i] if units else "", *numbers, *words[i : i + 1])
    return table


def _fallback(contract: Contract) -> str:
    after, where = contract.fallback_after, contract.retreat
    times = {
        "out of range": after.out_of_range and f"{after.out_of_range:g} s",
        "frozen": after.frozen and f"{after.frozen:g} s",
        "late": after.late and f"{after.late} ticks in a row",
        "calling for help": after.calling and f"{after.calling:g} s",
    }
    causes = "".join(f", after {time} {what}" for what, time in times.items() if time)
    names = contract.spec.action.element_names
    places = zip(names, where or (), strict=False)
    pose = ", ".join(f"{name} {value:.4g}" for name, value in places if not math.isnan(value))
    return f"{contract.fallback}{f' to {pose}' if pose else ''}: when not finite or stale{causes}"


def _told(usual: float, threshold: float | None) -> str:
    above = "" if threshold is None else f"; a call for help above {threshold:.3g}"
    return f"is told; {usual:.3g} at most in 95 % of the training data{above}"


def _rest(contract: Contract) -> Iterator[tuple[str, str]]:
    if contract.horizon > 1:
        yield (
            "executes",
            f"{contract.execute} of them before the next prediction, {contract.chunking}",
        )
    if contract.noise_shape is not None:
        yield (
            "noise",
            f"standard normal, shape {list(contract.noise_shape)}, drawn by who runs it",
        )
    if contract.sampler_steps is not None:
        yield (
            "led",
            f"its sampler's {contract.sampler_steps} steps can be led (prefix, prefix_weights)",
        )
    if contract.doubt is not None:
        doubt = contract.doubt
        yield "doubt", _told(doubt.usual, doubt.threshold)
        if doubt.novelty_threshold is not None:
            yield "novelty", f"is told; a call for help above {doubt.novelty_threshold:.3g}"
    for name, critic in contract.critics.items():
        yield name, _told(critic.usual, critic.threshold)
    yield "stale after", f"{contract.stale_after * 1e3:.4g} ms"
    yield "fallback", _fallback(contract)
    if contract.quantized is not None:
        q = contract.quantized
        yield (
            "weights",
            f"of {q.bits} bits: success {q.success:.1%} where full precision had "
            f"{q.full_success:.1%}, in {q.episodes} episodes of {q.task}",
        )
    else:
        yield "weights", "of full precision"
    of = "of the choices" if contract.limits is None else "of the command range"
    led = sum(golden.guide is not None for golden in contract.golden)
    led_too = f", {led} of them led" if led else ""
    yield (
        "promise",
        f"{len(contract.golden)} golden vectors{led_too}, kept within {contract.tolerance:.2g} "
        f"{of} (ilrobot verify replays them here)",
    )
    known = {
        key: value[:16]
        for key, value in vars(contract.provenance).items()
        if value and key != "version"
    }
    yield "made from", ", ".join(f"{key} {digest}" for key, digest in known.items())

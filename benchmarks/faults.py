"""A seeded campaign of faults between robot and policy, in Python and in C++: is each one caught?

    python -m benchmarks.faults --faults 10000 --seed 0
    python -m benchmarks.faults --faults 10000 --languages c++

Each fault befalls an episode, or a file, of its own. The loop, guard, chunks and limiter are those
that `ilrobot deploy` runs; arm, clock and policy are simulated, so that an hour of faults takes
minutes. Caught means that the guard noticed in the time that the contract states, that the policy
did not act from then on while the fault lasted, and that it acted again afterwards, where it may.
`benchmarks.robot_faults` does the same for the messages between controller and robot.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import row
from benchmarks.fault_campaign import in_cpp, in_python
from benchmarks.fault_campaign.arm import Record
from benchmarks.fault_campaign.kinds import KINDS, NO_FAULT, Kind
from benchmarks.fault_campaign.loading import DAMAGED, MISFITS, SIGNED, Files
from benchmarks.fault_campaign.policies import HORIZON, draw_contract, write_policy
from benchmarks.fault_campaign.verdict import Verdict, judge
from exports.cpp.binding import CppController
from exports.runtime.process import quiet_collector
from ilrobot.control.chunking import Chunking
from ilrobot.control.contract import Contract

FAULTS = 10_000
PYTHON, CPP = "python", "c++"
#: In C++ each contract is a file that is loaded once.
_CONTRACTS = 60
#: The library's thread can be kept waiting, but not be made slow by a simulated clock, nor killed.
_NOT_IN_CPP = ("inference 10 × slower for a second", "inference killed")


def campaign(
    faults: int, seed: int, make_guard: in_python.MakeGuard = in_python.Guard
) -> Iterator[Verdict]:
    """So many faults in Python, and a tenth as many episodes without one.

    Args:
        faults: How many.
        seed: Of everything.
        make_guard: Of another guard, to see that the campaign can fail.
    """
    rng = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as folder:
        files = Files(Path(folder))
        files.load_trusted(files.good)  # else every refusal below would say nothing
        for name in _draw(rng, faults, (*KINDS, *DAMAGED, *SIGNED, *MISFITS)):
            if isinstance(name, Kind):
                fault = name.draw(_contract(rng, name), rng)
                yield judge(fault, in_python.run(fault, int(rng.integers(2**31)), make_guard))
            elif name in DAMAGED:
                yield files.damaged(name, rng, files.load_in_python)
            elif name in SIGNED:
                yield files.signed(name, rng, files.load_trusted)
            else:
                yield files.misfit(name, rng)


def campaign_in_cpp(faults: int, seed: int) -> Iterator[Verdict]:
    """So many faults in C++; commands other than those of Python count as not caught."""
    rng = np.random.default_rng(seed)
    kinds = [kind for kind in KINDS if kind.name not in _NOT_IN_CPP]
    with tempfile.TemporaryDirectory() as folder, ExitStack() as opened:
        files = Files(Path(folder))
        # One each: a thread that hung may ask for noise when another episode runs already.
        noises = {False: in_cpp.Noise(), True: in_cpp.Noise()}
        good = opened.enter_context(CppController(files.good, trust=files.public))
        # Some wait for their predictions, as Python does in simulated time; others never.
        waiting: list[tuple[Contract, CppController]] = []
        others: list[tuple[Contract, CppController]] = []
        for number in range(_CONTRACTS):
            background = number % 4 == 3
            path = Path(folder) / f"{number}.onnx"
            drawn = draw_contract(rng, HORIZON if background or number % 2 else 1)
            contract = write_policy(path, drawn)
            cpp = opened.enter_context(
                CppController(path, wait=not background, noise=noises[background])
            )
            (others if background else waiting).append((contract, cpp))
        for name in _draw(rng, faults, (*kinds, *DAMAGED, *SIGNED, *MISFITS)):
            if isinstance(name, Kind):
                held = others if name.of_inference else waiting
                contract, cpp = held[int(rng.integers(len(held)))]
                fault, drawn_seed = name.draw(contract, rng), int(rng.integers(2**31))
                record = in_cpp.run(fault, drawn_seed, cpp, noises[name.of_inference])
                if not name.of_inference and not _alike(record, in_python.run(fault, drawn_seed)):
                    record.error = "other commands than in Python"
                yield judge(fault, record)
            elif name in DAMAGED:
                yield files.damaged(name, rng, files.load_in_cpp)
            elif name in SIGNED:
                yield files.signed(name, rng, files.load_trusted_in_cpp)
            else:
                yield files.misfit_in_cpp(name, rng, good)


def _draw(
    rng: np.random.Generator, faults: int, names: Sequence[Kind | str]
) -> Iterator[Kind | str]:
    """Faults of all kinds alike, and after every tenth an episode without."""
    for number in range(faults):
        yield names[int(rng.integers(len(names)))]
        if number % 10 == 9:
            yield NO_FAULT


def _contract(rng: np.random.Generator, kind: Kind) -> Contract:
    contract = draw_contract(rng, HORIZON if kind.of_inference or rng.random() < 0.5 else 1)
    if contract.horizon > 1 and not kind.of_inference and rng.random() < 0.3:
        chunking = Chunking.parse("ensemble:0.01")
        contract = Contract(**{**vars(contract), "chunking": chunking})
    return contract


def _alike(one: Record, other: Record) -> bool:
    """Whether both did the same to the last bit, until Python's loop comes to rest at the end."""
    ticks = len(one.flags)
    return one.flags == other.flags[:ticks] and all(
        np.array_equal(mine, theirs)
        for mine, theirs in zip(one.commands, other.commands[:ticks], strict=True)
        if mine is not None and theirs is not None
    )


def table(verdicts: Sequence[Verdict]) -> list[dict[str, Any]]:
    """A line for each kind: how many, caught, limits exceeded, the worst, why not."""
    lines = []
    for kind in sorted({verdict.kind for verdict in verdicts}):
        mine = [verdict for verdict in verdicts if verdict.kind == kind]
        noticed = [verdict.noticed for verdict in mine if verdict.noticed is not None]
        lines.append(
            {
                "kind": kind,
                "count": len(mine),
                "caught": sum(not verdict.problem for verdict in mine),
                "exceeded": sum(verdict.exceeded for verdict in mine),
                "share": max(verdict.share for verdict in mine),
                "noticed": max(noticed, default=None),
                "problems": sorted({verdict.problem for verdict in mine if verdict.problem})[:3],
            }
        )
    return lines


def run(faults: int = FAULTS, seed: int = 0) -> list[dict[str, Any]]:
    """For `ilrobot bench faults`: what was not caught, and the limits, of both languages."""
    rows = []
    for language, verdicts in ((PYTHON, campaign), (CPP, campaign_in_cpp)):
        with quiet_collector():
            found = [v for v in verdicts(faults, seed) if v.kind != NO_FAULT.name]
        what = f"{language}: of {len(found)} faults"
        missed = sum(bool(verdict.problem) for verdict in found)
        exceeded = sum(verdict.exceeded for verdict in found)
        share = max(verdict.share for verdict in found)
        rows += [
            row(f"{what}, not caught", missed, "faults", at_most=0),
            row(f"{what}, a limit exceeded at", exceeded, "faults", at_most=0),
            row(f"{what}, greatest share of a limit", share, "1", at_most=1 + 1e-9),
        ]
    return rows


def main() -> None:
    """Print the tables and one JSON line; exit with 1 where a fault was not caught."""
    parser = argparse.ArgumentParser(description="Faults between robot and policy.")
    parser.add_argument("--faults", type=int, default=FAULTS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--languages", nargs="*", choices=(PYTHON, CPP), default=[PYTHON, CPP])
    asked = parser.parse_args()
    told: dict[str, Any] = {"seed": asked.seed}
    missed = 0
    for language in asked.languages:
        make = campaign if language == PYTHON else campaign_in_cpp
        told[language] = lines = table(list(make(asked.faults, asked.seed)))
        print(f"\n{language:44}{'count':>7}{'caught':>8}{'exceeded':>10}{'share':>12}{'ticks':>7}")
        for line in lines:
            ticks = "" if line["noticed"] is None else line["noticed"]
            print(
                f"{line['kind']:44}{line['count']:7}{line['caught']:8}{line['exceeded']:10}"
                f"{line['share']:12.9f}{ticks:>7}  {'; '.join(line['problems'])}"
            )
            missed += line["count"] - line["caught"] + line["exceeded"]
    print(json.dumps(told))
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()

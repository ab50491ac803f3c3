"""What ``ilrobot train`` says when it is done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ilrobot.cli.output import print_json
from ilrobot.cli.training_progress import pace
from ilrobot.data.known_tasks import suggested_tasks
from ilrobot.run import Run
from ilrobot.run_description import TrainDescription

if TYPE_CHECKING:
    from ilrobot.policies.policy import Policy
    from ilrobot.spec import Feature

#: From here on float32 loses what is below a thousandth.
_LARGE = 10_000.0


def print_result(output: Path, policy: Policy, cameras: Sequence[Feature], *, json: bool) -> None:
    """Print what came of a run, and what to do next.

    Args:
        output: Folder of the run, which is done.
        policy: Its policy.
        cameras: Those of the dataset.
        json: Whether one JSON object is the last line.
    """
    run = Run.read_as(output, TrainDescription).description
    result = run.result
    assert result is not None  # it is done
    print(f"policy     {output / 'policy.pt'}")
    early = " (held-out episodes no longer improved)" if result.early else ""
    print(
        f"steps      {result.steps}{early}, {run.seconds:.0f} s, {pace(result.steps / run.seconds)}"
    )
    if result.validation_loss is not None:
        print(f"held out   loss {result.validation_loss:.4g}")
    if policy.frozen:
        still = "; ".join(_of_feature(name, e) for name, e in policy.frozen.items())
        print(f"frozen     did not move in the training data: {still}")
        for line in _too_large(policy):
            print(f"           {line}")
    if policy.relative is not None:
        elements = zip(policy.spec.action.element_names, policy.relative.moved, strict=True)
        chosen = ", ".join(name for name, moved in elements if moved)
        print(f"{policy.config.actions:10} learnt as ways to go: {chosen}")
    if unseen := [c.name for c in cameras if c.name not in policy.spec.observation_names]:
        why = "a policy sees those that --cameras names"
        if run.learner != "bc":
            why = f"--learner {run.learner} reads vectors alone"
        print(f"not used   {', '.join(unseen)}; {why}")
    kept = Run(output, run).kept_policies
    if kept:
        print(f"kept       {len(kept)} checkpoints in {kept[0].parent}")
    # A task of the same vectors need not have these cameras.
    fitting = () if policy.spec.cameras else suggested_tasks(policy.spec)
    task_id = policy.spec.task or next(iter(fitting), "TASK")
    print(f"next       ilrobot eval --policy {output} --task {task_id}")
    print(f"           ilrobot export --policy {output} --output policy.onnx")
    if json:
        print_json(
            {
                **vars(result),
                "seconds": run.seconds,
                "parameters": run.parameters,
                "frozen": policy.frozen,
                "output": str(output),
            }
        )


def _too_large(policy: Policy) -> Iterator[str]:
    """Of what is frozen: values so large that they may have moved, and float32 not have seen it."""
    for feature in (*policy.spec.observations, policy.spec.action):
        still = policy.frozen.get(feature.name)
        if not still:
            continue
        for name, *sides in zip(
            feature.element_names, *policy.training_range[feature.name], strict=True
        ):
            size = np.float32(max(map(abs, sides)))
            if name in still and size >= _LARGE:
                yield (
                    f"{_of_feature(feature.name, [name])}: near {size:.2g} float32 tells apart "
                    f"steps of {np.spacing(size):.2g} only; record the change instead"
                )


def _of_feature(feature: str, elements: list[str]) -> str:
    """Elements of a feature, which is named where their names do not say it."""
    made_up = elements[0].startswith(f"{feature.rsplit('.', 1)[-1]}[")
    return ", ".join(elements) if made_up else f"{feature} {', '.join(elements)}"

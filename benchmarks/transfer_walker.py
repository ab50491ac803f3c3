"""Does what was learnt serve a walker whose front leg is lame? GAIL and AIRL on HalfCheetah.

    python -m benchmarks.transfer_walker --seeds 0 --output runs/transfer-walker

After Fu, Luo and Levine 2018, section 7.2, where an ant loses two legs. The shared expert
demonstrates with both legs. GAIL learns a policy, AIRL a reward of the state and one of state and
action, each from scratch, so that they see what the expert never did. Then the motors of the front
leg are off: GAIL's policy is used as it is, and each reward is optimised again by PPO from scratch,
beside the task's own reward, the most that can be hoped for. Each run lies in --output and goes on
where it was stopped; the last line is JSON of these seeds.
"""

from __future__ import annotations

import argparse
import json
import sys
import xml.etree.ElementTree as ElementTree
from contextlib import closing
from pathlib import Path

import gymnasium.envs.mujoco

from benchmarks._shared_data import find
from benchmarks._transfer_runs import World, show
from ilrobot.data.convert import open_source
from ilrobot.data.writing import write_episodes
from ilrobot.errors import UserError, WorkFailed

WHOLE = World("HalfCheetah-v5")
FRONT_LEG = ("fthigh", "fshin", "ffoot")
JUDGED = range(900_000, 900_020)
#: Learner and its options, with both legs.
LEARNT = {
    "gail": ("gail",),
    "airl, state": ("airl", "--inputs", "state"),
    "airl, state-action": ("airl", "--inputs", "state-action"),
}


def lame(folder: Path) -> World:
    """The task with the motors of the front leg off; the model is written into the folder."""
    model = Path(gymnasium.envs.mujoco.__file__).parent / "assets" / "half_cheetah.xml"
    tree = ElementTree.parse(model)
    motors = [m for m in tree.iter("motor") if m.get("joint") in FRONT_LEG]
    if len(motors) != len(FRONT_LEG):
        raise WorkFailed(f"{model} has not the motors {', '.join(FRONT_LEG)}")
    for motor in motors:
        motor.set("gear", "0")
    folder.mkdir(parents=True, exist_ok=True)
    file = folder.resolve() / "lame.xml"
    tree.write(file)
    return World(WHOLE.task, {"xml_file": str(file)})


def demonstrate(folder: Path) -> None:
    """The shared expert's episodes, as a dataset."""
    with closing(WHOLE.make()) as env:
        source = open_source(find("gym_experts/halfcheetah_v5_rollouts.npz"), "npz", env.spec.rate)
    write_episodes(folder, source.spec, source.episodes)


def measure(seed: int, steps: int, again: int, output: Path) -> dict[str, float]:
    """True returns of one seed: with both legs, and with the front one lame.

    Args:
        seed: Of everything.
        steps: Environment steps of GAIL and AIRL.
        again: And of each PPO afterwards.
        output: Folder of all runs.
    """
    walker = lame(output)
    data = output / "demonstrations"
    if not (data / "meta" / "info.json").exists():
        demonstrate(data)
    found = {}
    for name, (learner, *options) in LEARNT.items():
        run = output / f"{name.replace(', ', '-')}-{seed}"
        given = ["--dataset", str(data), *options]
        WHOLE.learn(learner, run, seed=seed, steps=steps, given=given)
        found[f"{name}: policy, both legs"] = WHOLE.returned(run, JUDGED)
        found[f"{name}: policy, lame"] = walker.returned(run, JUDGED)
        if learner == "airl":
            tried = run.with_name(f"{run.name}-again")
            walker.learn("ppo", tried, seed=seed, steps=again, given=["--reward", str(run)])
            found[f"{name}: reward tried for, lame"] = walker.returned(tried, JUDGED)
        print(json.dumps(found), file=sys.stderr, flush=True)
    own = walker.learn("ppo", output / f"own-{seed}", seed=seed, steps=again, given=[])
    found["the task's own reward tried for, lame"] = walker.returned(own, JUDGED)
    return found


def main() -> None:
    """Measure the seeds that are asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--steps", type=int, default=1_000_000, help="of the task, GAIL and AIRL")
    parser.add_argument("--again", type=int, default=500_000, help="of the task, each PPO")
    parser.add_argument("--output", type=Path, required=True, help="a second call goes on there")
    asked = parser.parse_args()
    try:
        found = {s: measure(s, asked.steps, asked.again, asked.output) for s in asked.seeds}
    except (UserError, WorkFailed) as error:
        sys.exit(f"transfer_walker: {error}")
    show(found)
    print(json.dumps(found))


if __name__ == "__main__":
    main()

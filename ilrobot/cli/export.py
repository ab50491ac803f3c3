"""``ilrobot export``: one file for the robot."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

from ilrobot.cli.usage import CHUNKS, optional
from ilrobot.errors import UserError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ilrobot.control.contract_joints import Joints
    from ilrobot.data.dataset import Dataset
    from ilrobot.learners.interactive.calling import Calling
    from ilrobot.policies.policy import Policy
    from ilrobot.spec import Spec

#: Real observations on which torch and ONNX Runtime are compared.
WINDOWS = 100


@dataclass
class Export:
    """Write a trained policy as one .onnx file, if it does what the trained policy does.

    The graph is compared with the trained policy on real observations; where they differ by more
    than 1e-5 of the command range, the export fails and leaves no file.

    Example: ilrobot export --policy runs/bc --output policy.onnx
    """

    policy: Path
    """Folder of a finished run."""

    output: Path
    """The .onnx file to write; one that is there is replaced."""

    dataset: Annotated[Path | None, optional("FOLDER", "what the policy was trained on")] = None
    """Where the real observations and the limits come from."""

    chunks: Annotated[str, optional(CHUNKS, "receding")] = "receding"
    """How chunks are to become one action per tick; see docs/executing-chunks.md."""

    int8: bool = False
    """Weights of 8 bits, if they do the task as well: full precision and they are both tried."""

    episodes: Annotated[int | None, optional("N", "100")] = None
    """With --int8, in how many episodes each of the two is tried, at least 50."""

    guards: Annotated[Path | None, optional("FILE", "limits by the data, fallback hold")] = None
    """JSON file of limits, workspace, fallback and timeouts to hold instead of the data's."""

    unroll: bool = False
    """Write the sampler's steps one after the other, for runtimes without loops (OpenVINO)."""

    sign: Annotated[Path | None, optional("KEY", "not signed")] = None
    """PEM file of an Ed25519 private key; the signature goes beside the file, as FILE.onnx.sig."""

    json: bool = False
    """Print one JSON object as the last line."""

    def run(self) -> int:
        """Export and print."""
        from exports.graph import OPSET
        from exports.limits import guessed_targets
        from exports.real_data import observation_windows
        from exports.runtime.session import OnnxPolicy
        from exports.signature import fingerprint, load_private_key, sign
        from exports.stated_guards import read_guards, stated_modes, with_guards
        from exports.to_onnx import export_policy
        from ilrobot.cli.int8 import check_int8, ship_int8
        from ilrobot.cli.output import console, print_json
        from ilrobot.cli.places import claim_file
        from ilrobot.control.chunking import Chunking
        from ilrobot.policies.loading import load_policy
        from ilrobot.run import policy_hash

        if self.output.suffix != ".onnx":
            raise UserError(f"--output must end in .onnx, not '{self.output.name}'")
        if self.policy.suffix == ".onnx":
            raise UserError(f"{self.policy} is exported already; give the folder of its run")
        chunking = Chunking.parse(self.chunks)
        stated = {} if self.guards is None else read_guards(self.guards)
        key = None if self.sign is None else load_private_key(self.sign)
        policy = load_policy(self.policy)
        policy.actor(chunking)  # whether it can be executed so
        if self.episodes is not None and not self.int8:
            raise UserError("--episodes is for --int8; leave it out")
        if self.int8:
            check_int8(self.policy, policy.spec, self._episodes)
        if self.unroll and policy.sampler_steps is None:
            raise UserError(
                f"--unroll is for a sampler, and {self.policy} has none (its head is "
                f"{policy.config.head}); leave it out"
            )
        dataset, trained_on = self._open_dataset()
        actions = self._actions(dataset)
        windows = observation_windows(dataset, policy.spec, policy.config.n_obs, WINDOWS)
        replaced = ", in place of the one before" if self.output.exists() else ""
        claim_file(self.output)
        calling = self._calling(dataset)
        with TemporaryDirectory() as folder:
            written = Path(folder) / "full.onnx" if self.int8 else self.output
            with console.status("exporting"):
                done = export_policy(
                    policy,
                    written,
                    windows=windows,
                    actions=actions,
                    data_hash=trained_on,
                    limits_hash=dataset.content_hash,
                    checkpoint_hash=policy_hash(self.policy),
                    chunking=chunking,
                    unrolled=self.unroll,
                    calling=calling,
                    joints=_joints(policy.spec),
                    modes=stated_modes(stated, policy.spec.action.size),
                    guards=lambda contract: with_guards(contract, stated, str(self.guards)),
                )
            if self.int8:
                quantized = ship_int8(written, self.output, self._episodes)
        sign(self.output, key)
        parity, size = done.parity, self.output.stat().st_size
        inputs, outputs = OnnxPolicy(self.output).signature
        print(f"file     {self.output}  ({size / 1e6:.1f} MB, opset {OPSET}){replaced}")
        for name, shape in inputs.items():
            print(f"input    {name}  {shape}")
        for name, shape in outputs.items():
            print(f"output   {name}  {shape}")
        print(f"parity   {parity}")
        print(f"plain    {done.plain_parity}  (without ONNX Runtime's optimisation)")
        if done.contract.limits is not None:
            print(f"limits   of {sum(map(len, actions)):,} ticks in {dataset.path}")
        if guessed := guessed_targets(done.contract):
            print(
                f"actions  nobody says what '{guessed[0]}' is: taken for a target, which holds a "
                'robot by being repeated; say it by --guards: {"limits": {"mode": ["absolute" or '
                '"delta" for each element]}}'
            )
        after = done.contract.fallback_after.out_of_range
        if after is not None and (still := _still(policy)):
            print(
                f"still    {', '.join(still)} did not move in the data, so that any noise of that "
                f"sensor is out of range, and the fallback acts after {after:g} s "
                "(fallback_after.out_of_range)"
            )
        if self.int8:
            print(
                f"int8     success {quantized.success:.1%}, of full precision "
                f"{quantized.full_success:.1%}, in {quantized.episodes} episodes each"
            )
        if key is not None:
            print(f"signed   by the key {fingerprint(key)}")
        if self.json:
            print_json(
                {
                    "file": str(self.output),
                    "size": size,
                    "opset": OPSET,
                    "inputs": inputs,
                    "outputs": outputs,
                    "parity": vars(parity),
                    "plain_parity": vars(done.plain_parity),
                    "signed_by": None if key is None else fingerprint(key),
                    "quantized": vars(quantized) if self.int8 else None,
                    "dataset": {"path": str(dataset.path), "content_hash": dataset.content_hash},
                }
            )
        return 0

    @property
    def _episodes(self) -> int:
        return 100 if self.episodes is None else self.episodes

    def _calling(self, dataset: Dataset) -> Calling:
        from ilrobot.cli.output import console
        from ilrobot.learners.interactive.calling import NEVER_CALLS, calling_of

        if self.dataset is not None:  # what it was trained on may be another
            return NEVER_CALLS
        try:
            with console.status("fitting what its gate calls by"):
                return calling_of(self.policy, dataset)
        except UserError as error:
            console.print(f"note: it is not known when it calls for help: {error}")
            return NEVER_CALLS

    def _actions(self, dataset: Dataset) -> list[NDArray[Any]]:
        """What the robot may do.

        That is what was taught. It is all that was done for an offline learner, and for one that
        nobody taught, whose own attempts are all that there is, failed ones too.
        """
        from exports.real_data import executed_actions, taught_actions
        from ilrobot.cli.learners import LEARNERS
        from ilrobot.run import RUN_FILE, Run
        from ilrobot.run_description import ATTEMPTS, TrainDescription

        if (self.policy / RUN_FILE).exists():
            known = Run.read(self.policy).description
            learner = known.learner if isinstance(known, TrainDescription) else ""
            own = dataset.path.resolve() == (self.policy / ATTEMPTS).resolve()
            if learner in LEARNERS and (own or LEARNERS[learner][1] == "offline"):
                return executed_actions(dataset)
        return taught_actions(dataset)

    def _open_dataset(self) -> tuple[Dataset, str]:
        """Where real observations come from, and the content hash of the training data."""
        from ilrobot.cli.output import console
        from ilrobot.data.dataset import Dataset
        from ilrobot.run import RUN_FILE, Run

        path, trained_on = self.dataset, ""
        if (self.policy / RUN_FILE).exists():
            known = Run.read(self.policy).description.dataset
            path, trained_on = path or Path(known.path), known.content_hash
        if path is None:
            raise UserError(
                f"{self.policy} does not tell what the policy was trained on; give --dataset"
            )
        try:
            dataset = Dataset.open(path)
        except UserError as error:
            hint = "" if self.dataset else "; an export needs real observations, give --dataset"
            raise UserError(f"{error}{hint}") from error
        if trained_on and dataset.content_hash != trained_on:
            # A dataset grows from round to round of DAgger; its observations are real all the same.
            console.print(
                f"note: {path} is not, or no longer, what the policy was trained on; the limits "
                "come from what it teaches now"
            )
        return dataset, trained_on


def _still(policy: Policy) -> list[str]:
    """Elements of the observations of which the training range is one value."""
    frozen = policy.frozen
    return [name for of in policy.spec.observations for name in frozen.get(of.name, ())]


def _joints(spec: Spec) -> Joints | None:
    """What the task says of its arm (None: nothing, or it cannot be made on this machine)."""
    from ilrobot.control.contract_joints import Joints
    from ilrobot.env import make_env
    from ilrobot.env_spec import stated_joints

    if not spec.task:
        return None
    try:
        env = make_env(spec.task, spec.task_options)
    except UserError:  # the data came from another machine; they say nothing of joints
        return None
    try:
        stated = stated_joints(env.env)
    finally:
        env.close()
    if stated is None:
        return None
    try:
        return Joints.from_json(stated)
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"task '{spec.task}' states a wrong joint_metadata ({error!r}); mend the task"
        ) from error

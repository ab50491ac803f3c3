"""``ilrobot reward``: look at a reward that was learnt, or export it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import Positional

from ilrobot.cli.usage import TaskOptions, optional
from ilrobot.errors import UserError
from ilrobot.required import require

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ilrobot.data.dataset import Dataset
    from ilrobot.data.transitions import Transitions
    from ilrobot.policies.policy import Policy
    from ilrobot.report.reward import Rewarded
    from ilrobot.rewards.model import RewardModel

#: Real transitions on which torch and ONNX Runtime are compared.
COMPARED = 1_000


@dataclass
class Reward:
    """Show the reward that a run has learnt, as one HTML file, or export it as .onnx.

    The page shows it along the demonstrations and along fresh attempts of the run's policy, both
    distributions, a map where a state is one or two numbers, and how it correlates with the task's
    own reward where that is known. Prints the file's path.

    Examples: ilrobot reward runs/airl; ilrobot reward runs/airl --output reward.onnx
    """

    path: Positional[Path]
    """Folder of a run of gail, airl, gcl or preferences."""

    output: Annotated[Path | None, optional("FILE", "reward.html in the run")] = None
    """The file to write, .html or .onnx."""

    dataset: Annotated[Path | None, optional("FOLDER", "that of the run")] = None
    """Demonstrations to look at."""

    episodes: int = 5
    """Attempts of the run's policy; 0 makes none."""

    seed: int = 100_000
    """Seed of the first attempt; the next ones count up from it."""

    task: Annotated[str, optional("ID", "the task that the policy was trained on")] = ""
    """Gymnasium id of the task for the attempts."""

    options: TaskOptions = ()
    """Options of the environment; they override those of the training."""

    json: bool = False
    """Print one JSON object as the last line."""

    def run(self) -> int:
        """Write the file and print its path."""
        require("reward", "torch", "matplotlib.figure", extra="train")
        from ilrobot.cli.places import claim_file
        from ilrobot.cli.seeds import check_seeds
        from ilrobot.compatibility import check_policy_fits
        from ilrobot.data.dataset import Dataset
        from ilrobot.rewards.model import REWARD_FILE, RewardModel
        from ilrobot.run import POLICY_FILE, Run

        output = self.path / "reward.html" if self.output is None else self.output
        if output.suffix not in (".html", ".onnx"):
            raise UserError(f"--output must end in .html or .onnx, not '{output.name}'")
        if self.episodes < 0:
            raise UserError(f"--episodes must be at least 0, not {self.episodes}")
        check_seeds(self.episodes or 1, self.seed)
        if output.suffix == ".onnx":
            self._refuse_attempts(f"{output.name} is written without any")
        described = Run.read(self.path).description
        if not (self.path / REWARD_FILE).exists():
            raise UserError(
                f"{self.path} holds no reward ({REWARD_FILE}); the learners gail, airl, gcl and "
                "preferences leave one when they are done"
            )
        if not (self.path / POLICY_FILE).exists():
            self._refuse_attempts(f"{self.path} holds no policy")
        model = RewardModel.load(self.path / REWARD_FILE)
        data = Dataset.open(self.dataset or Path(described.dataset.path))
        check_policy_fits(model.spec, data.spec, str(self.path), "reward")
        claim_file(output)
        if output.suffix == ".onnx":
            return self._export(model, data, output)
        return self._show(model, data, output)

    def _refuse_attempts(self, why: str) -> None:
        """Options of the attempts where there are none, other than to ask for none."""
        for name in ("episodes", "seed", "task", "options"):
            given = getattr(self, name)
            if given != getattr(type(self), name) and (name, given) != ("episodes", 0):
                raise UserError(f"--{name} is for attempts of a policy, and {why}; leave it out")

    def _export(self, model: RewardModel, data: Dataset, output: Path) -> int:
        import numpy as np

        from exports.reward_to_onnx import export_reward
        from ilrobot.cli.output import console, print_json
        from ilrobot.rewards.model import REWARD_FILE
        from ilrobot.run import policy_hash

        steps = _steps(data, model)
        some = np.unique(np.linspace(0, len(steps) - 1, COMPARED).round().astype(np.int64))
        with console.status("exporting"):
            parity = export_reward(
                model,
                output,
                steps.where(some),
                checkpoint_hash=policy_hash(self.path / REWARD_FILE),
            )
        print(f"file     {output}  ({output.stat().st_size / 1e6:.1f} MB)")
        print(f"parity   {parity}")
        if self.json:
            print_json({"file": str(output), **vars(parity)})
        return 0

    def _show(self, model: RewardModel, data: Dataset, output: Path) -> int:
        from ilrobot.cli.output import print_json
        from ilrobot.errors import explained
        from ilrobot.report.html import write_report
        from ilrobot.report.reward import attempted, demonstrated, reward_report

        known, remark = [demonstrated(model, _steps(data, model))], ""
        policy = self._policy()
        if policy is None:
            remark = f"{self.path} holds no policy, so there are no attempts to compare with."
        elif self.episodes:
            known.append(attempted(model, self._attempts(policy, model)))
        name = self.path.resolve().name
        report = reward_report(f"Reward of {name}", model, known, _acting(policy, model), remark)
        with explained(output, "the page was not written", "try again"):
            write_report(output, report)
        print(output)
        if self.json:
            print_json({"file": str(output), **{part.name: _numbers(part) for part in known}})
        return 0

    def _policy(self) -> Policy | None:
        from ilrobot.policies.loading import load_policy
        from ilrobot.run import POLICY_FILE

        return load_policy(self.path) if (self.path / POLICY_FILE).exists() else None

    def _attempts(self, policy: Policy, model: RewardModel) -> Transitions:
        from ilrobot.cli.actors import TaskForPolicy
        from ilrobot.cli.options import parse_options
        from ilrobot.cli.output import console
        from ilrobot.compatibility import check_policy_fits
        from ilrobot.env import make_env
        from ilrobot.learners.reinforcement.attempts import record_attempts
        from ilrobot.task_env import TaskEnv

        chosen = TaskForPolicy.choose(
            policy.spec, self.path, self.task, parse_options(self.options)
        )

        def make() -> TaskEnv:
            env = make_env(chosen.task, chosen.options, rate=chosen.rate)
            check_policy_fits(policy.spec, env.spec, str(self.path))
            return env

        with TemporaryDirectory() as folder, console.status("letting the policy try"):
            made = record_attempts(
                policy, Path(folder) / "attempts", make, seed=self.seed, episodes=self.episodes
            )
            return _steps(made, model)


def _steps(data: Dataset, model: RewardModel) -> Transitions:
    """As the reward reads them, with the task's own rewards, where all are known."""
    import numpy as np

    from ilrobot.data.transitions import Transitions

    rewards = data.column("next.reward") if data.has_column("next.reward") else np.zeros(1)
    rewarded = bool(np.isfinite(rewards).all() and rewards.any())
    return Transitions.of(data, rewards=rewarded, reads=model.spec)


def _acting(
    policy: Policy | None, model: RewardModel
) -> Callable[[NDArray[np.float32]], NDArray[np.float32]] | None:
    """The policy as a function of what the reward reads; of one observation only."""
    if policy is None or policy.config.n_obs > 1 or policy.noise_shape is not None:
        return None
    if not set(policy.spec.observation_names) <= set(model.spec.observation_names):
        return None
    import torch

    def act(observations: NDArray[np.float32]) -> NDArray[np.float32]:
        parts = torch.from_numpy(observations).split([f.size for f in features], dim=1)
        named = {f.name: p.reshape(-1, 1, *f.shape) for f, p in zip(features, parts, strict=True)}
        with torch.inference_mode():
            actions: NDArray[np.float32] = policy(named)[:, 0].numpy()
        return actions.reshape(len(observations), -1)

    features = model.spec.observations
    return act


def _numbers(part: Rewarded) -> dict[str, Any]:
    return {
        "steps": len(part.rewards),
        "mean": float(part.rewards.mean()),
        "correlation": part.correlation,
    }

"""The gates of ``ilrobot dagger``: what each needs, and how it is made for a round."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ilrobot.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ilrobot.actors import Actor
    from ilrobot.data.dataset import Dataset
    from ilrobot.gates.beta import BetaSchedule
    from ilrobot.gates.gate import Gate
    from ilrobot.learners.interactive.gate_network import OnSteps
    from ilrobot.spec import Spec

GateName = Literal["human", "beta", "safe", "lazy", "ensemble", "thrifty", "benefit", "dart"]
BetaName = Literal["indicator", "linear", "exponential"]

#: They compare with the expert, or let it act, at every tick: it must be one that can be asked.
ASK_ALWAYS = frozenset({"beta", "ensemble", "dart"})
#: They decide by how sure the policy is.
NEED_DOUBT = frozenset({"ensemble", "thrifty"})
#: They are fitted to episodes that the policy was not trained on.
NEED_HELD_OUT = frozenset({"safe", "lazy", "ensemble", "thrifty", "dart"})
#: Budgets where none is given: share of the steps at which, or of the attempts in which, the policy
#: may call for help.
BUDGETS: Mapping[str, float] = {"thrifty": 0.1, "benefit": 0.3}
#: Attempts that the policy makes alone before each round, where the gate learns from these.
REHEARSALS: Mapping[str, int] = {"benefit": 100}


@dataclass(frozen=True)
class GatePlan:
    """A gate for each round; picklable.

    Attributes:
        name: Which.
        output: The run's folder; what a round's gate was fitted to lies in ``gate-N`` there.
        seed: Of all draws.
        rounds: How many there are to be.
        budget: See `BUDGETS` (None: as it says there).
        beta: Schedule of the expert's share (beta).
    """

    name: GateName
    output: Path
    seed: int
    rounds: int
    budget: float | None = None
    beta: BetaName = "exponential"

    def setting(self) -> dict[str, Any]:
        """What must stay the same when a run goes on."""
        said: dict[str, Any] = {"gate": self.name}
        if self.name in BUDGETS:
            said["budget"] = self.share
        if self.rehearsals:
            said["rehearsals"] = self.rehearsals
        if self.name == "beta":
            # A linear schedule depends on how many rounds there are to be.
            over = f" over {self.rounds} rounds" if self.beta == "linear" else ""
            said["beta"] = f"{self.beta}{over}"
        return said

    @property
    def share(self) -> float:
        """The budget (0: the gate has none)."""
        return BUDGETS.get(self.name, 0.0) if self.budget is None else self.budget

    @property
    def rehearsals(self) -> int:
        """Attempts that the policy makes alone before each round."""
        return REHEARSALS.get(self.name, 0)

    def check(self, spec: Spec, dataset: Dataset, policy: Path, members: int) -> None:
        """Refuse what this gate cannot do, before anything is made.

        Raises:
            UserError: The policy is a single net, the actions are choices, or all demonstrations
                were trained on.
        """
        from ilrobot.gates.discrepancy import action_ranges
        from ilrobot.learners.interactive.dart import held_out_episodes

        if self.name in NEED_DOUBT and members < 2:
            raise UserError(
                f"--gate {self.name} needs a policy that knows how sure it is, and {policy} is a "
                "single net; train an ensemble: ilrobot train --members 5"
            )
        if self.name not in ("human", "beta"):
            action_ranges(spec)
        if self.name in NEED_HELD_OUT:
            held_out_episodes(dataset, policy)

    def prepare(self, number: int, dataset: Dataset, policy_run: Path, on_steps: OnSteps) -> None:
        """See `ilrobot.learners.interactive.collect.Cast`."""
        from ilrobot.learners.interactive.gate_values import prepare_gate
        from ilrobot.learners.interactive.round_gates import gate_fit, gate_material

        fit = gate_fit(self.name, self.output, number, self.share)
        if fit is not None:
            material = gate_material(self.output, number, dataset, policy_run, self.seed, on_steps)
            prepare_gate(self._folder(number), material, fit)

    def make(self, number: int, spec: Spec, novice: Actor, engaged: Callable[[], bool]) -> Gate:
        """The gate of a round.

        Args:
            number: Of the round, from 1.
            spec: The task's.
            novice: The policy as an actor.
            engaged: Whether a person wants control; only for ``human``.
        """
        from ilrobot.ensemble import EnsembleActor
        from ilrobot.gates.benefit import BenefitGate, BenefitThresholds, patience
        from ilrobot.gates.beta import BetaGate
        from ilrobot.gates.dart import DartGate
        from ilrobot.gates.discrepancy import Discrepancy
        from ilrobot.gates.ensemble import EnsembleGate
        from ilrobot.gates.foresight import Foresight
        from ilrobot.gates.human import HumanGate
        from ilrobot.gates.lazy import LazyGate
        from ilrobot.gates.safe import SafeGate
        from ilrobot.gates.thrifty import Thresholds, ThriftyGate
        from ilrobot.learners.interactive.gate_values import CLASSIFIER, CRITIC, read_values
        from ilrobot.learners.interactive.help_critic import HelpCritic
        from ilrobot.learners.interactive.safety_classifier import SafetyClassifier
        from ilrobot.learners.interactive.success_critic import SuccessCritic

        if self.name == "beta":
            # The demonstrations that the first policy learnt from are the paper's first round.
            return BetaGate(self._schedule()(number + 1), seed=self.seed)
        folder = self._folder(number)
        values = read_values(folder)
        if self.name == "human":
            return HumanGate(engaged, trusted=values.get("doubt"))
        if self.name == "dart":
            return DartGate(values["covariance"])
        if self.name == "benefit":
            now = BenefitThresholds(values["benefit"], values["handback"])
            return BenefitGate(HelpCritic.load(folder / CRITIC), now, patience(spec.rate))
        discrepancy = Discrepancy.of(spec)
        if self.name in ("safe", "lazy"):
            foresight = Foresight(SafetyClassifier.load(folder / CLASSIFIER))
            if self.name == "safe":
                return SafeGate(foresight)
            return LazyGate(discrepancy, values["discrepancy"], foresight=foresight)
        assert isinstance(novice, EnsembleActor)
        if self.name == "ensemble":
            return EnsembleGate(discrepancy, novice.doubt, values["doubt"])
        return ThriftyGate(
            discrepancy,
            self.share,
            novice.novelty,
            SuccessCritic.load(folder / CRITIC),
            Thresholds(values["novelty"], values["success"], values["recovery"]),
            values["agreement"],
        )

    def noise(self, number: int, spec: Spec) -> NDArray[np.float64] | None:
        """Covariance of the noise on an expert that can be asked, in a round (None: no noise)."""
        import numpy as np

        from ilrobot.gates.discrepancy import action_ranges
        from ilrobot.gates.lazy import NOISE
        from ilrobot.learners.interactive.gate_values import read_values

        if self.name == "dart":
            return np.array(read_values(self._folder(number))["covariance"])
        if self.name == "lazy":
            return np.diag((NOISE * action_ranges(spec).reshape(-1)) ** 2)
        return None

    def _folder(self, number: int) -> Path:
        from ilrobot.learners.interactive.round_gates import gate_folder

        return gate_folder(self.output, number)

    def _schedule(self) -> BetaSchedule:
        from ilrobot.gates.beta import exponential, indicator, linear

        if self.beta == "linear":
            return linear(self.rounds + 1)
        return indicator() if self.beta == "indicator" else exponential()

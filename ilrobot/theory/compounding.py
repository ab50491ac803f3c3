"""Do errors compound? Regret against horizon for five methods of the same error per step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from ilrobot.theory.aggrevate import aggrevate
from ilrobot.theory.behavioral_cloning import behavioral_cloning, worst_case
from ilrobot.theory.dagger import dagger
from ilrobot.theory.forward import forward_training
from ilrobot.theory.smile import smile
from ilrobot.theory.task import Array, TabularTask
from ilrobot.theory.tasks import cliff, fork
from ilrobot.theory.walk import Walk, walk_right


@dataclass(frozen=True)
class Method:
    """One line of the figure.

    Attributes:
        title: As people call it.
        make_task: The task for a horizon.
        learn: The policy from a task and an error ε.
        exponent: The predicted slope: regret grows as T to this power.
        bound: The most regret that the theory allows a task, an error ε; None if it has nothing to
            say about the settings used here.
    """

    title: str
    make_task: Callable[[int], TabularTask]
    learn: Callable[[TabularTask, float], Array]
    exponent: int
    bound: Callable[[TabularTask, float], float] | None

    def regret(self, epsilon: float, horizon: int) -> float:
        """The regret, exact."""
        task = self.make_task(horizon)
        return task.regret(self.learn(task, epsilon))


def cloning_bound(task: TabularTask, epsilon: float) -> float:
    """εT²: Ross and Bagnell 2010; Ross, Gordon and Bagnell 2011, theorem 2.1."""
    return epsilon * task.horizon**2


def interactive_bound(task: TabularTask, epsilon: float) -> float:
    """uεT: Ross, Gordon and Bagnell 2011, theorem 2.2."""
    return task.recovery_cost() * epsilon * task.horizon


METHODS: Mapping[str, Method] = {
    "bc_worst": Method("BC, worst case", fork, worst_case, 2, cloning_bound),
    "bc": Method("BC", cliff, behavioral_cloning, 2, cloning_bound),
    "forward": Method("Forward training", cliff, forward_training, 1, interactive_bound),
    "smile": Method("SMILe", cliff, smile, 1, None),
    "dagger": Method("DAgger", cliff, dagger, 1, interactive_bound),
    "aggrevate": Method("AggreVaTe", cliff, aggrevate, 1, interactive_bound),
}

#: Error and horizons of the slopes: εT is 0.1 at most, where regret is far from its ceiling T.
EPSILON = 1e-4
HORIZONS = (16, 32, 64, 128, 256, 512, 1000)

#: The worked example of the literature.
WORKED_EPSILON, WORKED_HORIZON = 0.01, 200


@dataclass(frozen=True)
class Compounding:
    """What came out.

    Attributes:
        regrets: Method → regret at each of `HORIZONS`, for `EPSILON`.
        slopes: Method → fitted exponent.
        worked: Method → regret for `WORKED_EPSILON` and `WORKED_HORIZON`.
        worked_bounds: Method → its bound there, or None.
        walk: The walk to the right, for the worked example's error and horizon.
    """

    regrets: Mapping[str, list[float]]
    slopes: Mapping[str, float]
    worked: Mapping[str, float]
    worked_bounds: Mapping[str, float | None]
    walk: Walk


def compounding() -> Compounding:
    """Run the study; it takes a few seconds."""
    regrets = {
        name: [method.regret(EPSILON, horizon) for horizon in HORIZONS]
        for name, method in METHODS.items()
    }
    return Compounding(
        regrets=regrets,
        slopes={name: slope(HORIZONS, found) for name, found in regrets.items()},
        worked={
            name: method.regret(WORKED_EPSILON, WORKED_HORIZON) for name, method in METHODS.items()
        },
        worked_bounds={
            name: method.bound and method.bound(method.make_task(WORKED_HORIZON), WORKED_EPSILON)
            for name, method in METHODS.items()
        },
        walk=walk_right(WORKED_EPSILON, WORKED_HORIZON),
    )


def slope(horizons: tuple[int, ...], regrets: list[float]) -> float:
    """The exponent k of regret ∝ T^k: least squares on log-log axes."""
    return float(np.polyfit(np.log(horizons), np.log(regrets), 1)[0])

"""A head that reads the history with an LSTM, as in BC-RNN, and predicts by another from its state.

    h_t = LSTM(h_(t-1), o_t),    h_0 = 0,    L = mean of ℓ(h_t, a_t) over the ticks of the history

with ℓ the loss of any other head. Hochreiter and Schmidhuber 1997, "Long short-term memory";
Mandlekar et al. 2021, "What matters in learning from offline human demonstrations for robot
manipulation". As there, each tick of the history teaches, not its newest alone: a window costs
little more and says so many times as much.

There the state is carried on from tick to tick and forgotten every 10; here the last `history`
observations are read anew at each prediction. So what a policy does depends on nothing but its
inputs: it acts alike after a takeover or a rewind, and its exported file holds no state. Reading
costs `history` times as much, but a sampler reads once for all of its steps.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ilrobot.errors import UserError
from ilrobot.policies.heads.guidance import Guidance
from ilrobot.policies.heads.head import Head


class _Lstm(nn.ParameterList):
    """Its weights as a list, as they are named in policies that are kept, and what they compute."""

    __call__ = nn.Module.__call__

    def forward(self, history: Tensor, begin: Tensor) -> Tensor:
        """Histories (B, history, observation) to the states after each, (B, history, width)."""
        states, _, _ = torch.lstm(
            history,
            (begin, begin),
            tuple(self),
            has_biases=True,
            num_layers=len(self) // 4,
            dropout=0.0,
            train=self.training,
            bidirectional=False,
            batch_first=True,
        )
        return states


class RecurrentHead(Head):
    """An LSTM over the observations, then a head on its state.

    Attributes:
        head: What predicts and is taught, of a condition of `width` features.

    Args:
        head: See above.
        history: Observations in the condition, oldest first.
        observation: Features of each.
        width: Features of the LSTM's state.
        layers: Of the LSTM.
    """

    def __init__(
        self, head: Head, *, history: int, observation: int, width: int, layers: int
    ) -> None:
        super().__init__()
        self._shape, self._width, self._layers = (history, observation), width, layers
        # As `nn.LSTM` sets them.
        self.lstm = _Lstm(nn.LSTM(observation, width, layers).parameters())
        self.head = head
        self.noise_shape, self.ticks = head.noise_shape, history
        self.register_load_state_dict_pre_hook(_name_as_now)

    def states(self, condition: Tensor) -> Tensor:
        """The state after each observation, shape (B, C) to (B, history, width)."""
        history = condition.unflatten(1, self._shape)
        begin = history.new_zeros(self._layers, history.shape[0], self._width)
        states: Tensor = self.lstm(history, begin)
        return states

    def read(self, condition: Tensor) -> Tensor:
        """The state after all of the history, from which it acts, shape (B, C) to (B, width)."""
        return self.states(condition)[:, -1]

    @property
    def steps(self) -> int | None:
        """See `Head`."""
        return self.head.steps

    def fit(self, actions: Tensor, mask: Tensor) -> None:
        """See `Head`."""
        self.head.fit(actions, mask)

    def loss(
        self, condition: Tensor, actions: Tensor, mask: Tensor, noise: Tensor | None = None
    ) -> Tensor:
        """See `Head`, of the chunks that begin at the newest ticks of each history.

        Args:
            condition: Encoded observations, shape (B, C).
            actions: Normalised labels of so many ticks, a history's one after the other, oldest
                first: shape (B · ticks, H, A), or (B · ticks, H) int64 for choices.
            mask: Which of them count, shape (B · ticks, H) bool.
            noise: See the head that predicts.

        Returns:
            Shape (B · ticks,).
        """
        ticks = len(actions) // len(condition)
        taught = self.states(condition)[:, -ticks:].flatten(0, 1)
        given = () if noise is None else (noise,)
        loss: Tensor = self.head.loss(taught, actions, mask, *given)
        return loss

    def forward(
        self, condition: Tensor, noise: Tensor | None = None, guidance: Guidance | None = None
    ) -> Tensor:
        """See `Head`."""
        led = () if guidance is None else (guidance,)
        chunk: Tensor = self.head(self.read(condition), noise, *led)
        return chunk


def _name_as_now(recurrent: RecurrentHead, state: dict[str, Any], prefix: str, *_rest: Any) -> None:
    """Weights of policies whose head had a network that began with the LSTM.

    Raises:
        UserError: It had two, each with an LSTM of its own.
    """
    if f"{prefix}decoder.lstm.0" in state:
        raise UserError(
            "a policy of --network rnn and --head cvae of an earlier version has two LSTMs, where "
            "now is one; train it again"
        )
    if f"{prefix}network.lstm.0" not in state:
        return
    for name in [name for name in state if name.startswith(prefix)]:
        own = name.removeprefix(prefix)
        if own.startswith("network.lstm."):
            now = own.removeprefix("network.")
        else:
            now = f"head.{own.replace('network.decode.', 'network.', 1)}"
        state[prefix + now] = state.pop(name)

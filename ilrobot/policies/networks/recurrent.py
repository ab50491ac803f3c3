"""A recurrent network over the history, as in BC-RNN.

An LSTM (Hochreiter and Schmidhuber 1997, "Long short-term memory") reads the observations from the
oldest to the newest, and the chunk is predicted from its last state. Mandlekar et al. 2021, "What
matters in learning from offline human demonstrations for robot manipulation".

There the state is carried on from tick to tick and forgotten every 10; here the last `history`
observations are read anew at each prediction. So what a policy does depends on nothing but its
inputs: it acts alike after a takeover or a rewind, and its exported file holds no state. Reading
costs `history` times as much. A sampler's network reads them again at each of its steps.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ilrobot.policies.networks.mlp import ResidualMLP
from ilrobot.policies.networks.network import Network, Sizes


class Recurrent(Network):
    """An LSTM over the observations, then a residual MLP from its last state to the chunk.

    Args:
        sizes: What the head asks for.
        width: Features of the LSTM's state and of the MLP.
        layers: Layers of the LSTM.
        blocks: Residual blocks of the MLP.
        dropout: Probability of dropping an inner feature of the MLP while training.
    """

    def __init__(
        self, sizes: Sizes, *, width: int, layers: int, blocks: int, dropout: float
    ) -> None:
        super().__init__()
        self._sizes, self._width, self._layers = sizes, width, layers
        # As `nn.LSTM` sets them, but outside of one, which cannot be part of an exported loop.
        self.lstm = nn.ParameterList(nn.LSTM(sizes.observation, width, layers).parameters())
        last = Sizes(width + sizes.extra, sizes.horizon, sizes.sample, sizes.output)
        self.decode = ResidualMLP(last, width=width, blocks=blocks, dropout=dropout)

    def forward(self, condition: Tensor, sample: Tensor | None = None) -> Tensor:
        """See `Network`."""
        history, extra = self._sizes.split(condition)
        begin = history.new_zeros(self._layers, history.shape[0], self._width)
        states, _, _ = torch.lstm(
            history,
            (begin, begin),
            tuple(self.lstm),
            has_biases=True,
            num_layers=self._layers,
            dropout=0.0,
            train=self.training,
            bidirectional=False,
            batch_first=True,
        )
        last = states[:, -1]
        if extra is not None:
            last = torch.cat([last, extra], dim=1)
        chunk: Tensor = self.decode(last, sample)
        return chunk

"""What a policy is made of, as plain numbers and words."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from ilrobot.errors import UserError
from ilrobot.policies.config_checks import check_config, check_config_to_train
from ilrobot.policies.residual_config import ResidualConfig
from ilrobot.spec import Spec
from ilrobot.typed_json import parse_fields

HeadName = Literal[
    "mse",
    "l1",
    "huber",
    "log-cosh",
    "gaussian",
    "mixture",
    "bins",
    "vq",
    "cvae",
    "cross-entropy",
    "diffusion",
    "flow",
    "mip",
]
NetworkName = Literal["mlp", "unet", "transformer", "rnn"]
Prediction = Literal["epsilon", "sample", "velocity"]
FlowPrediction = Literal["velocity", "sample", "preconditioned"]
Solver = Literal["ddim", "ddpm", "dpm"]
Latent = Literal["zero", "drawn"]
Mode = Literal["standardize", "limits", "quantile"]
Normalization = Literal["auto", Mode]
Actions = Literal["absolute", "relative", "delta"]

#: Heads that refine a sample, whose labels shall be within [-1, 1], as large as its noise.
_WITHIN_LIMITS: frozenset[HeadName] = frozenset({"diffusion", "flow", "mip"})
#: Those of them that do not end at these limits. Most ways to go are far shorter than the longest,
#: and would be lost in noise as large as that.
_BEYOND_LIMITS: frozenset[HeadName] = frozenset({"flow", "mip"})

#: Settings that came after the first runs were kept; a run without them has their defaults.
_LATER = frozenset(
    {
        "actions",
        "attention_heads",
        "cameras",
        "clip_actions",
        "frame",
        "kl_weight",
        "latent",
        "layers",
        "members",
        "normalize",
        "prefix_delay",
        "residual",
        "solver",
    }
)

#: What settings were called in runs of before, and what those have that do not say.
_RENAMED = {"ddim_steps": "sampler_steps"}
_FORMER = {"flow_prediction": "velocity", "noise_scale": 1.0}


@dataclass(frozen=True)
class PolicyConfig:
    """A policy is encoder × network × head; this names the three and their sizes.

    What only one head uses has by default what did best with it (BENCHMARKS.md).

    Attributes:
        head: Which: ``mse``, ``l1``, ``huber`` and ``log-cosh`` regress, ``gaussian`` predicts mean
            and spread, ``mixture`` several of them with their weights, ``bins`` a bin and an offset
            from its centre, ``vq`` codes and an offset from what they decode to, ``cvae`` decodes a
            latent, ``cross-entropy`` is for discrete actions,
            ``diffusion`` denoises, ``flow`` walks straight from noise to the chunk, ``mip``
            regresses and mends that once.
        network: ``mlp``, ``unet``, ``transformer`` or ``rnn``.
        cameras: Whose pictures it sees, by their short names, with what the robot measures of
            itself, see `ilrobot.observed.seen_spec` (empty: it sees all vectors, and no pictures).
        n_obs: Observations in the history.
        horizon: Actions in a predicted chunk.
        execute: Actions executed of a chunk before the next is predicted.
        width: Features of the MLP's layers, the transformer's tokens or the RNN's state.
        blocks: Residual blocks of the MLP, alone or after the RNN.
        layers: Layers of the RNN, or of the transformer's encoder and of its decoder.
        attention_heads: Heads of each attention of the transformer.
        dropout: Dropout in the MLP and in the transformer.
        channels: Channels at each level of the U-Net.
        observation_noise: Standard deviation of noise on the encoded history while training, in
            normalised units.
        kl_weight: Weight β of the divergence of a CVAE's latent from its prior.
        latent: What a CVAE acts by: the middle of its latent space (``zero``), or a latent that is
            ``drawn`` from the prior for each chunk.
        diffusion_steps: Steps of the noising process.
        sampler_steps: Steps of the sampler.
        prediction: What the denoiser predicts: the noise (``epsilon``), the clean ``sample``, or
            the ``velocity`` √ᾱ ε - √(1-ᾱ) x₀.
        flow_prediction: What the network of a flow predicts: the ``velocity``, the clean
            ``sample`` towards which that leads, or what is ``preconditioned`` to be of one size at
            every time; see `ilrobot.policies.heads.flow`.
        noise_scale: Of the noise that a flow draws a chunk from; with less than 1, which it is
            trained with, chunks vary less and are nearer to the likely ones.
        prefix_delay: So many actions at most, which will be executed before a chunk is there,
            can be told to a head that refines a sample; see `ilrobot.policies.heads.prefix`.
        normalize: Of observations and actions: ``standardize``, ``limits`` or ``quantile``, see
            `ilrobot.policies.normalize.Normalizer`; ``auto`` takes ``limits`` for heads that refine
            a sample, ``standardize`` for the others, and for a flow or ``mip`` of ways to go.
        solver: How a diffusion policy samples, see `ilrobot.policies.heads.solvers`.
        actions: What the heads predict of an action that commands what is observed: the target
            itself (``absolute``), or the way there, see `ilrobot.policies.relative`.
        frame: From which thing towards which there is a frame that the task is alike in wherever it
            lies, such as ``("cube", "goal")``: where things are is told in it, too, and steps in
            the plane are predicted in it (empty: none); see `ilrobot.policies.task_frame`.
        clip_actions: Whether actions are cut off at the limits that the task states, as those are
            from which reinforcement learns; what is cloned keeps within what was demonstrated, but
            for steps that were turned by `frame`, which may reach √2 times as far along one axis.
        members: Heads that are trained apart, each on a bootstrap of the windows; several of them
            are an ensemble that acts by their mean and knows how far they are apart.
        residual: What was learnt beside the head by trying (None: nothing).
    """

    head: HeadName = "mse"
    network: NetworkName = "mlp"
    cameras: tuple[str, ...] = ()
    n_obs: int = 1
    horizon: int = 1
    execute: int = 1
    width: int = 256
    blocks: int = 2
    layers: int = 2
    attention_heads: int = 4
    dropout: float = 0.0
    channels: tuple[int, ...] = (64, 128, 256)
    observation_noise: float = 0.0
    kl_weight: float = 10.0
    latent: Latent = "zero"
    diffusion_steps: int = 100
    sampler_steps: int = 10
    prediction: Prediction = "sample"
    flow_prediction: FlowPrediction = "sample"
    noise_scale: float = 0.5
    prefix_delay: int = 0
    solver: Solver = "ddim"
    members: int = 1
    normalize: Normalization = "auto"
    actions: Actions = "absolute"
    frame: tuple[str, ...] = ()
    clip_actions: bool = False
    residual: ResidualConfig | None = None

    @property
    def normalization(self) -> Mode:
        """How observations and actions are normalised."""
        if self.normalize != "auto":
            return self.normalize
        within = self.head in _WITHIN_LIMITS if self.actions == "absolute" else self.ends_at_limits
        return "limits" if within else "standardize"

    @property
    def ends_at_limits(self) -> bool:
        """Whether what the head samples is cut off at -1 and 1, in normalised units."""
        return self.head in _WITHIN_LIMITS - _BEYOND_LIMITS

    def check_to_train(self, spec: Spec) -> None:
        """What `check` refuses, and what is only learnt badly; policies that are kept may have it.

        Raises:
            UserError: The first thing found, as its option of the command line.
        """
        check_config_to_train(self, spec)

    def check(self, spec: Spec) -> None:
        """Refuse what is out of range or does not fit the actions.

        Raises:
            UserError: The first thing found, as its option of the command line.
        """
        check_config(self, spec)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        plain = asdict(self).items()
        data = {name: list(v) if isinstance(v, tuple) else v for name, v in plain}
        if self.residual is not None:
            data["residual"] = self.residual.to_json()
        # What is not there is left out, as in runs of before.
        absent = {name for name in ("frame", "cameras", "residual") if not data[name]}
        return {name: value for name, value in data.items() if name not in absent}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> PolicyConfig:
        """Inverse of `to_json`.

        Raises:
            UserError: A key is missing (but for `_LATER`), unknown or of another type.
        """
        try:
            data = _FORMER | {_RENAMED.get(name, name): value for name, value in data.items()}
            if missing := {f.name for f in fields(cls)} - data.keys() - _LATER:
                raise ValueError(f"'{min(missing)}' is missing")
            return parse_fields(cls, data)
        except (AttributeError, ValueError) as error:
            raise UserError(
                f"the policy's configuration is damaged or of another version ({error})"
            ) from error

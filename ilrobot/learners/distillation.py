"""Distillation: a flow of one or two steps that ends where a sampler of many steps does.

With Φ(ε, o) the chunk that the teacher makes of noise ε for the observations o, the student learns
the straight line between the two, at the k times at which it will be asked:

    L = |v(x_t, t) - (Φ(ε, o) - ε)|²,    x_t = (1 - t) ε + t Φ(ε, o),    t ∈ {0, 1/k, …, (k-1)/k}

or the same of Φ = x_t + (1 - t) v where its network predicts the clean chunk, as that of ``train
--distill`` does: the velocity from pure noise is that and all of the noise, which a narrow network
cannot pass through.
The pair is the teacher's, not noise and a label that happened to meet, so that lines hardly cross
and few steps along them go far. Liu et al. 2023, "Flow straight and fast: learning to generate and
transfer data with rectified flow" (reflow, and distillation into k steps); with k = 1 it is
Luhman and Luhman 2021, "Knowledge distillation in iterative generative models". The teacher may
noise its chunks in any way, as long as the same noise always becomes the same chunk.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from ilrobot.compatibility import check_policy_fits
from ilrobot.data.batch import Batch
from ilrobot.errors import UserError
from ilrobot.policies.config import PolicyConfig
from ilrobot.policies.policy import Policy
from ilrobot.spec import Spec


def student_of(config: PolicyConfig) -> PolicyConfig:
    """A flow's configuration with what suits a student: two steps, the teacher's own noise.

    Nothing is dropped, for a chunk that follows from its noise leaves nothing to average.
    """
    return replace(config, flow_prediction="sample", noise_scale=1.0, sampler_steps=2, dropout=0.0)


@dataclass(frozen=True)
class Teacher:
    """Says what a student learns, in place of what was demonstrated.

    Attributes:
        policy: A diffusion or flow policy in evaluation mode, on the device of the windows.
    """

    policy: Policy

    @classmethod
    def of(cls, policy: Policy) -> Teacher:
        """With a sampler that makes one chunk of one noise: ``ddpm`` gives way to ``ddim``.

        Raises:
            UserError: It does not refine a sample from noise.
        """
        config = policy.config
        if policy.sampler_steps is None or policy.noise_shape is None:
            raise UserError(
                f"the teacher does not sample in steps: its head is {config.head}; give a run of "
                "diffusion or flow"
            )
        if config.solver == "ddpm" and config.head == "diffusion":
            drawing, policy = policy, Policy(policy.spec, replace(config, solver="ddim"))
            policy.load_state_dict(drawing.state_dict())
        return cls(policy.eval())

    def check(self, student: PolicyConfig, spec: Spec) -> None:
        """Refuse a student that cannot be taught.

        Raises:
            UserError: It is no single flow, begins with less noise or is told how a chunk begins,
                or is of another task, history or chunk.
        """
        if student.head != "flow":
            raise UserError(
                f"what a teacher is distilled into is a flow, not {student.head}; take "
                "--policy flow"
            )
        if student.members > 1:
            raise UserError("a teacher is distilled into one network; leave --members out")
        if student.prefix_delay:
            raise UserError(
                "a teacher's chunks begin with what it says itself; leave --prefix-delay out"
            )
        if student.noise_scale != 1:
            raise UserError(
                "a student begins with the noise that its teacher's chunk is made of; leave "
                "--noise-scale out"
            )
        if student.cameras != self.policy.config.cameras:
            sees = " ".join(self.policy.config.cameras)
            raise UserError(
                "a student sees what its teacher does; "
                + (f"give --cameras {sees}" if sees else "leave --cameras out")
            )
        check_policy_fits(self.policy.spec, spec, "the teacher")
        for name, option in (("n_obs", "--history"), ("horizon", "--horizon")):
            wanted, given = getattr(self.policy.config, name), getattr(student, name)
            if wanted != given:
                raise UserError(f"the teacher has {option} {wanted}, not {given}; give {wanted}")

    @torch.no_grad()
    def __call__(self, batch: Batch) -> Batch:
        """The same windows with the teacher's chunks, all of whose ticks count, and its noise."""
        shape = (len(batch.mask), *(self.policy.noise_shape or ()))
        noise = torch.randn(shape, device=batch.mask.device)
        chunk = self.policy(batch.observations, noise)
        return replace(batch, actions=chunk, mask=torch.ones_like(batch.mask), noise=noise)

"""A flow of few steps learns the chunks of a sampler of many."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from exports.runtime.session import OnnxPolicy
from ilrobot.data.batch import Batch
from ilrobot.data.windows import Windows
from ilrobot.errors import UserError
from ilrobot.learners.behavioral_cloning import train
from ilrobot.learners.config import TrainConfig
from ilrobot.learners.distillation import Teacher
from ilrobot.policies.config import PolicyConfig
from ilrobot.policies.heads.flow import FlowHead
from ilrobot.policies.loading import load_policy
from ilrobot.policies.policy import Policy
from tests.exhaustive import thinned
from tests.exports.exported import export
from tests.ilrobot.policy_tester import (
    CONTINUOUS,
    assert_same_weights,
    example,
    recordings,
    two_ways,
)

SMALL = PolicyConfig(n_obs=2, horizon=4, execute=2, width=16, blocks=1, sampler_steps=5)
FLOW = replace(SMALL, head="flow", sampler_steps=2, flow_prediction="sample", noise_scale=1.0)
SHORT = TrainConfig(steps=6, batch_size=8, warmup=2, validate_every=3, device="cpu")
DIFFUSION = replace(SMALL, head="diffusion", prediction="sample")


def teacher_of(config=DIFFUSION):
    torch.manual_seed(1)
    policy = Policy(CONTINUOUS, config)
    policy.fit_normalizers(Windows(recordings(CONTINUOUS), n_obs=2, horizon=config.horizon))
    return policy.eval()


@pytest.mark.parametrize(
    ("head", "steps"), thinned([("diffusion", 1), ("flow", 2)], [("diffusion", 1)])
)
def test_a_student_is_a_policy_like_any_other(head, steps, tmp_path):
    teacher = teacher_of(replace(SMALL, head=head))
    data, config = recordings(CONTINUOUS), replace(FLOW, sampler_steps=steps)
    student = train(data, config, SHORT, tmp_path / "run", teacher=teacher)
    loaded = load_policy(tmp_path / "run")
    assert_same_weights(loaded, student)
    assert export(loaded, tmp_path / "policy.onnx").parity.relative <= 1e-5
    assert OnnxPolicy(tmp_path / "policy.onnx").verify() == 0
    observations, noise = example(loaded)
    calls = []
    loaded.members[0].network.register_forward_hook(lambda *_: calls.append(1))
    loaded(observations, noise)
    assert len(calls) == steps


def test_a_resumed_distillation_equals_an_unbroken_one_and_keeps_its_teacher(tmp_path):
    data, teacher = recordings(CONTINUOUS), teacher_of()
    unbroken = train(data, FLOW, SHORT, tmp_path / "one", teacher=teacher)

    class Cut(Exception):
        pass

    def cut(progress):
        raise Cut

    often = replace(SHORT, checkpoint_seconds=1e-9)
    with pytest.raises(Cut):  # at the first report, which is the last step
        train(data, FLOW, often, tmp_path / "other", teacher=teacher, on_progress=cut)
    other = teacher_of(replace(DIFFUSION, prediction="epsilon"))
    with pytest.raises(UserError, match="a teacher of hash"):
        train(data, FLOW, often, tmp_path / "other", teacher=other, resume=True)
    resumed = train(data, FLOW, often, tmp_path / "other", teacher=teacher, resume=True)
    assert_same_weights(resumed, unbroken)
    plain = train(data, FLOW, SHORT, tmp_path / "plain")
    first = next(iter(plain.head.parameters()))
    assert not torch.equal(first, next(iter(unbroken.head.parameters())))


class Straight(nn.Module):
    """A network that knows what it is asked for; keeps what it saw."""

    def __init__(self, answer):
        super().__init__()
        self.answer, self.samples = answer, []

    def forward(self, condition, sample=None):
        self.samples.append(sample)
        return self.answer


@pytest.mark.parametrize("prediction", ["sample", "velocity"])
def test_the_loss_is_that_of_the_straight_line_at_the_times_of_the_sampler(prediction):
    noise, chunk = torch.randn(400, 2, 1), torch.randn(400, 2, 1)
    network = Straight(chunk if prediction == "sample" else chunk - noise)
    mask = torch.ones(400, 2, dtype=torch.bool)
    head = FlowHead(
        lambda _: network, condition=0, shape=(2, 1), sample_steps=2, prediction=prediction
    )
    condition = torch.zeros(400, 0)
    torch.testing.assert_close(head.loss(condition, chunk, mask, noise), torch.zeros(400))
    (sample,) = network.samples
    begins = (sample == noise).all(dim=(1, 2))
    middle = torch.isclose(sample, (noise + chunk) / 2, atol=1e-5).all(dim=(1, 2))
    assert bool((begins ^ middle).all())
    assert 0.4 < begins.float().mean() < 0.6
    torch.testing.assert_close(head(condition, noise), chunk)


def test_what_is_taught_is_the_teachers_chunk_of_noise_that_is_handed_on():
    teacher = Teacher.of(teacher_of())
    observations, _ = example(teacher.policy, batch=3)
    mask = torch.zeros(3, 4, dtype=torch.bool)
    batch = Batch(observations, torch.zeros(3, 4, 2), mask, torch.ones(3))
    taught = teacher(batch)
    assert taught.noise.shape == (3, 4, 2)
    torch.testing.assert_close(taught.actions, teacher.policy(observations, taught.noise))
    assert bool(taught.mask.all())
    assert taught.observations is observations


def test_a_teacher_that_draws_in_every_step_is_asked_without():
    drawing = teacher_of(replace(DIFFUSION, solver="ddpm"))
    asked, plain = Teacher.of(drawing).policy, teacher_of()
    observations, noise = example(plain, batch=2)
    assert torch.equal(asked(observations, noise), plain(observations, noise))


@pytest.mark.parametrize(
    ("taught_by", "student", "words"),
    [
        ({"head": "mse"}, FLOW, "does not sample in steps: its head is mse; give a run of diff"),
        ({"head": "mip"}, FLOW, "its head is mip"),
        ({"head": "bins"}, FLOW, "its head is bins"),
        ({}, replace(FLOW, head="diffusion"), "is a flow, not diffusion; take --policy flow"),
        ({}, replace(FLOW, members=2), "into one network; leave --members out"),
        (
            {},
            replace(FLOW, noise_scale=0.3),
            "the noise that its teacher's chunk is made of; leave",
        ),
        ({}, replace(FLOW, horizon=8), "the teacher has --horizon 4, not 8; give 4"),
        ({}, replace(FLOW, n_obs=1), "the teacher has --history 2, not 1; give 2"),
    ],
)
def test_a_teacher_that_cannot_teach_is_one_line(taught_by, student, words, tmp_path):
    teacher = teacher_of(replace(DIFFUSION, **taught_by))
    with pytest.raises(UserError, match=words) as caught:
        train(recordings(CONTINUOUS), student, SHORT, tmp_path / "run", teacher=teacher)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_teacher_of_another_task_is_one_line(tmp_path):
    spec = replace(CONTINUOUS, action=replace(CONTINUOUS.action, shape=(3,), units=("m",) * 3))
    teacher = Policy(spec, DIFFUSION)
    with pytest.raises(UserError, match="the teacher: "):
        train(recordings(CONTINUOUS), FLOW, SHORT, tmp_path / "run", teacher=teacher)
    assert not (tmp_path / "run").exists()


def test_two_calls_go_where_ten_of_the_teacher_go_and_two_of_the_teacher_do_not(tmp_path):
    """Each noise is to keep its way."""
    data = two_ways(episodes=20)
    config = PolicyConfig(
        head="flow", horizon=2, width=64, flow_prediction="velocity", noise_scale=1.0
    )
    training = TrainConfig(
        steps=250, batch_size=128, warmup=20, learning_rate=3e-3, held_out=0.0, device="cpu"
    )
    teacher = train(data, config, training, tmp_path / "teacher")
    short = replace(config, sampler_steps=2)
    clean = replace(short, flow_prediction="sample")
    student = train(data, clean, training, tmp_path / "student", teacher=teacher)
    cut = Policy(teacher.spec, short)
    cut.load_state_dict(teacher.state_dict())
    observations, noise = example(teacher, batch=300)
    with torch.no_grad():
        wanted = teacher(observations, noise)
        error, error_cut = (
            (policy.eval()(observations, noise) - wanted).abs().mean() for policy in (student, cut)
        )
    assert error < 0.1
    assert error < error_cut / 3

"""What a policy that sees pictures is given, and how an ensemble of such learns."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ilrobot.actors import Actor, Decision, Event, Source
from ilrobot.cli import _main
from ilrobot.cli.training_plan import print_unheeded
from ilrobot.data.batch import Batch
from ilrobot.data.dataset import Dataset, DatasetRecorder
from ilrobot.data.episode import REPEATED
from ilrobot.data.pictures import small_shape
from ilrobot.env import make_env
from ilrobot.errors import UserError
from ilrobot.learners.config import PRESETS
from ilrobot.learners.ensemble_gradients import clip_gradients
from ilrobot.learners.split import split_windows
from ilrobot.learners.training import Training
from ilrobot.observed import seen_spec, vector_spec
from ilrobot.policies.in_batches import predict_batch
from ilrobot.policies.policy import Policy
from ilrobot.rollout import rollout

TASK, CAMERA = "ilrobot/PushT-v0", "observation.images.top"
OPTIONS = {"cameras": "top", "render_size": 160}


class Circling(Actor):
    """Moves, so that pictures differ."""

    def reset(self, seed=None):
        self.ticks = 0

    def act(self, observation, now):
        self.ticks += 1
        action = 256 + 150 * np.array([np.cos(self.ticks), np.sin(self.ticks)], np.float32)
        return Decision(action, Source.DEMO, event=Event.SUCCESS if self.ticks == 18 else None)


@pytest.fixture(scope="module")
def films(tmp_path_factory) -> Dataset:
    path = tmp_path_factory.mktemp("seen") / "pusht"
    env = make_env(TASK, OPTIONS)
    with DatasetRecorder(path, env.spec, state_size=env.state_size) as recorder:
        rollout(env, Circling(), seed=0, recorder=recorder)
    return Dataset.open(path)


def _training(films: Dataset, members: int, **changes: float) -> Training:
    policy_config, train_config = PRESETS["bc"]
    seeing = replace(
        policy_config, cameras=("top",), members=members, width=16, blocks=1, dropout=0.0
    )
    short = replace(train_config, batch_size=4, held_out=0.0, patience=0, warmup=0, **changes)
    windows, held_out = split_windows(films, seeing, short)
    torch.manual_seed(0)
    policy = Policy(windows.spec, seeing)
    policy.fit_normalizers(windows)
    return Training(policy, windows, held_out, short)


@pytest.mark.parametrize("members", [2, 3])
def test_the_network_that_members_see_by_is_clipped_as_each_member_is(films, members, monkeypatch):
    training = _training(films, members, clip=1e-3)
    moved = {}

    def keep(greatest):
        assert greatest == 0.0
        for name, part in (("seeing", training.policy.encoder), ("acting", training.policy.head)):
            moved[name] = torch.stack([w.grad.norm() for w in part.parameters()]).norm().item()

    monkeypatch.setattr(training._optimizer, "update", keep)
    training.advance()
    assert moved["seeing"] == pytest.approx(1e-3, rel=1e-3)
    assert moved["acting"] == pytest.approx(members**0.5 * 1e-3, rel=1e-3)


def test_members_that_are_alike_teach_what_they_see_by_as_one_does(films):
    """Its gradient is that of the mean of their losses, whatever their number."""

    def gradients(members):
        training = _training(films, members)
        policy = training.policy.eval()
        generator = torch.Generator().manual_seed(1)
        with torch.no_grad():
            for weights in policy.head.parameters():
                own = weights.shape if members == 1 else weights.shape[1:]
                weights.copy_(0.3 * torch.randn(own, generator=generator))
        batch = training._windows.sample(4, torch.Generator().manual_seed(0), 1)
        seen = {k: torch.cat([v] * members) for k, v in batch.observations.items()}
        parts = (torch.cat([v] * members) for v in (batch.actions, batch.mask, batch.weight))
        (policy.loss(Batch(seen, *parts)).mean() * members).backward()
        assert clip_gradients(policy, 0.0) == 0.0
        return [weights.grad for weights in policy.encoder.parameters()]

    alone = gradients(1)
    assert max(float(gradient.abs().max()) for gradient in alone) > 0.01
    for one, three in zip(alone, gradients(3), strict=True):
        torch.testing.assert_close(one, three, rtol=1e-3, atol=1e-5)


def test_pictures_that_would_be_seen_as_others_are_refused(films):
    policy = _training(films, 1).policy.eval()
    env = make_env(TASK, OPTIONS)
    seen = env.reset(0)
    picture = seen[CAMERA]
    actor = policy.actor()
    actor.reset(0)
    action = actor.act(seen, 0.0).action
    bad = (
        picture.astype(np.float32) / 255,
        np.repeat(np.repeat(picture, 2, axis=0), 2, axis=1),
        np.moveaxis(picture, -1, 0),
    )
    histories = {name: seen[name][None, None] for name in policy.spec.observation_names}
    np.testing.assert_allclose(predict_batch(policy, histories)[0, 0], action, rtol=1e-5)
    said = r"'observation\.images\.top' is .*its pictures are uint8 \(160, 160, 3\)"
    for other in bad:
        actor.reset(0)
        with pytest.raises(UserError, match=said):
            actor.act({**seen, CAMERA: other}, 0.0)
        with pytest.raises(UserError, match=said):
            predict_batch(policy, {**histories, CAMERA: other[None, None]})
    small = np.zeros((1, 1, *small_shape(policy.spec.cameras[0])), np.uint8)
    assert np.isfinite(predict_batch(policy, {**histories, CAMERA: small})).all()


@pytest.mark.parametrize("whole", [False, True])
def test_a_frame_without_a_picture_of_its_own_teaches_nothing(films, monkeypatch, capsys, whole):
    columns, repeated = films.column, np.zeros(films.num_frames, bool)
    repeated[slice(None) if whole else [2, 5]] = True
    monkeypatch.setattr(films, "column", lambda n: repeated if n == REPEATED else columns(n))
    if whole:
        with pytest.raises(UserError, match="no frame that teaches has a picture of its own"):
            _training(films, 1)
        return
    windows = _training(films, 1)._windows
    batch = windows.take(torch.arange(len(windows)))
    assert np.flatnonzero(batch.weight == 0).tolist() == [2, 5]
    assert batch.weight.mean() == pytest.approx(1)
    print_unheeded(films)
    assert capsys.readouterr().out == ""
    print_unheeded(films, ("top",))
    assert "2 of 18 frames show the picture of the one before" in capsys.readouterr().out


def test_a_strip_is_refused(films, monkeypatch):
    strip = replace(films.spec.cameras[0], shape=(16, 1280, 3))
    others = tuple(f for f in films.spec.observations if not f.is_image)
    monkeypatch.setattr(films, "spec", replace(films.spec, observations=(*others, strip)))
    policy, training = PRESETS["bc"]
    with pytest.raises(UserError, match="of 1280×16 pixels is seen as 128×1, and 8 each way"):
        split_windows(films, replace(policy, cameras=("top",)), training)


@pytest.mark.parametrize(
    ("cameras", "said"),
    [
        ("top,wrist", "(it has top); put spaces between several"),
        ("wrist", "(it has top); record one with"),
    ],
)
def test_cameras_that_are_not_there_are_told_from_those_that_are(films, cameras, said):
    with pytest.raises(UserError, match=re.escape(said)):
        seen_spec(films.spec, (cameras,))
    with pytest.raises(UserError, match="it has none of ours, and other programs' films"):
        seen_spec(vector_spec(films.spec), (cameras,))


def test_an_offline_learner_names_the_cameras_as_not_read(films, tmp_path, capsys):
    small = ["--width", "16", "--blocks", "1", "--batch-size", "4", "--steps", "1"]
    words = ["--dataset", str(films.path), *small, "--output", str(tmp_path / "run")]
    assert _main(["train", "--learner", "iql", *words]) == 0
    said = "not used   observation.images.top; --learner iql reads vectors alone"
    assert said in capsys.readouterr().out
    assert _train(films, tmp_path / "bc") == 0
    assert "a policy sees those that --cameras names" in capsys.readouterr().out


def _train(films: Dataset, output: Path, *more: str) -> int:
    small = ["--policy", "bc", "--width", "16", "--blocks", "1", "--batch-size", "4"]
    words = ["--dataset", str(films.path), *small, "--steps", "1", "--output", str(output), *more]
    return _main(["train", *words])


def test_no_film_is_read_for_a_run_that_is_done_or_refused(films, tmp_path, monkeypatch):
    output = tmp_path / "run"
    assert _train(films, output, "--cameras", "top") == 0

    def read(*_):
        raise AssertionError("a film is read")

    monkeypatch.setattr(Dataset, "video", read)
    assert _train(films, output, "--cameras", "top", "--resume") == 0
    assert _train(films, output, "--cameras", "top", "--resume", "--seed", "5") == 2
    assert _train(films, output, "--cameras", "top") == 2


def test_all_that_is_told_beside_pictures_is_named(films, tmp_path, capsys):
    assert _train(films, tmp_path / "run", "--cameras", "top") == 0
    out = capsys.readouterr().out.splitlines()
    assert "sees       top (80×80)" in out
    told = "told       observation.state: agent_x, agent_y, block_x, block_y, block_angle"
    assert told in out


def test_a_policy_with_cameras_is_compared_with_one_without(films, tmp_path, capsys):
    assert _train(films, tmp_path / "seeing", "--cameras", "top") == 0
    assert _train(films, tmp_path / "told") == 0
    both = [str(tmp_path / name) for name in ("seeing", "told")]
    few = ["--episodes", "1", "--workers", "1", "--options", "max_episode_steps=2"]
    capsys.readouterr()
    assert _main(["compare", *both, *few, "--output", str(tmp_path / "page"), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out.splitlines()[-1])["rows"]) == 2

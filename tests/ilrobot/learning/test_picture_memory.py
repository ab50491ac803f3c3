"""What reading pictures takes of memory, and what is refused because it would take too much."""

import weakref
from dataclasses import replace

import numpy as np
import pytest
import torch

from exports import real_data
from exports.real_data import observation_windows
from ilrobot.data import pictures
from ilrobot.data.pictures import shrink, small_pictures, small_shape
from ilrobot.errors import UserError
from ilrobot.learners.config import PRESETS
from ilrobot.learners.picture_care import check_films
from ilrobot.learners.split import split_windows
from ilrobot.learners.validation import validation_loss
from ilrobot.policies import pictures as encoding
from ilrobot.policies.pictures import PictureEncoder
from ilrobot.policies.policy import Policy
from ilrobot.spec import Feature, Spec
from tests.ilrobot.policy_tester import CONTINUOUS, recordings

TOP = Feature("observation.images.top", (24, 320, 3), "uint8")
WRIST = Feature("observation.images.wrist", (24, 320, 3), "uint8")
SPEC = Spec((*CONTINUOUS.observations, TOP, WRIST), CONTINUOUS.action, CONTINUOUS.rate)


class Filmed:
    """Recordings with films made up as they are read, which count what is held of them."""

    def __init__(self, episodes=3, length=40):
        self._vectors = recordings(CONTINUOUS, episodes=episodes, length=length)
        self.spec, self.opened, self.most_held = SPEC, 0, 0

    def __getattr__(self, name):
        return getattr(self._vectors, name)

    def video(self, episode, key):
        self.opened += 1
        held = []
        for tick in range(int(self.lengths[episode])):
            seen = picture(key, episode, tick)
            held.append(weakref.ref(seen))
            self.most_held = max(self.most_held, sum(one() is not None for one in held))
            yield seen


def picture(key, episode, tick):
    rng = np.random.default_rng([len(key), episode, tick])
    return rng.integers(0, 256, TOP.shape, np.uint8)


def seeing(held_out=0.5):
    """The preset `bc` with both cameras."""
    policy, train = PRESETS["bc"]
    return replace(policy, cameras=("top", "wrist")), replace(train, held_out=held_out)


def test_a_film_is_made_small_as_it_is_decoded():
    films = Filmed()
    kept = small_pictures(films, TOP, [2, 0])
    assert films.most_held <= 2
    together = torch.from_numpy(np.stack([picture(TOP.name, 0, tick) for tick in range(40)]))
    assert torch.equal(kept[40:].float(), shrink(together, TOP).movedim(1, -1))


@pytest.fixture
def free(tmp_path, monkeypatch):
    """Says how many kB of this machine's memory are free."""
    file = tmp_path / "meminfo"
    monkeypatch.setattr(pictures, "_MEMORY", file)
    return lambda kb: file.write_text(f"MemTotal: 999999999 kB\nMemAvailable: {kb} kB\n")


def test_room_is_counted_over_cameras_and_splits_before_a_film_is_opened(free):
    films = Filmed()
    needed = 2 * films.num_frames * int(np.prod(small_shape(TOP)))
    free(needed // 1024 - 1)
    with pytest.raises(UserError, match=r"the pictures of 120 ticks need 0\.0 GB of memory, and"):
        split_windows(films, *seeing())
    assert films.opened == 0
    free(needed // 1024 + 1)
    _, held_out = split_windows(films, *seeing())
    assert held_out is not None
    assert films.opened == 2 * films.num_episodes


def test_where_the_system_does_not_say_all_memory_counts(tmp_path, monkeypatch):
    assert (free := pictures.free_memory()) > 0
    monkeypatch.setattr(pictures, "_MEMORY", tmp_path / "none")
    assert pictures.free_memory() >= free


def test_a_gpu_that_is_too_small_for_them_is_named(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (1_000, 2_000))
    with pytest.raises(UserError, match=r"need 0\.0 GB of GPU memory, and 0\.0 are free"):
        check_films(Filmed(), [TOP], [0], torch.device("cuda"))


def test_points_of_many_pictures_are_those_of_a_few_at_once(monkeypatch):
    torch.manual_seed(0)
    encoder = PictureEncoder([TOP]).eval()
    seen = torch.randint(256, (7, 2, *TOP.shape), dtype=torch.uint8)
    with torch.no_grad():
        together = encoder({TOP.name: seen})
        monkeypatch.setattr(encoding, "_AT_ONCE", 2 * 2 * TOP.size)
        counts = []

        def counting(some, camera):
            counts.append(len(some))
            return shrink(some, camera)

        monkeypatch.setattr(encoding, "shrink", counting)
        apart = encoder({TOP.name: seen})
    assert counts == [4, 4, 4, 2]
    torch.testing.assert_close(apart, together)


def test_an_ensemble_looks_once_at_what_is_held_out(monkeypatch):
    config, training = seeing()
    config = replace(config, members=3, width=16, blocks=1)
    windows, held_out = split_windows(Filmed(), config, training)
    policy = Policy(windows.spec, config)
    policy.fit_normalizers(windows)
    together = validation_loss(policy, held_out)
    every = held_out.take(torch.arange(len(held_out)).repeat(3))
    with torch.no_grad():
        wanted = float((policy.eval().loss(every) * every.weight).sum() / every.weight.sum())
    assert together == pytest.approx(wanted, rel=1e-5)
    seen = []
    encoded = PictureEncoder.forward
    monkeypatch.setattr(
        PictureEncoder,
        "forward",
        lambda self, given: seen.append(len(given[TOP.name])) or encoded(self, given),
    )
    assert validation_loss(policy, held_out) == together
    assert seen == [len(held_out)]


def test_an_export_compares_fewer_of_large_pictures(monkeypatch):
    films = Filmed()
    windows = observation_windows(films, SPEC, 2, 50)
    assert windows[TOP.name].shape == (50, 2, *TOP.shape)
    for index, tick in ((0, 0), (49, 39)):
        wanted = picture(TOP.name, 2 if index else 0, tick)
        np.testing.assert_array_equal(windows[TOP.name][index, 1], wanted)
    monkeypatch.setattr(real_data, "_PICTURES_BYTES", 30 * 2 * 2 * TOP.size)
    assert len(observation_windows(films, SPEC, 2, 50)[WRIST.name]) == 30
    monkeypatch.setattr(real_data, "_PICTURES_BYTES", 0)
    assert len(observation_windows(films, SPEC, 2, 50)[WRIST.name]) == 8

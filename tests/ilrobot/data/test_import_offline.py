"""``ilrobot import`` of sets made for offline reinforcement learning: D4RL's and Minari's HDF5."""

import json

import h5py
import numpy as np
import pytest
from gymnasium import spaces

from ilrobot.data.transitions import Transitions
from ilrobot.data.unheeded import unheeded_successes
from ilrobot.env_spec import walk
from tests.ilrobot.data.import_sources import ROBOMIMIC_NAMES, bring, make_robomimic, refused
from tests.ilrobot.data.shown import check_film, shown

LENGTHS = (4, 6, 3)
#: The first ends by itself, the second by its time, the third where the file ends.
TERMINAL, TIMEOUT = 3, 9
COUNT = sum(LENGTHS)
RNG = np.random.default_rng(1)
SEEN = RNG.normal(size=(COUNT + 3, 5)).astype(np.float32)
DONE = RNG.uniform(-1, 1, size=(COUNT, 2)).astype(np.float32)
REWARDS = np.arange(COUNT, dtype=np.float32)


def at(*places):
    marks = np.zeros(COUNT, dtype=bool)
    marks[list(places)] = True
    return marks


def make_d4rl(path, **changes):
    arrays = {
        "observations": SEEN[:COUNT],
        "actions": DONE,
        "rewards": REWARDS,
        "terminals": at(TERMINAL),
        "timeouts": at(TIMEOUT),
        "infos/qpos": np.zeros((COUNT, 2)),
        **changes,
    }
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            if values is not None:
                file[name] = values
    return path


def make_minari(path, metadata=True, goal=False, change=lambda file: None):
    """A dataset's folder; what is seen goes on where the episode before ended."""
    (path / "data").mkdir(parents=True)
    with h5py.File(path / "data/main_data.hdf5", "w") as file:
        first = 0
        for number in (0, 1, 2):
            group = file.create_group(f"episode_{number}")
            length = LENGTHS[number]
            seen = SEEN[first + number : first + number + length + 1]
            if goal:
                group["observations/achieved_goal"] = seen[:, :2]
                group["observations/observation"] = seen
                group["observations/camera"] = shown(COUNT + 1)[first : first + length + 1]
            else:
                group["observations"] = seen
            part = slice(first, first + length)
            group["actions"], group["rewards"] = DONE[part], REWARDS[part]
            group["terminations"], group["truncations"] = at(TERMINAL)[part], at(TIMEOUT)[part]
            first += length
        change(file)
    if metadata:
        stated = {"env_spec": json.dumps({"id": "Hopper-v5"}), "total_episodes": 3}
        (path / "data/metadata.json").write_text(json.dumps(stated))
    return path


def test_d4rl(tmp_path):
    dataset, remarks = bring(make_d4rl(tmp_path / "hopper.hdf5"), tmp_path / "out", rate=125.0)
    assert dataset.lengths.tolist() == list(LENGTHS)
    assert (dataset.fps, dataset.infos[0].task) == (125.0, "hopper")
    np.testing.assert_array_equal(dataset.column("observation.state"), SEEN[:COUNT])
    np.testing.assert_array_equal(dataset.column("action"), DONE)
    np.testing.assert_array_equal(dataset.column("next.reward"), REWARDS)
    assert np.flatnonzero(dataset.column("next.terminated")).tolist() == [TERMINAL]
    assert np.flatnonzero(dataset.column("next.done")).tolist() == [TERMINAL, TIMEOUT]
    assert remarks == ("left out: infos",)


@pytest.mark.parametrize("make", [make_d4rl, make_minari])
def test_transitions_end_where_the_source_says(make, tmp_path):
    dataset, _ = bring(make(tmp_path / "source"), tmp_path / "out")
    found = Transitions.of(dataset, rewards=True)
    assert found.rewards is not None
    # What came after the last step of an episode that was cut off is not known here.
    assert found.rewards.tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11]
    assert found.rewards[found.terminal].tolist() == [3]
    assert found.rewards[found.timeout].tolist() == [8, 11]


def test_a_minari_folder(tmp_path):
    dataset, remarks = bring(make_minari(tmp_path / "expert-v0"), tmp_path / "out", rate=125.0)
    assert dataset.lengths.tolist() == list(LENGTHS)
    assert dataset.infos[0].task == "Hopper-v5"
    assert remarks == ("recorded in Hopper-v5: try policies with --task Hopper-v5",)
    seen = [SEEN[n + sum(LENGTHS[:n]) :][: LENGTHS[n]] for n in range(3)]
    np.testing.assert_array_equal(dataset.column("observation.state"), np.concatenate(seen))
    np.testing.assert_array_equal(dataset.column("action"), DONE)


def test_a_minari_file_with_a_goal_and_pictures(tmp_path):
    source = make_minari(tmp_path / "kitchen", metadata=False, goal=True)
    dataset, remarks = bring(source / "data/main_data.hdf5", tmp_path / "out", rate=10.0)
    assert dataset.spec.observation_names == (
        "observation.achieved_goal",
        "observation.observation",
        "observation.images.camera",
    )
    check_film(dataset, "camera", shown(sum(LENGTHS)))
    assert remarks == ()

    def smaller(file):
        del file["episode_1/observations/camera"]
        file["episode_1/observations/camera"] = shown(LENGTHS[1] + 1)[:, :8]

    path = make_minari(tmp_path / "b", metadata=False, goal=True, change=smaller)
    said = f"episode_1: 'observation.camera': must be uint8 of shape [{LENGTHS[1]}, 32, 32, 3]"
    refused(path, tmp_path, said)


def test_what_minari_nests_is_named_as_in_the_task(tmp_path):
    def nest(file):
        for number, length in enumerate(LENGTHS):
            group = file[f"episode_{number}"]
            del group["observations"]
            group["observations/arm/joint.pos"] = np.zeros((length + 1, 2))
            group["observations/top"] = np.zeros((length + 1, 3))

    dataset, _ = bring(make_minari(tmp_path / "arm", change=nest), tmp_path / "out")
    box = spaces.Box(-1, 1, (2,))
    space = spaces.Dict({"arm": spaces.Dict({"joint.pos": box}), "top": box})
    found = {name for name, _ in walk(space.sample())}
    assert set(dataset.spec.observation_names) == found


def test_minari_with_choices(tmp_path):
    def choose(file):
        for number, length in enumerate(LENGTHS):
            del file[f"episode_{number}/actions"]
            file[f"episode_{number}/actions"] = np.arange(length)

    dataset, _ = bring(make_minari(tmp_path / "cart", change=choose), tmp_path / "out")
    assert dataset.spec.choices == 6
    assert dataset.column("action").tolist() == [*range(4), *range(6), *range(3)]


@pytest.mark.parametrize(("name", "more"), [("success", 1), ("is_success", 0)])
def test_what_minari_says_of_success_is_kept(name, more, tmp_path):
    """Gymnasium's infos of the reset are there, too, or not."""

    def say(file):
        for number, length in enumerate(LENGTHS):
            said = np.zeros(length + more, bool)
            said[-1] = number == 1
            file[f"episode_{number}/infos/{name}"] = said
            file[f"episode_{number}/infos/qpos"] = np.zeros((length + more, 2))

    dataset, remarks = bring(make_minari(tmp_path / "door", change=say), tmp_path / "out")
    assert np.flatnonzero(dataset.column("next.success")).tolist() == [9]
    assert "left out: infos/qpos" in remarks
    assert "next.success is true in 1 of 3 episodes" in unheeded_successes(dataset)


def test_what_robomimic_says_of_success_is_kept_where_rewards_are_of_nothing_else(tmp_path):
    source = make_robomimic(tmp_path / "a.hdf5")
    with h5py.File(source, "r+") as file:
        file["data/demo_2/rewards"][:] = 0
        file["mask/train"] = np.array([b"demo_0"])
    dataset, remarks = bring(source, tmp_path / "out")
    assert np.flatnonzero(dataset.column("next.success")).tolist() == [2, 20]
    assert "left out: mask (which demonstrations are of which part)" in remarks
    assert "next.success is true in 2 of 3 episodes" in unheeded_successes(dataset)
    with h5py.File(source, "r+") as file:
        file["data/demo_2/rewards"][:] = 0.5  # shaped: 1 need not be success
    dataset, _ = bring(source, tmp_path / "shaped")
    assert not dataset.column("next.success").any()


def test_robomimic_is_still_itself(tmp_path):
    dataset, _ = bring(make_robomimic(tmp_path / "a.hdf5"), tmp_path / "out")
    assert dataset.spec.observation_names == ROBOMIMIC_NAMES


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rewards": None}, ["no 'rewards'"]),
        ({"rewards": REWARDS[:-1]}, ["'next.reward' 12", "'action' 13"]),
        ({"timeouts": at()[:-1]}, ["'timeouts' 12"]),
        ({"terminals": at(), "timeouts": None}, ["no step is terminal and none a timeout"]),
        ({"observations": np.where(SEEN[:COUNT] > 2, np.nan, SEEN[:COUNT])}, ["not a finite"]),
    ],
)
def test_a_bad_d4rl(changes, words, tmp_path):
    refused(make_d4rl(tmp_path / "a.hdf5", **changes), tmp_path, *words)


def _longer(file):
    del file["episode_1/actions"]
    file["episode_1/actions"] = DONE[:5]


def _wider(file):
    del file["episode_2/observations"]
    file["episode_2/observations"] = np.zeros((4, 6), np.float32)


def _called_alike(file):
    for number, length in enumerate(LENGTHS):
        group = file[f"episode_{number}"]
        del group["observations"]
        for name in ("arm_pos", "arm/pos"):
            group[f"observations/{name}"] = np.zeros((length + 1, 2), np.float32)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_called_alike, ["episode_0", "would be called 'observation.arm_pos'"]),
        (_longer, ["episode_1", "holds 7 observations for 5 actions"]),
        (_wider, ["episode_2", "has 6 elements, in the first one 5"]),
        (lambda file: file["episode_0"].pop("actions"), ["episode_0", "no 'actions'"]),
        (lambda file: file["episode_2"].pop("actions"), ["episode_2", "no 'actions'"]),
    ],
)
def test_a_bad_minari(change, words, tmp_path):
    refused(make_minari(tmp_path / "a", change=change), tmp_path, *words)


def test_metadata_that_are_none(tmp_path):
    source = make_minari(tmp_path / "a")
    (source / "data/metadata.json").write_text("{")
    refused(source, tmp_path, "metadata.json", "give the .hdf5 alone")

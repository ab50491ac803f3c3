"""Episodes that cannot be read are taken out; whoever reads during an edit is told so."""

import shutil

import numpy as np
import pytest

import ilrobot.data.dataset
from ilrobot.cli import _main
from ilrobot.data.dataset import Dataset
from ilrobot.errors import UserError
from tests.exhaustive import thinned
from tests.ilrobot.data.editing.edited import CAMERA, check_whole, make_foreign, make_ours, refused

DATA = "data/chunk-000/file-{:03d}.parquet"


def damage(path, number, how):
    """The data file of that number is cut off, missing, or wrong by one bit of an action."""
    file = path / DATA.format(number)
    if how == "missing":
        file.unlink()
    elif how == "cut off":
        file.write_bytes(file.read_bytes()[:-100])
    else:
        content = bytearray(file.read_bytes())
        actions = Dataset.open(path).episode(number).columns["action"]
        content[content.index(actions[:2].tobytes())] ^= 1
        file.write_bytes(content)


def whole(path):
    """The values of each episode."""
    data = Dataset.open(path)
    return [data.episode(index).columns for index in range(data.num_episodes)]


@pytest.mark.parametrize("how", thinned(["missing", "cut off", "one bit"], ["missing", "one bit"]))
def test_an_episode_that_cannot_be_read_is_taken_out_as_the_line_says(how, tmp_path, capsys):
    path = make_ours(tmp_path / "toy")
    before = whole(path)
    damage(path, 1, how)
    lost = [1]
    if how != "one bit":  # which shows only where its page is read
        damage(path, 3, "cut off")
        lost.append(3)
        for words in (("delete", "--episodes", 3), ("relabel", "--episodes", 1, "--task", "x")):
            said = refused(path, capsys, *words)
            assert f"{DATA.format(1)}: " in said
            assert "delete --episodes 1 3" in said
    with pytest.raises(UserError, match=f"{DATA.format(1)}: ") as refusal:
        Dataset.open(path).column("action")
    cure = str(refusal.value).split(", or go on without: ilrobot ")[1].split()
    assert cure == ["edit", str(path), "delete", "--episodes", *map(str, lost)]
    assert _main(cure) == 0
    assert f"deleted: episodes {' '.join(cure[4:])} (" in capsys.readouterr().out
    check_whole(path)
    kept = [columns for index, columns in enumerate(before) if index not in lost]
    for found, expected in zip(whole(path), kept, strict=True):
        for name, values in expected.items():
            np.testing.assert_array_equal(found[name], values)


def test_of_several_episodes_in_a_file_all_go(tmp_path, capsys):
    path = make_foreign(tmp_path / "toy")
    before = whole(path)
    damage(path, 0, "cut off")
    assert "go on without: ilrobot edit" in refused(path, capsys, "delete", "--episodes", 0)
    assert _main(["edit", str(path), "keep", "--episodes", "2-4"]) == 0
    assert len(check_whole(path).column("action")) == sum(len(e["action"]) for e in before[2:])


def test_of_nothing_that_can_be_read_no_cure_is_told(tmp_path):
    path = make_ours(tmp_path / "toy", lengths=(4, 5))
    for number in (0, 1):
        damage(path, number, "missing")
    with pytest.raises(UserError, match=r"missing; copy the dataset again from its source$"):
        Dataset.open(path)


@pytest.mark.parametrize("how", ["missing", "cut off"])
def test_a_film_that_cannot_be_shown_goes_with_its_episode(how, tmp_path):
    path = make_foreign(tmp_path / "toy")
    film = path / f"videos/{CAMERA}/chunk-000/file-002.mp4"
    if how == "missing":
        film.unlink()
    else:
        film.write_bytes(film.read_bytes()[:300])
    with pytest.raises(UserError, match=rf"{film}.*go on without: .*delete --episodes 4$"):
        next(Dataset.open(path).video(4, CAMERA))
    assert _main(["edit", str(path), "delete", "--episodes", "4"]) == 0
    assert len(list(check_whole(path).video(3, CAMERA))) == 8


def test_what_is_read_after_an_edit_is_never_taken_for_what_was_before(tmp_path):
    path = make_foreign(tmp_path / "toy")
    early, later = Dataset.open(path), Dataset.open(path)
    actions = early.column("action")
    assert _main(["edit", str(path), "relabel", "--episodes", "0", "--task", "place"]) == 0
    for data, name in ((early, "next.done"), (later, "action")):
        with pytest.raises(UserError, match=r"was edited while .* nothing is damaged, begin again"):
            data.column(name)
    with pytest.raises(UserError, match="was edited while it was being read"):
        next(early.video(0, CAMERA))
    assert early.column("action") is actions
    assert np.array_equal(Dataset.open(path).column("action"), actions)


def test_a_dataset_that_is_edited_while_it_is_opened_is_opened_again(tmp_path, monkeypatch):
    path, other = make_ours(tmp_path / "toy"), tmp_path / "other"
    shutil.copytree(path, other)
    assert _main(["edit", str(other), "delete", "--episodes", "0"]) == 0
    genuine = ilrobot.data.dataset.read_episodes

    def edited_meanwhile(root):
        rows = genuine(root)
        if other.exists():
            path.rename(tmp_path / "before")
            other.rename(path)
        return rows

    monkeypatch.setattr(ilrobot.data.dataset, "read_episodes", edited_meanwhile)
    data = Dataset.open(path)
    assert data.num_episodes == 4
    assert len(data.column("action")) == data.num_frames

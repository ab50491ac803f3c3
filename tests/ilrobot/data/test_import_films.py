"""Films and pictures of LeRobot datasets come along where they fit their episodes."""

import io
import json

import av
import pyarrow as pa
import pyarrow.parquet as pq

from ilrobot.data.dataset import Dataset
from ilrobot.data.episode import REPEATED
from tests.ilrobot.data.import_sources import ENDS, bring, make_foreign, make_lerobot_21, refused
from tests.ilrobot.data.shown import SIDE, check_film, shown

TOP = "observation.images.top"
PICTURE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def write_mp4(path, pictures, rate=30):
    """A film as LeRobot writes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as film:
        stream = film.add_stream("libx264", rate=rate, options={"g": "2", "crf": "15"})
        stream.height, stream.width, stream.pix_fmt = *pictures.shape[1:3], "yuv420p"
        for picture in pictures:
            film.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        film.mux(stream.encode(None))


def with_films(path, pictures, rate=30, **described):
    """A LeRobot dataset v2.1 whose camera saw these pictures."""
    make_lerobot_21(path, video=True)
    info = json.loads((path / "meta/info.json").read_text())
    info["features"][TOP] |= {"shape": [SIDE, SIDE, 3], **described}
    (path / "meta/info.json").write_text(json.dumps(info))
    for index, (start, end) in enumerate(zip([0, *ENDS[:-1]], ENDS, strict=True)):
        file = path / f"videos/chunk-000/{TOP}/episode_{index:06d}.mp4"
        write_mp4(file, pictures[start:end], rate)
    return path


def test_films_of_lerobot_21(tmp_path):
    dataset, remarks = bring(with_films(tmp_path / "a", shown(13)), tmp_path / "out")
    check_film(dataset, "top", shown(13))
    assert remarks == ()
    order = {"shape": [3, SIDE, SIDE], "names": ["channels", "height", "width"]}
    dataset, _ = bring(with_films(tmp_path / "b", shown(13), **order), tmp_path / "out2")
    check_film(dataset, "top", shown(13))
    depth = {"info": {"video.is_depth_map": True}}
    dataset, remarks = bring(with_films(tmp_path / "c", shown(13), **depth), tmp_path / "out3")
    assert dataset.camera_keys == ()
    assert remarks[0].endswith(f"even × even × 3: {TOP} (depth, 32 × 32 × 3)")


def test_films_of_lerobot_21_that_do_not_fit_their_episodes(tmp_path):
    cure = "copy the dataset again from its source"
    path = with_films(tmp_path / "a", shown(13), shape=[64, 48, 3])
    said = "episode_000000.mp4: its pictures are 32 × 32, and info.json states 48 × 64; "
    refused(path, tmp_path, said, cure)
    path = with_films(tmp_path / "b", shown(13), rate=25)
    said = "episode_000000.mp4: shows 25 pictures a second, and info.json states 30; "
    refused(path, tmp_path, said, cure)
    path = with_films(tmp_path / "c", shown(13))
    film = path / f"videos/chunk-000/{TOP}/episode_000001.mp4"
    for pictures in (shown(7), shown(5)):
        write_mp4(film, pictures)
        said = f"{film}: holds {len(pictures)} pictures, and its episode has 6 ticks; "
        refused(path, tmp_path, said, cure)
    film.write_bytes(film.read_bytes()[:200])
    refused(path, tmp_path, f"{film}: damaged or cut off")


def png(picture):
    packed = io.BytesIO()
    with av.open(packed, "w", format="image2pipe") as file:
        stream = file.add_stream("png", rate=1)
        stream.height, stream.width, stream.pix_fmt = *picture.shape[:2], "rgb24"
        file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        file.mux(stream.encode(None))
    return packed.getvalue()


def test_pictures_in_the_data_files_of_lerobot_21(tmp_path):
    path = with_films(tmp_path / "a", shown(13), dtype="image")
    for index, (start, end) in enumerate(zip([0, *ENDS[:-1]], ENDS, strict=True)):
        file = path / f"data/chunk-000/episode_{index:06d}.parquet"
        kept = [{"bytes": png(picture), "path": "a.png"} for picture in shown(13)[start:end]]
        pq.write_table(pq.read_table(file).append_column(TOP, pa.array(kept, PICTURE)), file)
    dataset, _ = bring(path, tmp_path / "out")
    check_film(dataset, "top", shown(13))
    kept[1]["bytes"] = b"none"
    table = pq.read_table(file).drop_columns([TOP])
    pq.write_table(table.append_column(TOP, pa.array(kept, PICTURE)), file)
    refused(path, tmp_path, f"episode_000002.parquet: '{TOP}' of row 1 is no picture")
    pq.write_table(table, file)
    refused(path, tmp_path, f"episode_000002.parquet: holds no pictures of '{TOP}'")


def test_films_of_lerobot_30_of_another_program(tmp_path):
    path = tmp_path / "foreign"
    bring(with_films(tmp_path / "a", shown(13)), path)
    info = json.loads((path / "meta/info.json").read_text())
    del info["ilrobot"]
    del info["features"][REPEATED]
    info["features"]["images.drawn"] = {"dtype": "image", "shape": [8, 8, 3]}
    (path / "meta/info.json").write_text(json.dumps(info))
    assert Dataset.open(path).spec.cameras == ()
    dataset, remarks = bring(path, tmp_path / "out")
    check_film(dataset, "top", shown(13))
    assert remarks[0].endswith("even × even × 3: images.drawn (no observation, 8 × 8 × 3)")
    info["features"][TOP]["shape"] = [64, SIDE, 3]
    (path / "meta/info.json").write_text(json.dumps(info))
    refused(path, tmp_path, f"{path}: '{TOP}' shows [32, 32, 3] in episode 0, not [64, 32, 3]")
    info["features"][TOP]["shape"] = [SIDE, SIDE, 3]
    (path / "meta/info.json").write_text(json.dumps(info))
    film = path / f"videos/{TOP}/chunk-000/file-001.mp4"
    write_mp4(film, shown(5))
    refused(path, tmp_path, f"{film}: holds 5 of the 6 pictures")


def test_pictures_in_a_data_file_of_several_episodes(tmp_path):
    path = make_foreign(tmp_path / "a", **{TOP: {"dtype": "image", "shape": [SIDE, SIDE, 3]}})
    files = [path / f"data/chunk-000/file-00{index}.parquet" for index in range(2)]
    table = pa.concat_tables(pq.read_table(file) for file in files)
    kept = [{"bytes": png(picture), "path": None} for picture in shown(10)]
    pq.write_table(table.append_column(TOP, pa.array(kept, PICTURE)), files[0])
    files[1].unlink()
    (rows,) = (path / "meta/episodes/chunk-000").iterdir()
    listed = pq.read_table(rows)
    at = listed.schema.get_field_index("data/file_index")
    pq.write_table(listed.set_column(at, "data/file_index", pa.array([0, 0])), rows)
    dataset, remarks = bring(path, tmp_path / "out")
    check_film(dataset, "top", shown(10))
    assert (dataset.lengths.tolist(), remarks) == ([4, 6], ())

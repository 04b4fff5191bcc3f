"""Labelled videos: dots where the table says, a frame for each frame."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest
from support import clips

from posecli.errors import OutputError, OutputExistsError, UsageError
from posecli.figures import part_colours
from posecli.labelled_video import LabelOptions, Painter, label_video, read_poses
from posecli.table import PoseTableWriter, move_into_place, pose_columns

SIZE = (120, 160)


def write_table(path: Path, poses: npt.NDArray[np.float64]) -> Path:
    writer = PoseTableWriter(path, pose_columns("DLC_x", ("red", "green", "blue")[: poses.shape[1]]))
    writer.append(poses[:, :, None])
    writer.close(np.arange(len(poses)) / 25)
    move_into_place(writer.partial_path, path)
    return path


def dot_poses(count: int) -> npt.NDArray[np.float64]:
    centres = np.stack([clips.dot_centres(number, *SIZE) for number in range(count)])
    poses: npt.NDArray[np.float64] = np.concatenate([centres, np.ones((count, 3, 1))], axis=2)
    return poses


def colour_at(image: npt.NDArray[Any], x: float, y: float) -> npt.NDArray[np.int64]:
    colour: npt.NDArray[np.int64] = image[int(y), int(x)].astype(np.int64)
    return colour


def test_labelled_video_has_every_frame_and_dots_at_the_poses(dots_clip: Path, tmp_path: Path) -> None:
    poses = dot_poses(50)
    table = write_table(tmp_path / "dots DLC_x.h5", poses)
    done: list[int] = []
    out = tmp_path / "la bel.mp4"
    assert label_video(dots_clip, table, out, LabelOptions(dot_radius=5), progress=done.append) == 50
    assert sum(done) == 50
    with av.open(str(out)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
    assert len(frames) == 50
    wanted = np.array([int(part_colours(3)[2][start : start + 2], 16) for start in (1, 3, 5)])
    found = np.array([colour_at(frames[number], *poses[number, 2, :2]) for number in (0, 17, 49)])
    assert np.abs(found - wanted).max() < 60


def test_unlikely_and_missing_points_are_not_drawn() -> None:
    poses = np.array([[[20.0, 20.0, 0.9], [60.0, 60.0, 0.1], [np.nan, np.nan, 0.0]]])
    image = np.zeros((*SIZE, 3), np.uint8)
    Painter(("a", "b", "c"), poses, LabelOptions(pcutoff=0.5), 160, 120).paint(image, 0)
    assert colour_at(image, 20, 20).any()
    assert not image[40:80, 40:80].any()


def test_trail_follows_the_way_of_the_last_frames() -> None:
    poses = np.array([[[10.0 + 20 * step, 30.0, 1.0]] for step in range(5)])
    image = np.zeros((*SIZE, 3), np.uint8)
    Painter(("a",), poses, LabelOptions(trail=2, dot_radius=2), 160, 120).paint(image, 4)
    assert colour_at(image, 70, 29.6).any()
    assert not image[:, :45].any()


def test_table_of_another_video_is_refused(dots_clip: Path, tmp_path: Path) -> None:
    table = write_table(tmp_path / "t.h5", dot_poses(49))
    with pytest.raises(OutputError, match=r"49 rows and .* 50 frames"):
        label_video(dots_clip, table, tmp_path / "out.mp4")
    assert not (tmp_path / "out.mp4").exists()


def test_existing_video_is_kept(dots_clip: Path, tmp_path: Path) -> None:
    table = write_table(tmp_path / "t.h5", dot_poses(50))
    (tmp_path / "out.mp4").write_bytes(b"mine")
    with pytest.raises(OutputExistsError):
        label_video(dots_clip, table, tmp_path / "out.mp4")
    assert (tmp_path / "out.mp4").read_bytes() == b"mine"


def test_read_poses_takes_the_best_peak(tmp_path: Path) -> None:
    writer = PoseTableWriter(tmp_path / "t.h5", pose_columns("DLC_x", ("a", "b"), num_outputs=2))
    rows = np.arange(4 * 2 * 2 * 3, dtype=float).reshape(4, 2, 2, 3)
    writer.append(rows)
    writer.close(np.arange(4.0))
    move_into_place(writer.partial_path, tmp_path / "t.h5")
    poses, bodyparts = read_poses(tmp_path / "t.h5")
    assert bodyparts == ("a", "b")
    np.testing.assert_array_equal(poses, rows[:, :, 0])


@pytest.mark.parametrize("wrong", [{"pcutoff": 1.5}, {"trail": -1}, {"dot_radius": 0.0}])
def test_options_out_of_range(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=str(next(iter(wrong.values())))):
        LabelOptions(**wrong)  # type: ignore[arg-type]

"""Labelled videos: dots where the table says, a frame for each frame."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest
from support import clips
from support.poses import dot_poses, pose_frame, save_frame, write_table

from posecli.errors import OutputError, OutputExistsError, UsageError
from posecli.plots.labeled_video import LabelOptions, label_video, plan_labels, read_skeleton, write_labels
from posecli.support.figures import part_colors
from posecli.video.probe import probe
from posecli.video.timed import TimedEncoder


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
    wanted = np.array([int(part_colors(3)[2][start : start + 2], 16) for start in (1, 3, 5)])
    found = np.array([colour_at(frames[number], *poses[number, 2, :2]) for number in (0, 17, 49)])
    assert np.abs(found - wanted).max() < 60


def decoded(path: Path) -> list[npt.NDArray[np.uint8]]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24").astype(np.uint8) for frame in container.decode(video=0)]


@pytest.mark.parametrize("ending", [".mp4", ".mkv"])
def test_every_frame_keeps_its_time_at_a_variable_rate(tmp_path: Path, ending: str) -> None:
    video = tmp_path / "uneven.mkv"
    times = [*range(0, 400, 40), *range(700, 1900, 60)]
    with TimedEncoder(video, 160, 120, Fraction(1, 1000)) as encoder:
        for frame, pts in zip(clips.numbered_frames(30), times, strict=True):
            encoder.write_yuv(encoder.to_yuv(frame), pts)
    info = probe(video)
    assert info.timeline.is_variable
    np.testing.assert_array_equal(info.pts, times)
    table = write_table(tmp_path / "t.h5", dot_poses(30))
    out = tmp_path / f"out{ending}"
    assert label_video(video, table, out) == 30
    assert probe(out).n_frames == 30
    np.testing.assert_allclose(probe(out).seconds(), info.seconds(), atol=6e-4)
    assert [clips.read_number(frame) for frame in decoded(out)] == list(range(30))


def test_a_part_of_the_video_is_shown_scaled_and_begins_at_zero(dots_clip: Path, tmp_path: Path) -> None:
    poses = dot_poses(50)
    out = tmp_path / "part.mp4"
    options = LabelOptions(start=21, end=40, scale=2.0, legend=False, dot_radius=8)
    assert label_video(dots_clip, write_table(tmp_path / "t.h5", poses), out, options) == 19
    info = probe(out)
    assert (info.width, info.height, info.n_frames) == (320, 240, 19)
    np.testing.assert_allclose(info.seconds(), np.arange(19) / 25, atol=1e-6)
    frames = decoded(out)
    assert [clips.read_number(frame) for frame in frames] == list(range(21, 40))
    blue = np.array([0, 114, 178])
    assert np.abs(colour_at(frames[3], *(2 * poses[24, 0, :2])) - blue).max() < 60


def test_two_tables_stand_side_by_side_with_titles_and_one_legend(dots_clip: Path, tmp_path: Path) -> None:
    poses = dot_poses(50)
    moved = poses + [30.0, 0, 0]
    tables = [write_table(tmp_path / "first.h5", poses), write_table(tmp_path / "second.h5", moved)]
    job = plan_labels(dots_clip, tables, LabelOptions(end=2, dot_radius=6))
    assert job.default_out == dots_clip.with_name("first_compared_labeled.mp4")
    assert write_labels(job, tmp_path / "both.mp4") == 2
    image = decoded(tmp_path / "both.mp4")[0]
    height, width = image.shape[:2]
    assert width == 322
    above = 24
    assert height > 120 + 2 * above - 2, "a title above, a legend below"
    wanted = np.array([0, 158, 115])
    x, y = poses[0, 2, :2]
    assert np.abs(colour_at(image, x, y + above) - wanted).max() < 60
    assert np.abs(colour_at(image, x + 162 + 30, y + above) - wanted).max() < 60


def test_skeleton_joins_body_parts(dots_clip: Path, tmp_path: Path) -> None:
    poses = dot_poses(50)
    out = tmp_path / "bones.mp4"
    label_video(dots_clip, write_table(tmp_path / "t.h5", poses), out, LabelOptions(end=1, skeleton=(("red", "blue"),)))
    x, y = (poses[0, 0, :2] + poses[0, 2, :2]) / 2
    assert colour_at(decoded(out)[0], x, y).min() > 100, "white on a black ground"


def test_skeleton_of_a_deeplabcut_project(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("skeleton:\n- [snout, tailbase]\n- - leftear\n  - rightear\n")
    assert read_skeleton(str(config)) == (("snout", "tailbase"), ("leftear", "rightear"))
    assert read_skeleton("a-b--c-d") == (("a-b", "c-d"),)
    config.write_text("skeleton: []\n")
    with pytest.raises(UsageError, match="no skeleton"):
        read_skeleton(str(config))
    for wrong in ("snout", "a-b-c", "a-", ""):
        with pytest.raises(UsageError, match="not a pair"):
            read_skeleton(wrong)


def test_skeleton_of_other_body_parts_is_refused(dots_clip: Path, tmp_path: Path) -> None:
    table = write_table(tmp_path / "t.h5", dot_poses(50))
    with pytest.raises(UsageError, match=r"'nose' of the skeleton .* blue, green, red"):
        plan_labels(dots_clip, [table], LabelOptions(skeleton=(("nose", "red"),)))


@pytest.mark.parametrize("span", [(0, 51), (10, 10), (-1, 5), (60, None)])
def test_frames_that_the_video_does_not_have(dots_clip: Path, tmp_path: Path, span: tuple[int, int | None]) -> None:
    table = write_table(tmp_path / "t.h5", dot_poses(50))
    with pytest.raises(UsageError, match=r"are not in .* which has 50"):
        plan_labels(dots_clip, [table], LabelOptions(start=span[0], end=span[1]))


def test_interrupted_work_leaves_nothing(dots_clip: Path, tmp_path: Path) -> None:
    def interrupt(_count: int) -> None:
        raise KeyboardInterrupt

    table = write_table(tmp_path / "t.h5", dot_poses(50))
    with pytest.raises(KeyboardInterrupt):
        label_video(dots_clip, table, tmp_path / "out.mp4", progress=interrupt)
    assert [path.name for path in tmp_path.iterdir()] == ["t.h5"]


def test_folder_that_is_not_there(dots_clip: Path, tmp_path: Path) -> None:
    table = write_table(tmp_path / "t.h5", dot_poses(50))
    with pytest.raises(OutputError, match=r"cannot be written \(No such file"):
        label_video(dots_clip, table, tmp_path / "none" / "out.mp4")


def test_frame_that_cannot_be_decoded_is_black(tmp_path: Path, dots_clip: Path) -> None:
    video = clips.spoil(dots_clip, tmp_path / "spoilt.mp4", *range(30, 50))
    table = write_table(tmp_path / "t.h5", dot_poses(50))
    assert label_video(video, table, tmp_path / "out.mp4") == 50
    assert probe(tmp_path / "out.mp4").n_frames == 50


def test_table_of_another_video_is_refused(dots_clip: Path, tmp_path: Path) -> None:
    table = write_table(tmp_path / "t.h5", dot_poses(51))
    with pytest.raises(OutputError, match=r"50 frames, and .* a row for frame 50"):
        label_video(dots_clip, table, tmp_path / "out.mp4")
    assert not (tmp_path / "out.mp4").exists()


def test_existing_video_is_kept(dots_clip: Path, tmp_path: Path) -> None:
    table = write_table(tmp_path / "t.h5", dot_poses(50))
    (tmp_path / "out.mp4").write_bytes(b"mine")
    with pytest.raises(OutputExistsError):
        label_video(dots_clip, table, tmp_path / "out.mp4")
    assert (tmp_path / "out.mp4").read_bytes() == b"mine"


@pytest.mark.parametrize("wrong", [{"pcutoff": 1.5}, {"trail": -1}, {"dot_radius": 0.0}, {"scale": 9.5}])
def test_options_out_of_range(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=str(next(iter(wrong.values())))):
        LabelOptions(**wrong)  # type: ignore[arg-type]


def test_poses_are_drawn_on_the_frames_of_their_numbers(dots_clip: Path, tmp_path: Path) -> None:
    poses = dot_poses(50)
    poses[:, :, :2] = poses[:, :, :2] / 2 + (40, 30)  # away from the dots of the clip
    frames = [30, 12, 13, 49]
    table = save_frame(pose_frame(poses[frames], frames), tmp_path / "t.h5")
    options = LabelOptions(dot_radius=4, legend=False)
    job = plan_labels(dots_clip, [table], options)
    shown = job.shown(job.tables[0])
    assert np.flatnonzero(np.isfinite(shown[:, 0, 0])).tolist() == sorted(frames)
    assert label_video(dots_clip, table, tmp_path / "out.mp4", options) == 50
    whole = write_table(tmp_path / "whole.h5", poses)
    label_video(dots_clip, whole, tmp_path / "whole.mp4", options)
    some, every = decoded(tmp_path / "out.mp4"), decoded(tmp_path / "whole.mp4")
    for frame in (12, 13, 30, 49, 11, 20, 40):
        differing = np.abs(some[frame].astype(int) - every[frame]).max() > 90
        assert differing == (frame not in frames), frame

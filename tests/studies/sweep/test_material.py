"""Videos and what is known of the truth."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import labels
from support.poses import dot_poses, pose_frame, save_frame
from support.sweeps import video_info

from posecli.errors import LabelError, UsageError
from posecli.options import TableChoice
from posecli.studies.sweep.material import (
    SweepVideo,
    given_video,
    stretches_of,
    true_points,
)
from posecli.studies.sweep.options import SweepOptions

PARTS = ("red", "green", "blue")


def video_named(name: str, frames: int = 50) -> SweepVideo:
    return SweepVideo(name, video_info(Path(f"{name}.mp4"), frames), frames, (range(frames),), 1000)


@given(frames=st.integers(2, 10_000), rate=st.floats(0.5, 240), sample=st.integers(2, 12_000))
def test_stretches_lie_apart_and_reach_from_end_to_end(frames: int, rate: float, sample: int) -> None:
    stretches = stretches_of(frames, rate, sample)
    assert stretches[0].start == 0
    assert stretches[-1].stop == frames or len(stretches) == 1
    assert all(before.stop <= after.start for before, after in pairwise(stretches))
    lengths = {len(part) for part in stretches}
    assert len(lengths) == 1
    assert sum(map(len, stretches)) <= min(frames, sample + lengths.pop())


def test_labelled_frames_are_placed_by_their_numbers(tmp_path: Path) -> None:
    project = labels.write_project(tmp_path, 6)
    (points,) = true_points([video_named("m1")], PARTS, SweepOptions(labels=project))
    assert points is not None
    assert points.shape == (50, 3, 2)
    assert np.allclose(points[:6], labels.dots(6))
    assert np.isnan(points[6:]).all()


def test_body_parts_are_in_the_networks_order_and_unknown_ones_are_unknown(tmp_path: Path) -> None:
    project = labels.write_project(tmp_path, 3)
    (points,) = true_points([video_named("m1")], ("blue", "nose", "red"), SweepOptions(labels=project))
    assert points is not None
    assert np.allclose(points[:3, [2, 0]], labels.dots(3)[:, [0, 2]])
    assert np.isnan(points[:, 1]).all()


def test_labels_beyond_the_used_frames_are_left_out(tmp_path: Path) -> None:
    project = labels.write_project(tmp_path, 6)
    (points,) = true_points([video_named("m1", frames=4)], PARTS, SweepOptions(labels=project))
    assert points is not None
    assert len(points) == 4
    assert np.isfinite(points).all()


def test_labels_of_other_videos_are_a_mistake(tmp_path: Path) -> None:
    project = labels.write_project(tmp_path, 3)
    with pytest.raises(UsageError, match="labels no frame of other"):
        true_points([video_named("other")], PARTS, SweepOptions(labels=project))
    points, unknown = true_points([video_named("m1"), video_named("other")], PARTS, SweepOptions(labels=project))
    assert points is not None
    assert unknown is None


def test_an_image_without_a_number_cannot_be_placed(tmp_path: Path) -> None:
    project = labels.write_project(tmp_path, 1)
    folder = project / "labeled-data" / "m1"
    (folder / "img0000.png").rename(folder / "first.png")
    labels.save_labels(labels.label_frame(labels.dots(1), ["first.png"]), folder)
    with pytest.raises(LabelError, match="does not end in the number of its frame"):
        true_points([video_named("m1")], PARTS, SweepOptions(labels=project))


def test_a_video_with_no_truth_beside_it_has_none(dots_clip: Path) -> None:
    video = given_video(dots_clip, SweepOptions(videos=(dots_clip,), frames=20))
    assert (video.name, video.frames, video.truth) == ("dots", 20, None)
    assert video.given_bytes == pytest.approx(dots_clip.stat().st_size * 20 / 50)
    assert true_points([video], PARTS, SweepOptions()) == (None,)


def test_true_points_are_those_of_the_frames_that_are_looked_at(tmp_path: Path) -> None:
    """A truth of some frames, which a sample meets in part; one of several tables."""
    poses, frames = dot_poses(50), [3, 12, 13, 40]
    truth = save_frame(pose_frame(poses[frames], frames), tmp_path / "truth.h5", key="mine")
    save_frame(pose_frame(poses), truth, key="another", mode="a")
    video = SweepVideo("m1", video_info(Path("m1.mp4"), 50), 50, (range(10, 14), range(30, 34)), 1000, truth)
    with pytest.raises(LabelError, match="choose one with --truth-key"):
        true_points([video], PARTS, SweepOptions(videos=(Path("m1.mp4"),), truth_choice=TableChoice(option="truth-")))
    chosen = SweepOptions(videos=(Path("m1.mp4"),), truth=truth, truth_choice=TableChoice("mine"))
    (points,) = true_points([video], PARTS, chosen)
    assert points is not None
    np.testing.assert_array_equal(points[2:4], poses[12:14, :, :2])
    assert np.isnan(np.delete(points, [2, 3], axis=0)).all()
    with pytest.raises(LabelError, match="has no row for the frames of"):
        true_points([SweepVideo("m1", video.info, 50, (range(20, 30),), 1000, truth)], PARTS, chosen)

"""Display matrices: all eight right-angled ones, what is no right angle, and that turning is not moving."""

from __future__ import annotations

import struct
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import clips

from posecli.errors import VideoError
from posecli.video.orientation import UPRIGHT, Orientation, exif_mirrors
from posecli.video.probe import probe
from posecli.video.reader import VideoReader

RIGHT_ANGLED = [(a, 0, 0, d) for a, d in product((-1, 1), repeat=2)] + [
    (0, b, c, 0) for b, c in product((-1, 1), repeat=2)
]


def matrix(a: float, b: float, c: float, d: float) -> np.ndarray:
    return np.round(np.array([a, b, 0, c, d, 0, 0, 0, 16384]) * 65536).astype(np.int32)


def by_definition(image: clips.Images, a: int, b: int, c: int, d: int) -> clips.Images:
    """Each pixel at (x, y) goes to (a x + c y, b x + d y)."""
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]]
    x, y = a * columns + c * rows, b * columns + d * rows
    out = np.zeros((int(np.ptp(y)) + 1, int(np.ptp(x)) + 1, 3), np.uint8)
    out[y - y.min(), x - x.min()] = image
    return out


def test_there_are_eight() -> None:
    assert len(RIGHT_ANGLED) == 8
    assert len({Orientation.from_matrix(matrix(*each)) for each in RIGHT_ANGLED}) == 8


@pytest.mark.parametrize("each", RIGHT_ANGLED, ids=str)
def test_a_picture_is_shown_as_its_matrix_says(each: tuple[int, int, int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    orientation = Orientation.from_matrix(matrix(*each))
    turned = orientation.applied(image)
    np.testing.assert_array_equal(turned, by_definition(image, *each))
    assert turned.shape[1::-1] == orientation.size(7, 5)


@given(st.sampled_from(RIGHT_ANGLED), st.floats(0.1, 30), st.floats(-0.9, 0.9))
def test_size_and_a_degree_do_not_matter(each: tuple[int, int, int, int], scale: float, degrees: float) -> None:
    cos, sin = scale * np.cos(np.radians(degrees)), scale * np.sin(np.radians(degrees))
    a, b, c, d = each
    askew = matrix(a * cos - b * sin, a * sin + b * cos, c * cos - d * sin, c * sin + d * cos)
    assert Orientation.from_matrix(askew) == Orientation.from_matrix(matrix(*each))


def test_an_empty_matrix_turns_nothing() -> None:
    assert Orientation.from_matrix(np.zeros(9, np.int32)) == UPRIGHT


def test_what_is_no_right_angle_is_refused_with_the_angle(dots_clip: Path, tmp_path: Path) -> None:
    path = tmp_path / "askew.mp4"
    clips.ffmpeg("-display_rotation", "45", "-i", dots_clip, "-c", "copy", path)
    with pytest.raises(
        VideoError, match=r"askew.mp4': pictures are to be turned by -45 degrees clockwise, not by a right angle"
    ):
        probe(path)


@pytest.mark.parametrize(
    "flags", [("-display_hflip",), ("-display_vflip",), ("-display_rotation", "90", "-display_hflip")]
)
def test_mirrors_are_shown_as_ffmpegs_program_shows_them(
    flags: tuple[str, ...], dots_clip: Path, tmp_path: Path
) -> None:
    path, shown = tmp_path / "mirrored.mp4", tmp_path / "shown.mkv"
    clips.ffmpeg(*flags, "-i", dots_clip, "-c", "copy", path)
    clips.ffmpeg("-i", path, "-c:v", "ffv1", "-pix_fmt", "yuv420p", shown)
    ours, theirs = (next(VideoReader(probe(file)).batches(50)).images.copy() for file in (path, shown))
    assert np.abs(ours.astype(int) - theirs.astype(int)).mean() < 1


def jpeg_with_exif(orientation: int, order: str) -> bytes:
    """The start of a JPEG picture with one entry of Exif data."""
    mark = b"II*\0" if order == "<" else b"MM\0*"
    entry = struct.pack(f"{order}HHIHH", 0x0112, 3, 1, orientation, 0)
    return b"\xff\xd8\xff\xe1\0\0Exif\0\0" + mark + struct.pack(f"{order}IH", 8, 1) + entry


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("orientation", range(1, 9))
def test_mirrors_of_exif_are_seen(orientation: int, order: str) -> None:
    picture = jpeg_with_exif(orientation, order)
    assert exif_mirrors(picture) is (orientation in (2, 4, 5, 7))
    assert not any(exif_mirrors(picture[:end]) for end in range(len(picture) - 4))


def test_pictures_that_exif_mirrors_are_refused(tmp_path: Path) -> None:
    path = clips.encode(tmp_path / "clip.avi", clips.numbered_frames(5), "-c:v", "mjpeg", "-pix_fmt", "yuvj420p")
    exif = jpeg_with_exif(2, ">")[2:]
    content = path.read_bytes()
    picture = clips.packets(path)[0]
    segment = exif[:2] + struct.pack(">H", len(exif) - 2) + exif[4:]
    # In place of the comment that says who encoded it: the length of the file stays.
    assert len(picture) > len(segment) + 4
    mirrored = picture[:2] + segment + picture[2 : len(picture) - len(segment)]
    path.write_bytes(content.replace(picture, mirrored))
    with pytest.raises(VideoError, match="are mirrored by their Exif orientation"):
        probe(path)

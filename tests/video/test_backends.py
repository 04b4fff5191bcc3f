"""OpenCV and PyAV give the same bytes for the same frame, whatever the codec, colours and file name."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from support import clips

from posecli.options import VideoBackend
from posecli.video.orientation import Orientation
from posecli.video.probe import probe
from posecli.video.reader import VideoReader

H264 = ("-c:v", "libx264", "-crf", "12")
B_FRAMES = (*H264, "-g", "10", "-x264-params", "b-adapt=0:bframes=3", "-pix_fmt", "yuv420p")
BT709 = ("-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709")
QUIET_X265 = ("-c:v", "libx265", "-x265-params", "log-level=none")
VP9 = ("-c:v", "libvpx-vp9", "-crf", "10", "-b:v", "0", "-cpu-used", "8", "-pix_fmt", "yuv420p")

#: Why OpenCV is not used for some.
REFUSED = {"h264-b-frames.avi": "OpenCV reports another time", "mpeg4-b-frames.avi": "OpenCV reports another time"}
#: File name and how it is encoded; names that end in "odd" have 161x121 px.
RECIPES: dict[str, tuple[str, ...]] = {
    "h264-420.mp4": (*H264, "-pix_fmt", "yuv420p"),
    "h264-422.mp4": (*H264, "-pix_fmt", "yuv422p"),
    "h264-444-odd.mp4": (*H264, "-pix_fmt", "yuv444p"),
    "h264-grey.mp4": (*H264, "-pix_fmt", "gray"),
    "h264-b-frames.mp4": B_FRAMES,
    "h264-b-frames.mkv": B_FRAMES,
    "h264-b-frames.ts": B_FRAMES,
    "h264-b-frames.avi": B_FRAMES,
    "h264-late-start.mkv": (*B_FRAMES, "-output_ts_offset", "5"),
    "h264-fragmented.mp4": (*B_FRAMES, "-movflags", "frag_keyframe+empty_moov"),
    "bt709.mp4": (*H264, "-vf", "scale=out_color_matrix=bt709", *BT709, "-pix_fmt", "yuv420p"),
    "full-range.mp4": (*H264, "-vf", "scale=out_range=full", "-color_range", "pc", "-pix_fmt", "yuv420p"),
    "mjpeg.avi": ("-c:v", "mjpeg", "-q:v", "2", "-pix_fmt", "yuvj422p"),
    "mjpeg-420-odd.avi": ("-c:v", "mjpeg", "-q:v", "2", "-pix_fmt", "yuvj420p"),
    "mpeg4-b-frames.avi": ("-c:v", "mpeg4", "-bf", "2", "-q:v", "2"),
    "mpeg2-b-frames.mpg": ("-c:v", "mpeg2video", "-bf", "2", "-q:v", "2"),
    "ffv1-rgb.mkv": ("-c:v", "ffv1", "-pix_fmt", "bgr0"),
    "raw-grey.avi": ("-c:v", "rawvideo", "-pix_fmt", "gray"),
    "vp9.webm": VP9,
    "hevc-10-bit.mp4": (*QUIET_X265, "-pix_fmt", "yuv420p10le"),
    "variable-rate.mp4": (*H264, "-vf", "select='lt(mod(n\\,5)\\,2)'", "-fps_mode", "vfr", "-pix_fmt", "yuv420p"),
}


BACKENDS: tuple[VideoBackend, ...] = ("opencv", "pyav")


def decoded(path: Path, backend: VideoBackend) -> tuple[list[clips.Images], str | None]:
    """Frames as displayed, BGR, and why OpenCV was not asked any more."""
    reader = VideoReader(probe(path), backend=backend)
    images = [frame.image for frame in reader.decoded() if frame.image is not None]
    reader.close()
    return images, reader.opencv_fault


def numbers(images: list[clips.Images]) -> list[int]:
    return [clips.read_number(image[..., ::-1]) for image in images]


def make(folder: Path, name: str, count: int = 24) -> Path:
    size = (121, 161) if "odd" in name else (120, 160)
    return clips.encode(folder / name, clips.textured(clips.numbered_frames(count, *size)), *RECIPES[name])


@pytest.mark.parametrize("name", RECIPES)
def test_decoders_give_equal_bytes(name: str, tmp_path: Path) -> None:
    path = make(tmp_path, name)
    (first, fault), (second, _) = (decoded(path, backend) for backend in BACKENDS)
    assert fault == REFUSED.get(name)
    np.testing.assert_array_equal(first, second)
    expected = [number for number in range(24) if number % 5 < 2] if "variable" in name else list(range(24))
    assert numbers(first) == expected


@pytest.mark.parametrize("name", [name for name in RECIPES if "b-frames" in name or "late" in name])
def test_decoding_may_start_at_any_frame(name: str, tmp_path: Path) -> None:
    path = make(tmp_path, name, 36)
    for first in (1, 19, 20, 21, 35):
        frames = [frame for frame in VideoReader(probe(path), first=first).decoded() if frame.image is not None]
        assert [frame.number for frame in frames] == list(range(first, 36))
        assert numbers([frame.image for frame in frames if frame.image is not None]) == list(range(first, 36))


AWKWARD_NAMES = {
    "spaces": "two  spaces.mp4",
    "non-ASCII": "Mäuse 鼠.mp4",
    "single quote": "it's.mp4",
    "double quote": 'a"b.mp4',
    "colon": "cam:1.mp4",
    "protocol": "file:clip.mp4",
    "per cent": "100%d.mp4",
    "leading dash": "-y.mp4",
    "glob": "[a]*?.mp4",
}


@pytest.mark.parametrize("name", AWKWARD_NAMES.values(), ids=AWKWARD_NAMES)
@pytest.mark.parametrize("backend", BACKENDS)
def test_file_names_are_only_names(
    backend: VideoBackend, name: str, dots_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(dots_clip, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    images, fault = decoded(Path(name), backend)
    assert (numbers(images), fault) == (list(range(50)), None)


@pytest.mark.parametrize("angle", [90, 180, 270, -90])
def test_rotation_is_what_opencv_shows(angle: int, dots_clip: Path, tmp_path: Path) -> None:
    path = tmp_path / "turned.mp4"
    clips.ffmpeg("-display_rotation", str(angle), "-i", dots_clip, "-c", "copy", path)
    capture = cv2.VideoCapture(str(path))
    info = probe(path)
    reader = VideoReader(info)
    assert info.orientation == Orientation(angle % 360)
    for batch in reader.batches(1):
        shown, image = capture.read()
        assert shown
        assert (info.height, info.width) == image.shape[:2]
        np.testing.assert_array_equal(batch.images[0], image[..., ::-1])
    assert not capture.read()[0]


def test_frames_that_no_opencv_decodes_come_from_pyav(tmp_path: Path) -> None:
    clips.require_encoder("libsvtav1")
    options = ("-c:v", "libsvtav1", "-preset", "12", "-svtav1-params", "lp=1", "-pix_fmt", "yuv420p")
    path = clips.encode(tmp_path / "av1.mp4", clips.numbered_frames(12), *options)
    reader = VideoReader(probe(path), backend="opencv")
    shown = [clips.read_number(image) for batch in reader.batches(5) for image in batch.images[batch.valid]]
    assert shown == list(range(12))


def interlaced(folder: Path) -> Path:
    options = (*H264, "-pix_fmt", "yuv420p", "-flags", "+ildct+ilme", "-x264-params", "interlaced=1")
    return clips.encode(folder / "interlaced.mp4", clips.numbered_frames(12), *options)


def two_streams(folder: Path) -> Path:
    """A small video first, then the main one."""
    small = clips.encode(folder / "small.mp4", clips.numbered_frames(12, 80, 96))
    main = clips.encode(folder / "main.mp4", clips.numbered_frames(12))
    clips.ffmpeg("-i", small, "-i", main, "-map", "0", "-map", "1", "-c", "copy", folder / "two.mp4")
    return folder / "two.mp4"


@pytest.mark.parametrize("make_clip", [interlaced, two_streams])
def test_where_opencv_shows_other_pictures_it_is_not_used(make_clip: Callable[[Path], Path], tmp_path: Path) -> None:
    images, fault = decoded(make_clip(tmp_path), "opencv")
    assert numbers(images) == list(range(12))
    assert fault is not None


def test_cover_picture_is_not_the_video(tmp_path: Path) -> None:
    main = clips.encode(tmp_path / "main.mp4", clips.numbered_frames(12))
    cover = clips.encode(tmp_path / "cover.png", clips.numbered_frames(1, 64, 64), "-c:v", "png")
    path = tmp_path / "covered.mp4"
    clips.ffmpeg(
        "-i", main, "-i", cover, "-map", "0", "-map", "1", "-c", "copy", "-disposition:v:1", "attached_pic", path
    )
    assert (probe(path).width, probe(path).n_frames) == (160, 12)
    for backend in BACKENDS:
        assert numbers(decoded(path, backend)[0]) == list(range(12))


def test_seeking_in_video_of_an_old_encoder(shared_data: Path) -> None:
    """4:4:4 H.264 of old x264 versions can be decoded only with the version noted in the first packet."""
    info = probe(shared_data / "openfield" / "videos" / "m3v1mp4.mp4")
    sought = next(VideoReader(info, first=258).decoded())
    reader = VideoReader(info)
    reader.skip(258)
    in_order = next(reader.decoded())
    assert sought.number == in_order.number == 258
    assert sought.image is not None
    assert in_order.image is not None
    np.testing.assert_array_equal(sought.image, in_order.image)

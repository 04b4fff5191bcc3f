"""Frames through ffmpeg into a file, and what is left when it fails."""

from __future__ import annotations

import io
import os
import stat
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt
import pytest
from support import clips

from posecli.errors import OutputError, OutputExistsError, UsageError
from posecli.video import encode
from posecli.video.encode import CODECS, EncodeOptions, VideoEncoder, exact_rate, find_ffmpeg
from posecli.video.probe import probe

Images = npt.NDArray[np.uint8]


def write(path: Path, frames: Images, options: EncodeOptions | None = None, fps: Fraction | float | str = 25) -> Path:
    height, width = frames.shape[1:3]
    with VideoEncoder(path, width, height, fps, options) as encoder:
        for frame in frames:
            encoder.write(frame)
    assert encoder.frames == len(frames)
    return path


def read(path: Path) -> Images:
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


@pytest.fixture(scope="module")
def frames() -> Images:
    return clips.textured(clips.numbered_frames(12))


def test_lossless_colours_come_back_to_rounding(tmp_path: Path, frames: Images) -> None:
    path = write(tmp_path / "a.mp4", frames)
    by_opencv = cv2.VideoCapture(str(path))
    for frame, by_pyav in zip(frames, read(path), strict=True):
        ok, image = by_opencv.read()
        assert ok
        assert np.abs(by_pyav.astype(int) - frame).max() <= 2
        assert np.abs(image[..., ::-1].astype(int) - frame).max() <= 2
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_lossless_is_lossless_for_the_encoder(tmp_path: Path, frames: Images) -> None:
    once = read(write(tmp_path / "a.mp4", frames))
    with (
        av.open(str(tmp_path / "a.mp4")) as container,
        av.open(str(write(tmp_path / "b.mkv", frames, EncodeOptions(preset="ultrafast")))) as other,
    ):
        for left, right in zip(container.decode(video=0), other.decode(video=0), strict=True):
            np.testing.assert_array_equal(left.to_ndarray(), right.to_ndarray())
    assert len(once) == len(frames)


@pytest.mark.parametrize("codec", ["libx264", "libx265", "libvpx-vp9", "libsvtav1"])
def test_every_codec_keeps_the_frames_in_order(tmp_path: Path, codec: str) -> None:
    clips.require_encoder(codec)
    frames = clips.numbered_frames(6)
    preset = "8" if codec in ("libsvtav1", "libvpx-vp9") else "veryfast"
    decoded = read(write(tmp_path / "a.mkv", frames, EncodeOptions(codec, crf=20, preset=preset)))
    assert [clips.read_number(image) for image in decoded] == list(range(6))


def test_a_lower_crf_is_nearer_and_larger(tmp_path: Path, frames: Images) -> None:
    paths = [write(tmp_path / f"{crf}.mp4", frames, EncodeOptions(crf=crf)) for crf in (5, 45)]
    errors = [np.abs(read(path).astype(int) - frames).mean() for path in paths]
    assert errors[0] < errors[1]
    assert paths[0].stat().st_size > paths[1].stat().st_size


def test_group_of_pictures(tmp_path: Path, frames: Images) -> None:
    path = write(tmp_path / "a.mp4", frames, EncodeOptions(crf=20, gop=4))
    with av.open(str(path)) as container:
        keys = [n for n, frame in enumerate(container.decode(video=0)) if frame.key_frame]
    assert np.diff([*keys, 12]).max() <= 4


def test_odd_sizes_keep_their_pixels(tmp_path: Path) -> None:
    frames = clips.numbered_frames(3, height=121, width=163)
    padded = read(write(tmp_path / "a.mp4", frames, EncodeOptions(crf=1)))
    assert padded.shape[1:3] == (122, 164)
    assert np.abs(padded[:, :121, :163].astype(int) - frames).mean() < 3
    assert np.abs(padded[:, 121].astype(int) - padded[:, 120]).mean() < 3, "the last row is repeated"
    assert read(write(tmp_path / "b.mp4", frames)).shape == frames.shape, "4:4:4 takes any size"


def test_frame_rate_is_exact(tmp_path: Path, frames: Images) -> None:
    assert probe(write(tmp_path / "a.mp4", frames, fps="30000/1001")).frame_rate == pytest.approx(30000 / 1001)
    assert exact_rate(23.976) == Fraction(2997, 125)


@pytest.mark.parametrize("rate", [0, -1, "x", "1/0", float("nan"), float("inf")])
def test_frame_rates_that_are_none(rate: float | str) -> None:
    with pytest.raises(UsageError, match=r"frame rate '.*' is invalid"):
        exact_rate(rate)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"codec": "mpeg9"}, "codec 'mpeg9' is not known"),
        ({"crf": 52}, "CRF 52 is not on the scale of libx264: give 0 to 51"),
        ({"crf": -1}, "CRF -1"),
        ({"codec": "libvpx-vp9", "crf": 64}, "give 0 to 63"),
        ({"codec": "libsvtav1"}, "libsvtav1 has no lossless mode"),
        ({"gop": 0}, "gop 0"),
    ],
)
def test_options_that_cannot_be(values: dict[str, int | str], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        EncodeOptions(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize("codec", CODECS)
def test_the_ends_of_each_scale_are_allowed(codec: str) -> None:
    for crf in (0, CODECS[codec].max_crf):
        assert f"{crf}" in EncodeOptions(codec, crf=crf).arguments()


def test_existing_file_is_kept_unless_told(tmp_path: Path, frames: Images) -> None:
    path = tmp_path / "a.mp4"
    path.write_text("mine")
    with pytest.raises(OutputExistsError, match=r"'.*a.mp4' is there already: pass --overwrite"):
        write(path, frames)
    assert path.read_text() == "mine"
    with VideoEncoder(path, 160, 120, 25, overwrite=True) as encoder:
        encoder.write(frames[0])
    assert len(read(path)) == 1


@pytest.mark.parametrize("stop", [KeyboardInterrupt, ValueError])
def test_nothing_is_left_after_an_interruption(tmp_path: Path, frames: Images, stop: type[BaseException]) -> None:
    encoder = VideoEncoder(tmp_path / "a.mp4", 160, 120, 25)
    processes = []

    def write_and_stop() -> None:
        with encoder:
            encoder.write(frames[0])
            processes.append(encoder._process)
            raise stop

    with pytest.raises(stop):
        write_and_stop()
    assert processes[0] is not None
    assert processes[0].returncode is not None
    assert not list(tmp_path.iterdir())


def test_ffmpegs_words_are_told(tmp_path: Path, frames: Images) -> None:
    with pytest.raises(OutputError, match=r"'.*a.mp4' cannot be written \(.*preset.*\): check") as caught:
        write(tmp_path / "a.mp4", frames, EncodeOptions(crf=20, preset="leisurely"))
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_missing_encoder_is_named(tmp_path: Path, frames: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CODECS, "libnone", CODECS["libx264"])
    with pytest.raises(OutputError, match=r"ffmpeg \S+ has no encoder 'libnone': choose another codec"):
        write(tmp_path / "a.mp4", frames, EncodeOptions("libnone", crf=20))


def test_ffmpeg_that_dies_midway(tmp_path: Path, frames: Images) -> None:
    def write_and_kill() -> None:
        with VideoEncoder(tmp_path / "a.mp4", 160, 120, 25) as encoder:
            encoder.write(frames[0])
            assert encoder._process is not None
            encoder._process.kill()
            encoder._process.wait()
            encoder.write(frames[1])

    with pytest.raises(OutputError, match="ffmpeg ended after 1 frames"):
        write_and_kill()
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is always full")
def test_full_disk(tmp_path: Path, frames: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    full = tmp_path / "a.mp4.partial"
    full.symlink_to("/dev/full")
    monkeypatch.setattr(Path, "write_bytes", lambda _path, _content: 0)
    with pytest.raises(OutputError, match="No space left on device"):
        write(tmp_path / "a.mp4", frames)
    assert not list(tmp_path.iterdir())


def test_folder_that_is_not_there(tmp_path: Path, frames: Images) -> None:
    with pytest.raises(OutputError, match="No such file or directory"):
        write(tmp_path / "none" / "a.mp4", frames)


def test_no_frames_is_no_video(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="no frame was given"):
        write(tmp_path / "a.mp4", np.zeros((0, 120, 160, 3), np.uint8))
    assert not list(tmp_path.iterdir())


def test_ending_that_is_no_video(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"'.*a.png' does not end as a video: use one of .mp4"):
        VideoEncoder(tmp_path / "a.png", 160, 120, 25)


def test_names_that_look_like_options_or_patterns(
    tmp_path: Path, frames: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("-y.mp4", "a%03d;'$(x).mp4"):
        assert len(read(tmp_path / write(Path(name), frames[:2]))) == 2


def test_frames_of_another_shape_are_refused(tmp_path: Path, frames: Images) -> None:
    with VideoEncoder(tmp_path / "a.mp4", 160, 120, 25) as encoder:
        encoder.write(frames[0])
        with pytest.raises(ValueError, match=r"frame is \(60, 160, 3\) uint8"):
            encoder.write(frames[0, :60])
        with pytest.raises(ValueError, match="float64"):
            encoder.write(frames[0].astype(float))
        encoder.write(np.asfortranarray(frames[1]))
    with pytest.raises(ValueError, match="not open"):
        encoder.write(frames[0])
    assert np.abs(read(tmp_path / "a.mp4")[1].astype(int) - frames[1]).max() <= 2


def test_ffmpeg_of_the_environment_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundled = find_ffmpeg()
    assert Path(bundled.path).is_file()
    script = tmp_path / "my-ffmpeg"
    script.write_text("#!/bin/sh\necho 'ffmpeg version 77.1-mine Copyright'\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv(encode.FFMPEG_VARIABLE, str(script))
    assert find_ffmpeg() == encode.Ffmpeg(str(script), "77.1-mine")
    monkeypatch.setenv(encode.FFMPEG_VARIABLE, "my-ffmpeg")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert find_ffmpeg().path == str(script)
    monkeypatch.setenv(encode.FFMPEG_VARIABLE, "")
    assert find_ffmpeg() == bundled


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (None, "is not a program"),
        ("#!/bin/sh\nexit 3\n", "does not run"),
        ("#!/bin/sh\necho hello\n", "does not answer as ffmpeg does"),
    ],
)
def test_ffmpeg_of_the_environment_that_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str | None, words: str
) -> None:
    path = tmp_path / "ffmpeg"
    if script is not None:
        path.write_text(script)
        path.chmod(0o755)
    monkeypatch.setenv(encode.FFMPEG_VARIABLE, str(path))
    with pytest.raises(UsageError, match=words):
        find_ffmpeg()


def test_frames_are_the_only_input(tmp_path: Path, frames: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    """An ffmpeg reads its keys from the terminal otherwise, and stops at a q."""
    monkeypatch.setattr("sys.stdin", io.StringIO("q"))
    assert len(read(write(tmp_path / "a.mp4", frames))) == len(frames)

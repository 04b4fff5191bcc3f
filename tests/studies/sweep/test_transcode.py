"""Encoding straight from file to file with a real ffmpeg."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support import clips

from posecli.errors import OutputError, UsageError
from posecli.studies.sweep.versions import refuse_missing_encoders, transcode, transcode_command
from posecli.video.encode import EncodeOptions
from posecli.video.orientation import UPRIGHT
from posecli.video.probe import VideoInfo, probe
from posecli.video.reader import VideoReader


def pictures(info: VideoInfo) -> np.ndarray:
    reader = VideoReader(info)
    batch = reader.read_into(reader.new_buffer(info.n_frames))
    reader.close()
    assert batch is not None
    return batch.images.copy()


def test_lossless_is_the_same_to_the_last_bit(dots_clip: Path, tmp_path: Path) -> None:
    info = probe(dots_clip)
    counted: list[int] = []
    made = transcode(info, tmp_path / "v.mp4", EncodeOptions(crf=0, pix_fmt="yuv420p"), progress=counted.append)
    version = probe(made.path)
    assert np.array_equal(pictures(version), pictures(info))
    assert np.array_equal(version.seconds(), info.seconds())
    assert sum(counted) == info.n_frames
    assert made.bytes == made.path.stat().st_size
    assert [path.name for path in tmp_path.iterdir()] == ["v.mp4"]


def test_first_frames_only(dots_clip: Path, tmp_path: Path) -> None:
    made = transcode(probe(dots_clip), tmp_path / "v.mp4", EncodeOptions(crf=30), frames=12)
    assert probe(made.path).n_frames == 12


@pytest.mark.parametrize("codec", ["libx265", "libsvtav1", "libvpx-vp9"])
def test_other_codecs_keep_every_frame_and_time(dots_clip: Path, tmp_path: Path, codec: str) -> None:
    clips.require_encoder(codec)
    info = probe(dots_clip)
    preset = {"libx265": "ultrafast", "libsvtav1": "12", "libvpx-vp9": "8"}[codec]
    made = transcode(info, tmp_path / "v.mp4", EncodeOptions(codec, 40, preset), frames=15)
    version = probe(made.path)
    assert version.n_frames == 15
    assert np.allclose(np.diff(version.seconds()), 1 / 25, atol=1e-4)


def test_uneven_times_stay(tmp_path: Path, dots_clip: Path) -> None:
    uneven = tmp_path / "uneven.mkv"
    times = "settb=1/1000,setpts='40*(N+0.4*mod(N,3))'"
    clips.ffmpeg("-i", dots_clip, "-vf", times, "-fps_mode", "passthrough", "-enc_time_base", "1:1000", uneven)
    info = probe(uneven)
    assert info.timeline.is_variable
    version = probe(transcode(info, tmp_path / "v.mp4", EncodeOptions(crf=20)).path)
    assert np.allclose(version.seconds() - version.seconds()[0], info.seconds() - info.seconds()[0], atol=2e-3)


def test_odd_sides_become_even_by_their_last_pixels(tmp_path: Path) -> None:
    odd = clips.encode(
        tmp_path / "odd.mp4", clips.numbered_frames(5, 121, 161), "-c:v", "libx264", "-qp", "0", "-pix_fmt", "yuv444p"
    )
    info = probe(odd)
    version = probe(transcode(info, tmp_path / "v.mp4", EncodeOptions(crf=5)).path)
    assert (version.width, version.height) == (162, 122)
    ours, theirs = pictures(info).astype(int), pictures(version).astype(int)
    assert np.abs(ours - theirs[:, :121, :161]).mean() < 4
    assert np.abs(theirs[:, 121] - theirs[:, 120]).mean() < 4


def test_a_phones_rotation_is_applied_once(dots_clip: Path, tmp_path: Path) -> None:
    turned = tmp_path / "turned.mp4"
    clips.ffmpeg("-display_rotation", "90", "-i", dots_clip, "-c", "copy", turned)
    info = probe(turned)
    assert (info.width, info.height) == (120, 160)
    version = probe(transcode(info, tmp_path / "v.mp4", EncodeOptions(crf=0, pix_fmt="yuv420p")).path)
    assert version.orientation == UPRIGHT
    assert np.abs(pictures(version).astype(int) - pictures(info).astype(int)).mean() < 1


def test_what_ffmpeg_refuses_is_one_sentence_and_leaves_nothing(dots_clip: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be encoded") as caught:
        transcode(probe(dots_clip), tmp_path / "v.mp4", EncodeOptions(crf=20, preset="hasty"))
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_missing_encoder_is_named() -> None:
    refuse_missing_encoders(["libx264", "libx265"])
    with pytest.raises(UsageError, match="has no encoder 'libx299': choose another codec"):
        refuse_missing_encoders(["libx264", "libx299"])


def test_ctrl_c_stops_ffmpeg_and_leaves_nothing(dots_clip: Path, tmp_path: Path) -> None:
    def interrupt(_count: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        transcode(probe(dots_clip), tmp_path / "v.mp4", EncodeOptions(crf=20), progress=interrupt)
    assert list(tmp_path.iterdir()) == []


def test_command_is_a_list_with_the_chosen_stream(dots_clip: Path, tmp_path: Path) -> None:
    command = transcode_command(probe(dots_clip), tmp_path / "a b.mp4", EncodeOptions(crf=23), 10)
    assert command[-1] == f"file:{tmp_path / 'a b.mp4.partial'}"
    assert command[command.index("-map") + 1] == "0:0"
    assert command[command.index("-frames:v") + 1] == "10"

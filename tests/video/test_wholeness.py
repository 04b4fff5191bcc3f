"""Whether a file goes on to the end that its outermost parts name."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import clips

from posecli.video.probe import probe
from posecli.video.wholeness import breaks_off

FORMATS = {".mp4": "mov,mp4,m4a,3gp,3g2,mj2", ".mkv": "matroska,webm", ".avi": "avi"}
SOUND = ("-f", "lavfi", "-i", "sine=duration=2", "-map", "0", "-map", "1", "-c:v", "copy")


@pytest.fixture(scope="module", params=FORMATS)
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video with sound, whose header tells how long both are together only."""
    folder = tmp_path_factory.mktemp("whole")
    silent = clips.encode(folder / f"silent{request.param}", clips.numbered_frames(40), *clips.ORDINARY)
    path = folder / f"whole{request.param}"
    clips.ffmpeg("-i", silent, *SOUND, "-movflags", "frag_keyframe+empty_moov", path)
    return path


def test_a_whole_file_is_whole(whole: Path) -> None:
    assert not breaks_off(whole, FORMATS[whole.suffix])
    assert probe(whole).cut_off is None


@pytest.mark.parametrize("part", [0.4, 0.7, 0.95])
def test_a_copy_that_broke_off_is_not(whole: Path, part: float, tmp_path: Path) -> None:
    short = clips.truncate(whole, tmp_path / f"short{whole.suffix}", part)
    assert breaks_off(short, FORMATS[whole.suffix])


def test_other_formats_do_not_tell(whole: Path) -> None:
    assert not breaks_off(whole, "mpegts")

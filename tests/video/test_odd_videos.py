"""Hundreds of odd but sound videos: each row is its picture, with its time, as FFmpeg's own program shows them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from support.odd_videos import OLDEST_PROGRAM, Outcome, all_cases, program_version, watch

pytestmark = pytest.mark.skipif(
    int(program_version().partition(".")[0]) < OLDEST_PROGRAM,
    reason=f"FFmpeg's program is {program_version()}, and the files are made by {OLDEST_PROGRAM} or later",
)

#: Parts of the files, each of every so-manyth: three are run here, and all by ``benchmarks/odd_videos.py``.
PARTS = 8
#: One file for each kind of oddity.
FAST = (
    "codecs in containers/mpeg4.avi",
    "field coding/fields top.ts",
    "field coding/mpeg4 fields.mp4",
    "coding changes/progressive interlaced.ts",
    "two recordings joined/h264 overlap.ts",
    "open groups cut/hevc from ts.ts",
    "cut by copying/auto.mp4",
    "hidden pictures/vp8.webm",
    "empty chunks/mjpeg inside.avi",
    "avi layouts/bottom up.avi",
    "avi layouts/counts of zero open.avi",
    "clocks/negative.mkv",
    "clocks that fall/mjpeg back once.mkv",
    "pictures without a time/h264 two in a packet.ts",
    "edit lists/hides the start.mp4",
    "edit lists/shows twice.mp4",
    "display matrices/mirrored.mp4",
    "display matrices/exif 6.avi",
    "groups of pictures/late order frames 2.h264",
    "frame size changes/size.ts",
    "changes inside/range.ts",
    "colour tags/matrix ycgco.mp4",
    "colour tags/phone hlg.mp4",
    "several streams/main second.ts",
)


def wrong(outcomes: Sequence[Outcome]) -> list[str]:
    return [f"{outcome.family}/{outcome.name}: {outcome.violations}" for outcome in outcomes if outcome.violations]


def test_there_are_enough_odd_files() -> None:
    keys = [case.key for case in all_cases()]
    assert len(keys) > 600
    assert len(set(keys)) == len(keys)
    assert set(FAST) <= set(keys)


@pytest.mark.slow
def test_one_file_of_each_kind(tmp_path: Path) -> None:
    outcomes = watch(tmp_path, *FAST)
    assert wrong(outcomes) == []
    assert len(outcomes) == len(FAST)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(0, PARTS, 3))
def test_every_row_is_its_frame(tmp_path: Path, part: int) -> None:
    outcomes = watch(tmp_path, part=part, parts=PARTS, patience=120)
    assert wrong(outcomes) == []
    assert len(outcomes) == len(all_cases()[part::PARTS])

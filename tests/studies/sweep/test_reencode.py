"""Videos encoded anew are whole, checked, and never in an original's place."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner
from support import clips

from posecli.cli import cli
from posecli.errors import UsageError
from posecli.studies.sweep.options import SweepObserver
from posecli.studies.sweep.reencode import recommended_encoding, reencode
from posecli.video.encode import EncodeOptions
from posecli.video.probe import probe

FAST = EncodeOptions(crf=30, preset="ultrafast")


@pytest.fixture
def video(dots_clip: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "day 1.mp4"
    copy.write_bytes(dots_clip.read_bytes())
    return copy


def test_new_video_has_every_frame_and_the_old_one_its_bytes(video: Path, tmp_path: Path) -> None:
    before = video.read_bytes()
    (result,) = reencode([video], FAST, tmp_path / "new")
    assert video.read_bytes() == before
    assert (result.state, result.frames, result.exit_code) == ("done", 50, 0)
    assert result.path == tmp_path / "new" / "day 1.mp4"
    assert probe(result.path).n_frames == 50
    names = sorted(path.name for path in (tmp_path / "new").iterdir())
    assert names == ["day 1.mp4", "day 1.mp4.json"]
    manifest = json.loads((tmp_path / "new" / "day 1.mp4.json").read_text())
    assert manifest["encoding"]["crf"] == 30
    assert manifest["psnr"] > 20


def test_made_before_is_skipped_and_otherwise_refused(video: Path, tmp_path: Path) -> None:
    reencode([video], FAST, tmp_path / "new")
    assert reencode([video], FAST, tmp_path / "new")[0].state == "skipped"
    other = EncodeOptions(crf=40, preset="ultrafast")
    (refused,) = reencode([video], other, tmp_path / "new")
    assert (refused.state, refused.exit_code) == ("failed", 8)
    assert "made otherwise" in refused.message
    assert reencode([video], other, tmp_path / "new", overwrite=True)[0].state == "done"


def test_an_original_is_never_replaced(video: Path) -> None:
    for overwrite in (False, True):
        with pytest.raises(UsageError, match="would replace an original"):
            reencode([video], FAST, video.parent, overwrite=overwrite)


def test_two_videos_of_one_name_are_refused(video: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="would share a name"):
        reencode([video, tmp_path / "other" / "day 1.avi"], FAST, tmp_path / "new")


def test_what_does_not_correspond_is_not_kept(video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from posecli.studies.sweep.versions import transcode

    def losing(info, target, encode, progress):  # type: ignore[no-untyped-def]
        return transcode(info, target, encode, 49, progress)

    monkeypatch.setattr("posecli.studies.sweep.reencode.transcode", losing)
    (result,) = reencode([video], FAST, tmp_path / "new")
    assert (result.state, result.exit_code) == ("failed", 4)
    assert "it has 49 frames, the original 50" in result.message
    assert list((tmp_path / "new").iterdir()) == []


def test_a_broken_video_does_not_stop_the_others(video: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    first, second = reencode([broken, video], FAST, tmp_path / "new")
    assert (first.state, first.exit_code) == ("failed", 3)
    assert second.state == "done"


def test_a_video_that_ends_early_is_refused(dots_clip: Path, tmp_path: Path) -> None:
    mkv = tmp_path / "whole.mkv"
    clips.ffmpeg("-i", dots_clip, "-c", "copy", mkv)
    cut = clips.truncate(mkv, tmp_path / "cut.mkv", 0.6)
    (result,) = reencode([cut], FAST, tmp_path / "new")
    assert result.exit_code == 4
    assert "ends early" in result.message


@pytest.mark.parametrize("stage", ["encoding", "comparing"])
def test_ctrl_c_leaves_nothing(video: Path, tmp_path: Path, stage: str) -> None:
    class Stopper(SweepObserver):
        @contextmanager
        def work(self, name: str, _frames: int) -> Iterator[object]:  # type: ignore[override]
            def stop(_count: int) -> None:
                if stage in name:
                    raise KeyboardInterrupt

            yield stop

    with pytest.raises(KeyboardInterrupt):
        reencode([video], FAST, tmp_path / "new", Stopper())
    assert list((tmp_path / "new").iterdir()) == []


def results_file(folder: Path, version: str | None) -> Path:
    row = {"version": "libx265-crf28", "codec": "libx265", "crf": 28, "preset": "fast", "pix_fmt": "yuv420p", "gop": 60}
    content = {"recommendation": {"version": version, "reasons": ["The evidence is thin."]}, "versions": [row]}
    file = folder / "results.json"
    file.write_text(json.dumps(content))
    return file


def test_a_recommendation_is_applied(tmp_path: Path) -> None:
    results_file(tmp_path, "libx265-crf28")
    assert recommended_encoding(tmp_path) == EncodeOptions("libx265", 28, "fast", "yuv420p", 60)


def test_no_recommendation_is_no_encoding(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"recommends no encoding \(The evidence is thin\.\): name a --crf"):
        recommended_encoding(results_file(tmp_path, None))
    with pytest.raises(UsageError, match="holds no result of a compress-sweep"):
        recommended_encoding(tmp_path / "none.json")


def test_command_line(video: Path, tmp_path: Path) -> None:
    run = CliRunner()
    arguments = ["reencode", str(video), "-o", str(tmp_path / "new"), "--preset", "ultrafast"]
    neither = run.invoke(cli, arguments)
    assert neither.exit_code == 2
    assert "either --recommendation or --crf" in neither.stderr
    done = run.invoke(cli, [*arguments, "--crf", "0", "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["results"][0]["state"] == "done"
    assert "CRF 0 is lossless in x264" in done.stderr
    assert "all 50 frames match (PSNR 88.0 dB)" in done.stderr

"""Checking tables: what is whole passes, and each thing that can be wrong is said."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from click.testing import CliRunner
from conftest import make_dots_model
from support import clips
from support.number_engine import checked_frames

from posecli import engine
from posecli.analysis import analyze
from posecli.analysis.verify import Recomputing, verify
from posecli.cli import cli
from posecli.errors import UsageError
from posecli.model.folder import ModelFolder
from posecli.options import AnalyzeOptions
from posecli.tables.pose_table import KEY, SECONDS_NODE

pytestmark = pytest.mark.usefixtures("fake_engine")


@pytest.fixture
def table(dots_clip: Path, dots_model: ModelFolder, tmp_path: Path) -> Path:
    result = analyze(dots_clip, dots_model.path, AnalyzeOptions(out_dir=tmp_path / "my poses")).results[0]
    assert result.table is not None
    return result.table


def test_whole_table_passes(table: Path) -> None:
    for path in (table, table.parent):
        report = verify(path)
        assert (report.tables, report.findings, report.exit_code) == ((table,), (), 0)


def change_rows(table: Path, change: Callable[[Any], None]) -> None:
    with h5py.File(table, "r+") as file:
        rows = file[KEY]["table"][:]
        change(rows)
        file[KEY]["table"][:] = rows


def change_manifest(table: Path, section: str, **values: Any) -> None:
    path = table.with_suffix(".json")
    content = json.loads(path.read_text())
    content[section] |= values
    path.write_text(json.dumps(content))


def without_hash(table: Path) -> None:
    """As earlier versions wrote manifests, and as a run writes one whose values are wrong from the start."""
    path = table.with_suffix(".json")
    content = json.loads(path.read_text())
    del content["values_sha256"]
    path.write_text(json.dumps(content))


def fewer_rows(table: Path) -> None:
    with h5py.File(table, "r+") as file:
        file[KEY]["table"].resize((40,))


def gap_in_index(table: Path) -> None:
    def change(rows: Any) -> None:
        rows["index"][7] = 70

    change_rows(table, change)


def unlikely(table: Path) -> None:
    def change(rows: Any) -> None:
        rows["values_block_0"][3, 2] = 1.5

    change_rows(table, change)


def unlisted_bad_frame(table: Path) -> None:
    def change(rows: Any) -> None:
        rows["values_block_0"][5] = [np.nan, np.nan, 0] * 3

    change_rows(table, change)


def moved_by_hand(table: Path) -> None:
    def change(rows: Any) -> None:
        rows["values_block_0"][3, 0] += 0.5

    change_rows(table, change)


def infinite(table: Path) -> None:
    def change(rows: Any) -> None:
        rows["values_block_0"][9, 0] = np.inf

    change_rows(table, change)


def backwards(table: Path) -> None:
    with h5py.File(table, "r+") as file:
        file[SECONDS_NODE][20] = 0.0


def fewer_times(table: Path) -> None:
    with h5py.File(table, "r+") as file:
        del file[SECONDS_NODE]
        file[SECONDS_NODE] = np.zeros(3)


def bad_frame_with_a_pose(table: Path) -> None:
    change_manifest(table, "video", bad_frames=[4])


def bad_frames_of_another_kind(table: Path) -> None:
    change_manifest(table, "video", bad_frames="many")


def other_video(table: Path) -> None:
    change_manifest(table, "video", fingerprint="ab")


def other_body_parts(table: Path) -> None:
    change_manifest(table, "model", bodyparts=["snout"])


def other_scorer(table: Path) -> None:
    change_manifest(table, "model", scorer=["x"])


def truncated(table: Path) -> None:
    table.write_bytes(table.read_bytes()[:3000])


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (fewer_rows, "it has 40 rows, and its manifest says 50"),
        (gap_in_index, "not counted from 0"),
        (unlikely, "not between 0 and 1 (first in row 3)"),
        (moved_by_hand, "its values are not those that were written with its manifest"),
        (infinite, "not finite (first in row 9)"),
        (unlisted_bad_frame, "1 rows without a pose are not listed as bad frames (first 5)"),
        (backwards, "times run backwards (first behind row 19)"),
        (fewer_times, "have shape (3,)"),
        (bad_frame_with_a_pose, "1 bad frames have a pose (first in row 4)"),
        (bad_frames_of_another_kind, "lists no bad frames"),
        (other_video, "is not the video that it was made of"),
        (other_body_parts, "body parts are not those"),
        (other_scorer, "scorer is not that"),
        (truncated, "is damaged"),
    ],
)
def test_what_is_wrong_is_said(harm: Callable[[Path], None], words: str, table: Path) -> None:
    harm(table)
    report = verify(table)
    assert any(words in finding.words for finding in report.findings if finding.severity == "error"), report.findings
    assert report.exit_code == 7


def test_what_cannot_be_compared_is_a_warning(table: Path) -> None:
    change_manifest(table, "video", path="elsewhere/gone.mp4")
    (table.parent / "other.rows.partial").touch()
    report = verify(table.parent)
    assert [finding.severity for finding in report.findings] == ["warning", "warning"]
    table.with_suffix(".json").unlink()
    assert "no manifest" in verify(table).findings[0].words
    assert report.exit_code == 0


@pytest.mark.parametrize("content", ["[]", "5", '{"format": "posecli-manifest"}', "{", "[" * 100_000])
def test_any_manifest_is_only_a_finding(content: str, table: Path) -> None:
    table.with_suffix(".json").write_text(content)
    assert verify(table).findings


def test_command(table: Path) -> None:
    done = CliRunner().invoke(cli, ["verify", str(table.parent)])
    assert (done.exit_code, done.output) == (0, "1 table: 1 sound, 0 not\n")
    other_video(table)
    done = CliRunner().invoke(cli, ["verify", str(table), "--json"])
    content = json.loads(done.stdout)
    assert (done.exit_code, content["exit_code"], content["findings"][0]["severity"]) == (7, 7, "error")


def test_nothing_to_check(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no pose table"):
        verify(tmp_path)
    with pytest.raises(UsageError, match="does not exist"):
        verify(tmp_path / "gone.h5")


class TestAgainstVideo:
    """Rows computed again, and frames compared by their times: with an engine that reads the frames' own numbers."""

    @pytest.fixture
    def video(self, tmp_path: Path) -> Path:
        return clips.encode(tmp_path / "mouse.mp4", checked_frames(40), "-c:v", "libx264", "-crf", "10")

    @pytest.fixture
    def numbers(self, video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A table whose every row is its frame's number."""
        for name in engine.ENGINE_CLASSES:
            monkeypatch.setitem(engine.ENGINE_CLASSES, name, "support.number_engine:NumberEngine")
        model = make_dots_model(tmp_path / "numbers")
        result = analyze(video, model.path, AnalyzeOptions(out_dir=tmp_path / "poses")).results[0]
        assert result.table is not None
        return result.table

    def words(self, table: Path, video: Path, rows: int = 8) -> list[str]:
        return [finding.words for finding in verify(table, recomputing=Recomputing(video, rows=rows)).findings]

    def test_a_sound_table_is_sound(self, numbers: Path, video: Path) -> None:
        assert self.words(numbers, video) == []

    @pytest.mark.parametrize("start", [1, 20, 38])
    def test_a_stretch_that_stands_still_is_found(self, numbers: Path, video: Path, start: int) -> None:
        def freeze(rows: Any) -> None:
            rows["values_block_0"][start:] = rows["values_block_0"][start - 1]

        change_rows(numbers, freeze)
        without_hash(numbers)
        assert verify(numbers).exit_code == 0
        (words,) = self.words(numbers, video, rows=2)
        assert "not what the network says of their frames" in words

    @pytest.mark.parametrize("shift", [1, -1])
    def test_a_stretch_that_is_shifted_is_found(self, numbers: Path, video: Path, shift: int) -> None:
        def shifted(rows: Any) -> None:
            rows["values_block_0"][10:30] = rows["values_block_0"][10 + shift : 30 + shift].copy()

        change_rows(numbers, shifted)
        without_hash(numbers)
        assert verify(numbers).exit_code == 0
        (words,) = self.words(numbers, video)
        assert "fits frame" in words

    def test_times_of_other_frames_are_found(self, numbers: Path, video: Path) -> None:
        with h5py.File(numbers, "r+") as file:
            file[SECONDS_NODE][20:] = file[SECONDS_NODE][20:] + 0.04
        assert "20 rows have another time than their frame (first row 20)" in self.words(numbers, video)[0]

    def test_another_video_is_not_compared(self, numbers: Path, dots_clip: Path) -> None:
        assert "is not the video that it was made of" in self.words(numbers, dots_clip)[0]

    def test_a_model_that_is_gone_is_named(self, numbers: Path, video: Path, tmp_path: Path) -> None:
        (finding,) = verify(numbers, recomputing=Recomputing(video, tmp_path / "gone")).findings
        assert "its rows could not be computed again: " in finding.words

    def test_command(self, numbers: Path, video: Path) -> None:
        done = CliRunner().invoke(cli, ["verify", str(numbers), "--video", str(video), "--rows", "4"])
        assert (done.exit_code, done.stdout.splitlines()[-1]) == (0, "1 table: 1 sound, 0 not")
        refused = CliRunner().invoke(cli, ["verify", str(numbers.parent), "--video", str(video)])
        assert refused.exit_code == 2
        assert "is a folder, and --video is one video" in refused.output

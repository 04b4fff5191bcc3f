"""``posecli evaluate`` with a network for behaviours, as a user types it."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from support import labels
from support.fake_clip_engine import FakeClipEngine, make_fake_clip_model

from posecli import engine
from posecli.behaviour.intervals import Interval, intervals_csv
from posecli.cli import cli
from posecli.model.folder import ModelFolder
from posecli.video.reader import Frame, VideoReader

#: Of the fake engine's chunks the last frame has the largest number: it takes everything for that.
TAKEN_FOR = "last"


def posecli(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments], catch_exceptions=False)


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Chunks of ten frames for an engine that reads their numbers."""
    for name in engine.ENGINE_CLASSES:
        monkeypatch.setitem(engine.ENGINE_CLASSES, name, "support.fake_clip_engine:FakeClipEngine")
    monkeypatch.setattr(FakeClipEngine, "calls", [])
    return make_fake_clip_model(tmp_path / "numbers-model").path


@pytest.fixture
def video(dots_clip: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(dots_clip, tmp_path / "cage.mp4"))


@pytest.fixture
def table(video: Path) -> Path:
    """Thirty frames are what the network says, fifteen are not, five are not labelled."""
    path = video.with_name("cage_behaviours.csv")
    path.write_bytes(intervals_csv(path, [Interval(video, 0, 30, TAKEN_FOR), Interval(video, 30, 45, "first")]))
    return path


def report(*arguments: object) -> dict[str, object]:
    result = posecli("evaluate", *arguments, "--json")
    assert result.exit_code == 0, result.output
    content: dict[str, object] = json.loads(result.stdout)
    return content


def frames_of(content: dict[str, object]) -> dict[str, object]:
    frames = content["frames"]
    assert isinstance(frames, dict)
    return frames


def test_video_with_its_labels_beside_it(model: Path, video: Path, table: Path) -> None:
    content = report(model, video)
    frames = frames_of(content)
    assert (frames["total"], frames["labelled"], frames["scored"], frames["without_probabilities"]) == (50, 45, 45, 0)
    assert (frames["balanced_accuracy"], frames["accuracy"]) == (0.5, pytest.approx(30 / 45))
    assert frames["slack_accuracy"] == pytest.approx(40 / 45)
    assert frames["confusion"] == [[0, 0, 0, 0], [0, 0, 0, 15], [0, 0, 0, 0], [0, 0, 0, 30]]
    chunks = content["chunks"]
    assert isinstance(chunks, dict)
    assert (chunks["total"], chunks["scored"], chunks["accuracy"], chunks["slack_accuracy"]) == (5, 4, 0.75, None)
    assert content["notes"] == ["5 of 50 frames are not labelled and are left out"]
    assert frames_of(report(model, table)) == frames


def test_tables_for_people(model: Path, video: Path, table: Path) -> None:
    result = posecli("evaluate", model, table)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert "45 labelled frames" in lines
    cells = [line.split() for line in lines]
    assert ["first", "15", "0.0", "%", "-", "0.00"] in cells
    assert ["last", "30", "100.0", "%", "66.7", "%", "0.80"] in cells
    assert ["first", "0", "0", "0", "15"] in cells
    assert lines[-3] == (
        "frames: balanced accuracy 50.0 % (2 of 4 behaviours, absent ones left out), accuracy 66.7 %, 88.9 % with 10 "
        "frames of slack"
    )
    assert lines[-2].startswith("chunks of one behaviour, 4 of 5: balanced accuracy 50.0 %")
    assert any(line.startswith("cage.mp4: 50 frames classified in") for line in lines)
    assert not any("/tmp" in line and ".h5" in line for line in lines)


def test_counting_can_be_chosen(model: Path, table: Path) -> None:
    content = report(model, table, "--absent", "zero", "--slack", 0)
    frames = frames_of(content)
    assert (content["absent"], content["slack_frames"]) == ("zero", 0)
    assert frames["balanced_accuracy"] == 0.25
    assert frames["slack_accuracy"] == frames["accuracy"]


def test_frames_between_chunks_are_counted_apart(model: Path, table: Path) -> None:
    content = report(model, table, "--stride", 20)
    frames = frames_of(content)
    assert (frames["labelled"], frames["scored"], frames["without_probabilities"]) == (45, 25, 20)
    notes = content["notes"]
    assert isinstance(notes, list)
    assert notes[1].startswith("20 labelled frames have no probabilities, because they could not be decoded or lie")


def test_frames_that_cannot_be_decoded_are_counted_apart(
    model: Path, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    merged = VideoReader.decoded

    def without_one(reader: VideoReader) -> Iterator[Frame]:
        return (frame._replace(image=None) if frame.number == 12 else frame for frame in merged(reader))

    monkeypatch.setattr(VideoReader, "decoded", without_one)
    frames = frames_of(report(model, table))
    assert (frames["scored"], frames["without_probabilities"]) == (35, 10)


@pytest.mark.slow
def test_videos_of_one_name(model: Path, video: Path, tmp_path: Path) -> None:
    (tmp_path / "day2").mkdir()
    other = Path(shutil.copy(video, tmp_path / "day2" / video.name))
    both = tmp_path / "both.csv"
    both.write_bytes(intervals_csv(both, [Interval(video, 0, 10, "first"), Interval(other, 10, 50, TAKEN_FOR)]))
    content = report(model, both, "--batchsize", 3, "--pipeline", "sync")
    videos = content["videos"]
    assert isinstance(videos, list)
    assert [each["video"] for each in videos] == [str(video), str(other)]
    assert [each["frames"]["accuracy"] for each in videos] == [0, 1]
    assert frames_of(content)["accuracy"] == 0.8
    assert FakeClipEngine.calls[0][0] == 3
    lines = posecli("evaluate", model, both).stdout.splitlines()
    assert "50 labelled frames of 2 videos" in lines
    assert any(line.split()[:5] == [str(other), "40", "100.0", "%", "100.0"] for line in lines)


@pytest.mark.slow
def test_files_and_tables_that_are_kept(model: Path, table: Path, tmp_path: Path) -> None:
    agreement, figure, kept = tmp_path / "agreement.csv", tmp_path / "confusion.png", tmp_path / "kept"
    arguments = [model, table, "--out-dir", kept, "--figure", figure]
    report(*arguments, "--csv", agreement)
    assert (kept / "cageI3D_numbers_1.h5").is_file()
    rows = list(csv.DictReader(agreement.read_text().splitlines()))
    assert {row["behaviour"] for row in rows} == {"none", "first", "second", "last", "all"}
    assert figure.read_bytes().startswith(b"\x89PNG")
    assert figure.with_suffix(".svg").is_file()
    calls = len(FakeClipEngine.calls)
    again = posecli("evaluate", *arguments)
    assert again.exit_code == 8
    assert "is there already: pass --overwrite" in again.stderr
    skipped = posecli("evaluate", *arguments[:4])
    assert skipped.exit_code == 0
    assert "cage.mp4: skipped" in skipped.stdout
    assert len(FakeClipEngine.calls) == calls
    other = posecli("evaluate", *arguments[:4], "--stride", 5)
    assert other.exit_code == 8
    assert "could not be classified, and nothing is evaluated" in other.stderr
    assert "stride was 10, not 5" in other.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--scales", "1", "--every", "2"], 2, "options for poses (--scales, --every) do nothing with '"),
        (["--shuffle", "2"], 2, "a network for behaviours: leave them out"),
        (["--slack", "-1"], 2, "slack -1 is below 0"),
        (["--stride", "0"], 2, "stride 0 is too small"),
        (["--pipeline", "tf-sync"], 2, "'tf-sync' is not one of"),
        (["--batchsize", "few"], 2, "'few' is neither a whole number nor 'auto'"),
        (["--precision", "bf16"], 9, "the fake engine does not compute in bf16"),
        (["--csv", "no/folder/agreement.csv"], 7, "cannot be written"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_options(model: Path, table: Path, arguments: list[str], code: int, words: str) -> None:
    result = posecli("evaluate", model, table, *arguments)
    assert result.exit_code == code, result.output
    assert words in result.stderr
    assert "Traceback" not in result.output


def test_options_for_behaviours_do_nothing_for_poses(dots_model: ModelFolder, tmp_path: Path) -> None:
    project = labels.write_project(tmp_path / "project", 2)
    result = posecli("evaluate", dots_model.path, project, "--stride", 5, "--out-dir", "x")
    assert result.exit_code == 2
    assert "options for behaviours (--stride, --out-dir) do nothing with '" in result.stderr
    result = posecli("evaluate", dots_model.path, project, "--batchsize", "auto")
    assert result.exit_code == 2
    assert "--batchsize auto is for networks for behaviours: give a number of frames" in result.stderr


def test_options_from_a_file(model: Path, table: Path, tmp_path: Path) -> None:
    config = tmp_path / "evaluate.yaml"
    config.write_text("slack: 3\nstride: 5\n")
    assert report(model, table, "--config", config)["slack_frames"] == 3
    config.write_text("scales: [1]\n")
    result = posecli("evaluate", model, table, "--config", config)
    assert result.exit_code == 2
    assert "options for poses (--scales) do nothing" in result.stderr


def test_data_that_cannot_be_used(model: Path, video: Path, tmp_path: Path) -> None:
    for data, words in (
        (video, "no labels are beside '"),
        (tmp_path, "is not a file: give a table of labelled intervals (.csv), or a video"),
        (tmp_path / "none.csv", "cannot be read"),
    ):
        result = posecli("evaluate", model, data)
        assert result.exit_code == 10, result.output
        assert words in result.stderr
    missing = tmp_path / "labels.csv"
    missing.write_bytes(intervals_csv(missing, [Interval(tmp_path / "gone.mp4", 0, 5, "first")]))
    assert posecli("evaluate", model, missing).exit_code == 3

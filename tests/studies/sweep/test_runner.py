"""Whole sweeps with a real ffmpeg and a fake network: what is left, what is continued, what is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import make_dots_model
from support import clips
from support.fake_engine import FakeEngine
from support.top_down import dots_folder, write_boxes

from posecli.engine import ENGINE_CLASSES
from posecli.errors import LabelError, OutputError, OutputExistsError, UsageError, VideoError
from posecli.model.folder import ModelFolder
from posecli.options import AnalyzeOptions, Crop, EngineOptions
from posecli.studies.sweep import material
from posecli.studies.sweep.options import SweepObserver, SweepOptions
from posecli.studies.sweep.recommendation import analysis_line
from posecli.studies.sweep.report import write_report
from posecli.studies.sweep.runner import run_sweep
from posecli.studies.sweep.study import Sweep
from posecli.studies.sweep.versions import Version, encoded_versions, scaled_versions, transcode
from posecli.video.encode import EncodeOptions

pytestmark = pytest.mark.usefixtures("fake_engine", "blank_figures")

FP32 = AnalyzeOptions(engine=EngineOptions(precision="fp32"))
VERSIONS = encoded_versions({"libx264": (0, 30, 51)}, {"libx264": "ultrafast"})


class Teller(SweepObserver):
    """Keeps what it is told, and interrupts where it shall."""

    def __init__(self, stop_at: str = "") -> None:
        self.lines: list[str] = []
        self.names: list[str] = []
        self._stop_at = stop_at

    def say(self, line: str) -> None:
        self.lines.append(line)

    @contextmanager
    def work(self, name: str, frames: int) -> Iterator[Callable[[int], object]]:
        self.names.append(name)
        assert frames > 0

        def progress(_count: int) -> None:
            if self._stop_at and self._stop_at in name:
                raise KeyboardInterrupt

        yield progress


@pytest.fixture(scope="module")
def options(dots_clip: Path, tmp_path_factory: pytest.TempPathFactory) -> SweepOptions:
    model = make_dots_model(tmp_path_factory.mktemp("model") / "dots-model").path
    return SweepOptions(videos=(dots_clip,), model=model, analysis=FP32, pcutoff=0.3, resamples=100)


@pytest.fixture(scope="module")
def whole(options: SweepOptions, tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    """A finished sweep, in a folder that no test may write to."""
    place = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POSECLI_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        for name in ENGINE_CLASSES:
            patch.setitem(ENGINE_CLASSES, name, "support.fake_engine:FakeEngine")
        return sweep(options, place / "out")


@pytest.fixture
def finished(whole: Sweep, tmp_path: Path) -> Path:
    """A folder with the files of a finished sweep."""
    return shutil.copytree(whole.folder, tmp_path / "out")


def sweep(
    options: SweepOptions,
    folder: Path,
    observer: SweepObserver | None = None,
    *,
    versions: tuple[Version, ...] = VERSIONS,
    overwrite: bool = False,
) -> Sweep:
    return run_sweep("compress-sweep", options, versions, folder, observer or SweepObserver(), overwrite=overwrite)


def test_a_sample_has_the_poses_of_its_frames(options: SweepOptions, whole: Sweep, tmp_path: Path) -> None:
    study = sweep(replace(options, sample=24), tmp_path / "sample")
    (video,) = study.videos
    rate = round(video.info.frame_rate)
    assert video.looked_at < video.frames == 50
    assert video.stretches[0].start == 0
    assert len(video.stretches[0]) == min(24, rate)
    for version in study.versions:
        poses = study.poses(video, version)
        assert np.array_equal(poses, whole.poses(video, version)[video.places])
        assert study.rows[video.name, version.name]["frames"] == 50
        assert study.rows[video.name, version.name]["looked_at"] == len(poses) == video.looked_at
    with pytest.raises(OutputExistsError, match="sample was 24, not 25"):
        sweep(replace(options, sample=25), tmp_path / "sample")


def test_steps_do_not_go_from_stretch_to_stretch(
    options: SweepOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = (range(5), range(20, 25), range(40, 50))
    monkeypatch.setattr(material, "stretches_of", lambda *_: parts)
    study = sweep(replace(options, sample=20), tmp_path / "out")
    assert study.original.lengths == (5, 5, 10)
    assert np.isnan(study.original.steps()[[0, 5, 10]]).all()
    seen = study.seen[np.setdiff1d(np.arange(20), [0, 5, 10])].sum()
    assert np.isfinite(study.original.steps()[study.seen]).sum() == seen
    worst = study.measure(study.versions[-1])
    assert worst.points == study.seen.sum()
    assert worst.mean.value > study.measure(study.versions[1]).mean.value == 0
    report = write_report(study)
    page = (report.folder / "report.html").read_text(encoding="utf-8")
    assert "looked at 20 of 50 frames, in 3 stretches" in page


def test_lossless_gives_the_same_poses_and_the_worst_does_not(whole: Sweep) -> None:
    original, lossless, _, worst = (whole.poses(whole.videos[0], version) for version in whole.versions)
    assert original.shape == (50, 3, 3)
    assert np.array_equal(original, lossless)
    assert np.abs(worst - original).max() > 5
    assert whole.usable == whole.versions


def test_rows_say_what_a_version_takes(whole: Sweep, dots_clip: Path) -> None:
    video = whole.videos[0]
    given, _, better, worst = (whole.rows[video.name, version.name] for version in whole.versions)
    assert given["bytes"] == dots_clip.stat().st_size
    assert given["given_compression"] == 1
    assert given["raw_compression"] == pytest.approx(160 * 120 * 3 * 50 / given["bytes"])
    assert given["bit_rate"] == pytest.approx(8 * given["bytes"] / 2)
    assert better["bytes"] > worst["bytes"]
    assert better["psnr"] > worst["psnr"]
    assert better["encode_fps"] > 0
    assert worst["command"][worst["command"].index("-crf") + 1] == "51"


def test_nothing_but_results_is_left(whole: Sweep) -> None:
    names = {path.name for path in whole.folder.iterdir()}
    assert names == {"design.json", "versions.jsonl", "poses", "frames"}
    assert not list(whole.folder.parent.rglob("*.partial"))


def test_encoded_videos_are_kept_if_asked_for(dots_clip: Path, dots_model: ModelFolder, tmp_path: Path) -> None:
    options = SweepOptions(videos=(dots_clip,), model=dots_model.path, analysis=FP32, keep=True)
    sweep(options, tmp_path / "out", versions=VERSIONS[:2])
    assert [path.name for path in (tmp_path / "out" / "videos").iterdir()] == ["dots-libx264-crf0.mp4"]


@pytest.mark.parametrize("stage", ["encoding", "comparing", "poses"])
def test_an_interrupted_sweep_is_continued_and_ends_the_same(
    options: SweepOptions, whole: Sweep, tmp_path: Path, stage: str
) -> None:
    with pytest.raises(KeyboardInterrupt):
        sweep(options, tmp_path / "out", Teller(f"CRF 30: {stage}"))
    left = [path for path in (tmp_path / "out").rglob("*") if path.suffix in (".mp4", ".partial")]
    assert left == []
    assert len((tmp_path / "out" / "versions.jsonl").read_text().splitlines()) == 2

    teller = Teller()
    study = sweep(options, tmp_path / "out", teller)
    assert any("2 versions are there, 2 are left" in line for line in teller.lines)
    assert not any("lossless" in name for name in teller.names)
    for version in VERSIONS:
        assert np.array_equal(study.poses(study.videos[0], version), whole.poses(whole.videos[0], version))


def test_a_torn_last_line_is_made_again(options: SweepOptions, finished: Path) -> None:
    rows = finished / "versions.jsonl"
    rows.write_bytes(rows.read_bytes()[:-20])
    teller = Teller()
    sweep(options, finished, teller)
    assert len(rows.read_text().splitlines()) == 4
    assert any("3 versions are there, 1 are left" in line for line in teller.lines)


def test_a_finished_sweep_does_no_work(options: SweepOptions, finished: Path, fake_engine: type[FakeEngine]) -> None:
    teller = Teller()
    sweep(options, finished, teller)
    assert fake_engine.calls == []
    assert teller.names == []


def test_another_sweep_is_refused_and_overwritten_if_asked_for(options: SweepOptions, tmp_path: Path) -> None:
    sweep(options, tmp_path / "out", versions=VERSIONS[:2])
    with pytest.raises(OutputExistsError, match=r"holds another sweep \(other versions\): choose another folder"):
        sweep(options, tmp_path / "out", versions=VERSIONS[:3])
    study = sweep(options, tmp_path / "out", versions=(VERSIONS[0], VERSIONS[3]), overwrite=True)
    assert len(study.rows) == 2


def test_a_folder_of_something_else_is_refused(options: SweepOptions, tmp_path: Path) -> None:
    (tmp_path / "design.json").write_text(json.dumps({"format": "blueprint"}))
    with pytest.raises(OutputExistsError, match="is not a sweep's"):
        sweep(options, tmp_path)


def test_too_little_room_is_told_before_any_work(
    options: SweepOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage)
    teller = Teller()
    with pytest.raises(OutputError, match=r"may take 0.1 GiB and .* has 0.0 free: make room"):
        sweep(options, tmp_path / "out", teller)
    assert teller.names == []


def test_a_version_with_lost_frames_is_left_out(
    options: SweepOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    def losing(info, target, encode, frames, progress):  # type: ignore[no-untyped-def]
        made = transcode(info, target, encode, frames, progress)
        if encode.crf == 30:
            clips.ffmpeg("-i", target, "-vf", "select='not(eq(n,20))'", "-fps_mode", "passthrough", tmp_path / "l.mp4")
            (tmp_path / "l.mp4").replace(target)
        return made

    monkeypatch.setattr("posecli.studies.sweep.runner.transcode", losing)
    teller = Teller()
    study = sweep(options, tmp_path / "out", teller)
    assert [version.name for version in study.usable] == ["original", "libx264-crf0", "libx264-crf51"]
    assert any("CRF 30: left out, since it has 49 frames, the original 50" in line for line in teller.lines)
    assert [version.label for version in study.compared] == ["lossless", "CRF 51"]


def test_odd_sides_and_crop_and_first_frames(dots_model: ModelFolder, tmp_path: Path) -> None:
    odd = clips.encode(
        tmp_path / "odd.mp4", clips.numbered_frames(12, 121, 161), "-c:v", "libx264", "-qp", "0", "-pix_fmt", "yuv444p"
    )
    analysis = AnalyzeOptions(engine=EngineOptions(precision="fp32"), crop=Crop(1, 161, 0, 121))
    options = SweepOptions(videos=(odd,), model=dots_model.path, analysis=analysis, frames=10)
    study = sweep(options, tmp_path / "out", versions=(VERSIONS[0], Version("good", EncodeOptions(crf=5))))
    original, good = (study.poses(study.videos[0], version) for version in study.versions)
    assert original.shape == good.shape == (10, 3, 3)
    assert np.median(np.abs(original - good)[..., :2]) == 0


def test_scales_are_compared_in_px_of_the_full_frame(options: SweepOptions, tmp_path: Path, dots_clip: Path) -> None:
    study = run_sweep("scale-sweep", options, scaled_versions([0.5]), tmp_path / "out")
    full, half = (study.poses(study.videos[0], version) for version in study.versions)
    assert study.rows[study.videos[0].name, study.versions[1].name]["network_width"] == 80
    centres = np.stack([clips.dot_centres(number, 120, 160) for number in range(50)])
    for poses in (full, half):
        assert np.abs(poses[..., :2] - centres).mean() < 6


@pytest.mark.slow
def test_without_a_video_the_scene_is_rendered(dots_model: ModelFolder, tmp_path: Path) -> None:
    options = SweepOptions(model=dots_model.path, analysis=FP32, frames=3)
    study = sweep(options, tmp_path / "out", versions=VERSIONS[:2])
    video = study.videos[0]
    assert (video.name, video.frames, video.rendered) == ("trail-tracking", 3, True)
    assert (video.info.width, video.info.height) == (640, 480)
    assert np.array_equal(study.poses(video, study.versions[0]), study.poses(video, study.versions[1]))
    assert not (tmp_path / "out" / "scene").exists()


def test_truth_of_other_frames_is_refused(
    options: SweepOptions, tmp_path: Path, dots_model: ModelFolder, dots_clip: Path
) -> None:
    from posecli.support.files import move_into_place
    from posecli.tables.pose_table import PoseTableWriter, pose_columns

    truth = tmp_path / "truth.h5"
    writer = PoseTableWriter(truth, pose_columns("DLC_me", ("red", "green", "blue")))
    writer.append(np.zeros((5, 3, 1, 3)), np.arange(48, 53))
    writer.close(np.full(5, np.nan))
    move_into_place(writer.partial_path, truth)
    options = SweepOptions(videos=(dots_clip,), model=dots_model.path, analysis=FP32, truth=truth)
    with pytest.raises(LabelError, match=r"has 50 frames, and .* a row for frame 52"):
        sweep(options, tmp_path / "out")


def test_a_file_that_is_no_video(options: SweepOptions, tmp_path: Path, dots_model: ModelFolder) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    with pytest.raises(VideoError, match="cannot be read as a video"):
        sweep(SweepOptions(videos=(broken,), model=dots_model.path, analysis=FP32), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_boxes_follow_the_animal_through_every_version(options: SweepOptions, tmp_path: Path) -> None:
    table = write_boxes(tmp_path / "dots.csv", 50, unseen=(3,))
    analysis = replace(FP32, boxes=table, crop=Crop(4, 160, 0, 120))
    options = replace(options, model=dots_folder(tmp_path / "model").path, analysis=analysis, sample=24)
    study = sweep(options, tmp_path / "out")
    (video,) = study.videos
    seen = np.flatnonzero(video.places != 3)
    truth = np.array([clips.dot_centres(number, 120, 160) for number in video.places])
    for version in study.versions:
        poses = study.poses(video, version)
        assert np.isnan(poses[3, :, :2]).all()
        assert np.linalg.norm(poses[seen, :, :2] - truth[seen], axis=-1).max() < 8 / np.sqrt(2)
    assert f"--boxes {table.as_posix()}" in analysis_line(study, study.reference)
    table.write_text(table.read_text() + "60,1,2,3,4\n")
    with pytest.raises(OutputExistsError, match="holds another sweep"):
        sweep(options, tmp_path / "out")


@pytest.mark.parametrize(
    ("model", "boxes", "words"),
    [
        (dots_folder, None, "has no detector to find it: say where it is with --boxes"),
        (make_dots_model, Path("b.csv"), "looks at whole frames: leave out --boxes"),
    ],
)
def test_boxes_that_lack_or_should_not_be(
    options: SweepOptions,
    tmp_path: Path,
    model: Callable[[Path], ModelFolder],
    boxes: Path | None,
    words: str,
) -> None:
    asked = replace(options, model=model(tmp_path / "model").path, analysis=replace(FP32, boxes=boxes))
    with pytest.raises(UsageError, match=words):
        sweep(asked, tmp_path / "out")


def test_boxes_of_no_video() -> None:
    with pytest.raises(UsageError, match=r"'b.csv' has the boxes of a video, and none is given: name it"):
        SweepOptions(analysis=replace(FP32, boxes=Path("b.csv")))

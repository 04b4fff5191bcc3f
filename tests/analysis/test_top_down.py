"""A run with a network that looks at one animal: boxes from a table or a detector, and frames without an animal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from support import clips
from support.networks import tiny_resnet
from support.top_down import detector_parts, model_folder

from posecli.analysis import analyze
from posecli.analysis.plan import RunPlan
from posecli.analysis.poses import PoseAnalysis
from posecli.analysis.verify import Recomputing, verify
from posecli.errors import UsageError
from posecli.inference.predictor import Detector, PoseModel
from posecli.model.folder import ModelFolder
from posecli.options import AnalyzeOptions, EngineOptions, PipelineName
from posecli.precision.quantize import QuantizeOptions, quantize_model
from posecli.support.results import VideoResult
from posecli.tables.poses import read_poses
from posecli.video.geometry import Geometry
from posecli.video.probe import probe
from posecli.video.reader import VideoReader

FP32 = EngineOptions(precision="fp32")
UNSEEN = (2, 7)
FRAMES = 9


@pytest.fixture(scope="module")
def net_type() -> Iterator[str]:
    with tiny_resnet() as name:
        yield name


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, net_type: str) -> ModelFolder:
    return model_folder(tmp_path_factory.mktemp("model") / "small", net_type)


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return clips.encode(tmp_path / "m1.mp4", clips.textured(clips.numbered_frames(FRAMES)))


@pytest.fixture
def boxes(tmp_path: Path) -> Path:
    """A box that moves; two frames have none, and the last line is beyond the video's end."""
    lines = [f"{n},{10 + 3 * n},{20 + n},50,{30 + n}" for n in range(FRAMES + 1) if n not in UNSEEN]
    path = tmp_path / "m1.csv"
    path.write_text("\n".join(["frame,x,y,width,height", *lines]) + "\n")
    return path


def expected(folder: ModelFolder, video: Path) -> npt.NDArray[np.float64]:
    table = np.array([(10 + 3 * n, 20 + n, 50, 30 + n) for n in range(FRAMES)], np.float64)
    table[list(UNSEEN)] = np.nan
    (batch,) = VideoReader(probe(video)).batches(FRAMES)
    return PoseModel(folder, FP32).predict(batch.images, boxes=table)


def analyzed(video: Path, folder: ModelFolder, options: AnalyzeOptions) -> VideoResult:
    (result,) = analyze(video, folder.path, options).results
    assert result.state in ("done", "short"), result.message
    assert result.table is not None
    return result


@pytest.mark.parametrize("pipeline", ["sync", "async", "parallel"])
def test_boxes_of_a_table(folder: ModelFolder, video: Path, boxes: Path, pipeline: PipelineName) -> None:
    result = analyzed(video, folder, AnalyzeOptions(FP32, batch_size=4, boxes=boxes, pipeline=pipeline, overwrite=True))
    assert (result.state, result.exit_code, result.bad_frames) == ("done", 0, ())
    assert result.notes[0] == "no animal was found in 2 of its frames: NaN and likelihood 0 there"
    assert result.table is not None
    np.testing.assert_allclose(read_poses(result.table).points, expected(folder, video), rtol=1e-6)
    manifest = json.loads(result.table.with_suffix(".json").read_text())
    assert manifest["video"]["frames_without_animal"] == list(UNSEEN)
    assert manifest["video"]["bad_frames"] == []
    assert manifest["settings"]["boxes"] == str(boxes.resolve())
    assert verify(result.table, recomputing=Recomputing(video)).findings == ()


@pytest.mark.slow
def test_boxes_of_a_table_leave_the_detector_out(
    video: Path, boxes: Path, tmp_path: Path, net_type: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = model_folder(tmp_path / "model", net_type, detector=detector_parts())
    for name in ("__call__", "warm_up"):
        monkeypatch.setattr(Detector, name, lambda *_: pytest.fail("a detector was run"))
    result = analyzed(video, folder, AnalyzeOptions(FP32, batch_size="auto", boxes=boxes))
    assert result.notes[0] == "no animal was found in 2 of its frames: NaN and likelihood 0 there"


def test_a_frame_that_cannot_be_decoded_is_not_one_without_an_animal(
    folder: ModelFolder, tmp_path: Path, boxes: Path
) -> None:
    pictures = clips.textured(clips.numbered_frames(FRAMES))
    whole = clips.encode(tmp_path / "whole.avi", pictures, "-c:v", "mjpeg")
    video = clips.spoil(whole, tmp_path / "m1.avi", 4)
    result = analyzed(video, folder, AnalyzeOptions(FP32, boxes=boxes, allow_short=True))
    assert result.bad_frames == (4,)
    assert result.table is not None
    manifest = json.loads(result.table.with_suffix(".json").read_text())
    assert manifest["video"]["frames_without_animal"] == list(UNSEEN)


def test_other_boxes_are_another_result(folder: ModelFolder, video: Path, boxes: Path) -> None:
    options = AnalyzeOptions(FP32, boxes=boxes)
    analyzed(video, folder, options)
    (again,) = analyze(video, folder.path, options).results
    assert again.state == "skipped"
    boxes.write_text(boxes.read_text().replace("0,10,20", "0,11,20"))
    (other,) = analyze(video, folder.path, options).results
    assert other.exit_code == 8
    report = verify(video.with_name("m1DLC_Small_x.h5"), recomputing=Recomputing(video))
    assert [found.words for found in report.findings] == [
        f"its rows could not be computed again: the table of boxes '{boxes.resolve()}' was changed since: analyse again"
    ]


def test_a_folder_has_the_boxes_of_each_video(folder: ModelFolder, video: Path, boxes: Path) -> None:
    result = analyzed(video, folder, AnalyzeOptions(FP32, boxes=boxes.parent))
    assert result.table is not None
    np.testing.assert_allclose(read_poses(result.table).points, expected(folder, video), rtol=1e-6)


def test_one_table_is_not_that_of_several_videos(folder: ModelFolder, boxes: Path) -> None:
    with pytest.raises(UsageError, match="has the boxes of one video, and there are 2"):
        RunPlan.of([Path("a.mp4"), Path("b.mp4")], folder, AnalyzeOptions(boxes=boxes))


def test_one_table_does_not_calibrate_with_several_videos(folder: ModelFolder, video: Path, boxes: Path) -> None:
    with pytest.raises(UsageError, match="has the boxes of one video, and there are 2"):
        quantize_model(folder, [video, video], QuantizeOptions(boxes=boxes), lambda _: None)
    with pytest.raises(UsageError, match="no detector to find it: say where it is with --boxes"):
        quantize_model(folder, [video], QuantizeOptions(), lambda _: None)


def test_a_table_that_is_not_there(folder: ModelFolder, video: Path, tmp_path: Path) -> None:
    (result,) = analyze(video, folder.path, AnalyzeOptions(FP32, boxes=tmp_path / "no.csv")).results
    assert result.exit_code == 10
    assert "no.csv' cannot be read (No such file or directory)" in result.message


def test_what_goes_through_the_network_is_said(folder: ModelFolder, video: Path, boxes: Path) -> None:
    said = PoseAnalysis(PoseModel(folder, FP32), AnalyzeOptions(boxes=boxes)).work(Geometry.plan(160, 120), 8)
    assert said == "batch 8, network input 96x64 px out of frames of 160x120 px"


@pytest.mark.slow
def test_a_detector_finds_the_boxes(video: Path, tmp_path: Path, net_type: str) -> None:
    folder = model_folder(tmp_path / "model", net_type, detector=detector_parts())
    result = analyzed(video, folder, AnalyzeOptions(FP32))
    assert result.table is not None
    (batch,) = VideoReader(probe(video)).batches(FRAMES)
    np.testing.assert_allclose(
        read_poses(result.table).points, PoseModel(folder, FP32).predict(batch.images), rtol=1e-6
    )
    manifest = json.loads(result.table.with_suffix(".json").read_text())
    assert manifest["model"]["detector"]["net_type"] == "ssdlite"
    assert verify(result.table).exit_code == 0


def test_nothing_says_where_the_animal_is(folder: ModelFolder, video: Path) -> None:
    with pytest.raises(UsageError, match="no detector to find it: say where it is with --boxes"):
        analyze(video, folder.path, AnalyzeOptions(FP32))


def test_boxes_are_for_networks_that_look_at_one_animal(
    video: Path, boxes: Path, tmp_path: Path, net_type: str
) -> None:
    whole = model_folder(tmp_path / "whole", net_type, None)
    with pytest.raises(UsageError, match="looks at whole frames: leave out --boxes"):
        analyze(video, whole.path, replace(AnalyzeOptions(FP32), boxes=boxes))


@pytest.mark.slow
def test_an_int8_version_is_made_of_crops_and_passes_the_gate(tmp_path: Path, net_type: str) -> None:
    folder, frames = model_folder(tmp_path / "model", net_type), 60
    video = clips.encode(tmp_path / "m2.mp4", clips.textured(clips.numbered_frames(frames)))
    table = tmp_path / "m2.csv"
    lines = [f"{number},{20 + number // 2},30,50,40" for number in range(frames) if number not in UNSEEN]
    table.write_text("\n".join(["frame,x,y,width,height", *lines]) + "\n")
    told: list[str] = []
    options = QuantizeOptions((1.0,), frames=frames // 2, max_shift=1e6, boxes=table)
    assert quantize_model(folder, [video], options, told.append).passed
    assert told[0] == f"calibrating on {(frames - len(UNSEEN)) // 2} frames at 1 scales"
    result = analyzed(video, folder, AnalyzeOptions(EngineOptions(precision="int8"), boxes=table, max_shift=1e6))
    assert result.table is not None
    manifest = json.loads(result.table.with_suffix(".json").read_text())
    assert manifest["engine"]["precision"] == "int8"
    assert manifest["parity_gate"][0]["passed"]

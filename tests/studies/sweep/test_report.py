"""Files that a sweep leaves: tidy, whole, and on one page."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.sweeps import make_study, moved, walk

from posecli.model.folder import ModelFolder
from posecli.studies.common.folder import StudyReport
from posecli.studies.sweep.charts import COMPRESSION_CHARTS, draw_scales, drawings
from posecli.studies.sweep.options import SweepOptions
from posecli.studies.sweep.report import findings, version_table, write_report
from posecli.studies.sweep.study import Sweep
from posecli.studies.sweep.versions import encoded_versions, scaled_versions

FAST = SweepOptions(resamples=100)
VERSIONS = encoded_versions({"libx264": (0, 30), "libx265": (28,)}, {})


def compressed(folder: Path, model: ModelFolder) -> Sweep:
    original = walk(330)
    by = (0.0, 0.0, 0.4, 6.0)
    poses = {version.name: [moved(original, error)] for version, error in zip(VERSIONS, by, strict=True)}
    truth = original[..., :2] + 1
    return make_study(folder, model, VERSIONS, poses, FAST, [truth])


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> StudyReport:
    from conftest import make_dots_model

    model = make_dots_model(tmp_path_factory.mktemp("model") / "dots-model")
    return write_report(compressed(tmp_path_factory.mktemp("sweep"), model))


def test_every_figure_is_drawn_and_every_file_is_whole(report: StudyReport) -> None:
    assert [chart.name for chart in report.charts] == list(COMPRESSION_CHARTS)
    for chart in report.charts:
        assert chart.png.read_bytes().startswith(b"\x89PNG")
        assert chart.png.stat().st_size > 5000
        assert b"<svg" in chart.svg.read_bytes()
    assert not list(report.folder.rglob("*.partial"))


def test_the_page_needs_nothing_else(report: StudyReport) -> None:
    page = report.page.read_text()
    assert "<script" not in page
    assert not re.search(r"(src|href)=['\"]?(http|/|\.)", page)
    assert page.count("data:image/png;base64,") == len(COMPRESSION_CHARTS)
    assert "CRF 0 is lossless in x264" in page


def test_the_table_is_tidy(report: StudyReport) -> None:
    with (report.folder / "results.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    keys = {(row["video"], row["version"], row["bodypart"], row["filtering"]) for row in rows}
    assert len(keys) == len(rows) == 4 * 4 * 2
    worst = next(row for row in rows if row["version"] == "libx265-crf28" and row["bodypart"] == "all")
    assert float(worst["mean_px_low"]) < float(worst["mean_px"]) < float(worst["mean_px_high"])
    assert 5 < float(worst["mean_px"]) < 7
    assert float(worst["truth_mean_px"]) > 5


def test_json_holds_numbers_only(report: StudyReport) -> None:
    text = (report.folder / "results.json").read_text()
    assert "NaN" not in text
    content = json.loads(text)
    assert content["recommendation"]["version"] == "libx264-crf30"
    assert content["bootstrap"]["block_frames"] == [30]
    assert content["bootstrap"]["blocks"] == 11


def test_findings_answer_the_questions(dots_model: ModelFolder, tmp_path: Path) -> None:
    said = " ".join(findings(compressed(tmp_path, dots_model)))
    assert "off the truth by a mean of 1.41 px" in said
    assert "A median filter of 5 frames takes the jitter of" in said


def test_a_scale_sweep_has_its_own_figures_and_no_bit_rates(dots_model: ModelFolder, tmp_path: Path) -> None:
    original = walk(330)
    versions = scaled_versions([0.5, 0.25])
    poses = {version.name: [moved(original, 1 / version.scale - 1)] for version in versions}
    study = make_study(tmp_path, dots_model, versions, poses, FAST)
    assert list(drawings(study)) == ["scale-error-speed", "trajectories"]
    head, first, *_ = version_table(study)
    assert head[1] == "network input"
    assert first[1] == "160x120"


@pytest.mark.parametrize(("frames", "expected"), [(330, "whole analysis"), (900, "frames between stretches")])
def test_the_speed_of_a_sample_says_what_it_includes(
    dots_model: ModelFolder, tmp_path: Path, frames: int, expected: str
) -> None:
    original = walk(330)
    versions = scaled_versions([0.5])
    study = make_study(tmp_path, dots_model, versions, {version.name: [original] for version in versions}, FAST)
    study = replace(study, videos=tuple(replace(video, frames=frames) for video in study.videos))
    assert study.sampled == (frames > 330)
    legend = draw_scales(study).axes[1].get_legend()
    assert legend is not None
    assert expected in legend.get_texts()[0].get_text()


def test_unknown_poses_are_drawn_too(dots_model: ModelFolder, tmp_path: Path) -> None:
    original = walk(330)
    original[:200, 0] = (np.nan, np.nan, 0)
    poses = {version.name: [original] for version in VERSIONS[:2]}
    report = write_report(make_study(tmp_path, dots_model, VERSIONS[:2], poses, FAST))
    assert report.page.is_file()

"""A recommendation follows from the evidence, and is withheld without."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.sweeps import make_study, moved, walk

from posecli.model.folder import ModelFolder
from posecli.options import AnalyzeOptions, Crop, EngineOptions
from posecli.studies.sweep.options import SweepOptions
from posecli.studies.sweep.recommendation import Recommendation, recommend, versions_inside
from posecli.studies.sweep.study import Sweep
from posecli.studies.sweep.versions import Version, encoded_versions, scaled_versions

VERSIONS = encoded_versions({"libx264": (10, 20, 30, 40)}, {})
FAST = SweepOptions(resamples=200)


def study_of(
    folder: Path, model: ModelFolder, errors: dict[str, float], options: SweepOptions = FAST, frames: int = 600
) -> Sweep:
    """Versions that are off by these means."""
    original = walk(frames)
    poses = {name: [moved(original, by)] for name, by in ({"original": 0.0} | errors).items()}
    versions = [version for version in VERSIONS if version.name in poses]
    return make_study(folder, model, versions, poses, options)


def errors(*values: float) -> dict[str, float]:
    return dict(zip([version.name for version in VERSIONS[1:]], values, strict=False))


def words(recommendation: Recommendation) -> str:
    return " ".join(recommendation.reasons)


def test_the_smallest_file_inside_the_tolerance(dots_model: ModelFolder, tmp_path: Path) -> None:
    found = recommend(study_of(tmp_path, dots_model, errors(0.1, 0.3, 0.8, 3.0)))
    assert found.version is not None
    assert found.version.name == "libx264-crf30"
    assert "-c:v libx264 -crf 30 -pix_fmt yuv420p" in found.acquisition
    assert found.acquisition.startswith("ffmpeg -i RECORDING ")
    assert "GB instead of" in words(found)


def test_it_is_the_upper_bound_that_must_be_inside(dots_model: ModelFolder, tmp_path: Path) -> None:
    study = study_of(tmp_path, dots_model, errors(0.1, 0.97))
    worst = study.worst(VERSIONS[2])
    assert worst.mean.value < 1 < worst.mean.high
    found = recommend(study)
    assert found.version is not None
    assert found.version.name == "libx264-crf10"


def test_a_better_version_outside_stops_the_search(dots_model: ModelFolder, tmp_path: Path) -> None:
    study = study_of(tmp_path, dots_model, errors(0.1, 2.0, 0.2, 0.2))
    assert [version.name for version in versions_inside(study)] == ["libx264-crf10"]


def test_one_bad_body_part_is_enough(dots_model: ModelFolder, tmp_path: Path) -> None:
    original = walk(600)
    version = moved(original, 0.1)
    version[:, 1, 0] += 5
    study = make_study(tmp_path, dots_model, VERSIONS[:2], {"original": [original], VERSIONS[1].name: [version]}, FAST)
    found = recommend(study)
    assert found.version is None
    assert "No version is inside 1 px" in words(found)
    assert "green" in words(found)


def test_lost_points_count(dots_model: ModelFolder, tmp_path: Path) -> None:
    original = walk(600)
    version = original.copy()
    version[::10, 0, 2] = 0.1
    study = make_study(tmp_path, dots_model, VERSIONS[:2], {"original": [original], VERSIONS[1].name: [version]}, FAST)
    assert recommend(study).version is None
    lenient = make_study(
        tmp_path,
        dots_model,
        VERSIONS[:2],
        {"original": [original], VERSIONS[1].name: [version]},
        SweepOptions(max_lost=0.2, resamples=200),
    )
    assert recommend(lenient).version is not None


def test_too_little_video_is_thin_evidence(dots_model: ModelFolder, tmp_path: Path) -> None:
    found = recommend(study_of(tmp_path, dots_model, errors(0.1), frames=90))
    assert found.version is None
    assert "the evidence is thin" in words(found)
    assert "90 frames are too few" in words(found)


def test_a_network_that_is_not_sure_is_thin_evidence(dots_model: ModelFolder, tmp_path: Path) -> None:
    original = walk(600)
    original[..., 2] = 0.3
    original[:50, :, 2] = 0.9
    study = make_study(tmp_path, dots_model, VERSIONS[:2], {"original": [original], VERSIONS[1].name: [original]}, FAST)
    found = recommend(study)
    assert found.version is None
    assert "only 8 % of the points" in words(found)
    assert "sure of 'red' in only 50 frames" in words(found)


def test_a_filter_that_would_help_is_named(dots_model: ModelFolder, tmp_path: Path) -> None:
    original = np.tile([50.0, 50, 0.9], (600, 3, 1))
    spiked = original.copy()
    spiked[::10, :, 0] += 40
    poses = {"original": [original], VERSIONS[1].name: [original], VERSIONS[2].name: [spiked]}
    found = recommend(make_study(tmp_path, dots_model, VERSIONS[:3], poses, FAST))
    assert found.version == VERSIONS[1]
    assert "Behind a median filter of 5 frames these would be inside too: CRF 20" in words(found)


def test_the_fastest_scale(dots_model: ModelFolder, tmp_path: Path) -> None:
    original = walk(600)
    versions = scaled_versions([0.5, 0.25])
    by = dict(zip((version.name for version in versions), (0.0, 0.5, 4.0), strict=True))
    poses = {name: [moved(original, error)] for name, error in by.items()}
    analysis = AnalyzeOptions(engine=EngineOptions("tensorflow", "fp32"), batch_size=16, crop=Crop(0, 80, 0, 60))
    options = SweepOptions(model=Path("my models/om"), analysis=analysis, resamples=200)
    found = recommend(make_study(tmp_path, dots_model, versions, poses, options))
    assert found.version == versions[1]
    assert found.acquisition == ""
    assert found.analysis == (
        "posecli analyze VIDEO.mp4 --model 'my models/om' --precision fp32 --batchsize 16 --engine tensorflow "
        "--scale 0.5 --crop 0,80,0,60"
    )


def test_versions_that_cannot_be_compared_are_not_recommended(dots_model: ModelFolder, tmp_path: Path) -> None:
    original = walk(600)
    poses = {version.name: [original] for version in VERSIONS[:3]}
    problems = {VERSIONS[2].name: "it has 599 frames, the original 600"}
    study = make_study(tmp_path, dots_model, VERSIONS[:3], poses, FAST, problems=problems)
    assert recommend(study).version == VERSIONS[1]


@pytest.mark.parametrize("count", [1, 2])
def test_several_videos_are_pooled(dots_model: ModelFolder, tmp_path: Path, count: int) -> None:
    originals = [walk(400, seed=seed) for seed in range(count)]
    poses = {"original": originals, VERSIONS[1].name: [moved(pose, 0.4) for pose in originals]}
    study = make_study(tmp_path, dots_model, VERSIONS[:2], poses, FAST)
    assert study.measure(VERSIONS[1]).points == 3 * 400 * count
    assert study.totals(VERSIONS[1])["frames"] == 400 * count
    videos = {row["video"] for row in study.tidy_rows()}
    assert len(videos) == (1 if count == 1 else 3)
    assert recommend(study).version == Version("libx264-crf10", VERSIONS[1].encode, 1.0, 10.0)

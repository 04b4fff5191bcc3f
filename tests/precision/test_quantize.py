"""``posecli model quantize``: a real network's eight-bit version, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from support import clips, projects
from support import i3d_reference as reference

from posecli.analysis import analyze
from posecli.cli import cli
from posecli.errors import EngineError, VideoError
from posecli.model.clip import ClipDescription
from posecli.model.folder import ClipModelFolder, ModelFolder, write_clip_folder
from posecli.model.importing import import_model
from posecli.model.int8 import has_int8, read_int8_plan
from posecli.network.int8 import Int8Plan
from posecli.options import AnalyzeOptions, EngineOptions
from posecli.precision.poses import compare
from posecli.precision.quantize import (
    Attempt,
    ClipQuantizeOptions,
    QuantizeOptions,
    _quantized,
    _samples,
    quantize_clip_model,
    quantize_model,
)


@pytest.mark.slow
def test_real_network(shared_data: Path, tmp_path: Path) -> None:
    """Plain post-training quantisation moves this network's points by a median of 3.9 px."""
    video = shared_data / "dlc-openfield" / "clips" / "m3v1w320.mp4"
    folder = import_model(shared_data / "dlc-openfield", tmp_path / "model")
    told: list[str] = []
    chosen = quantize_model(folder, [video], QuantizeOptions((1.0, 0.5), frames=16), told.append)
    assert chosen.passed
    assert told[0] == "calibrating on 32 frames at 2 scales"
    assert told[1] == "measuring each of 53 convolutions alone"
    record = yaml.safe_load((folder.path / "int8.yaml").read_text())
    assert record["left_wider"] == list(chosen.kept)
    assert len(read_int8_plan(folder).ranges) == 53 - len(chosen.kept)

    result = analyze(video, folder.path, AnalyzeOptions(EngineOptions(precision="int8"), out_dir=tmp_path)).results[0]
    assert result.state == "done", result.message
    assert result.table is not None
    (figures,) = yaml.safe_load(result.table.with_suffix(".json").read_text())["parity_gate"]
    assert figures["median_px"] < 0.15
    assert figures["p99_px"] < 1.5
    assert figures["points"] > 60


def clip_model(folder: Path) -> ClipModelFolder:
    description = ClipDescription(("rest", "walk", "groom"), "I3D_test", 0.1, 9, 9, 32, 40)
    return write_clip_folder(folder / "clips", description, dict(reference.random_weights(description.spec)))


class Stub:
    """A workshop in which a version passes if some convolutions are left wider."""

    def __init__(self, folder: ModelFolder, needed: set[str]) -> None:
        self.folder = folder
        self.needed = needed
        self.tried: list[set[str]] = []
        self.judge = self

    limit, limit_option = "1 px", "--max-shift"

    def ranges(self, learning: object) -> dict[str, tuple[float, float]]:
        return dict.fromkeys("abcdef", (0.0, 1.0))

    def ranking(self, plan: Int8Plan) -> list[str]:
        return list(plan.ranges)

    def by_cost(self, scopes: Sequence[str]) -> list[str]:
        return sorted(scopes, reverse=True)

    def attempt(self, plan: Int8Plan, kept: tuple[str, ...]) -> Attempt:
        self.tried.append(set(kept))
        limit = 1.0 if self.needed <= set(kept) else -1.0
        return Attempt(kept, (compare("int8", np.zeros((40, 1, 3)), np.zeros((40, 1, 3)), 0.0, limit),))

    def worst(self, figures: Sequence[object]) -> object:
        return figures[0]


def test_what_need_not_stay_wider_is_taken_back(tmp_path: Path) -> None:
    stub = Stub(projects.model_folder(tmp_path), {"b", "d"})
    chosen = _quantized(stub, [], lambda step: None, {})  # type: ignore[arg-type]
    assert chosen.kept == ("b", "d")
    assert stub.tried == [set(), {"a"}, set("ab"), set("abc"), set("abcd"), set("abd"), set("ad"), set("bd")]
    record = yaml.safe_load((stub.folder.path / "int8.yaml").read_text())
    assert set(record["ranges"]) == set("acef")
    assert record["left_wider"] == ["b", "d"]
    assert record["attempts"][-1]["left_wider"] == ["b", "d"]


def test_nothing_is_written_where_no_version_passes(tmp_path: Path) -> None:
    stub = Stub(projects.model_folder(tmp_path), {"nothing has it"})
    with pytest.raises(EngineError, match=r"no eight-bit version of '.*' stays within the limit \(1 px\)"):
        _quantized(stub, [], lambda step: None, {})  # type: ignore[arg-type]
    assert not has_int8(stub.folder)


@pytest.mark.slow
def test_network_for_behaviours(tmp_path: Path) -> None:
    folder = clip_model(tmp_path)
    video = clips.encode(tmp_path / "moving.mp4", clips.numbered_frames(60, 48, 64))
    told: list[str] = []
    chosen = quantize_clip_model(folder, [video], ClipQuantizeOptions(chunks=5, max_change=0.5), told.append)
    assert chosen.passed
    assert told[:2] == ["calibrating on 5 chunks of 9 frames", "measuring each of 57 convolutions alone"]
    assert len(read_int8_plan(folder).ranges) == 57 - len(chosen.kept)
    record = yaml.safe_load((folder.path / "int8.yaml").read_text())
    assert (record["chunks"], record["max_change"], record["left_wider"]) == (5, 0.5, list(chosen.kept))
    result = CliRunner().invoke(cli, ["model", "info", str(folder.path), "--json"])
    assert json.loads(result.stdout)["int8_version"] is True


def test_too_few_chunks_are_refused(tmp_path: Path) -> None:
    video = clips.encode(tmp_path / "short.mp4", clips.numbered_frames(20, 48, 64))
    with pytest.raises(EngineError, match=r"only 2 chunks could be read from the videos to judge by, 4 are needed"):
        quantize_clip_model(clip_model(tmp_path), [video], ClipQuantizeOptions(), lambda step: None)


def test_videos_without_points_are_refused(tmp_path: Path) -> None:
    folder = projects.model_folder(tmp_path)
    video = clips.encode(tmp_path / "grey.mp4", clips.numbered_frames(20, 48, 64))
    impossible = ModelFolder(folder.path, folder.description.__class__(**{**vars(folder.description), "pcutoff": 2.0}))
    with pytest.raises(
        EngineError, match=r"only 0 points of the videos at \d+x\d+ px are above the likelihood cut-off 2"
    ):
        quantize_model(impossible, [video], QuantizeOptions((1.0,), frames=4), lambda step: None)
    assert not has_int8(folder)


def test_a_video_that_is_no_video_is_named_though_another_could_serve(tmp_path: Path) -> None:
    good = clips.encode(tmp_path / "good.mp4", clips.numbered_frames(20, 48, 64))
    (tmp_path / "text.mp4").write_text("no video")
    folder = projects.model_folder(tmp_path)
    for name in ("text.mp4", "missing.mp4"):
        with pytest.raises(VideoError, match=name):
            quantize_model(folder, [good, tmp_path / name], QuantizeOptions(), lambda step: None)


def test_frames_are_taken_from_every_video_and_judged_together_where_sizes_agree(tmp_path: Path) -> None:
    videos = [clips.encode(tmp_path / f"{place}.mp4", clips.numbered_frames(8, 48, 64)) for place in range(6)]
    videos.append(clips.encode(tmp_path / "wide.mp4", clips.numbered_frames(8, 48, 96)))
    learning, judging = _samples(videos, QuantizeOptions((1.0, 0.5), frames=14))
    assert [images.shape for images in judging] == [(12, 48, 64, 3), (2, 48, 96, 3), (12, 24, 32, 3), (2, 24, 48, 3)]
    assert [images.shape for images in learning] == [images.shape for images in judging]


def test_a_folder_full_of_videos_costs_no_more_frames(tmp_path: Path) -> None:
    videos = [clips.encode(tmp_path / f"{place}.mp4", clips.numbered_frames(4, 48, 64)) for place in range(9)]
    learning, judging = _samples(videos, QuantizeOptions((1.0,), frames=3))
    assert [len(images) for images in (*learning, *judging)] == [3, 3]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--scales", "big"], 2, "'big' is not a list of numbers"),
        (["--scales", "0"], 2, "scales (0.0,) are out of range"),
        (["--frames", "0"], 2, "frames 0 is too small"),
        (["--max-shift", "0"], 2, "max-shift 0.0 is too small"),
        ([], 5, "model.yaml' does not exist"),
    ],
    ids=str,
)
def test_wrong_options(tmp_path: Path, arguments: list[str], code: int, words: str) -> None:
    command = ["model", "quantize", str(tmp_path / "no model"), "--calibrate", "video.mp4", *arguments]
    result = CliRunner().invoke(cli, command, catch_exceptions=False)
    assert result.exit_code == code
    assert words in result.stderr

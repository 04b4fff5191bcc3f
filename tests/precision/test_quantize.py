"""``posecli model quantize``: a real network's eight-bit version, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from support import clips, networks, projects
from support import i3d_reference as reference

from posecli.analysis import analyze
from posecli.cli import cli
from posecli.engine.openvino import FoldedGraph, wider_precision
from posecli.errors import EngineError, VideoError
from posecli.model.description import ClipDescription, ModelDescription
from posecli.model.folder import INT8_FILE, ClipModelFolder, ModelFolder, has_int8, read_int8_plan, write_folder
from posecli.model.importing import import_model
from posecli.network.int8 import Int8Plan
from posecli.network.resnet import ResNetSize
from posecli.options import AnalyzeOptions, EngineOptions
from posecli.precision import quantize
from posecli.precision.quantize import (
    ClipQuantizeOptions,
    QuantizeOptions,
    fewest_kept,
    quantize_model,
)


@pytest.mark.slow
def test_real_network(shared_data: Path, tmp_path: Path) -> None:
    """Plain post-training quantisation moves this network's points by a median of 3.9 px."""
    video = clips.beginning(shared_data / "dlc-openfield" / "clips" / "m3v1w320.mp4", 250, tmp_path)
    folder = import_model(shared_data / "dlc-openfield", tmp_path / "model")
    told: list[str] = []
    chosen = quantize_model(folder, [video], QuantizeOptions((1.0, 0.5), frames=16), told.append)
    assert chosen.passed
    assert told[0] == "calibrating on 32 frames at 2 scales"
    assert told[1] == "measuring what int8 loses in each of 53 convolutions"
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
    return write_folder(folder / "clips", description, dict(reference.random_weights(description.spec)))


def test_what_need_not_stay_wider_is_taken_back() -> None:
    tried: list[set[str]] = []

    def attempt(kept: tuple[str, ...]) -> bool:
        tried.append(set(kept))
        return {"b", "d"} <= set(kept)

    assert fewest_kept("abcdef", dict(zip("abcdef", range(6), strict=True)), attempt, 20) == ("b", "d")
    assert tried == [set(), {"a"}, set("ab"), set("abc"), set("abcd"), set("abd"), set("ad"), set("bd")]


@pytest.mark.parametrize(("most", "kept"), [(4, None), (5, ("a", "b", "c", "d")), (6, ("a", "b", "d"))])
def test_attempts_are_limited(most: int, kept: tuple[str, ...] | None) -> None:
    tried: list[tuple[str, ...]] = []

    def attempt(kept: tuple[str, ...]) -> bool:
        tried.append(kept)
        return {"b", "d"} <= set(kept)

    assert fewest_kept("abcdef", dict(zip("abcdef", range(6), strict=True)), attempt, most) == kept
    assert len(tried) == most


def test_nothing_is_kept_where_nothing_passes() -> None:
    tried: list[tuple[str, ...]] = []

    def attempt(kept: tuple[str, ...]) -> bool:
        tried.append(kept)
        return False

    assert fewest_kept("ab", {"a": 1, "b": 2}, attempt, 20) is None
    assert tried == [(), ("a",)]  # with both of them wider nothing would be in int8


@pytest.fixture(scope="module")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelFolder]:
    """A pose network that says something of any picture."""
    with networks.tiny_resnet(ResNetSize((1, 1, 1, 1), (8, 8, 8, 8), 8)) as name:
        description = ModelDescription(name, projects.BODYPARTS, "DLC_tiny_1", pcutoff=0.0)
        yield write_folder(tmp_path_factory.mktemp("tiny") / "model", description, projects.random_weights(name))


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clips.encode(tmp_path_factory.mktemp("video") / "numbers.mp4", clips.numbered_frames(40, 48, 64))


def test_what_was_found_is_written(tiny_model: ModelFolder, video: Path) -> None:
    told: list[str] = []
    chosen = quantize_model(tiny_model, [video], QuantizeOptions((1.0,), 8, max_shift=1000.0), told.append)
    assert chosen.passed
    assert told[:2] == ["calibrating on 8 frames at 1 scales", "measuring what int8 loses in each of 13 convolutions"]
    assert told[2].startswith("0 convolutions left wider: int8 moves points by a median of ")
    record = yaml.safe_load((tiny_model.path / INT8_FILE).read_text())
    assert (record["frames"], record["scales"], record["max_shift_px"]) == (8, [1.0], 1000.0)
    assert record["left_wider"] == [] == record["attempts"][-1]["left_wider"]
    assert set(read_int8_plan(tiny_model).ranges) == tiny_model.description.network.int8_candidates().keys()


def test_nothing_is_written_where_no_version_passes(
    tiny_model: ModelFolder, video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantize, "GIVEN_BACK", (0,))
    monkeypatch.setattr(quantize, "wider_precision", lambda: "fp32")
    (tiny_model.path / INT8_FILE).unlink(missing_ok=True)
    with pytest.raises(EngineError, match=r"no int8 version of '.*' stays within the limit \(1e-09 px\)"):
        quantize_model(tiny_model, [video], QuantizeOptions((1.0,), 8, max_shift=1e-9), lambda step: None)
    assert not has_int8(tiny_model)


def test_where_the_wider_precision_moves_too_much_it_is_said(
    tiny_model: ModelFolder, video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantize, "GIVEN_BACK", (0,))
    if wider_precision() == "fp32":
        pytest.skip("this processor does not compute in bf16")
    with pytest.raises(EngineError, match=r"nor does the network without int8, as bf16 moves points by a median"):
        quantize_model(tiny_model, [video], QuantizeOptions((1.0,), 8, max_shift=1e-9), lambda step: None)


def test_a_convolution_that_loses_most_is_found(tiny_model: ModelFolder) -> None:
    graph, images = FoldedGraph(tiny_model), clips.numbered_frames(3, 48, 64)
    ranges = graph.entering_ranges(images)
    unlike = list(ranges)[5]
    plan = Int8Plan(ranges | {unlike: (0.0, 50 * ranges[unlike][1])})
    before, lost = (graph.int8_noise(images, each) for each in (Int8Plan(ranges), plan))
    assert max(lost, key=lambda name: lost[name]) == unlike
    assert lost[unlike] > 5 * before[unlike]
    others = [name for name in ranges if name != unlike]
    assert [lost[name] for name in others] == pytest.approx([before[name] for name in others], rel=0.01)


@pytest.mark.slow
def test_network_for_behaviours(tmp_path: Path) -> None:
    folder = clip_model(tmp_path)
    video = clips.encode(tmp_path / "moving.mp4", clips.numbered_frames(60, 48, 64))
    told: list[str] = []
    chosen = quantize_model(folder, [video], ClipQuantizeOptions(chunks=5, max_change=0.5), told.append)
    assert chosen.passed
    assert told[:2] == ["calibrating on 5 chunks of 9 frames", "measuring what int8 loses in each of 57 convolutions"]
    assert len(read_int8_plan(folder).ranges) == 57 - len(chosen.kept)
    record = yaml.safe_load((folder.path / "int8.yaml").read_text())
    assert (record["chunks"], record["max_change"], record["left_wider"]) == (5, 0.5, list(chosen.kept))
    result = CliRunner().invoke(cli, ["model", "info", str(folder.path), "--json"])
    assert json.loads(result.stdout)["int8_version"] is True


def test_too_few_chunks_are_refused(tmp_path: Path) -> None:
    video = clips.encode(tmp_path / "short.mp4", clips.numbered_frames(20, 48, 64))
    with pytest.raises(EngineError, match=r"only 2 chunks could be read from the videos to judge by, 4 are needed"):
        quantize_model(clip_model(tmp_path), [video], ClipQuantizeOptions(), lambda step: None)


def test_videos_without_points_are_refused(tiny_model: ModelFolder, video: Path, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "model", tiny_model.description, tiny_model.weights())
    impossible = ModelFolder(folder.path, replace(folder.description, pcutoff=2.0))
    with pytest.raises(
        EngineError, match=r"only 0 points of the videos at \d+x\d+ px are above the likelihood cut-off 2"
    ):
        quantize_model(impossible, [video], QuantizeOptions((1.0,), frames=4), lambda step: None)
    assert not has_int8(folder)


def test_a_video_that_is_no_video_is_named_though_another_could_serve(
    tiny_model: ModelFolder, video: Path, tmp_path: Path
) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    for name in ("text.mp4", "missing.mp4"):
        with pytest.raises(VideoError, match=name):
            quantize_model(tiny_model, [video, tmp_path / name], QuantizeOptions(), lambda step: None)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "sizes", "frames"),
    [
        (QuantizeOptions((1.0, 0.5), frames=14, max_shift=1000.0), [(64, 48)] * 6 + [(96, 48)], 28),
        (QuantizeOptions((1.0,), frames=3, max_shift=1000.0), [(64, 48)] * 9, 3),
    ],
    ids=["every video, each size", "a folder full of videos"],
)
def test_frames_are_taken_from_all_over(
    tiny_model: ModelFolder, tmp_path: Path, options: QuantizeOptions, sizes: list[tuple[int, int]], frames: int
) -> None:
    videos = [
        clips.encode(tmp_path / f"{place}.mp4", clips.numbered_frames(8, height, width))
        for place, (width, height) in enumerate(sizes)
    ]
    told: list[str] = []
    with suppress(EngineError):  # there may be too few to judge by
        quantize_model(tiny_model, videos, options, told.append)
    assert told[0] == f"calibrating on {frames} frames at {len(options.scales)} scales"


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

"""An int8 version that a run makes by itself: where it pays, once, and never at the price of the run."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from support import clips, networks, projects
from support.fake_clip_engine import FakeClipEngine, make_fake_clip_model
from support.fake_engine import FakeEngine

from posecli import engine as engines
from posecli.analysis import RunObserver, analyze, classify, decide, preparation
from posecli.analysis.lock import held
from posecli.analysis.plan import plain
from posecli.analysis.poses import PoseAnalysis
from posecli.cli import cli
from posecli.errors import EngineError
from posecli.model.description import ModelDescription
from posecli.model.folder import (
    INT8_FILE,
    REFUSAL_FILE,
    AnyFolder,
    ModelFolder,
    has_int8,
    int8_was_refused,
    write_folder,
    write_int8,
    write_int8_refusal,
)
from posecli.network.int8 import Int8Plan
from posecli.network.resnet import ResNetSize
from posecli.options import AnalyzeOptions, ClassifyOptions, EngineOptions, FixedPrecision
from posecli.precision import reckoning
from posecli.precision.quantize import Attempt, ClipQuantizeOptions, QuantizeOptions

VNNI = frozenset({"avx2", "avx512_vnni", "avx512_bf16"})


class ExactEngine(FakeEngine):
    """Computes in bf16, and in int8 where the model has that version; sure of what it finds."""

    @staticmethod
    def obstacle(folder: AnyFolder, precision: FixedPrecision) -> str | None:
        return "no int8 version" if precision == "int8" and not has_int8(folder) else None

    def __call__(self, images: Any) -> Any:
        output = super().__call__(images)
        return replace(output, scoremap=(3 * output.scoremap).clip(max=1))


class ExactClipEngine(FakeClipEngine):
    obstacle = ExactEngine.obstacle


@dataclass
class Maker:
    """In place of `quantize_model`: the versions that were made, and what happens instead."""

    made: list[tuple[Sequence[Path], Any]] = field(default_factory=list)
    refusal: Exception | None = None

    def __call__(
        self, folder: AnyFolder, videos: Sequence[Path], options: Any, tell: Callable[[str], None], **_more: Any
    ) -> Attempt:
        self.made.append((videos, options))
        tell("calibrating")
        if self.refusal is not None:
            raise self.refusal
        write_int8(folder, Int8Plan({}), {})
        return Attempt((), ())


@pytest.fixture
def maker(monkeypatch: pytest.MonkeyPatch) -> Maker:
    """Versions are made in no time, and pay on any video, on a processor with bf16 and VNNI."""
    found = Maker()
    monkeypatch.setattr(engines, "_engine_class", lambda name: ExactEngine)
    monkeypatch.setattr(preparation, "quantize_model", found)
    monkeypatch.setattr(preparation, "processor", lambda: ("a processor", VNNI))
    monkeypatch.setattr(reckoning, "LEAST_GAIN", 0.0)
    monkeypatch.setattr(reckoning, "LEAST_SURE_GAIN", 0.0)
    return found


class Listener(RunObserver):
    def __init__(self) -> None:
        self.told: list[str] = []
        self.seconds: list[float] = []

    def preparing(self, step: str) -> None:
        if not step.startswith("trying faster settings"):
            self.told.append(step)

    def int8_begins(self, ahead: float, saved: float, cost: float) -> None:
        self.seconds += [ahead, saved, cost]


@pytest.fixture
def options(tmp_path: Path) -> AnalyzeOptions:
    return AnalyzeOptions(out_dir=tmp_path / "poses")


def precision_of(clip: Path, model: ModelFolder, options: AnalyzeOptions, observer: RunObserver = RunObserver()) -> str:
    """The one that a run settles on."""
    (result,) = analyze(clip, model.path, options, observer).results
    assert result.table is not None, result.message
    content: dict[str, Any] = json.loads(result.table.with_suffix(".json").read_text())
    return str(content["settings"]["precision"])


def test_where_it_pays_a_version_is_made_once(
    maker: Maker, dots_clip: Path, dots_model: ModelFolder, options: AnalyzeOptions
) -> None:
    listener = Listener()
    assert precision_of(dots_clip, dots_model, options, listener) == "int8"
    assert maker.made == [((dots_clip,), QuantizeOptions((1.0,), max_shift=1.0, most_attempts=8))]
    assert listener.told == [
        "calibrating",
        f"'{dots_model.path}' has an int8 version now; 0 convolutions are left wider",
    ]
    ahead, saved, cost = listener.seconds
    assert 0 < saved < ahead
    assert cost > 0
    assert precision_of(dots_clip, dots_model, replace(options, overwrite=True)) == "int8"
    assert len(maker.made) == 1
    assert not list(dots_model.path.glob("*lock*"))


@pytest.mark.parametrize(
    ("changes", "precision"),
    [
        ({"quantize": False}, "bf16"),
        ({"engine": EngineOptions(precision="bf16")}, "bf16"),
        ({"engine": EngineOptions("tensorflow")}, "fp32"),
    ],
    ids=str,
)
def test_where_it_is_not_wanted_none_is_made(
    maker: Maker,
    dots_clip: Path,
    dots_model: ModelFolder,
    options: AnalyzeOptions,
    changes: dict[str, Any],
    precision: str,
) -> None:
    assert precision_of(dots_clip, dots_model, replace(options, **changes)) == precision
    assert not maker.made


@pytest.mark.parametrize(
    ("where", "name", "value"),
    [
        (reckoning, "LEAST_GAIN", 2.0),  # of fifty frames
        (preparation, "processor", lambda: ("an old processor", frozenset({"avx2"}))),
        (os, "access", lambda path, mode: "dots-model" not in str(path)),
    ],
    ids=["short", "AVX2", "read-only"],
)
def test_where_it_cannot_pay_none_is_made(
    maker: Maker,
    dots_clip: Path,
    dots_model: ModelFolder,
    options: AnalyzeOptions,
    monkeypatch: pytest.MonkeyPatch,
    where: Any,
    name: str,
    value: Any,
) -> None:
    monkeypatch.setattr(where, name, value)
    assert precision_of(dots_clip, dots_model, options) == "bf16"
    assert not maker.made


def test_refusal_is_remembered_and_ends_nothing(
    maker: Maker, dots_clip: Path, dots_model: ModelFolder, options: AnalyzeOptions
) -> None:
    maker.refusal = EngineError("only 12 points are above the cut-off: calibrate with others")
    listener = Listener()
    assert precision_of(dots_clip, dots_model, options, listener) == "bf16"
    assert listener.told[1:] == [
        "only 12 points are above the cut-off: the run goes on without an int8 version, and later ones do; "
        "'posecli model quantize' tries again"
    ]
    assert precision_of(dots_clip, dots_model, replace(options, overwrite=True)) == "bf16"
    assert len(maker.made) == 1


def test_refusal_is_of_what_was_tried(dots_model: ModelFolder, tmp_path: Path) -> None:
    settings = plain(QuantizeOptions((1.0,), boxes=tmp_path))
    assert not int8_was_refused(dots_model, settings)
    write_int8_refusal(dots_model, "too few points", settings, [Path("videos/day1.mp4")])
    assert int8_was_refused(dots_model, settings)
    assert not int8_was_refused(dots_model, settings | {"max_shift": 0.5})
    file = dots_model.path / REFUSAL_FILE
    note = file.read_text()
    assert "reason: too few points\n" in note
    assert "- day1.mp4\n" in note
    for damaged in ("[", note.replace("model_identity: ", "model_identity: x")):
        file.write_text(damaged)
        assert not int8_was_refused(dots_model, settings)
    write_int8(dots_model, Int8Plan({}), {})  # by hand
    assert not file.exists()


@pytest.mark.parametrize("free", [1 << 20, 1 << 40])
def test_without_memory_for_it_the_run_goes_on(
    maker: Maker,
    dots_clip: Path,
    dots_model: ModelFolder,
    options: AnalyzeOptions,
    monkeypatch: pytest.MonkeyPatch,
    free: int,
) -> None:
    monkeypatch.setattr(preparation, "free_memory", lambda: free)
    maker.refusal = MemoryError("Unable to allocate 2 GiB")
    listener = Listener()
    assert precision_of(dots_clip, dots_model, options, listener) == "bf16"
    assert listener.told[-1].startswith("no int8 version is made, for want of memory: ")
    assert len(maker.made) == (free > 1 << 30)
    assert not (dots_model.path / REFUSAL_FILE).exists()


def test_what_another_process_is_making_is_waited_for(
    maker: Maker, dots_clip: Path, dots_model: ModelFolder, options: AnalyzeOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    listener = Listener()
    other = held(dots_model.path / preparation.LOCK_FILE)
    other.__enter__()
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            write_int8(dots_model, Int8Plan({}), {})
            other.__exit__(None, None, None)

    monkeypatch.setattr(preparation, "sleep", sleep)
    assert precision_of(dots_clip, dots_model, options, listener) == "int8"
    assert len(slept) == 3
    (line,) = listener.told
    assert line.startswith("waiting for the int8 version that process ")
    assert not maker.made


class Interrupting(RunObserver):
    def frames_done(self, count: int) -> None:
        raise KeyboardInterrupt


def test_interrupted_run_keeps_its_precision(
    maker: Maker, dots_clip: Path, dots_model: ModelFolder, options: AnalyzeOptions
) -> None:
    with pytest.raises(KeyboardInterrupt):
        analyze(dots_clip, dots_model.path, replace(options, quantize=False), Interrupting())
    assert precision_of(dots_clip, dots_model, options) == "bf16"
    assert not maker.made


def test_only_videos_that_are_not_begun_are_work_ahead(
    maker: Maker, dots_clip: Path, dots_model: ModelFolder, options: AnalyzeOptions, tmp_path: Path
) -> None:
    """As the last of many recordings that are analysed day by day."""
    precision_of(dots_clip, dots_model, replace(options, quantize=False))
    other = clips.encode(tmp_path / "other.mp4", clips.numbered_frames(5))
    report = analyze([dots_clip, other], dots_model.path, options)
    assert [result.state for result in report.results] == ["skipped", "done"]
    assert [videos for videos, _ in maker.made] == [(other,)]


def test_dry_run_says_it_and_makes_nothing(
    maker: Maker, dots_clip: Path, dots_model: ModelFolder, options: AnalyzeOptions
) -> None:
    arguments = ["analyze", str(dots_clip), "-m", str(dots_model.path), "-o", str(options.out_dir)]
    told = CliRunner().invoke(cli, [*arguments, "--dry-run"])
    assert told.exit_code == 0, told.output
    assert "precision: int8 or bf16, as the parity gate allows, else fp32\n" in told.output
    assert "first an int8 version of the model: about " in told.output
    assert "expected in int8, windows: about " in told.output
    plain = CliRunner().invoke(cli, [*arguments, "--dry-run", "--no-quantize", "--json"])
    plan = json.loads(plain.stdout)["plan"]
    assert plan["items"] == 50
    assert plan["precision"] == "bf16, as the parity gate allows, else fp32"
    assert [step["what"] for step in plan["first"]] == ["the parity gate, on a sample of the videos"]
    seconds = {each["what"]: each["seconds"] for each in plan["expected"]}
    assert [*seconds] == ["bf16, windows", "bf16, whole frames", "fp32, whole frames"]
    assert sorted(seconds.values()) == [*seconds.values()]
    assert seconds["bf16, windows"] > plan["first"][0]["seconds"]
    assert not maker.made
    done = CliRunner().invoke(cli, arguments)
    assert "of network ahead; making an int8 version first: about " in done.output
    assert "\ncalibrating\n" in done.output
    (decision,) = decide(dots_clip, dots_model.path, options)
    assert decision.action == "skip"


@pytest.mark.usefixtures("blank_figures")
def test_network_for_behaviours(maker: Maker, dots_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "_engine_class", lambda name: ExactClipEngine)
    model = make_fake_clip_model(tmp_path / "numbers-model")
    (result,) = classify(dots_clip, model.path, ClassifyOptions(out_dir=tmp_path, max_change=0.04)).results
    assert result.table is not None, result.message
    assert json.loads(result.table.with_suffix(".json").read_text())["settings"]["precision"] == "int8"
    assert maker.made == [((dots_clip,), ClipQuantizeOptions(max_change=0.02, most_attempts=8))]


@pytest.mark.slow
def test_real_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A killed attempt leaves nothing; the next run makes the version, and finds its poses by it."""
    monkeypatch.setattr(reckoning, "LEAST_GAIN", 0.0)
    monkeypatch.setattr(reckoning, "LEAST_SURE_GAIN", 0.0)
    monkeypatch.setattr(preparation, "processor", lambda: ("a processor", VNNI))
    monkeypatch.setattr(PoseAnalysis, "quantize_options", lambda self: QuantizeOptions((1.0,), 8, 1000.0))
    video = clips.encode(tmp_path / "numbers.mp4", clips.numbered_frames(40, 48, 64))
    with networks.tiny_resnet(ResNetSize((1, 1, 1, 1), (8, 8, 8, 8), 8)) as name:
        description = ModelDescription(name, projects.BODYPARTS, "DLC_tiny_1", pcutoff=0.0)
        model = write_folder(tmp_path / "model", description, projects.random_weights(name))
        listener = Listener()
        options = AnalyzeOptions(max_shift=1000.0, out_dir=tmp_path / "poses", window="off")

        class Killed(Listener):
            def preparing(self, step: str) -> None:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            analyze(video, model.path, options, Killed())
        assert sorted(path.name for path in model.path.iterdir()) == ["model.yaml", "weights.safetensors"]
        assert precision_of(video, model, options, listener) == "int8"
        assert listener.told[0] == "calibrating on 8 frames at 1 scales"
        assert (model.path / INT8_FILE).is_file()
        assert not int8_was_refused(model, {})

"""A benchmark's data sets and conditions, and its folder: the design, and the runs that were measured."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

from posecli.errors import OutputError
from posecli.options import DecoderName, EngineName, FixedPrecision, PipelineName
from posecli.studies.benchmark.options import NetworkName
from posecli.studies.common.folder import Row, StudyFolder, StudyKind

#: A data set, and the width of its frames in the clip, px; ``None`` for the video's own.
ClipKey: TypeAlias = "tuple[str, int | None]"


@dataclass(frozen=True)
class DataSet:
    """A video and the network that looks at it."""

    name: str  # of the scene, or the video's stem
    video: Path
    width: int  # of the video's frames, px
    height: int
    model: Path  # a model folder
    trained: bool  # if not, only the network's speed means something
    frame_step: int = 1  # the network sees every n-th frame of the video

    def height_at(self, width: int) -> int:
        """Height of a frame of a width, even, as video wants it.

        >>> DataSet("a", Path("a.mp4"), 640, 480, Path("m"), True).height_at(80)
        60
        """
        return 2 * round(width * self.height / self.width / 2)


@dataclass(frozen=True)
class Condition:
    """One combination of factors.

    What goes through the network as one, an item, is a frame, or a chunk of `length` of them.
    """

    data: str  # name of the data set
    width: int  # what the network sees, px
    height: int
    cores: int  # that the run may use
    engine: EngineName
    precision: FixedPrecision
    batch_size: int
    decoder: DecoderName | None  # None for chunks
    pipeline: PipelineName
    length: int = 1  # of chunks; 1 for frames
    stride: int = 1
    frame_step: int = 1

    @property
    def has_chunks(self) -> bool:
        return self.decoder is None

    @property
    def key(self) -> str:
        how = f"c{self.cores}-{self.engine}-{self.precision}-b{self.batch_size}"
        if self.has_chunks:
            return f"{self.data}-{self.width}x{self.height}-l{self.length}-s{self.stride}-{how}-{self.pipeline}"
        return f"{self.data}-w{self.width}-{how}-{self.decoder}-{self.pipeline}"

    @property
    def words(self) -> str:
        decoder = "" if self.has_chunks else f"{self.decoder}, "
        how = f"{counted(self.cores, 'core')}, {self.engine} {self.precision}, batch {self.batch_size}"
        return f"{self.data} {self.short_view}, {how}, {decoder}{self.pipeline}"

    @property
    def view_words(self) -> str:
        """What the network sees, for people; the size alone where it sees single frames."""
        size = f"{self.width}x{self.height} px"
        return f"{size}, chunks of {self.length} every {self.stride}" if self.has_chunks else size

    @property
    def short_view(self) -> str:
        """The same, but of single frames only the width, from which the height follows."""
        return self.view_words if self.has_chunks else f"{self.width} px"

    @property
    def clip(self) -> ClipKey:
        """Which clip it reads: chunks are read from frames of the video's own size, and scaled to the network's."""
        return self.data, None if self.has_chunks else self.width

    @property
    def view(self) -> tuple[str, int, int, int, int, int]:
        """What the network sees: conditions that share it look at the same items."""
        return self.data, self.width, self.height, self.length, self.stride, self.frame_step

    @property
    def span(self) -> int:
        """Frames of the video that an item stands for."""
        return self.length * self.frame_step

    def frames_of(self, items: int) -> int:
        """Frames of a video that has so many items, none of them cut short."""
        return (items - 1) * self.stride + self.span

    def items_in(self, frames: int) -> int:
        """Items of a video of so many frames; the last may be moved back to end with it.

        >>> Condition("a", 64, 64, 1, "openvino", "fp32", 1, None, "sync", length=64, stride=64).items_in(150)
        3
        """
        return 1 + max(0, math.ceil((frames - self.span) / self.stride))


def counted(number: int, noun: str) -> str:
    """So many things, for people."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


CLIPS_FOLDER, POSES_FOLDER = "clips", "poses"
BENCHMARK = StudyKind("benchmark", "rows.jsonl", (POSES_FOLDER,), {"network": "pose"})


@dataclass(frozen=True)
class Benchmark:
    """A benchmark as far as it has come."""

    folder: Path
    design: dict[str, Any]  # what design.json says: options, data sets, machine, trial, plan
    rows: tuple[Row, ...]  # one per run, and one per condition that was left out

    @cached_property
    def data(self) -> tuple[DataSet, ...]:
        """The videos, each with its network."""
        items = self.design["data"]
        return tuple(DataSet(**item | {name: Path(item[name]) for name in ("video", "model")}) for item in items)

    @property
    def network(self) -> NetworkName:
        network: NetworkName = self.design["options"].get("network", "pose")
        return network

    @property
    def is_complete(self) -> bool:
        done = {(row["key"], row["repeat"]) for row in self.rows}
        wanted = {(v["condition"]["key"], number) for v in self.design["visits"] for number in v["repeats"]}
        return wanted <= done


def open_study(folder: Path) -> Benchmark:
    """Read a benchmark's folder, complete or not; an `OutputError` if there is none."""
    study_folder = StudyFolder(folder, BENCHMARK)
    design = study_folder.design()
    if design is None:
        raise OutputError(f"'{folder}' holds no benchmark: run 'posecli benchmark --out-dir {folder}' first")
    runs = {(row["key"], row["repeat"]): row for row in study_folder.rows()}  # if measured twice, the last one counts
    left_out = [
        item["condition"] | {"state": "left out", "reason": item["reason"], "repeat": None}
        for item in design["left_out"]
    ]
    return Benchmark(folder, design, (*runs.values(), *left_out))


def plain_condition(condition: Condition) -> dict[str, Any]:
    """A condition as plain values, with its key; every row begins with them."""
    return {"key": condition.key, **asdict(condition)}


def condition_of(content: dict[str, Any]) -> Condition:
    """The condition that a row or a design's entry names."""
    return Condition(**{name: content[name] for name in Condition.__dataclass_fields__ if name in content})

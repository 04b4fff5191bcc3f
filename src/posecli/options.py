"""The choices of every flag, and the frozen options that flags become.

Nothing heavy is imported here: ``--help`` and shell completion need these names.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal, TypeVar, get_args

from posecli.errors import UsageError

T = TypeVar("T")

EngineName = Literal["openvino", "tensorflow"]
#: Those of DeepLabCut, as its ``metadata.yaml`` names them.
TrainingEngine = Literal["tensorflow", "pytorch"]
#: What normalises channels: the averages that training has stored, or the statistics of each frame.
Statistics = Literal["stored", "frame"]
FixedPrecision = Literal["fp32", "bf16", "fp16", "int8"]
Precision = Literal["auto", "fp32", "bf16", "fp16", "int8"]
PipelineName = Literal["async", "parallel", "sync", "tf-sync", "tf-parallel", "tf-prefetch"]
DatasetMode = Literal["sync", "parallel", "prefetch"]
DecoderName = Literal["numpy", "double-loop", "standard"]
VideoBackend = Literal["auto", "opencv", "pyav"]

ENGINES: tuple[EngineName, ...] = get_args(EngineName)
TRAINING_ENGINES: tuple[TrainingEngine, ...] = get_args(TrainingEngine)
STATISTICS: tuple[Statistics, ...] = get_args(Statistics)
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
FIXED_PRECISIONS: tuple[FixedPrecision, ...] = get_args(FixedPrecision)
PIPELINES: tuple[PipelineName, ...] = get_args(PipelineName)
#: Pipelines over chunks of frames.
CLIP_PIPELINES: tuple[PipelineName, ...] = ("async", "parallel", "sync")
#: Pipelines that are for one engine; the others run with any.
ENGINES_OF_PIPELINES: dict[PipelineName, EngineName] = {
    name: "tensorflow" for name in PIPELINES if name not in CLIP_PIPELINES
}
DATASET_MODES: tuple[DatasetMode, ...] = get_args(DatasetMode)
DECODERS: tuple[DecoderName, ...] = get_args(DecoderName)
VIDEO_BACKENDS: tuple[VideoBackend, ...] = get_args(VideoBackend)

#: Default limit of the parity gate: half of the 3 px by which two people differ who label the same frames
#: (Mathis & Warren 2018).
MAX_SHIFT_PX = 1.5
#: Least side of a window, px: less leaves no room about an animal.
SMALLEST_WINDOW = 64
#: In place of a teacher: none.
NO_TEACHER = "off"
#: Default limit of the parity gate for behaviours: a chunk's probabilities may change by a tenth.
MAX_CHANGE = 0.1
#: Shortest chunk, frames: the network halves time three times, and needs two steps after that.
SHORTEST_CHUNK = 9
#: Sides of the network's input for behaviours, px: it halves each five times.
SMALLEST_INPUT, LARGEST_INPUT = 32, 2048


def one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    """Refuse a word that is not among those allowed."""
    if value not in allowed:
        raise UsageError(f"{name} '{value}' is not known: choose one of {', '.join(allowed)}")


def check_pcutoff(value: float | None) -> None:
    """Refuse what is not a likelihood; ``None`` stands for the model's own cut-off."""
    if value is not None and not 0 <= value <= 1:
        raise UsageError(f"pcutoff {value:g} is out of range: give a likelihood from 0 to 1")


def at_least(least: int, **counts: int | None) -> None:
    """Refuse counts that are too small; ``None`` leaves one open."""
    for name, value in counts.items():
        if value is not None and value < least:
            raise UsageError(f"{name.replace('_', ' ')} {value} is too small: give a whole number of {least} or more")


@dataclass(frozen=True)
class EngineOptions:
    """How the network is run."""

    engine: EngineName = "openvino"  #: The runtime.
    #: Arithmetic of the network; ``auto`` is the fastest that passes the parity gate on the videos to be analysed, and
    #: fp32 where there are no videos to measure it on.
    precision: Precision = "auto"
    #: Threads for the network; ``None`` takes every core that the process may use.
    threads: int | None = None

    def __post_init__(self) -> None:
        one_of("engine", self.engine, ENGINES)
        one_of("precision", self.precision, PRECISIONS)
        at_least(1, threads=self.threads)

    @property
    def fixed_precision(self) -> FixedPrecision:
        """The precision to compute in if nothing was measured."""
        return "fp32" if self.precision == "auto" else self.precision


@dataclass(frozen=True)
class Crop:
    """A box of pixels, half-open, in DeepLabCut's order: columns ``x1 <= x < x2``, rows ``y1 <= y < y2``.

    >>> Crop.parse("10,330,0,240")
    Crop(x1=10, x2=330, y1=0, y2=240)
    """

    x1: int
    x2: int
    y1: int
    y2: int

    def __post_init__(self) -> None:
        if not (0 <= self.x1 < self.x2 and 0 <= self.y1 < self.y2):
            raise UsageError(
                f"crop {self} is empty or negative: give x1,x2,y1,y2 in px with 0 <= x1 < x2 and 0 <= y1 < y2"
            )

    def __str__(self) -> str:
        return f"{self.x1},{self.x2},{self.y1},{self.y2}"

    @classmethod
    def parse(cls, text: str) -> Crop:
        """Read ``x1,x2,y1,y2``, px."""
        try:
            x1, x2, y1, y2 = (int(part) for part in text.split(","))
        except ValueError:
            raise UsageError(
                f"crop '{text}' is not four whole numbers: give x1,x2,y1,y2 in px, as in 0,320,0,240"
            ) from None
        return cls(x1, x2, y1, y2)


@dataclass(frozen=True)
class Shard:
    """One of several equal parts of a run's videos: which, from 1 on, of how many.

    >>> Shard.parse("2/3").of(["a", "b", "c", "d", "e"])
    ['b', 'e']
    """

    number: int
    count: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count:
            raise UsageError(f"shard {self} does not exist: give i/n with 1 <= i <= n, as in 2/8")

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    def of(self, items: Sequence[T]) -> list[T]:
        """Every n-th item from the i-th on: parts differ by one at most, and neighbours go to different ones."""
        return list(items[self.number - 1 :: self.count])

    @classmethod
    def parse(cls, text: str, environment: Mapping[str, str] = os.environ) -> Shard:
        """Read ``i/n``, or ``slurm`` for this task's place in its SLURM job array."""
        if text == "slurm":
            return cls._of_slurm(environment)
        number, _, count = text.partition("/")
        if not (number.isdecimal() and count.isdecimal()):
            raise UsageError(f"shard '{text}' is not i/n: give two whole numbers, as in 2/8, or 'slurm' in a job array")
        return cls(int(number), int(count))

    @classmethod
    def _of_slurm(cls, environment: Mapping[str, str]) -> Shard:
        names = [f"SLURM_ARRAY_TASK_{name}" for name in ("ID", "MIN", "MAX", "STEP", "COUNT")]
        values = [environment.get(name, "1" if name.endswith("STEP") else "") for name in names]
        if not all(value.isdecimal() for value in values):
            raise UsageError("shard 'slurm' is for SLURM job arrays (sbatch --array=1-8): give i/n, as in 2/8")
        task, first, last, step, count = map(int, values)
        if step < 1 or (last - first) // step + 1 != count:
            raise UsageError(
                f"shard 'slurm' needs an array without gaps, and this one has {count} tasks from {first} to {last}: "
                f"give i/n with the same n for all, as in $SLURM_ARRAY_TASK_ID/{last}"
            )
        return cls((task - first) // step + 1, count)


@dataclass(frozen=True)
class RunOptions:
    """Options of every run over videos."""

    #: How the network is run. A model that is loaded already keeps its own.
    engine: EngineOptions = EngineOptions()
    #: Frames, or chunks of them, per call of the network; ``auto`` tries a few sizes on the video.
    batch_size: int | Literal["auto"] = 8
    crop: Crop | None = None  #: Part of the displayed frame that the network sees; ``None`` is all of it.
    #: Whose frames are used: FFmpeg's, through PyAV (``auto`` and ``pyav``), or OpenCV's as long as they are FFmpeg's.
    video_backend: VideoBackend = "auto"
    #: How reading, inference and decoding overlap. Those that begin with ``tf-`` read through a `tf.data.Dataset`, and
    #: need the TensorFlow engine.
    pipeline: PipelineName = "async"
    #: Make the int8 version of a model that has none, on the run's own videos, where the precision is ``auto`` and the
    #: work ahead is worth it.
    quantize: bool = True
    allow_short: bool = False  #: Finish a table although frames of the video could not be decoded.
    out_dir: Path | None = None  #: Folder for the results; ``None`` puts them beside the video.
    overwrite: bool = False  #: Replace existing results.
    csv: bool = False  #: Write the table as CSV too.
    recursive: bool = False  #: Look for videos in subfolders too.
    shard: Shard | None = None  #: Analyse only a part of the videos, where several processes share them.

    def __post_init__(self) -> None:
        if isinstance(self.batch_size, str):
            one_of("batch size", self.batch_size, ("auto", "a whole number of 1 or more"))
        else:
            at_least(1, batch_size=self.batch_size)
        one_of("video backend", self.video_backend, VIDEO_BACKENDS)
        one_of("pipeline", self.pipeline, PIPELINES)

    @property
    def network_batch(self) -> int | Literal["auto"]:
        """Frames, or chunks of them, per call of the network."""
        return self.batch_size


@dataclass(frozen=True)
class AnalyzeOptions(RunOptions):
    """Options of an analysis, besides those of every run."""

    #: How scoremaps become poses; the three give equal bits. ``standard`` means batch size 1.
    decoder: DecoderName = "numpy"
    num_outputs: int = 1  #: Peaks reported per body part, best first.
    scale: float = 1.0  #: Factor by which the (cropped) frame is resized for the network, ``0 < scale <= 4``.
    #: Where the animal is, for a network that looks at nothing else: a table of boxes, or a folder with one for each
    #: video. By default the model's detector finds it.
    boxes: Path | None = None
    #: Largest 99th percentile of the shift against fp32, in px of the full frame, at which the parity gate lets a
    #: faster precision pass.
    max_shift: float = MAX_SHIFT_PX
    #: Side, px of the network's picture, of the part of each frame that the network looks at, about the animal (dynamic
    #: cropping); ``auto`` measures on the videos which size pays and passes the parity gate, ``off`` is none. ``None``
    #: is ``auto`` with ``within``, and where OpenVINO's precision is ``auto``; else ``off``.
    window: int | Literal["auto", "off"] | None = None
    #: Search for the fastest scale, precision and windows that keep the 99th percentile of the shift against fp32 on
    #: the full frame within so many px on the run's own frames. A precision, a window or a scale other than 1 is kept.
    within: float | None = None
    #: The network that taught a student, and looks at those frames of which the student is unsure: what
    #: `posecli.load_model` takes, or ``off``. By default a model folder beside the student's, if it is the one.
    teacher: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.window, str):
            one_of("window", self.window, ("auto", "off", "a whole number of px"))
        else:
            at_least(SMALLEST_WINDOW, window=self.window)
        if isinstance(self.window, int) and (reason := self.no_windows):
            raise UsageError(f"a window of {self.window} px is not for {reason}: leave one of them out")
        at_least(1, **{"num-outputs": self.num_outputs})
        one_of("decoder", self.decoder, DECODERS)
        if self.decoder == "standard" and self.teacher not in (None, NO_TEACHER):
            raise UsageError(
                "a teacher is not for the standard decoder, which takes one frame at a time: leave one of them out"
            )
        if not self.max_shift > 0:
            raise UsageError(f"max-shift {self.max_shift} is too small: give a number of px above 0")
        if self.within is not None and not 0 < self.within < math.inf:
            raise UsageError(f"within {self.within:g} is out of range: give a number of px above 0")
        if self.within is not None and self.max_shift != MAX_SHIFT_PX:
            raise UsageError(
                f"within {self.within:g} and max-shift {self.max_shift:g} px both limit the shift: leave one out"
            )
        if not 0 < self.scale <= 4:
            raise UsageError(f"scale {self.scale} is out of range: give a factor above 0 and at most 4")

    @property
    def limit(self) -> float:
        """Largest 99th percentile of the shift against fp32, px of the full frame."""
        return self.max_shift if self.within is None else self.within

    @property
    def limit_option(self) -> str:
        """By which a user allows more."""
        return "--max-shift" if self.within is None else "--within"

    @property
    def network_batch(self) -> int | Literal["auto"]:
        """Frames per call of the network: one for the standard decoder, as in the original."""
        return 1 if self.decoder == "standard" else self.batch_size

    @property
    def no_windows(self) -> str | None:
        """What else was asked for that only whole frames can give; ``None`` if nothing."""
        if self.num_outputs > 1:
            return f"{self.num_outputs} peaks per body part, which may lie anywhere"
        return "the standard decoder, which takes one frame at a time" if self.decoder == "standard" else None

    @property
    def windows(self) -> int | Literal["auto", "off"]:
        """What is done about windows."""
        if self.window is not None:
            return self.window
        is_open = self.engine.precision == "auto" and self.engine.engine == "openvino"
        return "auto" if is_open or self.within is not None else "off"

    @property
    def exact_scale(self) -> Fraction:
        """The scale as a fraction, so that sizes do not depend on the rounding of a float."""
        return Fraction(self.scale).limit_denominator(10_000)


@dataclass(frozen=True)
class InputSize:
    """The size to which frames are resized, px, whatever their shape.

    >>> InputSize.parse("224"), InputSize.parse("640x480")
    (InputSize(width=224, height=224), InputSize(width=640, height=480))
    """

    width: int
    height: int

    def __post_init__(self) -> None:
        if not SMALLEST_INPUT <= min(self.width, self.height) <= max(self.width, self.height) <= LARGEST_INPUT:
            raise UsageError(
                f"input size {self} is out of range: give {SMALLEST_INPUT} to {LARGEST_INPUT} px a side, as in 224 "
                "or 320x240"
            )

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"

    @classmethod
    def parse(cls, text: str) -> InputSize:
        """Read ``WIDTHxHEIGHT``, or one number for a square."""
        width, _, height = str(text).partition("x")
        if not (width.isdecimal() and (height or width).isdecimal()):
            raise UsageError(f"input size '{text}' is not a size: give one number or WIDTHxHEIGHT, as in 320x240")
        return cls(int(width), int(height or width))


@dataclass(frozen=True)
class ClassifyOptions(RunOptions):
    """Options of a classification, besides those of every run."""

    batch_size: int | Literal["auto"] = 1
    length: int | None = None  #: Frames that the network sees in a chunk; ``None`` takes the model's own.
    #: Frames of the video from the start of one chunk to the start of the next; ``None`` takes the model's own.
    stride: int | None = None
    #: A chunk holds every n-th frame of the video; ``None`` takes the model's own.
    frame_step: int | None = None
    #: Size to which (cropped) frames are resized; ``None`` takes the model's own.
    input_size: InputSize | None = None
    #: Largest 95th percentile of the change of a chunk's probabilities against fp32 at which the parity gate lets a
    #: faster precision pass.
    max_change: float = MAX_CHANGE

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of("pipeline", self.pipeline, CLIP_PIPELINES)
        if self.length is not None and self.length < SHORTEST_CHUNK:
            raise UsageError(f"chunk length {self.length} is too small: give {SHORTEST_CHUNK} frames or more")
        at_least(1, stride=self.stride, **{"frame-step": self.frame_step})
        if not 0 < self.max_change <= 1:
            raise UsageError(f"max-change {self.max_change} is out of range: give a probability above 0 and at most 1")


@dataclass(frozen=True)
class TableChoice:
    """Which pose table is meant, where a file holds several."""

    key: str | None = None  #: The pandas key; ``None`` if there is only one table.
    scorer: str | None = None  #: Whose points; ``None`` if there is only one scorer.
    #: Prefix of ``key`` and ``scorer`` on the command line, for messages: ``truth-`` where two are read.
    option: str = ""

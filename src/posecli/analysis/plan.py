"""What a run will do, as plain values: settled before the first frame, fit to be printed, stored, compared and sent.

A `RunPlan` says everything about a run but what has to be measured on its videos; that is `Settled` when the first of
them needs the network. A `VideoPlan` says what comes of one video. Plans age: another process may take a video
meanwhile, so each is decided upon when its turn comes, and all at once only where nothing else is asked for.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, is_dataclass, replace
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Self, TypeAlias, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from posecli.errors import OutputError, UsageError
from posecli.model.deeplabcut import NetworkChoice
from posecli.model.folder import AnyFolder, builtin_behaviours_path, builtin_model_path, named_model, read_clip_folder
from posecli.model.importing import open_model
from posecli.options import ENGINES_OF_PIPELINES, PIPELINES, AnalyzeOptions, ClassifyOptions, FixedPrecision, RunOptions
from posecli.tables.boxes import refuse_shared

KindOptions: TypeAlias = AnalyzeOptions | ClassifyOptions
Action = Literal["analyse", "resume", "skip", "busy", "refuse"]
T = TypeVar("T")

#: What a number takes in a CSV, comma included, at most on the average.
CSV_VALUE_BYTES = 20


@dataclass(frozen=True)
class VideoFiles:
    """A video and where its results go; all names begin with the video's own, as the field's tools expect."""

    video: Path
    #: ``<video><scorer>.h5``
    table: Path
    #: What DeepLabCut's labelled-video step asks for, ``_meta.pickle``; of behaviours the ethogram, ``.png``.
    side: Path

    @classmethod
    def plan(cls, video: Path, scorer: str, options: RunOptions) -> VideoFiles:
        """Names in the video's folder, or in that of the options.

        >>> VideoFiles.plan(Path("a/m1.mp4"), "DLC_x", AnalyzeOptions()).table.as_posix()
        'a/m1DLC_x.h5'
        """
        stem = (options.out_dir or video.parent) / f"{video.stem}{scorer}"
        side = "_meta.pickle" if isinstance(options, AnalyzeOptions) else ".png"
        return cls(video, Path(f"{stem}.h5"), Path(f"{stem}{side}"))

    @property
    def manifest(self) -> Path:
        """Provenance of the table."""
        return self.table.with_suffix(".json")

    @property
    def csv(self) -> Path:
        return self.table.with_suffix(".csv")

    @property
    def journal(self) -> Path:
        """While the video is being analysed: the rows that are there."""
        return self.table.with_suffix(".rows.partial")

    @property
    def lock(self) -> Path:
        """While the video is being analysed: who is at it."""
        return self.table.with_suffix(".lock")

    def check_writable(self) -> None:
        """Say at once what the first write would find out."""
        folder = next(parent for parent in self.table.parents if parent.exists())
        if not os.access(folder, os.W_OK | os.X_OK):
            raise OutputError(f"folder '{folder}' cannot be written to: choose another for the results with --out-dir")

    def check_free_space(self, rows: int, rows_before: int, row_bytes: int, *, csv: bool) -> None:
        """Refuse to begin what its disk has no room for; the journal has `rows_before` already.

        A row takes `row_bytes` in the journal; in the table it has an index and a time too.
        """
        from posecli.tables.pose_table import OVERHEAD_BYTES

        need = (rows - rows_before) * row_bytes + rows * (row_bytes + 16) + 2 * OVERHEAD_BYTES
        need += rows * row_bytes // 8 * CSV_VALUE_BYTES if csv else 0
        free = shutil.disk_usage(self.table.parent).free
        if need > free:
            raise OutputError(
                f"'{self.table}' and its journal need up to {need / 2**20:.1f} MiB, and their disk has "
                f"{free / 2**20:.1f} MiB left: free some, or choose another folder with --out-dir"
            )


@dataclass(frozen=True)
class Settled:
    """What was measured on the videos of a run."""

    #: Of the run; ``None`` until the first video needs the network.
    precision: FixedPrecision | None = None
    #: What the parity gate found of each precision that was tried.
    figures: tuple[dict[str, Any], ...] = ()
    #: The batch size for items of each shape that has come so far, where it is measured.
    batches: tuple[dict[str, Any], ...] = ()
    #: Factor by which frames are resized for the network, such as ``3/4``; ``None`` is that of the options.
    scale: str | None = None
    #: The windows for frames of each shape that has any.
    windows: tuple[dict[str, Any], ...] = ()
    #: What was not tried, as it could not save as much as it costs; a sentence each.
    left_out: tuple[str, ...] = ()
    #: When which teacher is asked, if one is.
    teacher: dict[str, Any] | None = None


@dataclass(frozen=True)
class RunPlan:
    """What a run will do with videos, and the model folder that it does it with."""

    model: Path
    #: All that was asked for; they tell whether it is poses or behaviours that are found.
    options: KindOptions
    #: Those of this run's shard, and the files of their results.
    videos: tuple[VideoFiles, ...]
    #: Videos that the parity gate may look at: those of all shards, so that all settle on the same.
    sampled: tuple[Path, ...]
    settled: Settled = Settled()

    @classmethod
    def of(cls, videos: Sequence[Path], model: AnyFolder, options: KindOptions) -> RunPlan:
        """Plan a run, before anything is measured.

        A `UsageError` says that two videos would write to the same table, or that the pipeline is not for the engine.
        """
        _check_pipeline(options)
        if isinstance(options, AnalyzeOptions):
            refuse_shared(options.boxes, len(videos))
        # All videos, also those of other shards: two of one name must not write to one table from two processes.
        planned = [VideoFiles.plan(video, model.description.scorer, options) for video in videos]
        rivals: dict[Path, Path] = {}
        for files in planned:
            if (rival := rivals.setdefault(files.table, files.video)) is not files.video:
                raise UsageError(
                    f"'{rival}' and '{files.video}' would both write '{files.table}': analyse them into different "
                    "folders with --out-dir, or rename one"
                )
        mine = planned if options.shard is None else options.shard.of(planned)
        return cls(model.path, options, tuple(mine), tuple(videos))

    def without(self, done: Iterable[Path], lost: Sequence[Path] = ()) -> RunPlan:
        """The plan without some videos; those that were lost are not sampled either."""
        gone = {*done, *lost}
        return replace(
            self,
            videos=tuple(files for files in self.videos if files.video not in gone),
            sampled=tuple(video for video in self.sampled if video not in lost),
        )

    def to_json(self) -> str:
        return json.dumps(plain(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        return from_plain(cls, json.loads(text))


@dataclass(frozen=True)
class VideoPlan:
    """What a run does with one video, and why."""

    video: Path
    #: Resume at `first_frame`; skip: the same result is there already; busy: another process is at it.
    action: Action
    #: The table that there is or would be.
    table: Path
    #: Of the video; 0 if it cannot be read.
    frames: int = 0
    first_frame: int = 0
    #: Frames, or chunks of them, that the network has still to look at, and the shape of what it sees of each, as far
    #: as that is known before a search.
    items: int = 0
    shape: tuple[int, ...] = ()
    message: str = ""
    exit_code: int = 0


@dataclass(frozen=True)
class Expectation:
    """Something in words, and about how long it takes."""

    what: str
    seconds: float


@dataclass(frozen=True)
class Forecast:
    """The plan of a run, as far as it can be told before anything is measured on its videos."""

    items: int  # frames, or chunks of them, that the network has still to look at
    precision: str  # as it was named, or what is tried
    scale: str
    window: str
    first: tuple[Expectation, ...]  # what is done before the first frame
    left_out: tuple[str, ...]  # what is not tried, as it could not save as much as it costs, or has no time here
    expected: tuple[Expectation, ...]  # how it may come out, the fastest first; all that is done first included


def open_folder(source: str | Path | None, options: KindOptions, choice: NetworkChoice | None = None) -> AnyFolder:
    """The model folder of a run, as `posecli.load_model` and `posecli.load_clip_model` find it; by default built in."""
    if isinstance(options, AnalyzeOptions):
        return open_model(Path(source or builtin_model_path()), choice or NetworkChoice())
    return read_clip_folder(named_model(Path(source or builtin_behaviours_path())))


def _check_pipeline(options: KindOptions) -> None:
    pipeline, engine = options.pipeline, options.engine.engine
    wanted = ENGINES_OF_PIPELINES.get(pipeline, engine)
    if engine != wanted:
        others = ", ".join(name for name in PIPELINES if name not in ENGINES_OF_PIPELINES)
        raise UsageError(
            f"pipeline '{pipeline}' is for the {wanted} engine, not for {engine}: pass "
            f"--engine {wanted}, or choose --pipeline {others}"
        )


# Values to JSON and back ---------------------------------------------------------------------------------------------


def plain(value: Any) -> Any:
    """A frozen dataclass as values that JSON has."""
    return json.loads(json.dumps(asdict(value), default=str))


def from_plain(kind: type[T], value: Any) -> T:
    """What `plain` was given, made again after the types of its fields.

    >>> from_plain(VideoPlan, plain(VideoPlan(Path("m.mp4"), "skip", Path("m.h5")))).table
    PosixPath('m.h5')
    """
    return cast("T", _made(kind, value))


def _made(kind: Any, value: Any) -> Any:
    if get_origin(kind) in (Union, UnionType):
        return _made(next(one for one in get_args(kind) if _fits(one, value)), value)
    if is_dataclass(kind):
        types = get_type_hints(kind)
        return kind(**{name: _made(types[name], part) for name, part in value.items()})  # type: ignore[operator]
    if get_origin(kind) is tuple:
        each, *others = get_args(kind)
        parts = [each] * len(value) if others == [...] else [each, *others]
        return tuple(map(_made, parts, value))
    return Path(value) if kind is Path else value


def _fits(kind: Any, value: Any) -> bool:
    """Whether a value is one of a union's members: dataclasses are told by their fields."""
    if value is None or kind is type(None):
        return value is None and kind is type(None)
    if get_origin(kind) is dict:
        return isinstance(value, Mapping)
    if is_dataclass(kind) or isinstance(value, Mapping):
        return is_dataclass(kind) and isinstance(value, Mapping) and {one.name for one in fields(kind)} == {*value}
    return True

"""Pose tables in other formats: CSV, Parquet, and NWB with the ndx-pose extension.

Parquet and NWB need optional libraries: ``pip install "posecli[parquet]"`` and ``pip install "posecli[nwb]"``.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd

from posecli import __version__
from posecli.errors import UsageError, VideoError
from posecli.options import TableChoice
from posecli.support.files import refuse_existing, whole_file
from posecli.tables.pose_table import table_to_csv
from posecli.tables.poses import COORDS, Floats, PoseData, read_poses
from posecli.video.probe import probe

Format = Literal["csv", "parquet", "nwb"]
FORMATS: tuple[Format, ...] = get_args(Format)


@dataclass(frozen=True)
class ConvertOptions:
    """What a table becomes; a `UsageError` if the values do not fit together."""

    #: One of `FORMATS`.
    to: Format
    #: For csv and parquet: one row per frame and body part. Otherwise there is one row per frame: as DeepLabCut writes
    #: its CSV, and in Parquet with columns such as ``snout_x``.
    tidy: bool = False
    #: The table's video, from which the frames' times are taken.
    video: Path | None = None
    #: Frames per second, where nothing else tells the times.
    fps: float | None = None
    #: When the recording began; nwb needs it.
    session_start: datetime | None = None
    #: Which table of a file with several, and whose points.
    choice: TableChoice = TableChoice()

    def __post_init__(self) -> None:
        if self.to not in FORMATS:
            raise UsageError(f"format '{self.to}' is not known: choose one of {', '.join(FORMATS)}")
        if self.tidy and self.to == "nwb":
            raise UsageError("nwb has one layout only: leave out --tidy")
        if self.fps is not None and not 0 < self.fps < np.inf:
            raise UsageError(f"fps {self.fps:g} is out of range: give a number of frames per second above 0")
        if self.fps is not None and self.video is not None:
            raise UsageError("--video and --fps both tell the frames' times: give one of them")
        if self.to == "nwb" and self.session_start is None:
            raise UsageError(
                "nwb needs to know when the recording began: give --session-start 2026-05-17T09:30:00+02:00"
            )


@dataclass(frozen=True)
class ConvertedTable:
    """A table that was converted."""

    source: Path  #: The table.
    path: Path  #: The new file.
    #: Frames.
    rows: int
    #: Where the frames' times came from: ``table``, ``video``, ``fps``, or ``None`` where there are none in the file.
    times: str | None

    def as_dict(self) -> dict[str, Any]:
        return {"source": str(self.source), "path": str(self.path), "rows": self.rows, "times": self.times}


def convert_table(
    source: Path, options: ConvertOptions, out_dir: Path | None = None, *, overwrite: bool = False
) -> ConvertedTable:
    """Write a pose table in another format; the table itself is only read.

    Parameters
    ----------
    source
        Posecli's or DeepLabCut's.
    options
        What it becomes.
    out_dir
        Folder for the new file; ``None`` is the table's own.
    overwrite
        Replace a file that is there already.

    Raises
    ------
    UsageError
        If the table cannot be used, a library is missing, or nwb has no times for its frames.
    VideoError
        If the video cannot be read or is not the table's.
    OutputExistsError
        If the file is there already.
    OutputError
        If it cannot be written.
    """
    target = (out_dir or source.parent) / f"{source.stem}{'_tidy' if options.tidy else ''}.{options.to}"
    refuse_existing(target, overwrite=overwrite)
    poses = read_poses(source, options.choice)
    seconds, times = _times(poses, options)
    if options.to == "nwb" and seconds is None:
        raise UsageError(
            f"'{source}' does not tell when its frames were shown, which nwb needs: give the video with --video, or "
            "frames per second with --fps"
        )
    write = _writer(poses, seconds, options)
    with whole_file(target) as partial:
        target.parent.mkdir(parents=True, exist_ok=True)
        write(partial)
    has_no_times = options.to == "csv" and not options.tidy
    return ConvertedTable(source, target, len(poses), None if has_no_times else times)


def tidy_columns(poses: PoseData, seconds: Floats | None) -> dict[str, Any]:
    """Columns of ``N * K`` values, one row per frame and body part, frame by frame.

    They are ``frame``, ``seconds`` (``(N,)``) where known, ``individual`` where animals have names, ``bodypart``,
    ``x``, ``y`` and ``likelihood``.
    """
    count, parts = len(poses), len(poses.bodyparts)
    columns: dict[str, Any] = {"frame": np.repeat(poses.frames, parts)}
    if seconds is not None:
        columns["seconds"] = np.repeat(seconds, parts)
    if poses.individuals:
        columns["individual"] = list(poses.individuals) * count
    columns["bodypart"] = list(poses.bodyparts) * count
    return columns | {name: poses.points[..., place].ravel() for place, name in enumerate(COORDS)}


def wide_columns(poses: PoseData, seconds: Floats | None) -> dict[str, Any]:
    """Columns with one row per frame: ``frame``, ``seconds`` where known, then ``snout_x`` and the like."""
    columns: dict[str, Any] = {"frame": poses.frames} | ({} if seconds is None else {"seconds": seconds})
    for part, name in enumerate(poses.names):
        for place, coord in enumerate(COORDS):
            columns[f"{name.replace(' ', '_')}_{coord}"] = poses.points[:, part, place]
    return columns


def _times(poses: PoseData, options: ConvertOptions) -> tuple[Floats | None, str | None]:
    """Times of the frames and their origin: what the user says, else the table's own."""
    if options.video is not None:
        info = probe(options.video)
        poses.belongs_to(options.video, info.n_frames, VideoError)
        return info.seconds()[poses.frames], "video"
    if options.fps is not None:
        return poses.frames / options.fps, "fps"
    return poses.seconds, None if poses.seconds is None else "table"


def _writer(poses: PoseData, seconds: Floats | None, options: ConvertOptions) -> Callable[[Path], None]:
    """What writes the file; a missing library is reported before anything is written."""
    if options.to == "parquet":
        arrow, parquet = _library("pyarrow", "parquet"), _library("pyarrow.parquet", "parquet")
        columns = (tidy_columns if options.tidy else wide_columns)(poses, seconds)
        return lambda path: parquet.write_table(_arrow_table(arrow, columns, poses), path)
    if options.to == "nwb":
        pynwb, ndx_pose = _library("pynwb", "nwb"), _library("ndx_pose", "nwb")
        assert seconds is not None
        return lambda path: _write_nwb(pynwb, ndx_pose, poses, seconds, options, path)
    if options.tidy:
        return lambda path: pd.DataFrame(tidy_columns(poses, seconds)).to_csv(path, index=False, lineterminator="\n")
    return lambda path: table_to_csv(poses.path, path, options.choice)


def _library(name: str, extra: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise UsageError(
            f"{extra} needs the library '{name}' ({error}): install it with pip install \"posecli[{extra}]\""
        ) from error


def _arrow_table(arrow: Any, columns: dict[str, Any], poses: PoseData) -> Any:
    """Columns as Arrow has them; repeated names are stored once."""
    made = {name: arrow.array(values) for name, values in columns.items()}
    made |= {name: made[name].dictionary_encode() for name in ("individual", "bodypart") if name in made}
    facts = {"posecli": __version__, "scorer": poses.scorer, "source": poses.path.name}
    return arrow.table(made).replace_schema_metadata({"posecli": json.dumps(facts)})


def _write_nwb(
    pynwb: Any, ndx_pose: Any, poses: PoseData, seconds: Floats, options: ConvertOptions, path: Path
) -> None:
    """Write an NWB file with a `PoseEstimation` for each animal."""
    import h5py

    digest = hashlib.sha256(poses.path.read_bytes()).hexdigest()
    file = pynwb.NWBFile(
        session_description=f"poses of '{poses.path.name}'",
        identifier=f"{poses.path.stem}-{digest[:16]}",
        session_start_time=options.session_start,
    )
    module = file.create_processing_module("behavior", "what was found in the video")
    skeletons, estimations = [], []
    for animal in dict.fromkeys(poses.individuals or ("",)):
        places = [place for place, _ in enumerate(poses.names) if not animal or poses.individuals[place] == animal]
        skeleton = ndx_pose.Skeleton(
            name=_nwb_name(f"{animal}_skeleton" if animal else "skeleton"),
            nodes=[poses.bodyparts[place] for place in places],
        )
        skeletons.append(skeleton)
        estimations.append(
            ndx_pose.PoseEstimation(
                name=_nwb_name(f"PoseEstimation_{animal}" if animal else "PoseEstimation"),
                pose_estimation_series=_nwb_series(ndx_pose, poses, places, seconds),
                description=f"body parts found in every frame; converted by posecli {__version__}",
                scorer=poses.scorer,
                source_software="posecli" if poses.seconds is not None else "DeepLabCut",
                skeleton=skeleton,
            )
        )
    module.add(ndx_pose.Skeletons(skeletons=skeletons))
    for estimation in estimations:
        module.add(estimation)
    # Not by its path: pynwb warns of names that do not end in .nwb.
    with h5py.File(path, "w") as raw, pynwb.NWBHDF5IO(file=raw, mode="w") as writer:
        writer.write(file)


def _nwb_series(ndx_pose: Any, poses: PoseData, places: list[int], seconds: Floats) -> list[Any]:
    """One series for each body part; the first holds the times, and the others refer to it."""
    series: list[Any] = []
    for place in places:
        one = ndx_pose.PoseEstimationSeries(
            name=_nwb_name(poses.bodyparts[place]),
            description=f"position of {poses.bodyparts[place]}",
            data=poses.points[:, place, :2],
            unit="pixels",
            reference_frame="(0, 0) is the upper left corner of the frame; x points right and y down",
            timestamps=series[0] if series else seconds,
            confidence=poses.points[:, place, 2],
            confidence_definition="likelihood: the network's probability that the body part is there, 0 to 1",
        )
        series.append(one)
    return series


def _nwb_name(name: str) -> str:
    """A name without the characters that NWB keeps for paths.

    >>> _nwb_name("left/ear")
    'left_ear'
    """
    return re.sub(r"[/:]", "_", name)

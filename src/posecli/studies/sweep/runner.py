"""Make, check and analyse each version of each video; can be killed and continued.

The folder of a sweep holds what was asked (``design.json``) and a line for each version that is finished
(``versions.jsonl``) with its poses (``poses/``) and first frame (``frames/``). Encoded videos exist only while they
are needed, unless they are to be kept.
"""

from __future__ import annotations

import io
import itertools
import math
import shutil
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np

from posecli import __version__
from posecli.errors import OutputError, VideoError
from posecli.inference.decode import Pose
from posecli.inference.pipeline import Line, run_pipeline
from posecli.inference.predictor import PoseModel, load_model
from posecli.inference.topdown import check_boxes
from posecli.model.deeplabcut import NetworkChoice
from posecli.model.folder import builtin_model_path
from posecli.options import VideoBackend
from posecli.precision.gate import choose_precision, model_cutoff, pose_gate
from posecli.studies.common.folder import Row, StudyFolder, describe_bench
from posecli.studies.sweep.material import Floats, SweepVideo, given_video, rendered_scene, true_points
from posecli.studies.sweep.options import Progress, SweepObserver, SweepOptions
from posecli.studies.sweep.reencode import Correspondence, compare_frames, first_frame_png
from posecli.studies.sweep.study import (
    SCENE_FOLDER,
    SWEEP,
    VIDEOS_FOLDER,
    Sweep,
    frame_path,
    identity_fields,
    poses_path,
    sizes,
)
from posecli.studies.sweep.versions import Transcoded, Version, refuse_missing_encoders, transcode
from posecli.support.files import make_folder, write_whole
from posecli.support.hardware import usable_cores
from posecli.support.results import StageReport
from posecli.tables.boxes import refuse_shared
from posecli.video.batch import Batch
from posecli.video.encode import find_ffmpeg
from posecli.video.geometry import Geometry
from posecli.video.probe import VideoInfo, probe
from posecli.video.reader import Row as Frame
from posecli.video.reader import VideoReader

#: Frames between two stretches from which on they are sought over: key frames are often 250 apart, and it is decoded
#: from the one before.
WORTH_SEEKING = 1000
#: Bits per pixel of an encoded video, at most, at CRF 0; they halve every `HALVING` steps of the CRF scale.
MOST_BITS_PER_PIXEL, HALVING = 14.0, 10.0
#: Room that is left on the disk.
RESERVE_BYTES = 64 << 20


class Stretches(VideoReader):
    """Reads stretches of a video; frames between them are decoded and dropped, or skipped by seeking over long gaps."""

    def __init__(
        self,
        info: VideoInfo,
        geometry: Geometry,
        stretches: Sequence[range],
        backend: VideoBackend = "auto",
        boxes: Floats | None = None,
    ) -> None:
        sought = are_sought(info, stretches)
        super().__init__(info, geometry, "auto" if sought else backend, boxes=boxes)
        self._length = sum(map(len, stretches))
        self._rows = self._each(stretches) if sought else self._only(self._rows, stretches)

    def _each(self, stretches: Sequence[range]) -> Generator[Frame]:
        for stretch in stretches:
            with closing(self._from(stretch.start)) as rows:
                yield from islice(rows, len(stretch))

    def _only(self, rows: Generator[Frame], stretches: Sequence[range]) -> Generator[Frame]:
        with closing(rows):
            left = deque(stretches)
            for index, picture in rows:
                if index in left[0]:
                    yield index, picture
                else:
                    self.pass_over(picture)
                if index >= left[0].stop - 1:
                    left.popleft()
                if not left:
                    return


def are_sought(info: VideoInfo, stretches: Sequence[range]) -> bool:
    """Whether seeking to each stretch is cheaper than decoding everything between them."""
    gaps = [after.start - before.stop for before, after in pairwise(stretches)]
    return info.announced is not None and bool(gaps) and min(gaps) >= WORTH_SEEKING


def find_poses(
    model: PoseModel,
    info: VideoInfo,
    geometry: Geometry,
    stretches: Sequence[range],
    options: SweepOptions,
    progress: Progress,
    boxes: Floats | None = None,
) -> tuple[Pose, StageReport]:
    """Find the poses in stretches of a video, in order; `geometry` is what is done to its frames.

    `boxes` are those of the animal in all frames, where they are known.

    Returns ``(N, K, 3)`` float64 in px of the full frame, NaN, NaN, 0 where a frame could not be decoded; and where the
    time went, the network's warm-up left out. It is a `VideoError` if fewer frames came than were asked for.
    """
    shape = (geometry.height, geometry.width, 3)
    step = model.step(shape, options.analysis.decoder, has_boxes=boxes is not None)
    reader = Stretches(info, geometry, stretches, options.analysis.video_backend, boxes)
    step.warm_up(min(options.batch_size, len(reader)))
    poses: list[Pose] = []

    def sink(batch: Batch, pose: Pose) -> None:
        poses.append(pose[:, :, 0].copy())
        progress(len(batch))

    with closing(reader):
        line = Line(reader, step, sink, options.batch_size, usable_cores())
        stages = run_pipeline(options.analysis.pipeline, line)
    found = np.concatenate(poses)
    if len(found) != len(reader):
        raise VideoError(
            f"'{info.path}' gave {len(found)} of the {len(reader)} frames that were asked for: check that it "
            "plays to its end, and give the same command again"
        )
    return found, stages


def frame_seconds(model: PoseModel, video: SweepVideo, options: SweepOptions) -> float:
    """Seconds per full frame, measured on one batch after the warm-up."""
    count, boxes = min(options.batch_size, video.info.n_frames), video.boxes(options)
    geometry = video.geometry(options, 1.0)
    _, stages = find_poses(model, video.info, geometry, [range(count)], options, lambda _count: None, boxes)
    return stages.seconds / count


def run_sweep(
    kind: str,
    options: SweepOptions,
    versions: Sequence[Version],
    folder: Path,
    observer: SweepObserver = SweepObserver(),
    *,
    overwrite: bool = False,
    network: NetworkChoice = NetworkChoice(),
) -> Sweep:
    """Make, check and analyse every version that is not finished yet.

    Parameters
    ----------
    kind
        Name of the study, ``compress-sweep`` or ``scale-sweep``.
    options
        Videos, model and the rest.
    versions
        The reference first.
    folder
        Where results go; a sweep of the same options that is there is continued.
    observer
        Receives progress.
    overwrite
        Start over where another sweep is.
    network
        Which network of a DeepLabCut project.

    Raises
    ------
    OutputExistsError
        If another sweep is in the folder.
    OutputError
        If a version cannot be encoded, or the disk has too little room.
    VideoError, ModelError, LabelError
        If video, model or truth cannot be used.
    UsageError
        If boxes lack, or there should be none.
    """
    refuse_missing_encoders(version.codec for version in versions if version.codec is not None)
    videos = tuple(given_video(path, options) for path in options.videos)
    make_folder(folder)
    model = load_model(options.model or builtin_model_path(), options.analysis.engine, network)
    check_boxes(model.folder, options.analysis.boxes)
    refuse_shared(options.analysis.boxes, len(videos))
    asked = identity_fields(kind, options, versions, videos, model)
    journal = StudyFolder(folder, SWEEP)
    design = journal.begun(asked, overwrite=overwrite)
    for version in versions:
        if version.note:
            observer.say(f"{version.name}: {version.note}")
    run = _Run(options, tuple(versions), journal, observer)
    videos = videos or (rendered_scene(options, folder / SCENE_FOLDER, observer),)
    cutoff = model_cutoff(model.folder, options.pcutoff)
    truths = true_points(videos, model.description.bodyparts, options)
    run.check_disk(videos)
    if design is None:
        design = journal.write_design(asked, run.settle(model, videos))
    model = model.with_precision(design["precision"])
    rows = run.finish(model, videos)
    return Sweep(folder, options, tuple(versions), videos, model, cutoff, truths, design, rows)


@dataclass(frozen=True)
class _Run:
    """What the parts of one call of `run_sweep` share."""

    options: SweepOptions
    versions: tuple[Version, ...]
    journal: StudyFolder
    observer: SweepObserver

    @property
    def folder(self) -> Path:
        return self.journal.path

    def check_disk(self, videos: Sequence[SweepVideo]) -> None:
        needs = [_encoded_bytes(video, version) for video in videos for version in self.versions]
        need = int(sum(needs) if self.options.keep else max(needs)) + RESERVE_BYTES
        free = shutil.disk_usage(self.folder).free
        if need > free:
            raise OutputError(
                f"encoded versions may take {need / 2**30:.1f} GiB and '{self.folder}' has {free / 2**30:.1f} free: "
                f"make room, choose another --out-dir, {'leave out --keep, ' if self.options.keep else ''}or give "
                "fewer --frames"
            )

    def settle(self, model: PoseModel, videos: Sequence[SweepVideo]) -> dict[str, Any]:
        """The design: the precision is measured once, on the originals, and used for all versions."""
        gate = pose_gate([video.info.path for video in videos], self.options.analysis)
        chosen, measured = choose_precision(model, gate)
        for figures in measured:
            self.observer.say(f"parity gate: {figures}: {'passes' if figures.passed else 'does not pass'}")
        return {
            "precision": chosen.options.fixed_precision,
            "parity_gate": [figures.as_dict() for figures in measured],
            "model": {"path": str(model.folder.path), "scorer": model.description.scorer},
            "ffmpeg": find_ffmpeg().version,
            "machine": describe_bench(),
            "videos": [video.as_dict() for video in videos],
        }

    def finish(self, model: PoseModel, videos: Sequence[SweepVideo]) -> dict[tuple[str, str], Row]:
        """Make what is not finished yet; returns all rows."""
        rows = {(row["video"], row["version"]): row for row in self.journal.rows(repair=True)}
        pairs = itertools.product(videos, self.versions)
        left = [(video, version) for video, version in pairs if (video.name, version.name) not in rows]
        if rows and left:
            self.observer.say(f"continuing in '{self.folder}': {len(rows)} versions are there, {len(left)} are left")
        if left:
            self._say_how_long(model, left)
        for number, (video, version) in enumerate(left, start=1):
            row = self._finished(model, video, version, f"[{number}/{len(left)}] {video.name} {version.label}")
            self.journal.append([row])
            rows[video.name, version.name] = row
        if not self.options.keep:
            for name in (VIDEOS_FOLDER, SCENE_FOLDER):
                shutil.rmtree(self.folder / name, ignore_errors=True)
        return rows

    def _say_how_long(self, model: PoseModel, left: Sequence[tuple[SweepVideo, Version]]) -> None:
        video = left[0][0]
        geometry = video.geometry(self.options, 1.0)
        full_frame = frame_seconds(model, video, self.options)
        inputs = [(item.looked_at, item.geometry(self.options, version.scale)) for item, version in left]
        pixels = sum(count * seen.width * seen.height for count, seen in inputs)
        seconds = full_frame * pixels / (geometry.width * geometry.height)
        duration = f"{seconds:.0f} s" if seconds < 90 else f"{math.ceil(seconds / 60)} min"
        engine = model.engine(geometry.height, geometry.width).info
        self.observer.say(
            f"posecli {__version__}: model {model.description.scorer}, engine {engine.name} {engine.version} on "
            f"{engine.device} ({engine.threads} threads), {engine.precision}; ffmpeg {find_ffmpeg().version}"
        )
        self.observer.say(
            f"{len(left)} versions, {sum(item.looked_at for item, _ in left)} frames in all, {1 / full_frame:.1f} a "
            f"second at {geometry.width}x{geometry.height} px: about {duration} for the network, and encoding"
        )

    def _finished(self, model: PoseModel, video: SweepVideo, version: Version, name: str) -> Row:
        """Encode, check and analyse one version; the encoded video is removed afterwards."""
        with self._encoded(video, version, name) as (info, made):
            together = None
            if made is not None:
                with self.observer.work(f"{name}: comparing frames", video.frames) as progress:
                    together = compare_frames(video.info, info, video.frames, progress)
            png = first_frame_png(info, video.info.height, video.info.width)
            _write(frame_path(self.folder, video, version), png)
            if together is not None and together.problem is not None:
                self.observer.say(f"{name}: left out, since {together.problem}")
                return version_row(video, version, info, made, together, None)
            with self.observer.work(f"{name}: poses", video.looked_at) as progress:
                geometry = video.geometry(self.options, version.scale, info)
                chosen = model if version.precision is None else model.with_precision(version.precision)
                boxes = video.boxes(self.options)
                poses, stages = find_poses(chosen, info, geometry, video.stretches, self.options, progress, boxes)
        content = io.BytesIO()
        np.save(content, poses, allow_pickle=False)
        _write(poses_path(self.folder, video, version), content.getvalue())
        row = version_row(video, version, info, made, together, stages)
        size = f"{row['bytes'] / 1e6:.2f} MB, {row['bit_rate'] / 1e3:.0f} kbit/s, " if row["codec"] else ""
        self.observer.say(f"{name}: {size}{row['analysis_fps']:.1f} fps")
        return row | {"network_width": geometry.width, "network_height": geometry.height}

    @contextmanager
    def _encoded(self, video: SweepVideo, version: Version, name: str) -> Iterator[tuple[VideoInfo, Transcoded | None]]:
        if version.encode is None:
            yield video.info, None
            return
        target = self.folder / VIDEOS_FOLDER / f"{video.name}-{version.name}.mp4"
        make_folder(target.parent)
        kept = False
        try:
            with self.observer.work(f"{name}: encoding", video.frames) as progress:
                made = transcode(video.info, target, version.encode, video.frames, progress)
            yield probe(target), made
            kept = self.options.keep
        finally:
            if not kept:
                target.unlink(missing_ok=True)


def _encoded_bytes(video: SweepVideo, version: Version) -> float:
    """Most bytes that an encoded version may take: a guess on the safe side."""
    if version.encode is None:
        return 0.0
    bits = MOST_BITS_PER_PIXEL
    if version.crf is not None and not version.is_lossless:
        bits *= 0.5 ** (version.crf / HALVING)
    return video.info.width * video.info.height * video.frames * bits / 8


def _write(path: Path, content: bytes) -> None:
    make_folder(path.parent)
    write_whole(path, content)


def version_row(
    video: SweepVideo,
    version: Version,
    info: VideoInfo,
    made: Transcoded | None,
    together: Correspondence | None,
    stages: StageReport | None,
) -> Row:
    """A line of the journal. Of the given file nothing is made or compared; a version left out has no stages."""
    size = video.given_bytes if made is None else made.bytes
    # Frames between the stretches are read too; how many is not known where they were sought over.
    read_fps = None
    if stages is not None and not are_sought(info, video.stretches):
        read_fps = stages.alone_fps["read"] * video.stretches[-1].stop / video.looked_at
    row: Row = {
        "video": video.name,
        "version": version.name,
        "codec": version.codec,
        "crf": version.crf,
        "crf_asked": version.asked,
        "lossless": version.is_lossless,
        "preset": version.encode and version.encode.preset,
        "pix_fmt": info.pixel_format,
        "gop": version.encode and version.encode.gop,
        "scale": version.scale,
        "precision": version.precision,
        "frames": video.frames,
        "looked_at": video.looked_at,
        **sizes(size, video.seconds, video.raw_bytes, video.given_bytes),
        "encode_seconds": made and made.seconds,
        "encode_fps": made and video.frames / made.seconds,
        "read_fps": read_fps,
        "network_fps": stages and stages.alone_fps["network"],
        "analysis_fps": stages and stages.frames / stages.seconds,
        "problem": together and together.problem,
        "command": made and list(made.command),
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    if together is not None:
        row |= {
            "psnr": together.psnr if math.isfinite(together.psnr) else None,
            "worst_psnr": together.worst_psnr,
            "largest_time_shift_frames": together.largest_time_shift,
        }
    return row

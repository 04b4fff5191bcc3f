"""Makes, checks and analyses each version of each video; can be killed and continued.

The folder of a sweep holds what was asked (``design.json``) and a line for each version that is finished
(``versions.jsonl``) with its poses (``poses/``) and first frame (``frames/``). Encoded videos are there only while they
are needed, unless they are to be kept. The same command continues; another one is refused.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from posecli import __version__
from posecli.errors import OutputError
from posecli.inference.predictor import PoseModel, load_model
from posecli.model.deeplabcut import Choice as NetworkChoice
from posecli.precision.gate import choose_precision
from posecli.precision.poses import PoseGate, model_cutoff
from posecli.studies.common.folder import Row, StudyFolder
from posecli.studies.common.machine import describe_bench
from posecli.studies.sweep.correspondence import Correspondence, compare_frames, first_frame, write_image
from posecli.studies.sweep.design import SWEEP, identity_fields, plain_source
from posecli.studies.sweep.material import (
    SweepVideo,
    model_path,
    own_videos,
    refuse_labels_of_other_videos,
    rendered_scene,
    true_points,
)
from posecli.studies.sweep.network import find_poses, frame_seconds
from posecli.studies.sweep.observer import SweepObserver
from posecli.studies.sweep.options import SweepOptions
from posecli.studies.sweep.rows import row_sentence, version_row
from posecli.studies.sweep.study import (
    SCENE_FOLDER,
    VIDEOS_FOLDER,
    Sweep,
    frame_path,
    poses_path,
    save_poses,
)
from posecli.studies.sweep.transcode import Transcoded, refuse_missing_encoders, transcode
from posecli.studies.sweep.versions import Version
from posecli.support.files import make_folder
from posecli.video.encode import find_ffmpeg
from posecli.video.probe import VideoInfo, probe

#: Bits per pixel of an encoded video, at most, at CRF 0; they halve every `HALVING` steps of the CRF scale.
MOST_BITS_PER_PIXEL, HALVING = 14.0, 10.0
#: Room that is left on the disk.
RESERVE_BYTES = 64 << 20


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
        Where results go; a sweep of the same options that lies there is continued.
    observer
        Is told of progress.
    overwrite
        Begin anew where another sweep lies.
    network
        Which network of a DeepLabCut project.

    Raises
    ------
    OutputExistsError
        If another sweep lies in the folder.
    OutputError
        If a version cannot be encoded, or the disk has too little room.
    VideoError, ModelError, LabelError
        If video, model or truth cannot be used.
    """
    refuse_missing_encoders(version.codec for version in versions if version.codec is not None)
    path = model_path(options)
    given = own_videos(options)
    make_folder(folder)
    model = load_model(path, options.analysis.engine, network)
    asked = identity_fields(kind, options, versions, given, model)
    StudyFolder(folder, SWEEP).begun(asked, overwrite=overwrite)
    for version in versions:
        if version.note:
            observer.say(f"{version.name}: {version.note}")
    return _SweepRun(options, tuple(versions), folder, observer, asked).run(model, given)


class _SweepRun:
    """One call of `run_sweep`."""

    def __init__(
        self,
        options: SweepOptions,
        versions: tuple[Version, ...],
        folder: Path,
        observer: SweepObserver,
        asked: dict[str, Any],
    ) -> None:
        self.options = options
        self.versions = versions
        self.folder = folder
        self.journal = StudyFolder(folder, SWEEP)
        self.observer = observer
        self.asked = asked

    def run(self, model: PoseModel, given: tuple[SweepVideo, ...]) -> Sweep:
        rows = {(row["video"], row["version"]): row for row in self.journal.rows(repair=True)}
        sources = given or (self._scene(),)
        cutoff = model_cutoff(model.folder) if self.options.pcutoff is None else self.options.pcutoff
        truths = tuple(true_points(source, model.description.bodyparts, self.options) for source in sources)
        if self.options.labels is not None:
            refuse_labels_of_other_videos(sources, truths, self.options.labels)
        self._check_disk(sources)
        design, model = self._settled(model, sources)
        left = [
            (source, version)
            for source in sources
            for version in self.versions
            if (source.name, version.name) not in rows
        ]
        if rows and left:
            self.observer.say(f"continuing in '{self.folder}': {len(rows)} versions are there, {len(left)} are left")
        if left:
            self._say_how_long(model, left)
        for number, (source, version) in enumerate(left, start=1):
            row = self._finished(model, source, version, f"[{number}/{len(left)}] {source.name} {version.label}")
            self.journal.append([row])
            rows[source.name, version.name] = row
        if not self.options.keep:
            for name in (VIDEOS_FOLDER, SCENE_FOLDER):
                shutil.rmtree(self.folder / name, ignore_errors=True)
        return Sweep(self.folder, self.options, self.versions, sources, model, cutoff, truths, design, rows)

    def _scene(self) -> SweepVideo:
        from posecli.studies.sweep.material import scene_options

        scene = scene_options(self.options)
        self.observer.say(
            f"no video is given: rendering {scene.n_frames} frames of the {scene.scene} scene, whose true poses are "
            "known"
        )
        with self.observer.work("rendering", scene.n_frames) as progress:
            return rendered_scene(self.options, self.folder / SCENE_FOLDER, progress)

    def _settled(self, model: PoseModel, sources: Sequence[SweepVideo]) -> tuple[dict[str, Any], PoseModel]:
        """The precision is measured on the originals once, and then is that of all versions."""
        design = self.journal.design()
        if design is None:
            choice = choose_precision(model, PoseGate([source.info.path for source in sources], self.options.analysis))
            for figures in choice.figures:
                self.observer.say(f"parity gate: {figures}: {'passes' if figures.passed else 'does not pass'}")
            content = {
                "precision": choice.model.options.fixed_precision,
                "parity_gate": [figures.as_dict() for figures in choice.figures],
                "model": {"path": str(model.folder.path), "scorer": model.description.scorer},
                "ffmpeg": find_ffmpeg().version,
                "machine": describe_bench(),
                "videos": [plain_source(source) for source in sources],
            }
            design = self.journal.write_design(self.asked, content)
        return design, model.with_precision(design["precision"])

    def _say_how_long(self, model: PoseModel, left: Sequence[tuple[SweepVideo, Version]]) -> None:
        source = left[0][0]
        geometry = source.geometry(self.options, 1.0)
        per_pixel = frame_seconds(model, source.info, geometry, self.options) / (geometry.width * geometry.height)
        seconds = 0.0
        for item, version in left:
            seen = item.geometry(self.options, version.scale)
            seconds += item.looked_at * per_pixel * seen.width * seen.height
        frames = sum(item.looked_at for item, _ in left)
        engine = model.engine(geometry.height, geometry.width).info
        self.observer.say(
            f"posecli {__version__}: model {model.description.scorer}, engine {engine.name} {engine.version} on "
            f"{engine.device} ({engine.threads} threads), {engine.precision}; ffmpeg {find_ffmpeg().version}"
        )
        self.observer.say(
            f"{len(left)} versions, {frames} frames in all, {1 / (per_pixel * geometry.width * geometry.height):.1f} a "
            f"second at {geometry.width}x{geometry.height} px: about {_minutes(seconds)} for the network, and encoding"
        )

    def _finished(self, model: PoseModel, source: SweepVideo, version: Version, name: str) -> Row:
        """Encode, check, analyse; the encoded video is gone afterwards."""
        with self._encoded(source, version, name) as (info, made):
            together = self._together(source, info, name) if version.encode is not None else None
            self._write_first_frame(source, version, info)
            if together is not None and together.problem is not None:
                self.observer.say(f"{name}: left out, since {together.problem}")
                return version_row(source, version, info, made, together, None)
            with self.observer.work(f"{name}: poses", source.looked_at) as progress:
                geometry = source.geometry(self.options, version.scale, info)
                chosen = model if version.precision is None else model.with_precision(version.precision)
                poses, stages = find_poses(chosen, info, geometry, source.stretches, self.options, progress)
            save_poses(poses_path(self.folder, source, version), poses)
        row = version_row(source, version, info, made, together, stages) | {
            "network_width": geometry.width,
            "network_height": geometry.height,
        }
        self.observer.say(f"{name}: {row_sentence(row)}")
        return row

    @contextmanager
    def _encoded(
        self, source: SweepVideo, version: Version, name: str
    ) -> Iterator[tuple[VideoInfo, Transcoded | None]]:
        if version.encode is None:
            yield source.info, None
            return
        target = self.folder / VIDEOS_FOLDER / f"{source.name}-{version.name}.mp4"
        make_folder(target.parent)
        try:
            with self.observer.work(f"{name}: encoding", source.frames) as progress:
                made = transcode(source.info, target, version.encode, source.frames, progress)
            yield probe(target), made
        except BaseException:
            target.unlink(missing_ok=True)
            raise
        if not self.options.keep:
            target.unlink(missing_ok=True)

    def _together(self, source: SweepVideo, info: VideoInfo, name: str) -> Correspondence:
        with self.observer.work(f"{name}: comparing frames", source.frames) as progress:
            return compare_frames(source.info, info, source.frames, progress)

    def _write_first_frame(self, source: SweepVideo, version: Version, info: VideoInfo) -> None:
        path = frame_path(self.folder, source, version)
        make_folder(path.parent)
        write_image(path, first_frame(info)[: source.info.height, : source.info.width])

    def _check_disk(self, sources: Sequence[SweepVideo]) -> None:
        needs = [encoded_bytes(source, version) for source in sources for version in self.versions]
        need = int(sum(needs) if self.options.keep else max(needs)) + RESERVE_BYTES
        free = shutil.disk_usage(self.folder).free
        if need > free:
            raise OutputError(
                f"encoded versions may take {need / 2**30:.1f} GiB and '{self.folder}' has {free / 2**30:.1f} free: "
                f"make room, choose another --out-dir, {'leave out --keep, ' if self.options.keep else ''}or give "
                "fewer --frames"
            )


def encoded_bytes(source: SweepVideo, version: Version) -> float:
    """What an encoded version may take on the disk at most: a guess on the safe side."""
    if version.encode is None:
        return 0.0
    pixels = source.info.width * source.info.height * source.frames
    bits = MOST_BITS_PER_PIXEL if version.is_lossless else MOST_BITS_PER_PIXEL * 0.5 ** ((version.crf or 0) / HALVING)
    return pixels * bits / 8


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{math.ceil(seconds / 60)} min"

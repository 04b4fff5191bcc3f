"""Videos re-encoded, each checked against its original; originals are only read.

Count and times come first. Then every frame is compared with the frame of the same number and with its neighbours:
where, over a stretch of frames, another number fits better, frames were lost or shifted, and no error of a pose means
anything.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt

from posecli import __version__
from posecli.errors import OutputExistsError, PoseCliError, ShortVideoError, UsageError
from posecli.studies.common.folder import JSON_FILE, read_json, write_json
from posecli.studies.sweep.options import Progress, SweepObserver
from posecli.studies.sweep.versions import refuse_missing_encoders, transcode
from posecli.support.files import make_folder, move_into_place
from posecli.support.words import byte_size
from posecli.video.batch import prepare
from posecli.video.encode import EncodeOptions, find_ffmpeg
from posecli.video.geometry import Geometry
from posecli.video.probe import VideoInfo, content_fingerprint, probe
from posecli.video.reader import VideoReader

FORMAT = "posecli-reencoded"
#: Neighbours on either side that a frame is compared with.
REACH = 3
#: Frames of a stretch: long enough that something moves in it.
STRETCH = 32
#: A neighbour fits better where its squared difference is less than this part of the own one. At the lowest quality of
#: four codecs the own frame was the best in every stretch of real footage; one frame off gave 0.79 to 0.99.
MARGIN = 0.98
#: Width at which neighbours are compared, px: motion shows, grain does not.
SMALL_WIDTH = 160
#: Times may differ by this part of a frame.
TIME_TOLERANCE = 0.5
#: Signal-to-noise ratio of equal pictures, dB: that of one step of 255 in one pixel of ten thousand.
MOST_PSNR = 88.0

Gray = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Correspondence:
    """How well the frames of a version match those of its original."""

    expected: int  # frames
    found: int
    largest_time_shift: float  # of any frame against the original's, in frames
    shifted: tuple[tuple[int, int], ...]  # first frame of each stretch that fits a neighbour better, and its offset
    psnr: float  # peak signal-to-noise ratio of brightness, dB: mean over frames
    worst_psnr: float

    @property
    def problem(self) -> str | None:
        """Why their poses cannot be compared; ``None`` if they can."""
        if self.found != self.expected:
            return f"it has {self.found} frames, the original {self.expected}"
        if self.largest_time_shift > TIME_TOLERANCE:
            return f"its times are off by up to {self.largest_time_shift:.2f} frames"
        if self.shifted:
            first, offset = self.shifted[0]
            side = "later" if offset > 0 else "earlier"
            return f"from frame {first} on it shows what the original shows {abs(offset)} frames {side}"
        return None


def compare_frames(
    original: VideoInfo, version: VideoInfo, frames: int, progress: Progress = lambda _count: None
) -> Correspondence:
    """Compare count, times and pictures of the first `frames` frames, which the version should have."""
    count = min(frames, version.n_frames)
    squares = np.full((count, 2 * REACH + 1), np.nan)
    psnr = np.full(count, np.nan)
    with closing(_grays(original, original)) as ours, closing(_grays(version, original)) as theirs:
        around = deque([None] * REACH + [next(ours, None) for _ in range(REACH + 1)], maxlen=2 * REACH + 1)
        for index in range(count):
            shown, own = next(theirs, None), around[REACH]
            if shown is not None:
                squares[index] = [np.nan if other is None else _square(shown[1], other[1]) for other in around]
                if own is not None:
                    psnr[index] = _psnr(_square(shown[0], own[0]))
            around.append(next(ours, None))
            progress(1)
    known = psnr[~np.isnan(psnr)]
    return Correspondence(
        frames,
        version.n_frames,
        _time_shift(original, version, count),
        tuple(_shifted(squares)),
        float(known.mean()) if known.size else float("nan"),
        float(known.min(initial=MOST_PSNR)),
    )


def first_frame_png(video: VideoInfo, height: int, width: int) -> bytes:
    """The first frame as displayed, cut to a size, as a PNG file; black if it cannot be decoded."""
    with closing(VideoReader(video)) as reader:
        buffer = reader.new_buffer(1)
        reader.read_into(buffer)
    _, coded = cv2.imencode(".png", cv2.cvtColor(buffer[0][:height, :width], cv2.COLOR_RGB2BGR))
    return coded.tobytes()


def _grays(info: VideoInfo, original: VideoInfo) -> Generator[tuple[Gray, Gray] | None]:
    """Brightness of each frame as displayed, of the original's size and small; ``None`` where one is not decoded."""
    geometry = Geometry.plan(info.width, info.height)
    buffer = np.empty((info.height, info.width, 3), np.uint8)
    size = SMALL_WIDTH, max(1, round(original.height * SMALL_WIDTH / original.width))
    with closing(VideoReader(info)) as reader:
        for _, _, image in reader.decoded():
            if image is None:
                yield None
                continue
            prepare(image, geometry, buffer)
            gray = np.asarray(cv2.cvtColor(buffer[: original.height, : original.width], cv2.COLOR_RGB2GRAY), np.uint8)
            small = gray if size[0] >= original.width else cv2.resize(gray, size, interpolation=cv2.INTER_AREA)
            yield gray, np.asarray(small, np.uint8)


def _square(first: Gray, second: Gray) -> float:
    return float(cv2.norm(first, second, cv2.NORM_L2SQR)) / first.size


def _psnr(square: float) -> float:
    return min(MOST_PSNR, 10 * float(np.log10(255**2 / square))) if square else MOST_PSNR


def _shifted(squares: npt.NDArray[np.float64]) -> Iterator[tuple[int, int]]:
    """Stretches where another offset fits better than none, and that offset."""
    for start in range(0, len(squares), STRETCH):
        stretch = squares[start : start + STRETCH]
        stretch = stretch[~np.isnan(stretch).any(axis=1)]
        if len(stretch):
            means = stretch.mean(axis=0)
            best = int(means.argmin())
            if means[best] < MARGIN * means[REACH]:
                yield start, best - REACH


def _time_shift(original: VideoInfo, version: VideoInfo, count: int) -> float:
    """Largest difference of the times, each counted from its first frame, in frames of the median duration."""
    expected, found = original.seconds()[:count], version.seconds()[:count]
    if len(expected) < 2 or len(found) < len(expected):
        return 0.0
    usual = float(np.median(np.diff(expected))) or 1.0
    return float(np.abs((found - found[0]) - (expected - expected[0])).max()) / usual


@dataclass(frozen=True)
class Reencoded:
    """The outcome for one video; frames are those that were compared, `psnr` is their mean, dB."""

    video: Path
    state: Literal["done", "skipped", "failed"]  # ``skipped``: made before with the same settings
    path: Path | None = None
    frames: int = 0
    bytes_before: int = 0
    bytes_after: int = 0
    psnr: float = 0.0
    message: str = ""
    exit_code: int = 0

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"video": str(self.video), "path": None if self.path is None else str(self.path)}

    def __str__(self) -> str:
        if self.state == "failed":
            return f"{self.video.name}: failed: {self.message}"
        if self.state == "skipped":
            return f"{self.video.name}: made before with the same settings: {self.path}"
        return (
            f"{self.video.name}: all {self.frames} frames match (PSNR {self.psnr:.1f} dB), "
            f"{byte_size(self.bytes_before)} to {byte_size(self.bytes_after)} "
            f"({self.bytes_before / self.bytes_after:.1f} times smaller): {self.path}"
        )


def reencode(
    videos: Sequence[Path],
    options: EncodeOptions,
    out_dir: Path,
    observer: SweepObserver = SweepObserver(),
    *,
    overwrite: bool = False,
) -> list[Reencoded]:
    """Encode videos into a folder; each gets its name only when all its frames match.

    New videos are named as the old ones, ending in ``.mp4``. A video that fails does not stop the others.
    """
    targets = [out_dir / f"{video.stem}.mp4" for video in videos]
    _refuse_collisions(videos, targets)
    refuse_missing_encoders([options.codec])
    results = []
    for number, (video, target) in enumerate(zip(videos, targets, strict=True), start=1):
        try:
            result = _one(video, target, options, observer, overwrite=overwrite)
        except PoseCliError as error:
            result = Reencoded(video, "failed", message=str(error), exit_code=error.exit_code)
        observer.say(f"[{number}/{len(videos)}] {result}")
        results.append(result)
    return results


def _refuse_collisions(videos: Sequence[Path], targets: Sequence[Path]) -> None:
    if len(set(targets)) < len(targets):
        names = ", ".join(video.name for video in videos)
        raise UsageError(f"videos {names} would share a name: rename one, or encode them apart")
    originals = {video.resolve() for video in videos}
    for target in targets:
        if target.resolve() in originals:
            raise UsageError(f"'{target}' would replace an original: choose another folder with --out-dir")


def _one(video: Path, target: Path, options: EncodeOptions, observer: SweepObserver, *, overwrite: bool) -> Reencoded:
    info = probe(video)
    if info.cut_off is not None:
        raise ShortVideoError(f"'{video}' ends early: {info.cut_off.evidence}; copy it again before it is re-encoded")
    wanted = {"original": content_fingerprint(video), "encoding": asdict(options)}
    side = target.with_name(f"{target.name}.json")
    if target.exists() and not overwrite:
        return _made_before(video, target, wanted, read_json(side))
    make_folder(target.parent)
    trial = target.with_name(f"{target.stem}.unchecked.mp4")
    try:
        with observer.work(f"{video.name}: encoding", info.n_frames) as progress:
            made = transcode(info, trial, options, progress=progress)
        with observer.work(f"{video.name}: comparing frames", info.n_frames) as progress:
            together = compare_frames(info, probe(trial), info.n_frames, progress)
        if together.problem is not None:
            raise ShortVideoError(
                f"'{video}', re-encoded, does not match the original ({together.problem}): it is not kept; try "
                "another codec, or look at the original's timestamps"
            )
        manifest = {
            "format": FORMAT,
            "posecli": __version__,
            "ffmpeg": find_ffmpeg().version,
            "written": datetime.now(UTC).isoformat(timespec="seconds"),
            "path": str(video.resolve()),
            **wanted,
            "command": list(made.command),
            "frames": together.found,
            "psnr": together.psnr,
            "worst_psnr": together.worst_psnr,
            "largest_time_shift_frames": together.largest_time_shift,
            "result": content_fingerprint(trial),
        }
        write_json(side, manifest)
        move_into_place(trial, target)
    finally:
        trial.unlink(missing_ok=True)
    return Reencoded(video, "done", target, info.n_frames, video.stat().st_size, made.bytes, together.psnr)


def _made_before(video: Path, target: Path, wanted: dict[str, Any], manifest: Any) -> Reencoded:
    known = manifest if isinstance(manifest, dict) else {}
    same = known.get("result") == content_fingerprint(target)
    if not same or any(known.get(name) != value for name, value in wanted.items()):
        raise OutputExistsError(f"'{target}' is there already and was made otherwise: pass --overwrite to replace it")
    return Reencoded(video, "skipped", target)


def recommended_encoding(path: Path) -> EncodeOptions:
    """What a finished compress-sweep recommends: from its folder, or its ``results.json``."""
    file = path / JSON_FILE if path.is_dir() else path
    content = read_json(file)
    if not isinstance(content, dict) or "recommendation" not in content:
        raise UsageError(f"'{file}' holds no result of a compress-sweep: run one first, or name a --crf")
    name = content["recommendation"]["version"]
    row = next((row for row in content["versions"] if row["version"] == name), None)
    if row is None or row["codec"] is None:
        raise UsageError(
            f"'{file}' recommends no encoding ({' '.join(content['recommendation']['reasons'])}): name a --crf"
        )
    return EncodeOptions(row["codec"], row["crf"], row["preset"], row["pix_fmt"], row["gop"])

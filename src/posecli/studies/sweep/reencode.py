"""Videos re-encoded, each checked against its original frame by frame; originals are only read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from posecli import __version__
from posecli.errors import OutputExistsError, PoseCliError, ShortVideoError, UsageError
from posecli.studies.common.folder import read_json, write_json
from posecli.studies.common.report import JSON_FILE
from posecli.studies.sweep.correspondence import compare_frames
from posecli.studies.sweep.options import SweepObserver
from posecli.studies.sweep.transcode import refuse_missing_encoders, transcode
from posecli.support.files import make_folder, move_into_place
from posecli.video.encode import EncodeOptions, find_ffmpeg
from posecli.video.probe import content_fingerprint, probe

FORMAT = "posecli-reencoded"


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
            f"{self.bytes_before / 1e6:.1f} to {self.bytes_after / 1e6:.1f} MB "
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

"""Hundreds of odd but sound videos, held against what FFmpeg's own program shows of them.

``python tests/support/odd_videos.py FOLDER`` makes them one after the other, analyses each with either decoder and an
engine that reads the pictures' numbers, and prints one JSON line before and one after each (`support.watching`).
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import av
import h5py
import imageio_ffmpeg
import numpy as np
import numpy.typing as npt
from conftest import make_dots_model

from posecli import engine
from posecli.analysis import RunObserver, analyze
from posecli.errors import PoseCliError, VideoError
from posecli.options import AnalyzeOptions, EngineOptions, PipelineName, VideoBackend
from posecli.tables.hdf5 import read_plain_table
from posecli.tables.pose_table import SECONDS_NODE
from posecli.video.probe import probe
from posecli.video.reader import VideoReader
from support.number_engine import numbers_of, read_checked
from support.odd_encodes import Recording
from support.odd_recordings import all_recordings
from support.watching import tell, watched

#: Reports of users, rebuilt; not part of the repository.
REPORTED = Path(__file__).resolve().parents[3] / "shared" / "cases" / "videos"
#: Seconds by which a time may differ: containers round to milliseconds at the coarsest.
TOLERANCE = 6e-4
#: These keep no clock of their own: where it begins is a convention.
WITHOUT_CLOCK = (".avi", ".h264", ".hevc", ".m1v", ".m2v", ".m4v", ".mjpeg", ".obu")
#: Grey levels by which versions of FFmpeg's converter may differ.
ROUNDING = 2
BACKENDS: tuple[VideoBackend, VideoBackend] = ("opencv", "pyav")
PIPELINES: tuple[PipelineName, ...] = ("sync", "parallel", "async")
BATCH_SIZES = (1, 8)

Seconds = npt.NDArray[np.float64]
Image = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Way:
    """How a file is analysed.

    Attributes
    ----------
    interrupted
        Whether the run is broken off midway, and the same call goes on.
    """

    backend: VideoBackend
    pipeline: PipelineName
    batch_size: int
    interrupted: bool = False

    def __str__(self) -> str:
        return f"{self.backend} {self.pipeline} {self.batch_size}{' resumed' * self.interrupted}"


@dataclass(frozen=True)
class Shown:
    """What a program shows of a file: pictures (RGB), the number on each, and when it is shown."""

    images: list[Image]
    numbers: list[int]
    seconds: Seconds


@dataclass
class Outcome:
    """What became of a file.

    Attributes
    ----------
    exit_code, message
        Of the last run.
    due
        Pictures that FFmpeg's program shows.
    right
        Rows that hold the right picture, in the worst of the runs.
    violations
        What must not be.
    """

    name: str
    family: str
    exit_code: int = 0
    message: str = ""
    due: int = 0
    right: int = 0
    violations: list[str] = field(default_factory=list)


# What FFmpeg shows ---------------------------------------------------------------------------------------------------

#: Keeps every picture and every time as it is, BGR, since RGB is rounded otherwise.
AS_IT_IS = ("-an", "-sn", "-dn", "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "bgr24")
#: Transfer and primaries change nothing, but FFmpeg 9 refuses some that earlier ones show.
FILTERS = "showinfo=checksum=0,setparams=color_trc=unknown:color_primaries=unknown"


#: The program that the files and references are meant for.
OLDEST_PROGRAM = 9


def program_version() -> str:
    """Of FFmpeg's program."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-version"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return said[2].removeprefix("n").partition("-")[0]


def shown_by_program(path: Path) -> Shown:
    """The pictures that FFmpeg's program puts out, in its order, turned as players do.

    By one thread: in MPEG-4 with fields and B-frames, FFmpeg's threads spoil pictures.
    """
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-nostats", "-copyts", "-threads", "1"]
    command += ["-i", f"file:{path}", "-vf", FILTERS, *AS_IT_IS, "-"]
    done = subprocess.run(command, capture_output=True, check=False)
    content = memoryview(done.stdout)
    images, seconds, unit = [], [], Fraction(1)
    for line in done.stderr.decode(errors="replace").splitlines():
        if base := re.search(r"config in time_base: (\d+/\d+)", line):
            unit = Fraction(base[1])
        elif picture := re.search(r"showinfo.*\] n: *\d+ pts: *(\S+).* s:(\d+)x(\d+)", line):
            width, height = int(picture[2]), int(picture[3])
            image, content = content[: 3 * width * height], content[3 * width * height :]
            if len(image) < 3 * width * height:  # it was converted to the size of the first one
                break
            images.append(np.frombuffer(image, np.uint8).reshape(height, width, 3)[:, :, ::-1])
            seconds.append(float(int(picture[1]) * unit))
    return Shown(images, [read_checked(image) for image in images], np.array(seconds))


def seconds_in_file(path: Path) -> Seconds:
    """The times that the file itself gives its pictures, in the decoder's order; NaN where it gives none.

    Where a clock is set back, FFmpeg's program believes the decoding times instead.
    """
    seconds = []
    with av.open(f"file:{path}", metadata_errors="replace") as container:
        stream = container.streams.best("video")
        assert isinstance(stream, av.video.stream.VideoStream)
        stream.thread_type = "NONE"
        for packet in container.demux(stream):
            try:
                seconds += [np.nan if frame.time is None else frame.time for frame in packet.decode()]
            except av.FFmpegError:
                continue
    return np.array(seconds)


# What users reported -------------------------------------------------------------------------------------------------

ALL = tuple(range(40))
WITHOUT_EMPTY = tuple(number for number in ALL if number not in (10, 11, 25))
#: Rows of each file; ``None`` where they are what FFmpeg's program shows.
REPORTED_ROWS: dict[str, tuple[int, ...] | None] = {
    "01_altref_vp8.webm": tuple(range(60)),
    "03_null_inside.avi": WITHOUT_EMPTY,
    "03c_gaps_copy.avi": WITHOUT_EMPTY,
    "04_overlap.ts": ALL,
    "04_same_clock.ts": ALL,
    "05_mjpeg_one.mkv": ALL,
    "06_paff_pes_frame.ts": ALL,
    "06c_x264_then_interlaced.ts": ALL,
    "07_ycgco.mp4": None,
    "07_hlg.mov": None,
    "08_zero_counts.avi": ALL,
    "09_midgop.mp4": None,
    "09_twice.mp4": None,
    "10_pi.h264": None,
    "11_hflip.mp4": None,
}
REPORTED_REFUSED = {"07_ycgco.mp4": "ycgco"}


def reported_cases() -> Iterator[Recording]:
    """Files after reports of users; none where they are not at hand."""
    if REPORTED.is_dir():
        for name, numbers in REPORTED_ROWS.items():
            refused = REPORTED_REFUSED.get(name, "")
            make = partial(shutil.copy, REPORTED / name)
            yield Recording("reported by users", name, make, refused, numbers=numbers)


def all_cases() -> list[Recording]:
    """Every file, in a fixed order."""
    return [*reported_cases(), *all_recordings()]


# What posecli makes of them ------------------------------------------------------------------------------------------


class _Interrupting(RunObserver):
    """Breaks a run off when so many frames are done."""

    def __init__(self, after: int) -> None:
        self.left = after

    def frames_done(self, count: int) -> None:
        self.left -= count
        if self.left <= 0:
            raise KeyboardInterrupt


def check_case(case: Recording, path: Path, model: Path, ways: Sequence[Way]) -> Outcome:
    """Analyse a file that is made in several ways, and hold each table against what FFmpeg's program shows."""
    due = shown_by_program(path)
    outcome = Outcome(case.name, case.family, due=len(due.numbers), right=len(due.numbers))
    if case.numbers is not None and list(case.numbers) != due.numbers:
        outcome.violations.append(f"FFmpeg's program shows {due.numbers}, not what is known")
    if case.refused or not due.numbers:
        outcome.due = outcome.right = 0
    for way in ways:
        _check_way(outcome, case, path, model, way, due)
    if not outcome.violations and outcome.due:
        outcome.violations += _different_pixels(path, due)
    return outcome


def _check_way(outcome: Outcome, case: Recording, path: Path, model: Path, way: Way, due: Shown) -> None:
    """One analysis."""
    options = AnalyzeOptions(
        engine=EngineOptions(precision="fp32"),
        batch_size=way.batch_size,
        video_backend=way.backend,
        pipeline=way.pipeline,
        out_dir=path.parent / str(way),
    )
    try:
        if way.interrupted:
            _break_off(path, model, options, len(due.numbers) // 2)
        result = analyze(path, model, options).results[0]
        outcome.exit_code, outcome.message, table = result.exit_code, result.message, result.table
    except PoseCliError as error:
        outcome.exit_code, outcome.message, table = error.exit_code, str(error), None
    if outcome.due == 0:
        wrong = _wrong_refusal(outcome, case.refused)
    elif outcome.exit_code or table is None:
        wrong, outcome.right = [f"exit code {outcome.exit_code}: {outcome.message}"], 0
    else:
        numbers, seconds = _read_table(table)
        outcome.right = min(outcome.right, sum(a == b for a, b in zip(numbers, due.numbers, strict=False)))
        wrong = [*_wrong_rows(numbers, due.numbers), *_wrong_times(case, path, seconds, due.seconds)]
    outcome.violations += [f"{way}: {words}" for words in wrong]


def _break_off(path: Path, model: Path, options: AnalyzeOptions, after: int) -> None:
    try:
        analyze(path, model, options, _Interrupting(after))
    except KeyboardInterrupt:
        return


def _read_table(table: Path) -> tuple[list[int | None], Seconds]:
    """What each row shows, and its time."""
    poses = read_plain_table(table, VideoError)
    manifest = json.loads(table.with_suffix(".json").read_text(encoding="utf-8"))
    with h5py.File(table) as file:
        seconds = np.asarray(file[SECONDS_NODE][:], np.float64)
    return numbers_of(poses.values.reshape(len(poses.index), -1, 3), manifest["video"]["width"]), seconds


def _wrong_refusal(outcome: Outcome, words: str) -> list[str]:
    if outcome.exit_code != VideoError.exit_code:
        return [f"exit code {outcome.exit_code} instead of {VideoError.exit_code}: {outcome.message}"]
    if "\n" in outcome.message or not all(word in outcome.message for word in words.split()):
        return [f"its one line does not name {words}: {outcome.message}"]
    return []


def _wrong_rows(numbers: Sequence[int | None], due: Sequence[int]) -> list[str]:
    if len(numbers) != len(due):
        return [f"{len(numbers)} rows instead of {len(due)}"]
    wrong = [
        f"row {row} shows {n} instead of {d}" for row, (n, d) in enumerate(zip(numbers, due, strict=True)) if n != d
    ]
    return [f"{len(wrong)} of {len(due)} rows are wrong, first: {wrong[0]}"] if wrong else []


def _wrong_times(case: Recording, path: Path, seconds: Seconds, due: Seconds) -> list[str]:
    """A time is right if it is the program's, or the one that the file itself gives the picture."""
    if len(seconds) != len(due):
        return []
    if not np.isfinite(seconds).all():
        return [f"{np.count_nonzero(~np.isfinite(seconds))} rows have no time"]
    if case.guessed_times or (path.suffix in WITHOUT_CLOCK and np.ptp(seconds - due) <= TOLERANCE):
        return []
    wrong = np.abs(seconds - due) > TOLERANCE
    if wrong.any():
        own = seconds_in_file(path)
        wrong &= ~(np.abs(seconds - own) <= TOLERANCE) if len(own) == len(due) else True
    if not wrong.any():
        return []
    row = int(wrong.argmax())
    return [f"{wrong.sum()} of {len(due)} times are wrong, first: row {row} at {seconds[row]:.4f} not {due[row]:.4f} s"]


def _different_pixels(path: Path, due: Shown) -> list[str]:
    """Both decoders must give the same pictures, and those that FFmpeg's program shows."""
    first, second = (_pictures(path, backend) for backend in BACKENDS)
    shown = np.stack(due.images)
    if not first.shape == second.shape == shown.shape:
        return [f"the decoders give {first.shape} and {second.shape}, the program {shown.shape}"]
    apart, from_program = _distance(first, second), _distance(second, shown)
    words = [f"the decoders' pictures differ by up to {apart}"] if apart else []
    return words + [f"pictures differ from the program's by up to {from_program}"] * (from_program > ROUNDING)


def _distance(first: Image, second: Image) -> int:
    """The largest difference."""
    return int(np.abs(first.astype(np.int16) - second).max(initial=0))


def _pictures(path: Path, backend: VideoBackend) -> Image:
    reader = VideoReader(probe(path), backend=backend)
    return np.concatenate([batch.images.copy() for batch in reader.batches(8)])


# All of them ---------------------------------------------------------------------------------------------------------


def ways_of(number: int) -> tuple[Way, Way]:
    """How a file may be analysed: with either decoder; pipelines, batches and interruptions take turns."""
    first: VideoBackend = "opencv" if number % 4 else "auto"
    return (
        Way(first, PIPELINES[number % 3], BATCH_SIZES[number % 2], interrupted=number % 4 == 1),
        Way("pyav", PIPELINES[(number + 1) % 3], BATCH_SIZES[(number + 1) % 2], interrupted=number % 4 == 3),
    )


def run_all(folder: Path, start: int, part: int, parts: int, keys: Sequence[str], thorough: bool) -> None:
    """Make and check every file of a part from number `start` on, in one way or both, and tell as JSON lines."""
    for name in engine.ENGINE_CLASSES:
        engine.ENGINE_CLASSES[name] = "support.number_engine:NumberEngine"
    os.fsync = lambda fd: None  # no power cut is tried here
    av.logging.set_level(None)
    model = folder / "model"
    if not model.exists():
        make_dots_model(model)
    for number, case in enumerate(all_cases()):
        if number < start or number % parts != part or (keys and case.key not in keys):
            continue
        ways = ways_of(number) if thorough else ways_of(number)[number // 4 % 2 :][:1]
        tell({"number": number, "name": case.name, "family": case.family})
        tell({"number": number, "outcome": asdict(_made_and_checked(case, folder / f"case {number}", model, ways))})
    tell({"end": True})


def _made_and_checked(case: Recording, place: Path, model: Path, ways: Sequence[Way]) -> Outcome:
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    path = place / case.name
    case.make(path)
    outcome = check_case(case, path, model, ways)
    if not outcome.violations:
        shutil.rmtree(place)
    return outcome


def watch(
    folder: Path, *keys: str, part: int = 0, parts: int = 1, patience: float = 60.0, thorough: bool = False
) -> list[Outcome]:
    """Run `run_all` in a process of its own; one that dies or hangs loses the file it was at, and starts anew."""
    words = [word for key in keys for word in ("--only", key)] + ["--thorough"] * thorough
    arguments = ("--part", str(part), "--parts", str(parts), *words)
    return [_outcome(line, came) for line, came in watched(Path(__file__), folder, patience, *arguments)]


def _outcome(line: dict[str, Any], came: dict[str, Any] | str) -> Outcome:
    if isinstance(came, str):
        return Outcome(line["name"], line["family"], -1, violations=[came])
    return Outcome(**came)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--part", type=int, default=0)
    parser.add_argument("--parts", type=int, default=1)
    parser.add_argument("--only", action="append", default=[], help="family/name")
    parser.add_argument("--thorough", action="store_true", help="analyse each file in both ways")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    run_all(arguments.folder, arguments.start, arguments.part, arguments.parts, arguments.only, arguments.thorough)

"""What is made of each video: versions encoded by codec and CRF, or analysed by scale and precision.

CRF scales differ between codecs and are not mapped onto each other; each is checked against its own encoder's.
x264 takes every CRF above 51 as 51 and every CRF below 1 as lossless: the user is told of both. Ffmpeg encodes straight
from the video's own colour values, with every frame at its own time: decoded pictures piped to it would go through RGB
and back, and a lossless version would not be the same.
"""

from __future__ import annotations

import contextlib
import math
import re
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from posecli.errors import OutputError, UsageError
from posecli.options import FixedPrecision
from posecli.studies.sweep.options import Progress
from posecli.support.files import move_into_place, partial_path
from posecli.video.container import open_container, video_stream
from posecli.video.encode import CODECS, CONTAINERS, FFMPEG_VARIABLE, EncodeOptions, find_ffmpeg, plain_words
from posecli.video.probe import VideoInfo

ORIGINAL = "original"
X264 = "libx264"
#: What x264 makes of a larger CRF, and below what it is lossless.
X264_MOST, X264_LOSSLESS_BELOW = 51.0, 1.0
#: Seconds that ffmpeg is given to end after it was told to stop.
PATIENCE = 10.0


@dataclass(frozen=True)
class Version:
    """One way to encode and analyse every video.

    >>> Version("libx264-crf23", EncodeOptions(crf=23)).label
    'CRF 23'
    """

    name: str  # for files and tables
    encode: EncodeOptions | None = None  # ``None`` leaves the video as it is
    scale: float = 1.0  # by which frames are resized for the network
    asked: float | None = None  # the CRF as it was asked for
    note: str = ""  # what the encoder makes of it, where that is something else
    precision: FixedPrecision | None = None  # of the network; ``None`` is that of the sweep
    among_codecs: bool = False  # the label must name the codec

    @property
    def label(self) -> str:
        if self.encode is None:
            scale = ORIGINAL if self.name == ORIGINAL else f"scale {self.scale:g}"
            return scale if self.precision is None else f"{scale}, {self.precision}"
        quality = "lossless" if self.is_lossless else f"CRF {self.crf:g}"
        return f"{self.encode.codec.removeprefix('lib')} {quality}" if self.among_codecs else quality

    @property
    def crf(self) -> float | None:
        return None if self.encode is None else self.encode.crf

    @property
    def codec(self) -> str | None:
        return None if self.encode is None else self.encode.codec

    @property
    def is_lossless(self) -> bool:
        """Whether the decoder returns what the encoder was given."""
        return self.codec == X264 and (self.crf is None or self.crf < X264_LOSSLESS_BELOW)


def parse_crf(text: str, codecs: Sequence[str]) -> dict[str, tuple[float, ...]]:
    """CRF values by codec: numbers separated by commas, for all codecs or in groups that begin with a codec.

    >>> parse_crf("0,20", ["libx264"])
    {'libx264': (0.0, 20.0)}
    >>> parse_crf("libx264:20; libsvtav1:30,40", ["libx264"])
    {'libx264': (20.0,), 'libsvtav1': (30.0, 40.0)}
    """
    found: dict[str, tuple[float, ...]] = {}
    for name, numbers in _groups(text):
        for codec in [name] if name else codecs:
            found[codec] = found.get(codec, ()) + _numbers(numbers)
    return found


def parse_presets(text: str | None, codecs: Iterable[str]) -> dict[str, str]:
    """Presets by codec: one word for the one codec, or ``codec:word`` groups separated by ``;``.

    >>> parse_presets("veryfast", ["libx264"])
    {'libx264': 'veryfast'}
    """
    names = list(codecs)
    found: dict[str, str] = {}
    for name, word in _groups(text) if text else ():
        if not name and len(names) > 1:
            raise UsageError(
                f"preset '{text}' does not say for which codec: write {names[0]}:{word} and so on, separated by ;"
            )
        found[name or names[0]] = word
    return found


def _groups(text: str) -> Iterator[tuple[str, str]]:
    """Pairs of a codec, or "", and what is given for it."""
    for group in text.split(";"):
        name, _, words = group.rpartition(":")
        yield name.strip(), words.strip()


def _numbers(text: str) -> tuple[float, ...]:
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        values = (math.nan,)
    if not all(map(math.isfinite, values)):
        raise UsageError(f"CRF '{text}' is not a list of numbers: separate them by commas, as in 0,10,20")
    return values


def encoded_versions(
    crf: Mapping[str, Sequence[float]], presets: Mapping[str, str], pix_fmt: str | None = None, gop: int | None = None
) -> tuple[Version, ...]:
    """The original first, then each codec's versions, best quality first, without duplicates.

    >>> [version.name for version in encoded_versions({"libx264": [23, 100]}, {})]
    ['original', 'libx264-crf23', 'libx264-crf51']
    """
    versions = {ORIGINAL: Version(ORIGINAL)}
    for codec, values in crf.items():
        for asked in sorted(values):
            used, note = _used_crf(codec, asked)
            options = EncodeOptions(codec, used, presets.get(codec), pix_fmt or "yuv420p", gop)
            name = f"{codec}-crf{used:g}"
            versions.setdefault(name, Version(name, options, 1.0, asked, note, among_codecs=len(crf) > 1))
    if len(versions) == 1:
        raise UsageError("no CRF is given: name some with --crf, as in 0,10,20,30")
    return tuple(versions.values())


def _used_crf(codec: str, asked: float) -> tuple[float, str]:
    """The CRF that an encoder uses, and what to say where it is not the one asked for."""
    if codec == X264 and asked > X264_MOST:
        return X264_MOST, f"CRF {asked:g} is 51, the largest that x264 knows"
    if codec == X264 and 0 <= asked < X264_LOSSLESS_BELOW:
        return 0.0, f"CRF {asked:g} is lossless in x264, as every CRF below 1 (many hardware decoders refuse it)"
    if codec in CODECS and not 0 <= asked <= CODECS[codec].max_crf:
        raise UsageError(f"CRF {asked:g} is not on the scale of {codec}: give 0 to {CODECS[codec].max_crf}")
    return asked, ""


def scaled_versions(scales: Sequence[float]) -> tuple[Version, ...]:
    """The full frame first, then the smaller ones.

    >>> [version.name for version in scaled_versions([0.5, 0.25])]
    ['scale-1', 'scale-0.5', 'scale-0.25']
    """
    wanted = _falling(scales)
    if len(wanted) == 1:
        raise UsageError("no scale but 1 is given: name some with --scales, as in 1,0.5,0.25")
    return tuple(Version(f"scale-{scale:g}", scale=scale) for scale in wanted)


def _falling(scales: Sequence[float]) -> list[float]:
    """1, then the other scales, the largest first."""
    for scale in scales:
        if not 0 < scale <= 4:
            raise UsageError(f"scale {scale:g} is out of range: give factors above 0 and at most 4")
    return [1.0, *sorted(set(scales) - {1.0}, reverse=True)]


@dataclass(frozen=True)
class Transcoded:
    """An encoded video: what ffmpeg was told, how long it took (decoding included), and the file's size."""

    path: Path
    command: tuple[str, ...]
    seconds: float
    bytes: int


def transcode(
    info: VideoInfo,
    target: Path,
    options: EncodeOptions,
    frames: int | None = None,
    progress: Progress = lambda _count: None,
) -> Transcoded:
    """Re-encode a video, or its first frames; the file gets its name only when it is complete.

    The target's ending chooses the container. If ffmpeg fails, it is an `OutputError` with its last words.
    """
    command = transcode_command(info, target, options, frames)
    start = time.perf_counter()
    try:
        _run(command, target, progress)
        move_into_place(partial_path(target), target)
    finally:
        with contextlib.suppress(OSError):
            partial_path(target).unlink(missing_ok=True)
    return Transcoded(target, tuple(command), time.perf_counter() - start, target.stat().st_size)


@lru_cache
def encoders(ffmpeg: str) -> frozenset[str]:
    """Names of the encoders that an ffmpeg has."""
    done = subprocess.run(  # noqa: S603
        [ffmpeg, "-hide_banner", "-encoders"], capture_output=True, text=True, errors="replace", check=False
    )
    return frozenset(line.split()[1] for line in done.stdout.splitlines() if len(line.split()) > 1)


def refuse_missing_encoders(codecs: Iterable[str]) -> None:
    """Fail before any work if something could not be encoded."""
    ffmpeg = find_ffmpeg()
    for codec in codecs:
        if codec not in encoders(ffmpeg.path):
            raise UsageError(
                f"ffmpeg {ffmpeg.version} has no encoder '{codec}': choose another codec, or set {FFMPEG_VARIABLE} to "
                "an ffmpeg that has it"
            )


def transcode_command(info: VideoInfo, target: Path, options: EncodeOptions, frames: int | None = None) -> list[str]:
    """Ffmpeg and the arguments that re-encode a video."""
    with open_container(info.path) as container:
        stream = video_stream(container, info.path).index
    own_times = ["-fps_mode", "passthrough"]
    if info.timeline.is_variable:  # else the encoder's clock ticks once per average frame
        own_times += ["-enc_time_base", "demux"]
    return [
        *[find_ffmpeg().path, "-hide_banner", "-nostdin", "-nostats", "-loglevel", "error", "-y"],
        *["-progress", "pipe:1", "-i", f"file:{info.path}", "-map", f"0:{stream}", *own_times],
        *([] if frames is None else ["-frames:v", str(frames)]),
        *_even_sides(info, options),
        *options.arguments(),
        *["-f", CONTAINERS[target.suffix.lower()], f"file:{partial_path(target)}"],
    ]


def _even_sides(info: VideoInfo, options: EncodeOptions) -> list[str]:
    """Filters that repeat the last row or column of an odd side, where color is stored at half size."""
    right, bottom = info.width % 2, info.height % 2
    if not options.needs_even_size or not (right or bottom):
        return []
    return ["-vf", f"pad=iw+{right}:ih+{bottom},fillborders=right={right}:bottom={bottom}:mode=smear"]


def _run(command: list[str], target: Path, progress: Progress) -> None:
    with tempfile.TemporaryFile() as words:
        try:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=words, text=True)  # noqa: S603
        except OSError as error:
            raise _cannot_encode(target, error.strerror or str(error)) from error
        try:
            _follow(process, progress)
            code = process.wait()
        finally:
            process.kill()
            process.wait(PATIENCE)
        if code:
            words.seek(0)
            reason = plain_words(words.read().decode(errors="replace")) or f"ffmpeg ended with code {code}"
            raise _cannot_encode(target, reason)


def _follow(process: subprocess.Popen[str], progress: Progress) -> None:
    done = 0
    assert process.stdout is not None
    with process.stdout:
        for line in process.stdout:
            found = re.match(r"frame=\s*(\d+)", line)
            if found and int(found[1]) > done:
                progress(int(found[1]) - done)
                done = int(found[1])


def _cannot_encode(target: Path, reason: str) -> OutputError:
    return OutputError(
        f"'{target}' cannot be encoded ({reason}): check the encoder's options, the folder and its free space"
    )

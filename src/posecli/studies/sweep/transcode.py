"""A video re-encoded by ffmpeg, straight from its own colour values, with every frame at its own time.

Decoded pictures are not piped: they would go through RGB and back, and a lossless version would not be the same.
"""

from __future__ import annotations

import contextlib
import re
import subprocess
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from posecli.errors import OutputError, UsageError
from posecli.studies.sweep.options import Progress
from posecli.support.files import move_into_place, partial_path
from posecli.video.container import open_container, video_stream
from posecli.video.encode import CONTAINERS, FFMPEG_VARIABLE, EncodeOptions, find_ffmpeg, plain_words
from posecli.video.probe import VideoInfo

#: Seconds that ffmpeg is given to end after it was told to stop.
PATIENCE = 10.0


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

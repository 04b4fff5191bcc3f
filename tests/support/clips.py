"""Clips made with a real ffmpeg, whose every frame carries its number as a bar code and three moving dots."""

from __future__ import annotations

import subprocess
from pathlib import Path

import av
import imageio_ffmpeg
import numpy as np
import numpy.typing as npt
import pytest

Images = npt.NDArray[np.uint8]

BITS = 12
#: Radius of a dot, px.
RADIUS = 6
LOSSLESS = ("-c:v", "libx264", "-qp", "0", "-pix_fmt", "yuv444p")
ORDINARY = ("-c:v", "libx264", "-crf", "12", "-pix_fmt", "yuv420p")


def ffmpeg(*arguments: str | Path) -> None:
    """Run ffmpeg; its words become the failure's."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-loglevel", "error", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def require_encoder(name: str) -> None:
    """Skip a test where the bundled ffmpeg lacks an encoder, as those of old imageio-ffmpeg lack AV1."""
    listed = subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-encoders"], capture_output=True, text=True, check=True)
    if f" {name} " not in listed.stdout:
        pytest.skip(f"this ffmpeg has no encoder '{name}'")


def encode(path: Path, frames: Images, *options: str, fps: str = "25") -> Path:
    """Encode ``(N, H, W, 3)`` RGB frames."""
    height, width = frames.shape[1:3]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "rgb24"]
    command += ["-s", f"{width}x{height}", "-r", fps, "-i", "-", *(options or ORDINARY), str(path)]
    done = subprocess.run(command, input=frames.tobytes(), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return path


def dot_centres(number: int, height: int, width: int) -> npt.NDArray[np.float64]:
    """``(3, 2)`` x, y of the red, green and blue dot of a frame: each on its own path, never off the frame."""
    phase = 2 * np.pi * number / 40 + np.array([0.0, 2.1, 4.2])
    margin = 3 * RADIUS
    x = width / 2 + (width / 2 - margin) * np.cos(phase)
    y = height / 2 + 12 + (height / 2 - margin - 12) * np.sin(phase)
    return np.stack([x, y], axis=1)


def numbered_frames(count: int, height: int = 120, width: int = 160) -> Images:
    """``(count, height, width, 3)`` frames: a bar code of the number along the top, three dots below it."""
    frames = np.zeros((count, height, width, 3), np.uint8)
    cell = width // BITS
    for number, frame in enumerate(frames):
        for bit in range(BITS):
            frame[:12, bit * cell : (bit + 1) * cell] = 255 if number >> bit & 1 else 40
        for channel, (x, y) in enumerate(dot_centres(number, height, width)):
            left, top = (max(0, int(middle) - RADIUS) for middle in (x, y))
            rows, columns = np.ogrid[top : top + 2 * RADIUS + 2, left : left + 2 * RADIUS + 2]
            near = np.hypot(columns + 0.5 - x, rows + 0.5 - y) < RADIUS
            part = frame[top : top + len(near), left : left + near.shape[1], channel]
            part[near[: part.shape[0], : part.shape[1]]] = 255
    return frames


def read_number(image: Images) -> int:
    """The number that a frame carries, read back from its bar code."""
    cell = image.shape[1] // BITS
    bars = image[2:10, : BITS * cell].reshape(8, BITS, cell, 3)[:, :, 2:-2].mean(axis=(0, 2, 3))
    return int(sum(1 << bit for bit in range(BITS) if bars[bit] > 128))


def textured(frames: Images) -> Images:
    """The same frames with faint colour noise below the bar code, so that chroma has edges everywhere."""
    noise = np.random.default_rng(0).integers(0, 90, frames.shape, dtype=np.uint8)
    noise[:, :12] = 0
    return np.maximum(frames, noise)


def packets(path: Path) -> list[bytes]:
    """The coded frames of a file's first video stream, in file order."""
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(container.streams.video[0]) if packet.size]


def spoil(source: Path, target: Path, *numbers: int) -> Path:
    """Copy a file with the packets of these numbers overwritten by noise; the container stays sound."""
    content = bytearray(source.read_bytes())
    coded = packets(source)
    for number in numbers:
        start = content.index(coded[number])
        content[start : start + len(coded[number])] = np.random.default_rng(number).bytes(len(coded[number]))
    target.write_bytes(content)
    return target


def beginning(source: Path, frames: int, folder: Path) -> Path:
    """Copy whole groups of pictures from the beginning of a video, as they are, to a file of the same name."""
    ffmpeg("-i", source, "-c", "copy", "-frames:v", str(frames), folder / source.name)
    return folder / source.name


def truncate(source: Path, target: Path, part: float) -> Path:
    """Copy the first part of a file, as a full disk would leave it."""
    content = source.read_bytes()
    target.write_bytes(content[: int(len(content) * part)])
    return target

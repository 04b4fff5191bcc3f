"""Peak memory of ``posecli analyze`` against the length of the video: from ten thousand frames to a million.

    python benchmarks/long_videos.py

Frames are tiny and the network is a ResNet of a few channels, so that a million of them take minutes; engine, pipeline,
journal and table are the real ones. Each video is analysed in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from common import machine, markdown_table, run_measured, write_results

from posecli.model.folder import ModelDescription, write_model_folder
from posecli.video.encode import find_ffmpeg

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from support import projects, small_network

WIDTH, HEIGHT = 32, 32
LENGTHS = (10_000, 100_000, 1_000_000)


def main() -> None:
    """Measure, and write ``results/long-videos.*``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, nargs="+", default=list(LENGTHS))
    parser.add_argument("--name", default="long-videos", help="name of the result files")
    arguments = parser.parse_args()
    facts = machine()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        model = small_model(folder / "model")
        rows = [measured(make_video(folder, frames), model, folder / f"poses-{frames}") for frames in arguments.frames]
    first = rows[0]["peak MiB"]
    for row in rows:
        row["against the shortest"] = row["peak MiB"] / first
    write_results(arguments.name, {"machine": facts, "rows": rows}, markdown_table(rows))


def small_model(folder: Path) -> Path:
    """A network that is a ResNet-50 in form, with random weights and few channels."""
    with pytest.MonkeyPatch.context() as patch:
        small_network.shrink(patch)
        description = ModelDescription("resnet_50", projects.BODYPARTS, projects.SCORER)
        return write_model_folder(folder, description, projects.random_weights()).path


def make_video(folder: Path, frames: int) -> Path:
    """So many frames of a moving pattern."""
    path = folder / f"{frames}.mp4"
    source = f"testsrc2=size={WIDTH}x{HEIGHT}:rate=100"
    command: Sequence[str] = [
        *(find_ffmpeg().path, "-loglevel", "error", "-f", "lavfi", "-i", source, "-frames:v", str(frames)),
        *("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", str(path)),
    ]
    subprocess.run(command, check=True)
    return path


def measured(video: Path, model: Path, out_dir: Path) -> dict[str, Any]:
    """One analysis: frames in the table, seconds, and peak memory of the process."""
    command = [sys.executable, small_network.__file__, "analyze", video, "-m", model, "-o", out_dir, "--json"]
    start = time.perf_counter()
    output, peak = run_measured([*map(str, command), "--batchsize", "64", "--precision", "fp32", "--quiet"])
    result = json.loads(output)["results"][0]
    row = {"frames": result["frames"], "seconds": time.perf_counter() - start, "peak MiB": peak}
    print(row, flush=True)
    return row


if __name__ == "__main__":
    main()

"""Peak memory of ``posecli analyze`` against the length of the video: from ten thousand frames to a million.

    python benchmarks/long_videos.py

Frames are tiny, so that a million of them take minutes; the network (the built-in ResNet-50 in OpenVINO, fp32),
pipeline, journal and table are the real ones. Each video is analysed in a process of its own.

Videos are Matroska, unless ``--container mp4`` is given: an MP4 file has a table of all its frames, which FFmpeg keeps
in memory as long as the file is open, and no reader can help that.
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

from common import machine, markdown_table, run_measured, write_results

from posecli.video.encode import find_ffmpeg

SIDE = 16
LENGTHS = (10_000, 100_000, 1_000_000)


def main() -> None:
    """Measure, and write ``results/long-videos.*``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, nargs="+", default=list(LENGTHS))
    parser.add_argument("--container", default="mkv", choices=["mkv", "mp4"])
    parser.add_argument("--name", default="long-videos", help="name of the result files")
    arguments = parser.parse_args()
    facts = machine()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        rows = []
        for frames in arguments.frames:
            rows.append(measured(make_video(folder / f"{frames}.{arguments.container}", frames), folder / "poses"))
            rows[-1]["against the shortest"] = rows[-1]["peak MiB"] / rows[0]["peak MiB"]
            print(rows[-1], flush=True)
    content = {"machine": facts, "container": arguments.container, "side": SIDE, "rows": rows}
    write_results(arguments.name, content, report(content))


def make_video(path: Path, frames: int) -> Path:
    """So many frames of a moving pattern."""
    source = f"testsrc2=size={SIDE}x{SIDE}:rate=100"
    command: Sequence[str] = [
        *(find_ffmpeg().path, "-loglevel", "error", "-f", "lavfi", "-i", source, "-frames:v", str(frames)),
        *("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", str(path)),
    ]
    subprocess.run(command, check=True)
    return path


def measured(video: Path, out_dir: Path) -> dict[str, Any]:
    """One analysis: rows of the table, seconds, and peak memory of the process."""
    command = [sys.executable, "-m", "posecli", "analyze", video, "-o", out_dir, "--json", "--quiet"]
    start = time.perf_counter()
    output, peak = run_measured([*map(str, command), "--batchsize", "64", "--precision", "fp32"])
    result = json.loads(output)["results"][0]
    return {"frames": result["frames"], "seconds": time.perf_counter() - start, "peak MiB": peak}


def report(content: dict[str, Any]) -> str:
    """The result for people."""
    facts = content["machine"]
    return (
        f"# Memory of `posecli analyze` against the length of the video\n\n{facts['processor']}, "
        f"{facts['cores']} cores, {facts['date']}; frames of {content['side']}x{content['side']} px, batch 64, "
        f"built-in ResNet-50, fp32, {content['container']}.\n\n{markdown_table(content['rows'])}"
    )


if __name__ == "__main__":
    main()

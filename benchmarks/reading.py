"""What reading costs in one version of posecli and in another, turn by turn: from packets to RGB pixels in a batch.

    git worktree add ../before COMMIT
    python benchmarks/reading.py VIDEO ../before/src

Both run with the packages of this environment, each from its own sources and in processes of its own. Processor time
of all threads counts, since it is what the network lacks; medians over the rounds, ratios round by round, above 1 where
this version is faster. Before anything is timed, both versions must give the same pixels and times.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import imageio_ffmpeg
from common import machine, markdown_table, write_results
from versus_version import HERE, run

#: Reads a video through a reader's public face only; prints what it cost, and a digest if one is asked for.
READ = """
import hashlib, json, resource, sys, time
from fractions import Fraction
from pathlib import Path
from posecli.video.geometry import Geometry
from posecli.video.probe import probe
from posecli.video.reader import VideoReader
video, scale, is_timed = Path(sys.argv[1]), Fraction(sys.argv[2]), sys.argv[3] == "time"
info = probe(video)
reader = VideoReader(info, Geometry.plan(info.width, info.height, None, scale))
digest, frames, usage, start = hashlib.sha256(), 0, resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
for batch in reader.batches(32):
    frames += len(batch)
    if not is_timed:
        digest.update(batch.images)
        digest.update(batch.seconds)
now = resource.getrusage(resource.RUSAGE_SELF)
cost = {
    "frames": frames,
    "cpu_seconds": now.ru_utime + now.ru_stime - usage.ru_utime - usage.ru_stime,
    "seconds": time.perf_counter() - start,
    "peak_mib": now.ru_maxrss / 1024,
}
print(json.dumps(cost if is_timed else digest.hexdigest()))
"""
#: Reads the frames by which the gate judges a precision, each with the one 8 frames before it.
GATE = """
import hashlib, json, resource, sys, time
from pathlib import Path
from posecli.options import AnalyzeOptions
from posecli.precision.gate import sampled_moments
usage, start = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
(sample,) = sampled_moments([Path(sys.argv[1])], AnalyzeOptions(), lag=8)
now = resource.getrusage(resource.RUSAGE_SELF)
cost = {
    "frames": len(sample.items),
    "cpu_seconds": now.ru_utime + now.ru_stime - usage.ru_utime - usage.ru_stime,
    "seconds": time.perf_counter() - start,
    "peak_mib": now.ru_maxrss / 1024,
}
digest = hashlib.sha256(sample.items.images)
digest.update(sample.earlier.images)
print(json.dumps(cost if sys.argv[3] == "time" else digest.hexdigest()))
"""
#: Clips made of the video: how, and in which file.
CLIPS = {
    "640x480, colour, H.264": (
        *("-vf", "scale=640:480:flags=area,format=yuv420p,lutyuv=u=110:v=150", "-c:v", "libx264", "-crf", "20"),
        "colour.mp4",
    ),
    "1280x1024, grey, MJPEG": (
        *("-vf", "scale=1280:1024:flags=bicubic", "-c:v", "mjpeg", "-q:v", "3", "-pix_fmt", "yuvj422p"),
        "mjpeg.avi",
    ),
    "278x278, grey, H.264": (
        *("-vf", "scale=278:278:flags=area", "-c:v", "libx264", "-crf", "20", "-pix_fmt", "yuv420p"),
        "small.mp4",
    ),
}
SCALES = ("1", "1/2")


def main() -> None:
    """Measure, and write ``results/reading.*``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path, help="grey, and 640x480 or so")
    parser.add_argument("other", type=Path, help="the other version's src folder")
    parser.add_argument("--frames", type=int, default=1000, help="of the clips that are made of the video")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    versions = (arguments.other.resolve(), HERE)
    facts, rows = machine(), []
    with tempfile.TemporaryDirectory() as scratch:
        clips = {"the video": arguments.video}
        for name, recipe in CLIPS.items():
            clips[name] = make(arguments.video, arguments.frames, recipe, Path(scratch))
        jobs = [(f"{name}, scale {scale}", READ, clip, scale) for name, clip in clips.items() for scale in SCALES]
        jobs.append(("the gate's frames of the video", GATE, arguments.video, "1"))
        for what, script, clip, scale in jobs:
            rows.append(compare(what, ["-c", script, clip, scale], versions, arguments.rounds))
            print(rows[-1], flush=True)
    words = (
        f"# Reading: this version of posecli against another\n\n{facts['processor']}, {facts['cores']} cores; medians "
        f"of {arguments.rounds} rounds, taking turns; load before {facts['load_before']:.1f}. Pixels and times are "
        "equal, bit for bit."
    )
    content = {"machine": facts, "rounds": arguments.rounds, "rows": rows}
    shown = [{key: value for key, value in row.items() if key != "rounds"} for row in rows]
    write_results("reading", content, f"{words}\n\n{markdown_table(shown)}")


def make(video: Path, frames: int, recipe: tuple[str, ...], folder: Path) -> Path:
    """The first frames of the video, encoded anew."""
    *options, name = recipe
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-loglevel", "error", "-i", video, "-frames:v", frames]
    subprocess.run([*map(str, command), *options, str(folder / name)], check=True)
    return folder / name


def compare(what: str, call: list[Any], versions: tuple[Path, Path], rounds: int) -> dict[str, Any]:
    """What reading costs in both versions, in turn."""
    if len({run(source, [*call, "compare"]) for source in versions}) != 1:
        raise RuntimeError(f"{what}: the pixels or times of the two versions differ")
    costs = [[json.loads(run(source, [*call, "time"])) for source in versions] for _ in range(rounds)]

    def median(version: int, key: str) -> float:
        return float(statistics.median(pair[version][key] for pair in costs))

    frames = costs[0][0]["frames"]
    row: dict[str, Any] = {"what": what, "frames": frames}
    for version, name in enumerate(("other", "this")):
        row[f"{name}, CPU ms per frame"] = 1000 * median(version, "cpu_seconds") / frames
    row["other / this, CPU"] = statistics.median(other["cpu_seconds"] / this["cpu_seconds"] for other, this in costs)
    for version, name in enumerate(("other", "this")):
        row[f"{name}, frames/s"] = frames / median(version, "seconds")
    row["other / this, time"] = statistics.median(other["seconds"] / this["seconds"] for other, this in costs)
    for version, name in enumerate(("other", "this")):
        row[f"{name}, peak MiB"] = median(version, "peak_mib")
    return row | {"rounds": costs}


if __name__ == "__main__":
    main()

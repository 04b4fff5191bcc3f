"""One version of posecli against another, turn by turn: reading alone, and the whole command.

    git worktree add ../before COMMIT
    python benchmarks/versus_version.py VIDEO ../before/src --name reading

Both run with the packages of this environment, each from its own sources. Figures are medians over the rounds; the
ratio is taken round by round, above 1 where this version is faster.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from common import machine, make_clip, markdown_table, write_results

HERE = Path(__file__).resolve().parent.parent / "src"
#: Reads a clip as the pipeline does; what it says of a version is its public reader only.
READ = """
import sys, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from posecli.video.probe import probe
from posecli.video.reader import VideoReader
start = time.perf_counter()
reader, frames = VideoReader(probe(Path(sys.argv[1]))), 0
buffer = reader.new_buffer(32)
with ThreadPoolExecutor(2) as pool:
    while (batch := reader.read_into(buffer, pool)) is not None:
        frames += len(batch)
print(frames / (time.perf_counter() - start))
"""


def main() -> None:
    """Measure, and write ``results/versus-version-NAME.*``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path)
    parser.add_argument("other", type=Path, help="the other version's src folder")
    parser.add_argument("--name", required=True, help="of the result files")
    parser.add_argument("--sizes", default="80,160,320,640", help="frame widths, px")
    parser.add_argument("--frames", type=int, default=2330)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--precision", default="bf16")
    arguments = parser.parse_args()
    facts, rows = machine(), []
    with tempfile.TemporaryDirectory() as scratch:
        for width in map(int, arguments.sizes.split(",")):
            clip = make_clip(arguments.video, width, arguments.frames, Path(scratch))
            rows.append(compare(f"reading, {width} px", arguments, partial(read, clip)))
            # As many frames as the network does in some ten seconds.
            short = make_clip(arguments.video, width, max(64, min(2330, 4_000_000 // width**2 * 16)), Path(scratch))
            work = partial(analyze, short, arguments.precision, Path(scratch))
            rows.append(compare(f"whole command, {width} px", arguments, work))
    content = {"machine": facts, "rounds": arguments.rounds, "precision": arguments.precision, "rows": rows}
    table = markdown_table([{key: row[key] for key in row if key != "rounds"} for row in rows])
    words = (
        f"# This version of posecli against another: {arguments.name}\n\n{facts['processor']}, {facts['cores']} cores; "
        f"medians of {arguments.rounds} rounds, taking turns, {arguments.precision}."
    )
    write_results(f"versus-version-{arguments.name}", content, f"{words}\n\n{table}")


def compare(what: str, arguments: argparse.Namespace, measure: Callable[[Path], float]) -> dict[str, Any]:
    """Frames per second of both, in turn."""
    pairs = [(measure(arguments.other.resolve()), measure(HERE)) for _ in range(arguments.rounds)]
    others, ours = zip(*pairs, strict=True)
    row = {
        "what": what,
        "other fps": statistics.median(others),
        "this fps": statistics.median(ours),
        "this / other": statistics.median(ours / other for other, ours in pairs),
        "rounds": pairs,
    }
    print(row, flush=True)
    return row


def read(clip: Path, source: Path) -> float:
    """Frames per second of reading alone."""
    return float(run(source, ["-c", READ, clip]))


def analyze(clip: Path, precision: str, folder: Path, source: Path) -> float:
    """Frames per second of the whole command from the first frame read to the table closed."""
    command = ["-m", "posecli", "analyze", clip, "-o", folder / "poses", "--overwrite", "--json", "--batchsize", 32]
    result = json.loads(run(source, [*command, "--precision", precision]))["results"][0]
    return float(result["frames"] / result["seconds"])


def run(source: Path, arguments: Sequence[object]) -> str:
    """Standard output of a Python that runs one version."""
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(source)},
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout


if __name__ == "__main__":
    main()

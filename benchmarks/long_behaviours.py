"""An hour of video through ``posecli classify``: memory against ten minutes of it, and the same table after kills.

    python benchmarks/long_behaviours.py
    python benchmarks/long_behaviours.py --video hour.mp4 --model my-behaviours

Without a video an hour of the home-cage scene is rendered at 128x96 px. The network is the built-in one, in fp32. Each
run is a process of its own; the killed one gets SIGKILL when so many of its rows are on the disk, and then the same
command is given again.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from common import machine, markdown_table, run_measured, write_results

from posecli.analysis.journal import read_journal
from posecli.behaviour.table import read_behaviours
from posecli.model.folder import builtin_behaviours_path, read_clip_folder
from posecli.synthetic import SceneOptions, sample_files, write_sample
from posecli.video.probe import probe

HOUR, TEN_MINUTES = 108_000, 18_000
#: Shares of the rows after which the run is killed.
KILLS = (0.1, 0.35, 0.6, 0.9)


def main() -> None:
    """Measure, and write ``results/long-behaviours.*``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--video", type=Path)
    parser.add_argument("--short", type=Path)
    parser.add_argument("--model", type=Path, default=builtin_behaviours_path())
    parser.add_argument("--name", default="long-behaviours", help="name of the result files")
    arguments = parser.parse_args()
    facts = machine()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        hour = arguments.video or rendered(folder / "hour.mp4", HOUR)
        short = arguments.short or rendered(folder / "ten-minutes.mp4", TEN_MINUTES)
        rows = [measured(video, arguments.model, folder / "whole") for video in (short, hour)]
        for row in rows:
            row["against ten minutes"] = row["peak MiB"] / rows[0]["peak MiB"]
        kills = killed(hour, arguments.model, folder / "killed")
    content = {"machine": facts, "video": describe(hour), "rows": rows, "kills": kills}
    write_results(arguments.name, content, report(content))


def rendered(path: Path, frames: int) -> Path:
    """So many frames of the home cage."""
    options = SceneOptions(scene="home-cage", width=128, height=96, frames=frames, seed=901)
    return write_sample(options, path).video if not sample_files(options, path).video.exists() else path


def describe(video: Path) -> dict[str, Any]:
    """Size and length."""
    info = probe(video)
    return {"width": info.width, "height": info.height, "frames": info.n_frames, "fps": float(info.frame_rate)}


def command_for(video: Path, model: Path, out_dir: Path) -> list[str]:
    """As a user would type it."""
    command = [sys.executable, "-m", "posecli", "classify", video, "-m", model, "-o", out_dir]
    return [*map(str, command), "--json", "--quiet", "--precision", "fp32"]


def measured(video: Path, model: Path, out_dir: Path) -> dict[str, Any]:
    """One run: frames, seconds, and peak memory of the process."""
    start = time.perf_counter()
    _, peak = run_measured(command_for(video, model, out_dir))
    frames = probe(video).n_frames
    return {"frames": frames, "seconds": time.perf_counter() - start, "peak MiB": peak}


def killed(video: Path, model: Path, out_dir: Path) -> dict[str, Any]:
    """Kill at several moments, end the run, and compare with the table of the unbroken one."""
    scorer = read_clip_folder(model).description.scorer
    journal = out_dir / f"{video.stem}{scorer}.rows.partial"
    table = f"{video.stem}{scorer}.h5"
    whole = read_behaviours(out_dir.with_name("whole") / table, "chunks")
    reached = []
    for share in KILLS:
        process = subprocess.Popen(command_for(video, model, out_dir), stdout=subprocess.DEVNULL)
        while process.poll() is None and rows_in(journal) < share * len(whole):
            time.sleep(0.1)
        process.send_signal(signal.SIGKILL)
        process.wait()
        reached.append(rows_in(journal))
    subprocess.run(command_for(video, model, out_dir), check=True, stdout=subprocess.DEVNULL)
    again = read_behaviours(out_dir / table, "chunks")
    return {"rows": len(whole), "killed at rows": reached, "same table": again.equals(whole)}


def rows_in(journal: Path) -> int:
    """Whole rows that are on the disk."""
    content = read_journal(journal)
    return 0 if content is None else content.rows


def report(content: dict[str, Any]) -> str:
    """The result for people."""
    facts, video, kills = content["machine"], content["video"], content["kills"]
    same = "the same table, bit for bit" if kills["same table"] else "ANOTHER TABLE"
    return (
        f"# An hour of video through `posecli classify`\n\n{facts['processor']}, {facts['cores']} cores, "
        f"{facts['date']}; {video['frames']} frames of {video['width']}x{video['height']} px, fp32.\n\n"
        f"{markdown_table(content['rows'])}\n\nKilled when {', '.join(map(str, kills['killed at rows']))} of "
        f"{kills['rows']} chunks were on the disk, and given the same command each time: {same}.\n"
    )


if __name__ == "__main__":
    main()

"""posecli label and DeepLabCut's create_labeled_video on the same clip and table, turn by turn.

    python benchmarks/label_speed.py VIDEO TABLE PROJECT --peer-python PYTHON

TABLE is DeepLabCut's own pose table of VIDEO by the network of PROJECT. PYTHON is the interpreter of an environment
with DeepLabCut 3.0.2; without it posecli alone is timed. Frames per second are of the work itself, as each is called
from Python, imports left out; the seconds of the whole process stand beside them.
"""

from __future__ import annotations

import argparse
import json
import pickle
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from common import machine, make_clip, markdown_table, write_results

from posecli.support.files import move_into_place
from posecli.tables.pose_table import PoseTableWriter, pose_columns
from posecli.tables.poses import read_poses

PEER = Path(__file__).resolve().parent / "peer" / "deeplabcut_label.py"
PCUTOFF = 0.6
#: Frames for which points leave a trail.
TRAILS = (0, 20)


def main() -> None:
    """Measure, and write ``results/label-speed.*``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path)
    parser.add_argument("table", type=Path)
    parser.add_argument("project", type=Path, help="DeepLabCut project; it is copied, because DeepLabCut writes to it")
    parser.add_argument("--peer-python", type=Path)
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--frames", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    facts = machine()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        project = Path(shutil.copytree(arguments.project, folder / "project"))
        clip, table = material(arguments, folder)
        rows = []
        for trail in TRAILS:
            rounds = [one_round(clip, table, project, trail, arguments.peer_python) for _ in range(arguments.rounds)]
            rows.append(summary(arguments, trail, rounds))
            print(rows[-1], flush=True)
    content = {"machine": facts, "rounds": arguments.rounds, "rows": rows}
    write_results("label-speed", content, report(facts, arguments.rounds, rows))


def material(arguments: argparse.Namespace, folder: Path) -> tuple[Path, Path]:
    """The clip, and beside it its table and the meta file that DeepLabCut asks for."""
    made = make_clip(arguments.video, arguments.width, arguments.frames, folder)
    clip = made.rename(folder / arguments.video.name)
    poses = read_poses(arguments.table)
    table = folder / arguments.table.name
    writer = PoseTableWriter(table, pose_columns(poses.scorer, poses.bodyparts))
    writer.append(poses.points[: arguments.frames, :, None])
    writer.close(np.arange(arguments.frames) / 30)
    move_into_place(writer.partial_path, table)
    meta = {"data": {"cropping": False, "cropping_parameters": [0, arguments.width, 0, arguments.width]}}
    table.with_name(f"{table.stem}_meta.pickle").write_bytes(pickle.dumps(meta))
    return clip, table


def one_round(clip: Path, table: Path, project: Path, trail: int, peer_python: Path | None) -> dict[str, float]:
    """Seconds of both: the work, and the whole process."""
    start = time.perf_counter()
    seconds = {"posecli": time_posecli(clip, table, trail)}
    seconds["posecli process"] = time.perf_counter() - start
    if peer_python is not None:
        start = time.perf_counter()
        seconds["DeepLabCut"] = time_peer(clip, project, trail, peer_python)
        seconds["DeepLabCut process"] = time.perf_counter() - start
    return seconds


def time_posecli(clip: Path, table: Path, trail: int) -> float:
    """Seconds that the command took for the video, by its own account."""
    command = [sys.executable, "-m", "posecli", "label", clip, table, "-o", clip.with_name("ours.mp4"), "--overwrite"]
    command += ["--trails", trail, "--pcutoff", PCUTOFF, "-q", "--json"]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout)["seconds"])


def time_peer(clip: Path, project: Path, trail: int, python: Path) -> float:
    """DeepLabCut's function, by a clock around it."""
    command = [python, PEER, project / "config.yaml", clip, PCUTOFF, trail]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"DeepLabCut failed:\n{done.stderr}")
    answer = json.loads(done.stdout.splitlines()[-1])
    if not answer["made"]:
        raise SystemExit(f"DeepLabCut made no video:\n{done.stdout}\n{done.stderr}")
    for path in answer["made"]:
        Path(path).unlink()
    return float(answer["seconds"])


def summary(arguments: argparse.Namespace, trail: int, rounds: list[dict[str, float]]) -> dict[str, Any]:
    """One condition: frames per second of both, and the ratio round by round."""
    row: dict[str, Any] = {"width": arguments.width, "frames": arguments.frames, "trails": trail}
    for name in [name for name in ("posecli", "DeepLabCut") if name in rounds[0]]:
        row[f"{name} fps"] = arguments.frames / statistics.median(seconds[name] for seconds in rounds)
        row[f"{name} process s"] = statistics.median(seconds[f"{name} process"] for seconds in rounds)
    if "DeepLabCut" in rounds[0]:
        ratios = [seconds["DeepLabCut"] / seconds["posecli"] for seconds in rounds]
        row |= {"ratio median": statistics.median(ratios), "ratio lowest": min(ratios), "ratio highest": max(ratios)}
    return row


def report(facts: dict[str, Any], rounds: int, rows: list[dict[str, Any]]) -> str:
    """The result for people."""
    return (
        f"# Labelled videos: posecli and DeepLabCut 3.0.2\n\n{facts['processor']}, {facts['cores']} cores, "
        f"{facts['date']}; medians of {rounds} rounds, taking turns. Frames per second of the work itself (DeepLabCut: "
        f"`create_labeled_video(fastmode=True)`); seconds of the whole process.\n\n{markdown_table(rows)}"
    )


if __name__ == "__main__":
    main()

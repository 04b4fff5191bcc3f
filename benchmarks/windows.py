"""Windows against whole frames, and against DeepLabCut, turn by turn; and every setting's speed against its shift.

    posecli model import PROJECT -o FOLDER
    posecli model quantize FOLDER --calibrate VIDEO
    python benchmarks/windows.py VIDEO PROJECT FOLDER --peer-python PYTHON

PYTHON is the interpreter of an environment with DeepLabCut 3.0.2 and TensorFlow 2.15. VIDEO is read from its first
frame on, as it is, and as clips of 278x278 px: one cut from the middle, which the mouse leaves and comes back to, and
one of the last frames' left side, where it always is. Frames per second are those of the loop over frames, from the
first one read to the table closed, as DeepLabCut's are; those of the whole process, with start-up and parity gate,
stand beside them. Shifts are measured in every frame, against posecli's fp32 on whole frames.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np
from common import machine, markdown_table, run_posecli, write_results
from versus_deeplabcut import run_peer

from posecli import read_pose_table
from posecli.support.figures import house_style, save_figure

#: Frames of a round, of the frontier, and of DeepLabCut: the first ones.
FRAMES, FRONTIER_FRAMES, PEER_FRAMES = 640, 240, 40
#: Sides of windows in the frontier, px.
SIDES = (176, 208, 256)
PRECISIONS = ("fp32", "bf16", "int8")
#: A point counts as seen from this likelihood on; it is elsewhere if it is further away than so many px.
SEEN, ELSEWHERE_PX = 0.6, 20
ANY_SHIFT = 1000
FIGURE = Path(__file__).resolve().parents[1] / "docs" / "images" / "windows-frontier"
MIDDLE = "crop=ih:ih,scale=278:278:flags=area"
#: The same frames twice, for there are no more: windows are not tried on fewer than some 830 that are so small.
SIDE = "select=gte(n\\,1690),loop=1:640,setpts=N/30/TB,crop=ih:ih:0:0,scale=278:278:flags=area"


def main() -> None:
    """Measure, and write ``results/windows.*``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path)
    parser.add_argument("project", type=Path, help="DeepLabCut project; it is copied, because DeepLabCut writes to it")
    parser.add_argument("model", type=Path, help="the same network as a model folder, with an int8 version")
    parser.add_argument("--peer-python", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    facts = machine()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        project = Path(shutil.copytree(arguments.project, folder / "project"))
        clip = cut(arguments.video, folder / "640x480.mp4", FRAMES)
        middle = cut(arguments.video, folder / "middle.mp4", 2 * FRAMES, MIDDLE)
        side = cut(arguments.video, folder / "side.mp4", 2 * FRAMES, SIDE)
        short = cut(arguments.video, folder / "short.mp4", PEER_FRAMES)
        races = []
        for name, video, model, flags, peer in (
            ("640x480, imported", clip, arguments.model, ["--window", "auto"], short),
            ("640x480, built-in, --within 1px", clip, "built-in", ["--within", "1px"], None),
            ("278x278, imported", side, arguments.model, ["--window", "auto"], None),
            ("278x278, imported, often out of sight", middle, arguments.model, ["--window", "auto"], None),
        ):
            rounds = []
            for _ in range(arguments.rounds):
                fps = (
                    {}
                    if peer is None
                    else {"DeepLabCut": run_peer("tensorflow", peer, project, 8, arguments.peer_python)}
                )
                rounds.append(fps | race(video, model, folder, flags))
            whole, windows = (points_in(folder / each) for each in ("whole", "windows"))
            races.append({"what": name} | summary(rounds) | shifts(windows, whole))
            print(races[-1], flush=True)
        few = cut(arguments.video, folder / "few.mp4", FRONTIER_FRAMES)
        frontier = [
            {"network": name} | row
            for name, model in (("imported", arguments.model), ("built-in", "built-in"))
            for row in settings(few, model, folder)
        ]
    draw(frontier)
    content = {"machine": facts, "rounds": arguments.rounds, "frames": FRAMES, "races": races, "frontier": frontier}
    write_results("windows", content, report(facts, arguments.rounds, races, frontier))


def cut(video: Path, clip: Path, frames: int, filters: str | None = None) -> Path:
    """The first frames of a video: its own packets, or filtered and encoded anew."""
    how = (
        ["-c", "copy"]
        if filters is None
        else ["-vf", filters, "-fps_mode", "passthrough", "-c:v", "libx264", "-crf", "12"]
    )
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-loglevel", "error", "-i", video, *how, "-frames:v", frames]
    subprocess.run([str(part) for part in (*command, clip)], check=True)
    return clip


def race(video: Path, model: Path | str, folder: Path, flags: list[str]) -> dict[str, float]:
    """One round: frames per second of whole frames, and with the flags."""
    fps: dict[str, float] = {}
    for name, more in (("whole", ["--window", "off"]), ("windows", flags)):
        shutil.rmtree(folder / name, ignore_errors=True)
        run = run_posecli(video, Path(model), folder / name, ["-b", 64, *more])
        fps |= {name: run.fps, f"{name}, process": run.frames / run.process_seconds}
    return fps


def points_in(folder: Path) -> np.ndarray[Any, Any]:
    """The points of the table in a folder, ``(N, K, 3)``."""
    (table,) = folder.glob("*.h5")
    poses = read_pose_table(table).to_numpy()
    return poses.reshape(len(poses), -1, 3)


def summary(rounds: list[dict[str, float]]) -> dict[str, Any]:
    """Medians, and ratios within each round."""
    row: dict[str, Any] = {f"{name} fps": statistics.median(each[name] for each in rounds) for name in rounds[0]}
    for ours, other in (("windows", "whole"), ("windows, process", "whole, process"), ("windows", "DeepLabCut")):
        ratios = [each[ours] / each[other] for each in rounds if other in each]
        row[f"to {other}"] = statistics.median(ratios) if ratios else "not run"
        row[f"to {other}, lowest"] = min(ratios, default="not run")
    return {"DeepLabCut fps": "not run"} | row


def settings(video: Path, model: Path | str, folder: Path) -> list[dict[str, Any]]:
    """Speed and shift of every precision, of whole frames and of windows."""
    reference, rows = None, []
    for precision in PRECISIONS:
        for window in ("off", *(SIDES if precision != "fp32" else ())):
            out = folder / f"{precision}-{window}"
            flags = ["-b", 64, "--precision", precision, "--window", window, "--max-shift", ANY_SHIFT]
            run = run_posecli(video, Path(model), out, flags)
            points = points_in(out)
            reference = points if reference is None else reference
            manifest = json.loads(next(out.glob("*.json")).read_text())
            whole = manifest["windows"]["whole_frames"] / run.frames if "windows" in manifest else 1.0
            rows.append({"precision": precision, "window": window, "fps": run.fps, "whole": whole})
            rows[-1] |= shifts(points, reference)
            shutil.rmtree(out)
            print(rows[-1], flush=True)
    return rows


def shifts(points: np.ndarray[Any, Any], reference: np.ndarray[Any, Any]) -> dict[str, float]:
    """How far points lie from those of the reference that are seen there."""
    seen = reference[..., 2] >= SEEN
    apart = np.linalg.norm(points[..., :2] - reference[..., :2], axis=-1)[seen]
    return {
        "median px": float(np.median(apart)),
        "p99 px": float(np.quantile(apart, 0.99)),
        "elsewhere": int((apart > ELSEWHERE_PX).sum()),
        "points": int(seen.sum()),
    }


def draw(rows: list[dict[str, Any]]) -> None:
    """The frontier: frames per second against the 99th percentile of the shift."""
    import matplotlib.pyplot as plt

    with house_style():
        figure, axes = plt.subplots(1, 2, figsize=(9, 4), sharey=True, layout="constrained")
        for ax, network in zip(axes, ("imported", "built-in"), strict=True):
            for precision, marker in (("fp32", "s"), ("bf16", "^"), ("int8", "o")):
                found = [row for row in rows if (row["network"], row["precision"]) == (network, precision)]
                ax.plot([row["p99 px"] for row in found], [row["fps"] for row in found], marker, label=precision)
                for row in found:
                    words = "whole frames" if row["window"] == "off" else f"{row['window']} px"
                    ax.annotate(words, (row["p99 px"], row["fps"]), (4, 3), textcoords="offset points", fontsize=7)
            ax.set(title=f"{network} network", xlabel="shift, 99th percentile (px)")
        axes[0].set_ylabel("frames per second")
        axes[0].legend()
        save_figure(figure, FIGURE)


def report(facts: dict[str, Any], rounds: int, races: list[dict[str, Any]], frontier: list[dict[str, Any]]) -> str:
    """The result for people."""
    return (
        f"# Windows\n\n{facts['processor']}, {facts['cores']} cores, {facts['date']}, OpenVINO "
        f"{facts['packages']['openvino']}; the first {FRAMES} frames of a video (of 278x278 px twice as many), default "
        f"settings with --window off and auto, medians of {rounds} rounds, taking turns; DeepLabCut 3.0.2 (TensorFlow "
        f"2.15) had the first {PEER_FRAMES}, in batches of 8. Frames per second are the loop over frames, or the whole "
        f"process where that is said. Shifts are those of points of a likelihood of {SEEN} or more, against whole "
        f"frames in the same precision; elsewhere are points that lie more than {ELSEWHERE_PX} px away.\n\n"
        f"{markdown_table(races)}\n\n"
        f"Every setting in one run over the first {FRONTIER_FRAMES} frames, its shifts against fp32 on whole frames, "
        f"and the share of frames that was looked at as a whole.\n\n{markdown_table(frontier)}"
    )


if __name__ == "__main__":
    main()

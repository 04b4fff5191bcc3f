"""A student of a network against its teacher, on frames that it never saw: how far apart they are, and how fast.

    posecli model import PROJECT -o TEACHER
    posecli model quantize TEACHER --calibrate VIDEO
    python benchmarks/students.py TEACHER VIDEO STUDENT --first 1800 --last 2329

The student never sees the frames from FIRST to LAST: 'posecli distill' makes it of a copy of the video that ends
before them, of which it holds out stretches of its own, unless its folder is there already. Both networks look at these
frames, taking turns. Copies are coded without loss. Shifts are those from the teacher in fp32 on whole frames. Frames
per second are those of the loop over frames. With a project and PYTHON, of an environment with DeepLabCut 3.0.2 and
TensorFlow 2.15, DeepLabCut takes turns too.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np
from common import machine, markdown_table, run_network_only, run_posecli, write_results
from versus_deeplabcut import run_peer
from windows import ANY_SHIFT, cut, points_in

from posecli.model.description import ModelDescription
from posecli.model.folder import ModelFolder, has_int8, read_model_folder, write_folder
from posecli.model.student import StudentRecord, StudentShift, part_shifts, read_student
from posecli.network.architectures import TRAINED_LAYOUTS
from posecli.support.figures import house_style, save_figure

#: Frames that DeepLabCut has of a round.
PEER_FRAMES = 40
#: What is raced: names, and options of analyze.
TEACHER = {
    "teacher int8": ["--precision", "int8", "--window", "off"],
    "teacher int8, windows": ["--precision", "int8", "--window", "auto"],
}
ALONE = ["--teacher", "off"]
STUDENT = {
    **{
        f"student {precision}": ["--precision", precision, "--window", "off", *ALONE]
        for precision in ("fp32", "bf16", "int8")
    },
    "student int8, windows": ["--precision", "int8", "--window", "auto", *ALONE],
}
#: Networks that a student may be; others are compared with the first.
NETWORKS = ("mobilenet_v2_0.35", "mobilenet_v2_0.5", "compact_8", "compact_16", "compact_24")
NETWORK_SECONDS = 2.0
FIGURE = Path(__file__).resolve().parents[1] / "docs" / "images" / "students-frontier"


def main() -> None:
    """Make the student if there is none, measure, and write ``results/students.*``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("teacher", type=Path, help="model folder with an int8 version")
    parser.add_argument("video", type=Path)
    parser.add_argument("student", type=Path, help="model folder of the student, made if it is not there")
    parser.add_argument("--first", type=int, required=True)
    parser.add_argument("--last", type=int, required=True)
    parser.add_argument("--budget", default="50min")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--project", type=Path, help="the teacher's DeepLabCut project; it is copied")
    parser.add_argument("--peer-python", type=Path)
    arguments = parser.parse_args()
    facts = machine()
    folder = student(arguments)
    record = read_student(folder)
    assert record is not None
    with tempfile.TemporaryDirectory() as scratch:
        where = Path(scratch)
        clip = exact_copy(arguments.video, where / "unseen.mp4", arguments.first, arguments.last)
        exact = run_posecli(clip, arguments.teacher, where / "exact", ["--precision", "fp32", "--window", "off"])
        assert exact.frames == arguments.last - arguments.first + 1
        peer = None
        if arguments.project is not None:
            project = Path(shutil.copytree(arguments.project, where / "project"))
            peer = cut(clip, where / "short.mp4", PEER_FRAMES), project, arguments.peer_python
        rounds = [one_round(clip, arguments, where, peer) for _ in range(arguments.rounds)]
        networks = network_speeds(clip, where, arguments.rounds)
        rows = [row(name, rounds, where, record) for name in rounds[0]]
        parts = [
            {"body part": name} | plain(shift)
            for name, shift in part_shifts(
                points_in(where / "student fp32"), points_in(where / "exact"), record.bodyparts, record.cutoff
            ).items()
        ]
    draw(rows)
    content = {"machine": facts, "frames": exact.frames, "lessons": vars(record.lessons), "rows": rows, "parts": parts}
    content |= {"networks": networks}
    network = folder.description.network
    made_of = {
        "network": folder.description.net_type,
        "parameters": network.parameters,
        "multiply-adds of a 640x480 frame": sum(network.multiplications((480, 640)).values()),
    }
    write_results("students", content | made_of, report(facts, record, made_of, content))


def student(arguments: argparse.Namespace) -> ModelFolder:
    """The student, made if it is not there, with its int8 version."""
    seen = arguments.student.with_name(f"{arguments.video.stem}-0-{arguments.first - 1}.mp4")
    if not seen.exists():
        exact_copy(arguments.video, seen, 0, arguments.first - 1)
    if not arguments.student.exists():
        posecli("distill", arguments.teacher, seen, "-o", arguments.student, "--budget", arguments.budget)
    folder = read_model_folder(arguments.student)
    if not has_int8(folder):
        posecli("model", "quantize", arguments.student, "--calibrate", seen, "--scales", 1)
    return folder


def posecli(*arguments: object) -> None:
    """Run the installed command; what it prints is seen."""
    subprocess.run([sys.executable, "-m", "posecli", *map(str, arguments)], check=True)


def exact_copy(video: Path, clip: Path, first: int, last: int) -> Path:
    """Some frames of a video, coded anew without loss."""
    frames = ["-vf", f"trim=start_frame={first}:end_frame={last + 1},setpts=PTS-STARTPTS"]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-loglevel", "error", "-i", video, *frames]
    subprocess.run([str(part) for part in (*command, "-c:v", "libx264", "-qp", "0", clip)], check=True)
    return clip


def one_round(
    clip: Path, arguments: argparse.Namespace, where: Path, peer: tuple[Path, Path, Path] | None
) -> dict[str, float]:
    """Frames per second of everything once."""
    fps = {} if peer is None else {"DeepLabCut": run_peer("tensorflow", peer[0], peer[1], 8, peer[2])}
    for model, settings in ((arguments.teacher, TEACHER), (arguments.student, STUDENT)):
        for name, flags in settings.items():
            shutil.rmtree(where / name, ignore_errors=True)
            run = run_posecli(clip, model, where / name, ["-b", 64, "--max-shift", ANY_SHIFT, *flags])
            fps[name] = run.fps
            print(name, round(run.fps, 1), flush=True)
    return fps


def network_speeds(clip: Path, where: Path, rounds: int) -> list[dict[str, Any]]:
    """Frames per second of networks that a student may be, alone and with any weights, in each round once."""
    rng, found = np.random.default_rng(0), []
    folders = {}
    for name in NETWORKS:
        description = ModelDescription(name, ("a", "b", "c", "d"), "DLC_x", layout=TRAINED_LAYOUTS[name])
        shapes = description.network.variable_shapes()
        weights = {each: np.abs(rng.normal(0, 0.05, shape)).astype(np.float32) for each, shape in shapes.items()}
        folders[name] = write_folder(where / name, description, weights)
    for precision in ("fp32", "bf16"):
        settings = ["--precision", precision]
        fps = [
            {name: run_network_only(clip, folders[name].path, settings, 8, NETWORK_SECONDS) for name in NETWORKS}
            for _ in range(rounds)
        ]
        for name, folder in folders.items():
            network = folder.description.network
            found.append(
                {
                    "network": name,
                    "precision": precision,
                    "parameters": network.parameters,
                    "multiply-adds": sum(network.multiplications((480, 640)).values()),
                    "frames/s": statistics.median(each[name] for each in fps),
                    f"to {NETWORKS[0]}": statistics.median(each[name] / each[NETWORKS[0]] for each in fps),
                }
            )
            print(found[-1], flush=True)
    return found


def row(name: str, rounds: list[dict[str, float]], where: Path, record: StudentRecord) -> dict[str, Any]:
    """Medians over the rounds, ratios within each, and the shift from the teacher in fp32."""
    found: dict[str, Any] = {"what": name, "frames/s": statistics.median(each[name] for each in rounds)}
    for other in ("teacher int8", "DeepLabCut"):
        ratios = [each[name] / each[other] for each in rounds if other in each]
        found[f"to {other}"] = statistics.median(ratios) if ratios else "not run"
        found[f"to {other}, lowest"] = min(ratios, default="not run")
    shift = (
        StudentShift.between(points_in(where / name), points_in(where / "exact"), record.cutoff)
        if (where / name).is_dir()
        else None
    )
    return found | plain(shift)


def draw(rows: list[dict[str, Any]]) -> None:
    """The frontier: frames per second against the 99th percentile of the shift."""
    import matplotlib.pyplot as plt

    with house_style():
        figure, ax = plt.subplots(figsize=(6, 4), layout="constrained")
        for who, marker in (("teacher", "s"), ("student", "o")):
            found = [row for row in rows if row["what"].startswith(who)]
            ax.plot([row["p99 px"] for row in found], [row["frames/s"] for row in found], marker, label=who)
            for row in found:
                words = row["what"].removeprefix(f"{who} ")
                ax.annotate(words, (row["p99 px"], row["frames/s"]), (5, 3), textcoords="offset points", fontsize=8)
        ax.set(xlabel="shift, 99th percentile (px)", ylabel="frames per second", yscale="log")
        ax.set_xlim(left=0)
        ax.legend()
        save_figure(figure, FIGURE)


def plain(shift: StudentShift | None) -> dict[str, Any]:
    """A shift as a part of a row."""
    names = {"median_px": "median px", "p99_px": "p99 px", "largest_px": "largest px", "agreement": "agreement"}
    return {words: "" if shift is None else getattr(shift, name) for name, words in names.items()}


def report(facts: dict[str, Any], record: StudentRecord, made_of: dict[str, Any], content: dict[str, Any]) -> str:
    """The result for people."""
    lessons = record.lessons
    return (
        f"# Students\n\n{facts['processor']}, {facts['cores']} cores, {facts['date']}, OpenVINO "
        f"{facts['packages']['openvino']}. A {made_of['network']} of {made_of['parameters'] / 1e6:.2f} million "
        f"parameters and {made_of['multiply-adds of a 640x480 frame'] / 1e9:.2f} billion multiply-adds for a 640x480 "
        f"frame learned in {lessons.steps} steps ({lessons.arithmetic}) from {lessons.frames} frames what a "
        f"{record.teacher.net_type} says of them in {record.teacher.precision}. It never saw the "
        f"{content['frames']} frames measured here, which follow in the same video. Shifts are those from the "
        "teacher in fp32 on whole frames, "
        f"of points that it gives {record.cutoff:g} or more; agreement is the "
        f"share of all points that both put on the same side of that.\n\n{markdown_table(content['rows'])}\n\n"
        f"The student in fp32, by body part.\n\n{markdown_table(content['parts'])}\n\n"
        "Networks alone, with any weights, in batches of 8 frames; multiply-adds are those of a 640x480 frame.\n\n"
        f"{markdown_table(content['networks'])}"
    )


if __name__ == "__main__":
    main()

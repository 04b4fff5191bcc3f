"""posecli and DeepLabCut on the same video, network and batch size, turn by turn.

    python benchmarks/versus_deeplabcut.py VIDEO PROJECT --peer-python PYTHON

PYTHON is the interpreter of an environment with DeepLabCut 3.0.2 and TensorFlow 2.15 (its TensorFlow engine).
Both sides' figure is the loop over frames, without start-up. The ratio is taken within each round, since the two
runs of a round saw the machine in much the same state.
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

from common import machine, make_clip, markdown_table, run_posecli, write_results

PEER = Path(__file__).resolve().parent / "peer" / "deeplabcut_tensorflow.py"
#: Width, batch size, frames.
CONDITIONS = ((80, 64, 1216), (160, 64, 512), (320, 8, 128), (640, 8, 32))
#: posecli's engines and precisions.
SETTINGS = (("tensorflow", "fp32"), ("openvino", "fp32"), ("openvino", "bf16"))


def main() -> None:
    """Measure, and write ``results/versus-deeplabcut.*``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path)
    parser.add_argument("project", type=Path, help="DeepLabCut project; it is copied, because DeepLabCut writes to it")
    parser.add_argument("--peer-python", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    facts = machine()
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        project = Path(shutil.copytree(arguments.project, folder / "project"))
        for width, batch, frames in CONDITIONS:
            clip = make_clip(arguments.video, width, frames, folder)
            rounds = [one_round(clip, project, batch, arguments.peer_python) for _ in range(arguments.rounds)]
            for engine, precision in SETTINGS:
                rows.append(summary(width, batch, engine, precision, rounds))
                print(rows[-1], flush=True)
    content = {"machine": facts, "rounds": arguments.rounds, "rows": rows}
    write_results("versus-deeplabcut", content, report(facts, arguments.rounds, rows))


def one_round(clip: Path, project: Path, batch: int, python: Path) -> dict[str, float]:
    """Frames per second of DeepLabCut and of each of posecli's settings, one after the other."""
    fps = {"peer": run_peer(clip, project, batch, python)}
    for engine, precision in SETTINGS:
        arguments = ["-b", batch, "--engine", engine, "--precision", precision]
        fps[f"{engine} {precision}"] = run_posecli(clip, project, clip.parent / "out", arguments).fps
    return fps


def run_peer(clip: Path, project: Path, batch: int, python: Path) -> float:
    """Frames per second of DeepLabCut's loop, by its own account."""
    out_dir = clip.parent / "peer"
    shutil.rmtree(out_dir, ignore_errors=True)
    out_dir.mkdir()
    command = [python, PEER, project / "config.yaml", clip, batch, out_dir]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=True)
    peer = json.loads(done.stdout.splitlines()[-1])
    return float(peer["frames"] / peer["seconds"])


def summary(width: int, batch: int, engine: str, precision: str, rounds: list[dict[str, float]]) -> dict[str, Any]:
    """One condition and setting: both medians, and the ratio round by round."""
    name = f"{engine} {precision}"
    ratios = [fps[name] / fps["peer"] for fps in rounds]
    return {
        "width": width,
        "batch": batch,
        "engine": engine,
        "precision": precision,
        "DeepLabCut fps": statistics.median(fps["peer"] for fps in rounds),
        "posecli fps": statistics.median(fps[name] for fps in rounds),
        "ratio median": statistics.median(ratios),
        "ratio lowest": min(ratios),
        "ratio highest": max(ratios),
    }


def report(facts: dict[str, Any], rounds: int, rows: list[dict[str, Any]]) -> str:
    """The result for people."""
    return (
        f"# posecli versus DeepLabCut 3.0.2 (TensorFlow 2.15)\n\n{facts['processor']}, {facts['cores']} cores, "
        f"{facts['date']}, TensorFlow {facts['packages']['tensorflow']}, OpenVINO {facts['packages']['openvino']}; "
        f"medians of {rounds} rounds, taking turns.\n\n{markdown_table(rows)}"
    )


if __name__ == "__main__":
    main()

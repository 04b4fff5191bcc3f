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
CONDITIONS = ((80, 64, 2330), (160, 64, 1024), (320, 8, 256), (640, 8, 64))


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
            pairs = [pair(clip, project, batch, arguments.peer_python, folder) for _ in range(arguments.rounds)]
            rows.append(summary(width, batch, pairs))
            print(rows[-1], flush=True)
    content = {"machine": facts, "rounds": arguments.rounds, "rows": rows}
    write_results("versus-deeplabcut", content, report(facts, arguments.rounds, rows))


def pair(clip: Path, project: Path, batch: int, python: Path, folder: Path) -> tuple[float, float]:
    """Frames per second of DeepLabCut and of posecli, one after the other."""
    peer_out = folder / "peer"
    shutil.rmtree(peer_out, ignore_errors=True)
    peer_out.mkdir()
    command = [python, PEER, project / "config.yaml", clip, batch, peer_out]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=True)
    peer = json.loads(done.stdout.splitlines()[-1])
    ours = run_posecli(clip, project, folder / "out", ["-b", batch])
    return peer["frames"] / peer["seconds"], ours.fps


def summary(width: int, batch: int, pairs: list[tuple[float, float]]) -> dict[str, Any]:
    """One condition: both medians, and the ratio round by round."""
    ratios = [ours / peer for peer, ours in pairs]
    return {
        "width": width,
        "batch": batch,
        "DeepLabCut fps": statistics.median(peer for peer, _ in pairs),
        "posecli fps": statistics.median(ours for _, ours in pairs),
        "ratio median": statistics.median(ratios),
        "ratio lowest": min(ratios),
        "ratio highest": max(ratios),
    }


def report(facts: dict[str, Any], rounds: int, rows: list[dict[str, Any]]) -> str:
    """The result for people."""
    return (
        f"# posecli (TensorFlow engine, fp32) versus DeepLabCut 3.0.2 (TensorFlow 2.15)\n\n{facts['processor']}, "
        f"{facts['cores']} cores, {facts['date']}, TensorFlow {facts['packages']['tensorflow']}; medians of {rounds} "
        f"rounds, taking turns.\n\n{markdown_table(rows)}"
    )


if __name__ == "__main__":
    main()

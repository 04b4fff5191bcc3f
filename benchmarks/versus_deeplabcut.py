"""posecli and DeepLabCut on the same video, network and batch size, turn by turn.

    posecli model import PROJECT -o FOLDER
    posecli model quantize FOLDER --calibrate VIDEO
    python benchmarks/versus_deeplabcut.py VIDEO PROJECT FOLDER --peer-python PYTHON

PYTHON is the interpreter of an environment with DeepLabCut 3.0.2 and both of its engines, TensorFlow 2.15 and PyTorch.
The latter cannot run the project's network: DeepLabCut's own network of the same name, with random weights, stands for
it. Every figure is the loop over frames, without start-up. The ratio is to the faster of DeepLabCut's engines, within
each round, since the runs of a round saw the machine in much the same state.
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

from common import Run, machine, make_clip, markdown_table, run_posecli, write_results

PEERS = {name: Path(__file__).resolve().parent / "peer" / f"deeplabcut_{name}.py" for name in ("tensorflow", "pytorch")}
#: Width, batch size, frames.
CONDITIONS = ((80, 64, 1216), (160, 64, 512), (320, 8, 128), (640, 8, 32))
#: posecli's engines and precisions.
SETTINGS = ("tensorflow fp32", "openvino fp32", "openvino bf16", "openvino int8")
#: Lets every precision run whatever it does to the points; what it does is in the result.
ANY_SHIFT = 1000


def main() -> None:
    """Measure, and write ``results/versus-deeplabcut.*``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path)
    parser.add_argument("project", type=Path, help="DeepLabCut project; it is copied, because DeepLabCut writes to it")
    parser.add_argument("model", type=Path, help="the same network as a model folder, with an int8 version")
    parser.add_argument("--peer-python", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--settings", nargs="+", default=list(SETTINGS), metavar="'ENGINE PRECISION'")
    parser.add_argument("--name", default="versus-deeplabcut", help="name of the result files")
    arguments = parser.parse_args()
    facts = machine()
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        project = Path(shutil.copytree(arguments.project, folder / "project"))
        for width, batch, frames in CONDITIONS:
            clip = make_clip(arguments.video, width, frames, folder)
            rounds = []
            for _ in range(arguments.rounds):
                fps = {name: run_peer(name, clip, project, batch, arguments.peer_python) for name in PEERS}
                ours = {name: run_setting(name, clip, arguments.model, batch) for name in arguments.settings}
                rounds.append(fps | {name: run.fps for name, run in ours.items()})
                print(width, {name: round(value, 2) for name, value in rounds[-1].items()}, flush=True)
            rows += [summary(width, batch, name, rounds, ours[name]) for name in arguments.settings]
    content = {"machine": facts, "rounds": arguments.rounds, "rows": rows}
    write_results(arguments.name, content, report(facts, arguments.rounds, rows))


def run_setting(name: str, clip: Path, model: Path, batch: int) -> Run:
    """One run of posecli."""
    engine, precision = name.split()
    arguments = ["-b", batch, "--engine", engine, "--precision", precision, "--max-shift", ANY_SHIFT]
    return run_posecli(clip, model, clip.parent / "out", arguments)


def run_peer(name: str, clip: Path, project: Path, batch: int, python: Path) -> float:
    """Frames per second of one of DeepLabCut's engines, by its own account."""
    out_dir = clip.parent / "peer"
    shutil.rmtree(out_dir, ignore_errors=True)
    out_dir.mkdir()
    command = [python, PEERS[name], project / "config.yaml", clip, batch, out_dir]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=True)
    peer = json.loads(done.stdout.splitlines()[-1])
    return float(peer["frames"] / peer["seconds"])


def summary(width: int, batch: int, name: str, rounds: list[dict[str, float]], run: Run) -> dict[str, Any]:
    """One condition and setting: both medians, the ratio round by round, and what the parity gate measured."""
    ratios = [fps[name] / max(fps[peer] for peer in PEERS) for fps in rounds]
    return {
        "width": width,
        "batch": batch,
        "posecli": name,
        **{f"DeepLabCut {peer} fps": statistics.median(fps[peer] for fps in rounds) for peer in PEERS},
        "posecli fps": statistics.median(fps[name] for fps in rounds),
        "ratio median": statistics.median(ratios),
        "ratio lowest": min(ratios),
        "ratio highest": max(ratios),
        "median shift px": run.gate["median_px"] if run.gate else 0.0,
        "p99 shift px": run.gate["p99_px"] if run.gate else 0.0,
    }


def report(facts: dict[str, Any], rounds: int, rows: list[dict[str, Any]]) -> str:
    """The result for people."""
    packages = facts["packages"]
    return (
        f"# posecli versus DeepLabCut 3.0.2 (TensorFlow 2.15, PyTorch)\n\n{facts['processor']}, "
        f"{facts['cores']} cores, {facts['date']}, TensorFlow {packages['tensorflow']}, "
        f"OpenVINO {packages['openvino']}; medians of {rounds} rounds, taking turns; ratios to the faster of "
        "DeepLabCut's engines. Shifts are the parity gate's, against fp32 on the same clip; its default limit for the "
        f"99th percentile is 1.5 px.\n\n{markdown_table(rows)}"
    )


if __name__ == "__main__":
    main()

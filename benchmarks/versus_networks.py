"""posecli and DeepLabCut on the same video, batch size and network, turn by turn, for every network that both run.

    python benchmarks/versus_networks.py VIDEO PROJECT --peer-python PYTHON [--networks pytorch:hrnet_w32 ...]

PYTHON is the interpreter of an environment with DeepLabCut 3.0.2 and both of its engines. Each network has random
weights, on which speed does not depend; its int8 version takes the ranges of the clip's own frames, with nothing left
wider. Every figure is the loop over frames, without start-up; ratios are taken within each round, whose runs saw the
machine in much the same state. Networks that look at one animal have DeepLabCut's detector SSDLite. Rows of networks
that are not run again stay, if they were measured with the same packages on such a processor.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from common import RESULTS, machine, make_clip, markdown_table, run_posecli, write_results

PEER = Path(__file__).resolve().parent / "peer" / "deeplabcut_networks.py"
#: DeepLabCut's engine and net type; frames, so that a run takes some seconds.
NETWORKS = {
    "pytorch:resnet_50": 32,
    "pytorch:resnet_101": 24,
    "pytorch:hrnet_w18": 16,
    "pytorch:hrnet_w32": 16,
    "pytorch:hrnet_w48": 8,
    "pytorch:cspnext_s": 128,
    "pytorch:cspnext_m": 64,
    "pytorch:cspnext_x": 32,
    "pytorch:dlcrnet_stride16_ms5": 16,
    "pytorch:dlcrnet_stride32_ms5": 16,
    "pytorch:top_down_resnet_50": 32,
    "pytorch:top_down_resnet_101": 24,
    "pytorch:top_down_hrnet_w18": 32,
    "pytorch:top_down_hrnet_w32": 32,
    "pytorch:top_down_hrnet_w48": 16,
    "pytorch:rtmpose_s": 96,
    "pytorch:rtmpose_m": 64,
    "pytorch:rtmpose_x": 16,
    "tensorflow:mobilenet_v2_1.0": 64,
    "tensorflow:mobilenet_v2_0.75": 64,
    "tensorflow:mobilenet_v2_0.5": 96,
    "tensorflow:mobilenet_v2_0.35": 96,
    "tensorflow:efficientnet-b0": 64,
    "tensorflow:efficientnet-b1": 48,
    "tensorflow:efficientnet-b2": 48,
    "tensorflow:efficientnet-b3": 32,
    "tensorflow:efficientnet-b4": 32,
    "tensorflow:efficientnet-b5": 16,
    "tensorflow:efficientnet-b6": 16,
}
WIDTH, BATCH = 320, 8
PRECISIONS = ("fp32", "bf16", "int8")
#: Ends the names of networks whose own weights here see nothing.
SURE = "ms5"
#: Lets every precision run whatever it does to the points of random weights.
ANY_SHIFT = 1e15


def main() -> None:
    """Measure, and write ``results/versus-networks.*``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path)
    parser.add_argument("project", type=Path, help="DeepLabCut project; it is copied, because networks are put into it")
    parser.add_argument("--peer-python", type=Path, required=True)
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=list(NETWORKS), metavar="NETWORK")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--name", default="versus-networks", help="name of the result files")
    arguments = parser.parse_args()
    facts = machine()
    found = known_rows(RESULTS / f"{arguments.name}.json", facts, arguments.rounds)
    for name in arguments.networks:
        with tempfile.TemporaryDirectory() as scratch:
            found[name] = measured(name, arguments, Path(scratch))
        rows = [found[name] for name in NETWORKS if name in found]
        content = {"machine": facts, "rounds": arguments.rounds, "width": WIDTH, "batch": BATCH, "rows": rows}
        write_results(arguments.name, content, report(facts, arguments.rounds, rows))


def known_rows(path: Path, facts: dict[str, Any], rounds: int) -> dict[str, dict[str, Any]]:
    """Rows of an earlier run by network, if it was made as this one is."""
    if not path.is_file():
        return {}
    content = json.loads(path.read_text(encoding="utf-8"))
    same = all(content["machine"][key] == facts[key] for key in ("processor", "cores", "packages"))
    is_alike = same and (content["rounds"], content["width"], content["batch"]) == (rounds, WIDTH, BATCH)
    return {row["network"]: row for row in content["rows"]} if is_alike else {}


def measured(name: str, arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """One network: medians of each program, and ratios round by round."""
    clip = make_clip(arguments.video, WIDTH, NETWORKS[name], folder)
    project = Path(shutil.copytree(arguments.project, folder / "project", ignore=shutil.ignore_patterns("*.mp4")))
    rounds = []
    with peer(arguments.peer_python, project, name) as process:
        model = imported(project, clip, folder / "model", name)
        for number in range(arguments.rounds):
            done = asked(process, [str(clip), BATCH, str(folder / f"peer-{number}")])
            fps = {"DeepLabCut": done["frames"] / done["seconds"]}
            for precision in PRECISIONS:
                settings = ["-b", BATCH, "--engine", "openvino", "--precision", precision, "--max-shift", ANY_SHIFT]
                fps[precision] = run_posecli(clip, model, folder / "out", settings).fps
            rounds.append(fps)
            print(name, {key: round(value, 2) for key, value in fps.items()}, flush=True)
    row: dict[str, Any] = {"network": name}
    for key in ("DeepLabCut", *PRECISIONS):
        row[f"{key} fps"] = statistics.median(fps[key] for fps in rounds)
    for precision in PRECISIONS:
        ratios = [fps[precision] / fps["DeepLabCut"] for fps in rounds]
        row |= {f"{precision} ratio": statistics.median(ratios), f"{precision} lowest": min(ratios)}
    return row


@contextmanager
def peer(python: Path, project: Path, name: str) -> Iterator[subprocess.Popen[str]]:
    """DeepLabCut with a network, waiting for videos."""
    command = [str(python), str(PEER), str(project), *name.split(":")]
    with (
        (project / "peer.log").open("w", encoding="utf-8") as log,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True) as process,
    ):
        try:
            assert answer(process) == {"ready": name.partition(":")[2]}
            yield process
        finally:
            process.kill()


def asked(process: subprocess.Popen[str], request: list[Any]) -> dict[str, Any]:
    """What DeepLabCut answers to a request."""
    assert process.stdin is not None
    process.stdin.write(json.dumps(request) + "\n")
    process.stdin.flush()
    return answer(process)


def answer(process: subprocess.Popen[str]) -> dict[str, Any]:
    """The next answer."""
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise RuntimeError(f"{process.args!r} ended: see the peer.log in its project")
    found: dict[str, Any] = json.loads(line)
    return found


def imported(project: Path, clip: Path, folder: Path, name: str) -> Path:
    """The network that DeepLabCut has put into the project, with an int8 version of which nothing is left wider."""
    from posecli import AnalyzeOptions
    from posecli.engine.openvino import FoldedGraph
    from posecli.inference.predictor import PoseModel
    from posecli.model.deeplabcut import NetworkChoice
    from posecli.model.folder import write_folder, write_int8
    from posecli.model.importing import import_model
    from posecli.network.int8 import Int8Plan
    from posecli.precision.gate import sample_frames

    made = next(project.glob("**/dlc-models*/*/*shuffle7"))
    model = import_model(made, folder, NetworkChoice())
    if name.endswith(SURE):  # DeepLabCut's sees nothing; the gate needs points
        weights = model.weights()
        biases = [each for each in weights if ".heatmap_head." in each and each.endswith(".bias")]
        weights |= {each: np.full_like(weights[each], 3.0) for each in biases}
        model = write_folder(folder, model.description, weights, overwrite=True)
    (sample,) = sample_frames([clip], AnalyzeOptions(), 4)
    cropping = PoseModel(model).cropping
    sample = sample if cropping is None else cropping(sample)
    ranges = FoldedGraph(model).entering_ranges(np.ascontiguousarray(sample.images))
    # Random weights may leave a tensor at zero.
    wide = {name: (min(low, 0.0), max(high, 1e-3)) for name, (low, high) in ranges.items()}
    write_int8(model, Int8Plan(wide), {"made_by": "benchmarks/versus_networks.py"})
    return folder


def report(facts: dict[str, Any], rounds: int, rows: list[dict[str, Any]]) -> str:
    """The result for people."""
    packages = facts["packages"]
    return (
        f"# posecli versus DeepLabCut 3.0.2, by network\n\n{facts['processor']}, {facts['cores']} cores, "
        f"{facts['date']}, OpenVINO {packages['openvino']}; frames {WIDTH} px wide, batches of {BATCH}; medians of "
        f"{rounds} rounds, taking turns; ratios to DeepLabCut's own loop, median and lowest. Rows may come from "
        "earlier runs with the same packages. Top-down networks: the seconds that DeepLabCut's detector takes to leave "
        f"out overlapping boxes are not counted.\n\n{markdown_table(rows)}"
    )


if __name__ == "__main__":
    main()

"""Networks that DeepLabCut's PyTorch engine has trained, in every precision, against DeepLabCut's own tables.

    python benchmarks/trained_networks.py PROJECT VIDEO --shuffles 1 2 --deeplabcut PYTHON

`PYTHON` has DeepLabCut (`peer/deeplabcut_shuffles.py` runs it). The int8 version is calibrated on frames of the same
video. Writes ``results/trained-networks.*``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from common import RESULTS, machine, markdown_table, run_posecli, write_results
from parity_deeplabcut import poses

from posecli.model.folder import read_int8_plan, read_model_folder
from posecli.options import FixedPrecision
from posecli.precision.gate import compare_poses, model_cutoff

NAME = "trained-networks"
#: Lets a precision run whatever it does to the points, which is what is to be found out.
ANY_SHIFT = 1000.0
#: What the gate measured, as the table and as a run's manifest call it.
GATE = {"frames": "frames", "median px": "median_px", "p99 px": "p99_px"}
PRECISIONS: tuple[FixedPrecision, ...] = ("fp32", "bf16", "int8")


def main() -> None:
    """Run DeepLabCut, then posecli in each precision, and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("project", type=Path)
    parser.add_argument("video", type=Path)
    parser.add_argument("--shuffles", nargs="+", required=True)
    parser.add_argument("--deeplabcut", type=Path, required=True, metavar="PYTHON")
    parser.add_argument("--frames", type=int, default=48, help="that int8 is calibrated with")
    parser.add_argument("--max-shift", type=float, default=1.0, help="that the int8 version may have, px")
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS, default=list(PRECISIONS))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for shuffle in arguments.shuffles:
            expected = deeplabcut_table(arguments.deeplabcut, arguments.project, arguments.video, Path(folder), shuffle)
            model = imported(arguments.project, shuffle, Path(folder) / shuffle)
            rows: list[dict[str, Any]] = []
            for precision in arguments.precisions:
                if precision == "int8":
                    options = ("--scales", 1, "--frames", arguments.frames, "--max-shift", arguments.max_shift)
                    posecli("model", "quantize", model, "--calibrate", arguments.video, *options)
                rows.append(compared(arguments.video, model, precision, expected))
                save(rows)


def save(rows: list[dict[str, Any]]) -> None:
    """Put rows into the results, in place of earlier ones of the network."""
    path = RESULTS / f"{NAME}.json"
    before = json.loads(path.read_text())["rows"] if path.exists() else []
    rows = [row for row in before if row["network"] != rows[0]["network"]] + rows
    title = (
        "# Networks trained by DeepLabCut's PyTorch engine\n\n"
        "Shifts against DeepLabCut 3.0.2's own table of every frame, over the points whose likelihood there reaches "
        "the project's cut-off. The gate's columns are what it measured on its sample of the video, against posecli's "
        "fp32.\n\n"
    )
    write_results(NAME, {"machine": machine(), "rows": rows}, title + markdown_table(rows))


def deeplabcut_table(python: Path, project: Path, video: Path, folder: Path, shuffle: str) -> Path:
    """The table that DeepLabCut makes."""
    script = Path(__file__).resolve().parent / "peer" / "deeplabcut_shuffles.py"
    command = [python, "-W", "ignore", script, project / "config.yaml", video, folder / "deeplabcut", shuffle]
    environment = os.environ | {"TF_USE_LEGACY_KERAS": "1"}
    done = subprocess.run(
        [str(part) for part in command], env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    (line,) = (line for line in done.stdout.splitlines() if line.startswith('{"shuffle"'))
    return Path(json.loads(line)["table"])


def imported(project: Path, shuffle: str, folder: Path) -> Path:
    """A model folder."""
    posecli("model", "import", project, "--shuffle", shuffle, "-o", folder / "model")
    return folder / "model"


def compared(video: Path, model: Path, precision: FixedPrecision, expected: Path) -> dict[str, Any]:
    """A row: one network in one precision."""
    read, out_dir = read_model_folder(model), model.with_name(precision)
    run = run_posecli(video, model, out_dir, ["--precision", precision, "--max-shift", ANY_SHIFT])
    (table,) = out_dir.glob("*.h5")
    figures = compare_poses(precision, poses(table), poses(expected), model_cutoff(read), ANY_SHIFT)
    return {
        "network": read.description.net_type,
        "precision": precision,
        "points seen": figures.points,
        "of": len(read.description.bodyparts) * figures.frames,
        "cut-off": figures.cutoff,
        "median px": figures.median_px,
        "p99 px": figures.p99_px,
        "largest px": figures.largest_px,
        "largest change of likelihood": figures.largest_likelihood_change,
        "convolutions in int8": len(read_int8_plan(read).ranges) if precision == "int8" else "",
        "of convolutions": len(read.description.network.int8_candidates()) if precision == "int8" else "",
        **{f"gate's {name}": (run.gate or {}).get(key, "") for name, key in GATE.items()},
    }


def posecli(*arguments: object) -> None:
    """Run the command."""
    subprocess.run([sys.executable, "-m", "posecli", *(str(each) for each in arguments)], check=True)


if __name__ == "__main__":
    main()

"""How far int8 moves points over a whole video, beside what the parity gate foretold from its sample.

    python benchmarks/int8_gate.py VIDEO MODEL --name imported [--widths 640 320 160]

MODEL is a model folder with an int8 version. At each width every frame is analysed in fp32 and in int8; with
``--reference TABLE`` a table that is there already, such as DeepLabCut's own, stands for fp32 at full size.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Any

from common import machine, markdown_table, write_results
from parity_deeplabcut import poses

import posecli
from posecli.precision.gate import compare_poses, model_cutoff
from posecli.video.probe import probe

#: Lets int8 run whatever it does to the points, which is what is to be found out.
ANY_SHIFT = 1000.0
BATCH = 8


def main() -> None:
    """Measure, and write ``results/int8-gate-<name>.*``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("--name", required=True, help="of the network, for the result files")
    parser.add_argument("--widths", type=int, nargs="+", default=[640, 320, 160])
    parser.add_argument("--reference", type=Path, help="table that stands for fp32 at the video's own width")
    arguments = parser.parse_args()
    full = probe(arguments.video).width
    facts = machine()
    rows: list[dict[str, Any]] = []
    for width in arguments.widths:
        reference = arguments.reference if width == full else None
        rows.append({"width": width} | compared(arguments.video, arguments.model, Fraction(width, full), reference))
        keep(arguments.name, arguments.video, facts, rows)


def keep(network: str, video: Path, facts: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    """Write what is known so far: large frames take long."""
    text = (
        f"# int8 against fp32 on all frames of {video.name}: {network} network\n\n"
        f"{facts['processor']}, OpenVINO {facts['packages']['openvino']}, {facts['date']}. Shifts are px of the full "
        "frame, over the points whose likelihood in fp32 reaches the network's cut-off. The last columns are what the "
        "parity gate measured on its sample of the same video before the run.\n\n"
    )
    content = {"machine": facts, "network": network, "video": video.name, "rows": rows}
    write_results(f"int8-gate-{network}", content, text + markdown_table(rows))


def compared(video: Path, model: Path, scale: Fraction, reference: Path | None) -> dict[str, Any]:
    """Figures at one size."""
    with tempfile.TemporaryDirectory() as scratch:
        expected = reference or analysed(video, model, scale, "fp32", Path(scratch) / "fp32")
        table = analysed(video, model, scale, "int8", Path(scratch) / "int8")
        seen_from = model_cutoff(posecli.load_model(model).folder)
        figures = compare_poses("int8", poses(table), poses(expected), seen_from, ANY_SHIFT)
        sample = json.loads(table.with_suffix(".json").read_text(encoding="utf-8"))["parity_gate"][-1]
    return {
        "fp32 from": reference.stem if reference else "posecli",
        "frames": figures.frames,
        "points": figures.points,
        "median px": figures.median_px,
        "p99 px": figures.p99_px,
        "largest px": figures.largest_px,
        "largest change of likelihood": figures.largest_likelihood_change,
        "gate's frames": sample["frames"],
        "gate's median px": sample["median_px"],
        "gate's p99 px": sample["p99_px"],
    }


def analysed(video: Path, model: Path, scale: Fraction, precision: str, folder: Path) -> Path:
    """The table of a whole video."""
    options = posecli.AnalyzeOptions(batch_size=BATCH, scale=float(scale), max_shift=ANY_SHIFT, out_dir=folder)
    engine = posecli.EngineOptions("openvino", precision)  # type: ignore[arg-type]
    result = posecli.analyze(video, posecli.load_model(model, engine), options).results[0]
    assert result.table is not None, result.message
    return result.table


if __name__ == "__main__":
    main()

"""posecli's poses against DeepLabCut's own table of the same video, frame by frame.

    python benchmarks/parity_deeplabcut.py VIDEO MODEL TABLE [--batchsizes 1 64] [--decoders numpy standard]

Appends to ``results/parity-deeplabcut.json`` and rewrites the table beside it.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from common import RESULTS, machine, markdown_table, write_results

import posecli
from posecli.options import DECODERS, ENGINES

#: Below this likelihood DeepLabCut's own position says nothing.
SEEN = 0.05


def main() -> None:
    """Compare, and write ``results/parity-deeplabcut.*``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("table", type=Path)
    parser.add_argument("--engine", choices=ENGINES, default="tensorflow")
    parser.add_argument("--batchsizes", type=int, nargs="+", default=[1, 64])
    parser.add_argument("--decoders", nargs="+", choices=DECODERS, default=list(DECODERS))
    parser.add_argument(
        "--made", type=Path, help="compare this table of posecli's (with its manifest) instead of making any"
    )
    arguments = parser.parse_args()
    expected = poses(arguments.table)
    if arguments.made:
        run = json.loads(arguments.made.with_suffix(".json").read_text())["run"]
        row = {"video": arguments.video.name, "engine": arguments.engine, "batch": run["batch_size"]}
        row |= {"decoder": run["decoder"]}
        save([row | differences(poses(arguments.made), expected)])
        return
    model = posecli.load_model(arguments.model, posecli.EngineOptions(arguments.engine, "fp32"))
    rows = []
    for batch in arguments.batchsizes:
        for decoder in arguments.decoders:
            if decoder == "standard" and batch != 1:
                continue
            with tempfile.TemporaryDirectory() as folder:
                options = posecli.AnalyzeOptions(batch_size=batch, decoder=decoder, out_dir=Path(folder))
                result = posecli.analyze(arguments.video, model, options).results[0]
                assert result.table is not None, result.message
                row = {"video": arguments.video.name, "engine": arguments.engine, "batch": batch, "decoder": decoder}
                rows.append(row | differences(poses(result.table), expected))
                print(rows[-1], flush=True)
    save(rows)


def poses(table: Path) -> Any:
    """``(N, K, 3)``."""
    frame = posecli.read_pose_table(table)
    return frame.to_numpy().reshape(len(frame), -1, 3)


def differences(found: Any, expected: Any) -> dict[str, Any]:
    """Largest differences, over the points that DeepLabCut saw and over all."""
    assert found.shape == expected.shape, (found.shape, expected.shape)
    seen = expected[..., 2] > SEEN
    shift = np.hypot(*np.moveaxis(found[..., :2] - expected[..., :2], -1, 0))
    likelihood = np.abs(found[..., 2] - expected[..., 2])
    return {
        "frames": len(found),
        "points seen": int(seen.sum()),
        "largest shift px": f"{shift[seen].max():.1e}",
        "largest likelihood change": f"{likelihood[seen].max():.1e}",
        "largest shift of all points px": f"{shift.max():.1e}",
    }


def save(rows: list[dict[str, Any]]) -> None:
    """Add to the rows of earlier videos."""
    path = RESULTS / "parity-deeplabcut.json"
    before = json.loads(path.read_text())["rows"] if path.exists() else []
    merged = {tuple(row[key] for key in ("video", "engine", "batch", "decoder")): row for row in [*before, *rows]}
    everything = [merged[name] for name in sorted(merged)]
    facts = machine()
    title = (
        "# posecli in fp32 against DeepLabCut 3.0.2's own tables\n\n"
        f"TensorFlow {facts['packages']['tensorflow']}. DeepLabCut: TensorFlow 2.15, float32. A point counts as seen "
        f"where DeepLabCut's likelihood is above {SEEN}.\n\n"
    )
    write_results("parity-deeplabcut", {"machine": facts, "rows": everything}, title + markdown_table(everything))


if __name__ == "__main__":
    main()

"""posecli's poses against DeepLabCut's, for every network that both can run, on two sizes of one video.

    python benchmarks/parity_networks.py PROJECT VIDEO --deeplabcut PYTHON [--networks resnet_50 hrnet_w32 ...]

`PYTHON` has DeepLabCut (`peer/deeplabcut_parity.py` makes the networks and runs them). Of the project only its
``config.yaml`` is used. Sides of the first size are multiples of 32; the second is odd, and HRNet must pad it. Rows of
networks that are not named stay: ``results/parity-networks.json``, and the table beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import cv2
import imageio_ffmpeg
import numpy as np
from common import RESULTS, machine, markdown_table, write_results
from parity_deeplabcut import poses

import posecli
from posecli.engine.outputs import Axes, Maps
from posecli.video.batch import Batch

NAME = "parity-networks"
PYTORCH = ["resnet_50", "resnet_101", "hrnet_w18", "hrnet_w32", "hrnet_w48", "cspnext_s", "cspnext_m", "cspnext_x"]
TOP_DOWN = [f"top_down_{name}" for name in PYTORCH if not name.startswith("cspnext")]
TOP_DOWN += ["rtmpose_s", "rtmpose_m", "rtmpose_x"]
DETECTORS = [f"top_down_resnet_50+fasterrcnn_{name}" for name in ("mobilenet_v3_large_fpn", "resnet50_fpn_v2")]
LIGHT = [f"mobilenet_v2_{width}" for width in ("1.0", "0.75", "0.5", "0.35")]
LIGHT += [f"efficientnet-b{size}" for size in range(7)]
PADDED = "hrnet"  # how names of networks begin whose frames are padded to a multiple of 32
SIZES = ((192, 256), (151, 201))
FRAMES = 60
#: Where DeepLabCut is sure: its likelihood is at least this, and its best cell stands out of its map by more than
#: rounding does, relative to what the map ranges over.
SEEN, MARGIN = 0.1, 1e-5
LARGEST_SHIFT, LARGEST_CHANGE = 0.01, 1e-4  # px, and of likelihoods


def main() -> None:
    """Make both sides' tables, compare, and write the results; fails if a network differs where it must not."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("project", type=Path)
    parser.add_argument("video", type=Path)
    parser.add_argument("--deeplabcut", type=Path, required=True, metavar="PYTHON")
    parser.add_argument("--networks", nargs="+", default=[*PYTORCH, *TOP_DOWN, *DETECTORS, *LIGHT])
    parser.add_argument("--frames", type=int, default=FRAMES)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        shutil.copy(arguments.project / "config.yaml", folder)
        clips = [make_clip(arguments.video, size, arguments.frames, folder) for size in SIZES]
        for made in run_deeplabcut(arguments.deeplabcut, folder, arguments.networks, clips):
            tables = folder / "tables" / made["network"]
            rows = [compared(made, clip, size, tables) for clip, size in zip(clips, SIZES, strict=True)]
            save(rows)
            shutil.rmtree(made["folder"])
    wrong = [row for row in rows_before() if not row["equal"]]
    if wrong:
        raise SystemExit(f"{len(wrong)} of the rows differ by more than {LARGEST_SHIFT} px or {LARGEST_CHANGE}")


def make_clip(video: Path, size: tuple[int, int], frames: int, folder: Path) -> Path:
    """The first frames at another size, with colours at every pixel, as odd sides need them."""
    height, width = size
    clip = folder / f"{video.stem}-{width}x{height}.mp4"
    options = ["-vf", f"scale={width}:{height}:flags=area", "-frames:v", frames]
    options += ["-c:v", "libx264", "-crf", 12, "-pix_fmt", "yuv444p"]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-loglevel", "error", "-i", video, *options, clip]
    subprocess.run([str(part) for part in command], check=True)
    return clip


def run_deeplabcut(python: Path, folder: Path, networks: list[str], clips: list[Path]) -> Any:
    """What DeepLabCut says of each network, as soon as it has analysed the clips."""
    script = Path(__file__).resolve().parent / "peer" / "deeplabcut_parity.py"
    command = [python, "-W", "ignore", script, folder / "config.yaml", folder / "tables", ",".join(networks), *clips]
    environment = os.environ | {"TF_USE_LEGACY_KERAS": "1"}
    with (folder / "deeplabcut.log").open("w+") as log:
        arguments = [str(part) for part in command]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=log, text=True, env=environment) as process:
            assert process.stdout is not None
            for line in process.stdout:
                if line.startswith('{"network"'):
                    yield json.loads(line)
        log.seek(0)
        if process.returncode:
            raise RuntimeError(f"DeepLabCut ended with {process.returncode}: {log.read()[-4000:]}")


def compared(made: dict[str, str], clip: Path, size: tuple[int, int], tables: Path) -> dict[str, Any]:
    """One row: a network on a clip."""
    batch = 1 if made["engine"] == "TensorFlow" else 4  # MobileNet looks at its whole batch
    model = posecli.load_model(made["folder"], posecli.EngineOptions("openvino", "fp32"))
    with tempfile.TemporaryDirectory() as out_dir:
        options = posecli.AnalyzeOptions(batch_size=batch, out_dir=Path(out_dir))
        result = posecli.analyze(clip, model, options).results[0]
        assert result.table is not None, result.message
        found = poses(result.table)
    (table,) = tables.glob(f"{clip.stem}DLC*.h5")
    expected = poses(table)
    assert found.shape == expected.shape, (found.shape, expected.shape)
    shift = np.hypot(*np.moveaxis(found[..., :2] - expected[..., :2], -1, 0))
    change = np.abs(found[..., 2] - expected[..., 2])
    seen, ties, outside = expected[..., 2] >= SEEN, margins(model, clip) < MARGIN, in_padding(made, expected, size)
    sure = seen & ~ties & ~outside
    numbers = {"largest shift px": float(shift[sure].max()), "largest likelihood change": float(change[sure].max())}
    return {
        "network": made["network"],
        "engine": made["engine"],
        "size": f"{size[1]}x{size[0]}",
        "points": int(seen.size),
        "sure": int(sure.sum()),
        "near-ties": int((seen & ties & ~outside).sum()),
        "in the padding": int(outside.sum()),
        **numbers,
        "equal": bool(numbers["largest shift px"] <= LARGEST_SHIFT and change[sure].max() <= LARGEST_CHANGE),
    }


def in_padding(made: dict[str, str], found: Any, size: tuple[int, int]) -> Any:
    """Which poses ``(..., 3)`` lie in what a frame was padded with."""
    beyond = (found[..., 0] >= size[1]) | (found[..., 1] >= size[0])
    return beyond & made["network"].startswith(PADDED)


def margins(model: Any, clip: Path) -> Any:
    """``(N, K)``: how far the best cell stands above the second best, relative to what its map ranges over.

    Of networks that look along the axes, on the axis where it stands out less.
    """
    capture = cv2.VideoCapture(str(clip))
    found: list[Any] = []
    while True:
        there, frame = capture.read()
        if not there:
            return np.array(found)
        batch = Batch.of(np.ascontiguousarray(frame[None, ..., ::-1]))
        seen = batch if model.cropping is None else model.cropping(batch)
        output = model.engine(*frame.shape[:2])(seen.images)
        maps = [output.scoremap[0].reshape(-1, output.scoremap.shape[-1])] if isinstance(output, Maps) else []
        maps += [output.x[0].T, output.y[0].T] if isinstance(output, Axes) else []
        gaps = [np.diff(np.sort(scores, axis=0)[-2:], axis=0)[0] / np.ptp(scores, axis=0) for scores in maps]
        found.append(np.min(gaps, axis=0))


def rows_before() -> list[dict[str, Any]]:
    """Rows of the result file."""
    path = RESULTS / f"{NAME}.json"
    return json.loads(path.read_text())["rows"] if path.exists() else []


def save(rows: list[dict[str, Any]]) -> None:
    """Put rows into the results, in place of earlier ones."""
    merged = {(row["network"], row["size"]): row for row in [*rows_before(), *rows]}
    order = [*PYTORCH, *TOP_DOWN, *DETECTORS, *LIGHT]
    everything = sorted(merged.values(), key=lambda row: (order.index(row["network"]), row["size"]))
    title = (
        "# Poses of every network against DeepLabCut 3.0.2's own\n\n"
        "The first frames of one video, four body parts in each; weights are arbitrary numbers, the same on both "
        "sides. posecli in fp32 with OpenVINO. Points of which DeepLabCut is sure have a likelihood of "
        f"{SEEN} or more, and their best cell stands above the second best by {MARGIN:g} of the map's range; what "
        "misses only the latter is a near-tie. HRNet pads odd sizes at the right and bottom, which is one of "
        "DeepLabCut's random places; what DeepLabCut then finds in the padding is left out, as posecli does not look "
        "there.\n\n"
    )
    content = {"machine": machine(), "sure": {"likelihood": SEEN, "margin": MARGIN}, "rows": everything}
    write_results(NAME, content, title + markdown_table(everything))


if __name__ == "__main__":
    main()

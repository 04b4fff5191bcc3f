"""posecli's poses against DeepLabCut's, for every network that both can run, on sizes of one video.

    python benchmarks/parity_networks.py PROJECT VIDEO --deeplabcut PYTHON [--networks resnet_50 hrnet_w32 ...]
        [--sizes 256x192 ...] [--engines openvino tensorflow]

`PYTHON` has DeepLabCut (`peer/deeplabcut_parity.py` makes the networks and runs them). Of the project only its
``config.yaml`` is used. Sides of the first usual size are multiples of 32; the second is odd, and HRNet must pad it.
Rows of networks, sizes and engines that are not named stay: ``results/parity-networks.json``, and the table beside it.
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
from posecli.inference.decode import blurred
from posecli.options import ENGINES, EngineName
from posecli.video.batch import Batch

NAME = "parity-networks"
PYTORCH = ["resnet_50", "resnet_101", "hrnet_w18", "hrnet_w32", "hrnet_w48", "cspnext_s", "cspnext_m", "cspnext_x"]
SEVERAL = ["dlcrnet_stride16_ms5", "dlcrnet_stride32_ms5"]
TOP_DOWN = [f"top_down_{name}" for name in PYTORCH if not name.startswith("cspnext")]
TOP_DOWN += ["rtmpose_s", "rtmpose_m", "rtmpose_x"]
DETECTORS = [f"top_down_resnet_50+fasterrcnn_{name}" for name in ("mobilenet_v3_large_fpn", "resnet50_fpn_v2")]
LIGHT = [f"mobilenet_v2_{width}" for width in ("1.0", "0.75", "0.5", "0.35")]
LIGHT += [f"efficientnet-b{size}" for size in range(7)]
NETWORKS = [*PYTORCH, *SEVERAL, *TOP_DOWN, *DETECTORS, *LIGHT]
PADDED = "hrnet"  # how names of networks begin whose frames are padded to a multiple of 32
SIZES = ("256x192", "201x151")
FRAMES = 60
#: Where DeepLabCut is sure: its likelihood is at least this, and its best cell stands out of its map by more than
#: rounding does, relative to what the map ranges over.
SEEN, MARGIN = 0.1, 1e-5
CASE = ("network", "size", "posecli's engine")  # equal if it is to DeepLabCut on either of TensorFlow's kernels
WITHOUT = " without oneDNN"  # behind the name of DeepLabCut's engine
LARGEST_SHIFT, LARGEST_CHANGE = 0.01, 1e-4  # px, and of likelihoods
#: RTMPose's likelihoods are a softmax of hundreds of times its scores: float32 moves those of DeepLabCut by up to 5e-4
#: from those of float64, and those of posecli by up to 8e-4.
STEEP, LARGEST_STEEP_CHANGE = "rtmpose", 2e-3


def main() -> None:
    """Make both sides' tables, compare, and write the results; fails if a network differs where it must not."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("project", type=Path)
    parser.add_argument("video", type=Path)
    parser.add_argument("--deeplabcut", type=Path, required=True, metavar="PYTHON")
    parser.add_argument("--networks", nargs="+", default=NETWORKS)
    parser.add_argument("--sizes", nargs="+", default=SIZES, metavar="WIDTHxHEIGHT")
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=["openvino"])
    parser.add_argument("--without-onednn", action="store_true", help="let DeepLabCut's TensorFlow use its own kernels")
    parser.add_argument("--frames", type=int, default=FRAMES)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        shutil.copy(arguments.project / "config.yaml", folder)
        clips = [make_clip(arguments.video, size, arguments.frames, folder) for size in arguments.sizes]
        settings = {"TF_USE_LEGACY_KERAS": "1"} | ({"TF_ENABLE_ONEDNN_OPTS": "0"} if arguments.without_onednn else {})
        for made in run_deeplabcut(arguments.deeplabcut, folder, arguments.networks, clips, settings):
            made["engine"] += WITHOUT if arguments.without_onednn else ""
            tables = folder / "tables" / made["network"]
            for size, clip in zip(arguments.sizes, clips, strict=True):
                save([compared(made, clip, size, tables, engine) for engine in arguments.engines])
            shutil.rmtree(made["folder"])
    cases = [(row["equal"], tuple(row[name] for name in CASE)) for row in rows_before()]
    wrong = {case for _, case in cases} - {case for equal, case in cases if equal}
    if wrong:
        raise SystemExit(f"too far apart: {sorted(wrong)}")


def make_clip(video: Path, size: str, frames: int, folder: Path) -> Path:
    """The first frames at another size, with colours at every pixel, as odd sides need them."""
    clip = folder / f"{video.stem}-{size}.mp4"
    options = ["-vf", f"scale={size.replace('x', ':')}:flags=area", "-frames:v", frames]
    options += ["-c:v", "libx264", "-crf", 12, "-pix_fmt", "yuv444p"]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-loglevel", "error", "-i", video, *options, clip]
    subprocess.run([str(part) for part in command], check=True)
    return clip


def run_deeplabcut(python: Path, folder: Path, networks: list[str], clips: list[Path], settings: dict[str, str]) -> Any:
    """What DeepLabCut says of each network, as soon as it has analysed the clips."""
    script = Path(__file__).resolve().parent / "peer" / "deeplabcut_parity.py"
    command = [python, "-W", "ignore", script, folder / "config.yaml", folder / "tables", ",".join(networks), *clips]
    with (folder / "deeplabcut.log").open("w+") as log:
        arguments = [str(part) for part in command]
        with subprocess.Popen(
            arguments, stdout=subprocess.PIPE, stderr=log, text=True, env=os.environ | settings
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                if line.startswith('{"network"'):
                    yield json.loads(line)
        log.seek(0)
        if process.returncode:
            raise RuntimeError(f"DeepLabCut ended with {process.returncode}: {log.read()[-4000:]}")


def compared(made: dict[str, str], clip: Path, size: str, tables: Path, engine: EngineName) -> dict[str, Any]:
    """One row: a network on a clip, by one of posecli's engines."""
    batch = 1 if made["engine"].startswith("TensorFlow") else 4  # MobileNet looks at its whole batch
    model = posecli.load_model(made["folder"], posecli.EngineOptions(engine, "fp32"))
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
    most = LARGEST_STEEP_CHANGE if made["network"].startswith(STEEP) else LARGEST_CHANGE
    numbers = {"largest shift px": float(shift[sure].max()), "largest likelihood change": float(change[sure].max())}
    return {
        "network": made["network"],
        "engine": made["engine"],
        "size": size,
        "posecli's engine": engine,
        "points": int(seen.size),
        "sure": int(sure.sum()),
        "near-ties": int((seen & ties & ~outside).sum()),
        "in the padding": int(outside.sum()),
        **numbers,
        "equal": bool(numbers["largest shift px"] <= LARGEST_SHIFT and change[sure].max() <= most),
    }


def in_padding(made: dict[str, str], found: Any, size: str) -> Any:
    """Which poses ``(..., 3)`` lie in what a frame was padded with."""
    width, height = map(int, size.split("x"))
    beyond = (found[..., 0] >= width) | (found[..., 1] >= height)
    return beyond & made["network"].startswith(PADDED)


def margins(model: Any, clip: Path) -> Any:
    """``(N, K)``: how far the best cell stands above the second best, relative to what its map ranges over.

    Of scores that are smoothed before the best cell is sought, in what comes of that; of networks that look along the
    axes, on the axis where it stands out less.
    """
    head = model.description.network.head
    capture = cv2.VideoCapture(str(clip))
    found: list[Any] = []
    while True:
        there, frame = capture.read()
        if not there:
            return np.array(found)
        batch = Batch.of(np.ascontiguousarray(frame[None, ..., ::-1]))
        seen = batch if model.cropping is None else model.cropping(batch)
        output = model.engine(*frame.shape[:2])(seen.images)
        if isinstance(output, Axes):
            maps = [output.x[0].T, output.y[0].T]
        else:
            assert isinstance(output, Maps)
            smoothed = output.scoremap if head.blur is None else blurred(output.scoremap, head.blur)
            maps = [smoothed[0].reshape(-1, smoothed.shape[-1])]
        gaps = [np.diff(np.sort(scores, axis=0)[-2:], axis=0)[0] / np.ptp(scores, axis=0) for scores in maps]
        found.append(np.min(gaps, axis=0))


def rows_before() -> list[dict[str, Any]]:
    """Rows of the result file."""
    path = RESULTS / f"{NAME}.json"
    return json.loads(path.read_text())["rows"] if path.exists() else []


def save(rows: list[dict[str, Any]]) -> None:
    """Put rows into the results, in place of earlier ones."""
    merged = {tuple(row[name] for name in (*CASE, "engine")): row for row in [*rows_before(), *rows]}
    everything = [merged[key] for key in sorted(merged, key=lambda key: (NETWORKS.index(key[0]), *key[1:]))]
    title = (
        "# Poses of every network against DeepLabCut 3.0.2's own\n\n"
        "The first frames of one video, four body parts in each; weights are arbitrary numbers, the same on both "
        "sides. posecli in fp32. Points of which DeepLabCut is sure have a likelihood of "
        f"{SEEN} or more, and their best cell stands above the second best by {MARGIN:g} of the map's range; what "
        "misses only the latter is a near-tie. HRNet pads odd sizes at the right and bottom, which is one of "
        "DeepLabCut's random places; what DeepLabCut then finds in the padding is left out, as posecli does not look "
        f"there. Equal are a shift of up to {LARGEST_SHIFT} px and a change of likelihood of up to {LARGEST_CHANGE:g}, "
        f"or of {LARGEST_STEEP_CHANGE:g} of RTMPose's, which are a steep softmax.\n\n"
    )
    content = {"machine": machine(), "sure": {"likelihood": SEEN, "margin": MARGIN}, "rows": everything}
    write_results(NAME, content, title + markdown_table(everything))


if __name__ == "__main__":
    main()

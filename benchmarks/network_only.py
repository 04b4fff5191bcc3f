"""Frames per second of a network alone: no reading, decoding or writing; frames lie in memory.

    python benchmarks/network_only.py VIDEO MODEL --batchsize 64 --precision int8

Prints one JSON object. `analyze_speed.py` runs this beside the whole command.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np

from posecli.inference.batching import first_items
from posecli.inference.predictor import load_model
from posecli.options import ENGINES, FIXED_PRECISIONS, EngineOptions
from posecli.video.probe import probe
from posecli.video.reader import VideoReader


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("--batchsize", type=int, default=8)
    parser.add_argument("--engine", choices=ENGINES, default="openvino")
    parser.add_argument("--precision", choices=FIXED_PRECISIONS, default="fp32")
    parser.add_argument("--seconds", type=float, default=10.0)
    arguments = parser.parse_args()
    info = probe(arguments.video)
    images = first_items(VideoReader(info)).images
    batch = np.resize(images, (arguments.batchsize, *images.shape[1:]))
    engine = load_model(arguments.model, EngineOptions(arguments.engine, arguments.precision)).engine(*batch.shape[1:3])
    engine.warm_up(len(batch))
    engine(batch)
    calls = 0
    start = time.perf_counter()
    while (seconds := time.perf_counter() - start) < arguments.seconds:
        engine(batch)
        calls += 1
    print(json.dumps({"fps": calls * len(batch) / seconds, "calls": calls, "seconds": seconds}))


if __name__ == "__main__":
    main()

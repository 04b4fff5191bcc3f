"""Tiny trainings: small labelled pictures, settings of a few steps, and what a run left behind."""

from __future__ import annotations

import csv
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import yaml
from safetensors.numpy import load_file

from support import labels, projects

Weights = dict[str, npt.NDArray[np.float32]]

#: Nothing that blurs what a test looks at.
PLAIN: dict[str, Any] = {
    "scales": [1.0],
    "scale_jitter": 1,
    "rotation": 0,
    "mirror": 0,
    "light": 0,
    "blur": 0,
    "noise": 0,
    "occlusion": 0,
    "jpeg": 0,
    "h264": 0,
}
#: A run of a few seconds.
TINY: dict[str, Any] = {
    "name": "tiny",
    "held_out": 0.25,
    "precision": "fp32",
    "augment": PLAIN,
    "evaluate_every": 100,
    "checkpoint_every": 2,
    "phases": [{"steps": 4, "crop": 64, "batch_size": 2, "warm_up": 1}],
}

#: Trains in a process that kills itself after a step. Takes settings, folder, step, the module whose `shrink` makes
#: networks small, and how often losses are told.
KILLED = f"""
import importlib, os, signal, sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).resolve().parents[1])!r})
import pytest
from posecli.support.tensorflow import import_tensorflow
file, folder, last, module, losses_every = sys.argv[1:]
importlib.import_module(module).shrink(pytest.MonkeyPatch())
import_tensorflow()
from posecli.training import loop
from posecli.training import read_train_config
from posecli.training.state import RunFolder
loop.LOSS_EVERY = int(losses_every)
class Observer(loop.TrainingObserver):
    def stepped(self, step, row):
        if step == int(last):
            os.kill(os.getpid(), signal.SIGKILL)
config = read_train_config(Path(file))
loop.Trainer(config, RunFolder(Path(folder), config), Observer()).train()
"""


def train_until_killed(file: Path, folder: Path, step: int, module: str, losses_every: int) -> None:
    """Begin a run that is killed after a step."""
    arguments = [file, folder, step, module, losses_every]
    done = subprocess.run(
        [sys.executable, "-c", KILLED, *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


def write_config(path: Path, labelled: Path | None, **settings: Any) -> Path:
    """Write the settings of a tiny run on labelled images; `settings` change them."""
    data = [] if labelled is None else [{"labels": str(labelled)}]
    return projects.write_yaml(path, TINY | {"data": data} | settings)


def write_other_project(root: Path, index: str = "parts") -> Path:
    """A second laboratory's project: other body parts, two cameras with images of other sizes, some parts not seen."""
    bodyparts = ["nose", "paw left", "paw right", "hip", "tail#1"]
    projects.write_project(root, bodyparts=bodyparts)
    rng = np.random.default_rng(5)
    for video, (height, width) in {"side view": (97, 131), "top": (150, 90)}.items():
        points = rng.uniform(8, min(height, width) - 8, (4, len(bodyparts), 2))
        points[1, 2] = np.nan
        folder = root / "labeled-data" / video
        folder.mkdir(parents=True)
        names = [f"frame {number}.png" for number in range(len(points))]
        for name in names:
            cv2.imwrite(str(folder / name), rng.integers(0, 255, (height, width, 3), np.uint8))
        frame = labels.label_frame(points, names, video, bodyparts=bodyparts, index=index)
        labels.save_labels(frame, folder, layout="fixed" if index == "parts" else "table")
    return root


def model_weights(run: Path) -> Weights:
    """Weights of a run's best snapshot."""
    return load_file(run / "model" / "weights.safetensors")


def furthest(first: Weights, second: Weights) -> float:
    """Largest difference between two networks' weights."""
    assert first.keys() == second.keys()
    return max(float(np.abs(first[name] - second[name]).max()) for name in first)


def rows(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV file."""
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def numbers(path: Path) -> list[list[float]]:
    """Numbers of a CSV file, without what depends on the clock."""
    return [
        [float(value) for name, value in row.items() if name not in ("steps_per_second", "source")]
        for row in rows(path)
    ]


def settings_of(path: Path) -> dict[str, Any]:
    """What a YAML file holds."""
    content: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return content

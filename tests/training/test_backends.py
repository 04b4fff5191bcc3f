"""The same run on Keras' TensorFlow and JAX backends; JAX comes from the package index, into a folder of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support import labels, trainings

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import sys
sys.path.insert(0, sys.argv.pop(1))
sys.path.append(sys.argv.pop(1))  # last, so that NumPy stays the one that is tested
import pytest
from support.small_network import shrink
shrink(pytest.MonkeyPatch())
from posecli.cli import main
main()
"""
LEARNING_RATE = 1e-3


@pytest.fixture(scope="module")
def jax() -> Path:
    """JAX and what it needs beside NumPy and SciPy, kept for the next run."""
    folder = ROOT / ".venv-jax-backend"
    if not (folder / "complete").exists():
        command = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-compile",
            "--no-deps",
            "--target",
            str(folder),
        ]
        done = subprocess.run([*command, "jax", "jaxlib", "opt_einsum"], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            pytest.skip(
                f"JAX cannot be installed here: {(done.stderr.strip().splitlines() or ['no reason given'])[-1]}"
            )
        (folder / "complete").touch()
    return folder


def train(backend: str, config: Path, jax: Path) -> Path:
    run = config.parent / backend
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, ROOT / "tests", jax, "train", config, "--out", run],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"KERAS_BACKEND": backend, "JAX_PLATFORMS": "cpu"},
    )
    assert done.returncode == 0, done.stderr
    assert f"steps, {backend}, float32" in done.stdout
    return run


def test_jax_trains_as_tensorflow_does(jax: Path, tmp_path: Path) -> None:
    project = labels.write_project(tmp_path / "project", 8)
    phases = [{"steps": 3, "crop": 64, "batch_size": 2, "warm_up": 1, "learning_rate": LEARNING_RATE}]
    config = trainings.write_config(tmp_path / "c.yaml", project, phases=phases)
    runs = [train(backend, config, jax) for backend in ("tensorflow", "jax")]
    losses = [np.array(trainings.numbers(run / "losses.csv")) for run in runs]
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-3)
    errors = [np.array(trainings.numbers(run / "errors.csv")) for run in runs]
    np.testing.assert_allclose(errors[1], errors[0], rtol=0.02)
    ours, theirs = (trainings.model_weights(run) for run in runs)
    # Adam divides by the size of a gradient: where that is all rounding, a step of either sign is right.
    changes = [np.abs(ours[name] - theirs[name]) for name in ours if "moving" not in name]
    assert max(change.max() for change in changes) < 6 * LEARNING_RATE
    assert np.median(np.concatenate([change.ravel() for change in changes])) < 0.01 * LEARNING_RATE

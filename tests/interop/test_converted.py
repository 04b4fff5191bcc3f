"""Parquet and NWB files hold the table's numbers, as the field's own readers see them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.poses import dot_poses, write_table

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
#: What `posecli convert` needs, and what reads its files.
PACKAGES = [
    *["pynwb", "ndx-pose", "pyarrow", "movement==0.15.*"],
    *["av", "click", "h5py", "pandas", "pyyaml", "tables"],
]
READERS = {
    "parquet": (
        ["--to", "parquet"],
        """
import pyarrow.parquet
table = pyarrow.parquet.read_table(path)
assert table.column_names[:3] == ["frame", "seconds", "red_x"], table.column_names
seconds = table["seconds"].to_numpy()
rows = np.stack([table[name].to_numpy() for name in table.column_names[2:]], axis=1)
assert json.loads(table.schema.metadata[b"posecli"])["scorer"] == "DLC_x"
""",
    ),
    "parquet-tidy": (
        ["--to", "parquet", "--tidy"],
        """
import pandas
table = pandas.read_parquet(path)
assert table["bodypart"].tolist()[:3] == ["red", "green", "blue"]
seconds = table["seconds"].to_numpy()[::3]
rows = table[["x", "y", "likelihood"]].to_numpy().reshape(-1, 9)
""",
    ),
    "pynwb": (
        ["--to", "nwb", "--session-start", "2026-05-17T09:30:00+02:00"],
        """
import ndx_pose, pynwb
with pynwb.NWBHDF5IO(path, "r") as io:
    file = io.read()
    assert file.session_start_time.isoformat() in ("2026-05-17T09:30:00+02:00", "2026-05-17T07:30:00+00:00")
    estimation = file.processing["behavior"]["PoseEstimation"]
    parts = list(estimation.skeleton.nodes[:])
    assert parts == ["red", "green", "blue"], parts
    series = [estimation.pose_estimation_series[part] for part in parts]
    seconds = series[2].timestamps[:]
    rows = np.concatenate([np.c_[one.data[:], one.confidence[:]] for one in series], axis=1)
""",
    ),
    "movement": (
        ["--to", "nwb", "--session-start", "2026-05-17"],
        """
from movement.io import load_poses
poses = load_poses.from_nwb_file(path).isel(individuals=0).sel(keypoints=["red", "green", "blue"])
seconds = poses.time.values
position = poses.position.transpose("time", "keypoints", "space").values
confidence = poses.confidence.transpose("time", "keypoints").values
rows = np.concatenate([position, confidence[..., None]], axis=2).reshape(len(position), -1)
""",
    ),
}


@pytest.fixture(scope="module")
def python() -> Path:
    """An environment with the optional libraries, kept for the next run; posecli is run from its source in it."""
    folder = ROOT / ".venv-convert-reader"
    if not (folder / "complete").exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([folder / "bin" / "python", "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
        (folder / "complete").touch()
    return folder / "bin" / "python"


def run(python: Path, *arguments: str | Path, **environment: str) -> str:
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run([python, *arguments], capture_output=True, text=True, check=False, env=kept | environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("reader", READERS)
def test_reader_sees_our_numbers(reader: str, python: Path, tmp_path: Path) -> None:
    poses = dot_poses(20)
    poses[3, 1, :2] = np.nan
    table = write_table(tmp_path / "t.h5", poses)
    flags, program = READERS[reader]
    made = run(
        python, "-W", "error::UserWarning", "-m", "posecli", "convert", table, *flags, "--json",
        PYTHONPATH=str(ROOT / "src"),
    )  # fmt: skip
    path = json.loads(made)["results"][0]["path"]
    ending = "\nprint(json.dumps([np.nan_to_num(rows, nan=-1).tolist(), list(map(float, seconds))]))"
    said = run(python, "-c", f"import json, sys, numpy as np\npath = sys.argv[1]\n{program}{ending}", path)
    rows, seconds = json.loads(said.splitlines()[-1])
    np.testing.assert_array_equal(rows, np.nan_to_num(poses.reshape(20, 9), nan=-1))
    np.testing.assert_array_equal(seconds, np.arange(20) / 25)

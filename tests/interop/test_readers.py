"""The field's readers open our tables: each in an environment of its own, made from the package index."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from posecli.analysis import analyze
from posecli.model.folder import ModelFolder
from posecli.options import AnalyzeOptions
from posecli.tables.pose_table import read_pose_table

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]

#: Environment, what is installed in it, and a program that prints the poses of file ``sys.argv[1]`` as JSON.
READERS = {
    "pandas-2.3": (
        ["pandas==2.3.*", "tables", "h5py"],
        """
import json, sys, pandas as pd, numpy as np
frame = pd.read_hdf(sys.argv[1])
assert pd.__version__.startswith("2.3."), pd.__version__
assert frame.columns.names == ["scorer", "bodyparts", "coords"], frame.columns.names
print(json.dumps(np.nan_to_num(frame.to_numpy(), nan=-1).tolist()))
""",
    ),
    "pandas-3.1": (
        ["movement==0.15.*", "pandas==3.1.*"],
        """
import json, sys, pandas as pd, numpy as np
frame = pd.read_hdf(sys.argv[1], key="df_with_missing")
assert pd.__version__.startswith("3.1."), pd.__version__
assert frame.columns.names == ["scorer", "bodyparts", "coords"], frame.columns.names
print(json.dumps(np.nan_to_num(frame.to_numpy(), nan=-1).tolist()))
""",
    ),
    "movement": (
        ["movement==0.15.*", "pandas==3.1.*"],
        """
import json, sys, numpy as np
from movement.io import load_poses
poses = load_poses.from_dlc_file(sys.argv[1], fps=25)
assert list(poses.keypoints.values) == ["red", "green", "blue"], poses
position = poses.position.isel(individuals=0).transpose("time", "keypoints", "space").values
confidence = poses.confidence.isel(individuals=0).transpose("time", "keypoints").values
rows = np.concatenate([position, confidence[..., None]], axis=2).reshape(len(position), -1)
print(json.dumps(np.nan_to_num(rows, nan=-1).tolist()))
""",
    ),
    "h5py": (
        ["pandas==2.3.*", "tables", "h5py"],
        """
import json, sys, h5py, numpy as np
with h5py.File(sys.argv[1]) as file:
    rows = file["df_with_missing"]["table"][:]
assert [row[0] for row in rows] == list(range(len(rows)))
print(json.dumps(np.nan_to_num(np.stack([row[1] for row in rows]), nan=-1).tolist()))
""",
    ),
}


def environment(packages: list[str]) -> Path:
    """A virtual environment with these packages and nothing of ours, kept for the next run."""
    folder = ROOT / f".venv-{packages[0].partition('=')[0]}-reader"
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
        (folder / "complete").touch()
    return python


@pytest.mark.usefixtures("fake_engine")
@pytest.mark.parametrize("reader", READERS)
def test_reader_sees_our_poses(reader: str, dots_clip: Path, dots_model: ModelFolder, tmp_path: Path) -> None:
    table = analyze(dots_clip, dots_model.path, AnalyzeOptions(out_dir=tmp_path)).results[0].table
    assert table is not None
    packages, program = READERS[reader]
    done = subprocess.run(
        [environment(packages), "-c", program, table],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
    )
    assert done.returncode == 0, done.stderr
    seen = np.array(json.loads(done.stdout.splitlines()[-1]))
    np.testing.assert_allclose(seen, read_pose_table(table).to_numpy(), atol=1e-9)

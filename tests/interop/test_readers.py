"""The field's readers open our tables and what `posecli convert` makes of them, in environments of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.poses import dot_poses, write_table

from posecli.analysis import analyze
from posecli.model.folder import ModelFolder
from posecli.options import AnalyzeOptions
from posecli.tables.pose_table import read_pose_table

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]

#: Environments: a name, and what is installed from the package index. The second also has what `posecli convert` needs.
PANDAS_2 = ("pandas-2", "pandas==2.3.*", "tables", "h5py")
PANDAS_3 = (
    *("pandas-3", "pandas==3.1.*", "movement==0.15.*", "pynwb", "ndx-pose", "pyarrow"),
    *("av", "click", "h5py", "pyyaml", "tables"),
)
#: Of pose tables: an environment, and a program that prints the poses of file ``sys.argv[1]`` as JSON.
TABLE_READERS = {
    "pandas-2.3": (
        PANDAS_2,
        """
import json, sys, pandas as pd, numpy as np
frame = pd.read_hdf(sys.argv[1])
assert pd.__version__.startswith("2.3."), pd.__version__
assert frame.columns.names == ["scorer", "bodyparts", "coords"], frame.columns.names
print(json.dumps(np.nan_to_num(frame.to_numpy(), nan=-1).tolist()))
""",
    ),
    "pandas-3.1": (
        PANDAS_3,
        """
import json, sys, pandas as pd, numpy as np
frame = pd.read_hdf(sys.argv[1], key="df_with_missing")
assert pd.__version__.startswith("3.1."), pd.__version__
assert frame.columns.names == ["scorer", "bodyparts", "coords"], frame.columns.names
print(json.dumps(np.nan_to_num(frame.to_numpy(), nan=-1).tolist()))
""",
    ),
    "movement": (
        PANDAS_3,
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
        PANDAS_2,
        """
import json, sys, h5py, numpy as np
with h5py.File(sys.argv[1]) as file:
    rows = file["df_with_missing"]["table"][:]
assert [row[0] for row in rows] == list(range(len(rows)))
print(json.dumps(np.nan_to_num(np.stack([row[1] for row in rows]), nan=-1).tolist()))
""",
    ),
}

#: Of converted tables: how they are converted, and a program that reads ``rows`` and ``seconds`` from ``path``.
CONVERTED_READERS = {
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


def environment(name: str, *packages: str) -> Path:
    """Python of a virtual environment with these packages and nothing of ours, kept for the next run."""
    folder = ROOT / f".venv-{name}-reader"
    if not (folder / "complete").exists():
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
        pip = [sys.executable, "-m", "pip", "--python", str(folder), "install", "--quiet", "--no-compile"]
        subprocess.run([*pip, *packages], check=True)
        (folder / "complete").touch()
    return folder / "bin" / "python"


def run(python: Path, *arguments: str | Path, **variables: str) -> str:
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run([python, *arguments], capture_output=True, text=True, check=False, env=kept | variables)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.usefixtures("fake_engine")
@pytest.mark.parametrize("reader", TABLE_READERS)
def test_reader_sees_our_poses(reader: str, dots_clip: Path, dots_model: ModelFolder, tmp_path: Path) -> None:
    table = analyze(dots_clip, dots_model.path, AnalyzeOptions(out_dir=tmp_path)).results[0].table
    assert table is not None
    place, program = TABLE_READERS[reader]
    said = run(environment(*place), "-c", program, table)
    np.testing.assert_allclose(json.loads(said.splitlines()[-1]), read_pose_table(table).to_numpy(), atol=1e-9)


@pytest.mark.parametrize("reader", CONVERTED_READERS)
def test_reader_sees_our_numbers(reader: str, tmp_path: Path) -> None:
    """Our own program runs from its source, in the same environment."""
    python = environment(*PANDAS_3)
    poses = dot_poses(20)
    poses[3, 1, :2] = np.nan
    table = write_table(tmp_path / "t.h5", poses)
    flags, program = CONVERTED_READERS[reader]
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

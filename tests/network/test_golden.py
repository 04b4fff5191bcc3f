"""DeepLabCut's PyTorch networks, imported as a user imports them, against what DeepLabCut made of the same numbers.

``benchmarks/peer/golden_networks.py`` writes the files; ``support/golden.py`` makes numbers and pictures.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from support import torchfile
from support.golden import checkpoint, golden_picture

from posecli.engine.outputs import Axes, Maps
from posecli.inference.predictor import PoseModel
from posecli.model.folder import ModelFolder
from posecli.model.importing import import_model
from posecli.options import EngineName, EngineOptions

GOLDEN = Path(__file__).parent / "golden"
VARIANTS = ("no-locref", "two-layers", "sigmoid", "unclipped")
SMALL = ("cspnext_s", *(f"cspnext_s-{variant}" for variant in VARIANTS))
FAST = {"openvino": (*SMALL, "rtmpose_s")}
SLOW = {
    "openvino": (
        "cspnext_m",
        "cspnext_x",
        "dlcrnet_stride16_ms5",
        "dlcrnet_stride32_ms5",
        "hrnet_w18",
        "hrnet_w18-all-branches",
        "hrnet_w32",
        "hrnet_w48",
        "resnet_101",
        "resnet_50",
        "resnet_50-stride-32",
        "rtmpose_m",
        "rtmpose_x",
    ),
    "tensorflow": (
        "cspnext_s-two-layers",
        "resnet_50",
        "hrnet_w18-all-branches",
        "dlcrnet_stride16_ms5",
        "rtmpose_s",
    ),
}
CASES = [pytest.param(name, engine, id=f"{name}-{engine}") for engine, names in FAST.items() for name in names]
CASES += [
    pytest.param(name, engine, id=f"{name}-{engine}", marks=pytest.mark.slow)
    for engine, names in SLOW.items()
    for name in names
]
#: Of what the maps range over.
TOLERANCE = 1e-4

Found = dict[str, npt.NDArray[Any]]


@pytest.mark.parametrize(("name", "engine"), CASES)
def test_maps_and_poses_are_deeplabcuts(name: str, engine: EngineName, tmp_path: Path) -> None:
    golden = dict(np.load(GOLDEN / f"{name}.npz"))
    model = PoseModel(imported(name, golden, tmp_path), EngineOptions(engine, "fp32"))
    pictures = [key.removeprefix("poses ") for key in golden if key.startswith("poses ")]
    assert pictures
    for picture in pictures:
        height, width = map(int, picture.split("x"))
        maps = model.engine(height, width)(golden_picture(height, width)[None])
        if isinstance(maps, Axes):
            assert_close(maps.x[0], golden[f"x {picture}"])
            assert_close(maps.y[0], golden[f"y {picture}"])
            np.testing.assert_allclose(model.decode(maps)[0, :, 0], golden[f"poses {picture}"], rtol=0, atol=1e-3)
            continue
        assert isinstance(maps, Maps)
        assert_close(maps.scoremap[0], golden[f"heatmap {picture}"])
        assert (maps.locref is None) == (f"locref {picture}" not in golden)
        if maps.locref is not None:
            assert_close(maps.locref[0].reshape(*maps.scoremap.shape[1:3], -1), golden[f"locref {picture}"])
        if maps.scoremap.shape[1:] == golden[f"heatmap {picture}"].shape:  # else DeepLabCut looks at the padding too
            np.testing.assert_allclose(model.decode(maps)[0, :, 0], golden[f"poses {picture}"], rtol=0, atol=1e-3)


def imported(name: str, golden: Found, folder: Path) -> ModelFolder:
    """A model folder made of a project's folder, in which DeepLabCut's own settings lie beside a snapshot."""
    network = folder / "dlc-models-pytorch" / "iteration-0" / "goldenNov1-trainset95shuffle1"
    numbers = checkpoint(json.loads(golden["state"].tobytes()), float(golden["gain"]))
    torchfile.save(network / "train" / "snapshot-010.pt", {"model": numbers, "metadata": {"epoch": 10}})
    shutil.copy(GOLDEN / f"{name}.yaml", network / "train" / "pytorch_config.yaml")
    return import_model(network, folder / "model")


def assert_close(found: npt.NDArray[Any], expected: npt.NDArray[Any]) -> None:
    """Maps agree, as far as they cover the frame, relative to what they range over."""
    rows, columns = found.shape[:2]
    np.testing.assert_allclose(found, expected[:rows, :columns], rtol=0, atol=TOLERANCE * np.ptp(expected))

"""DeepLabCut's light TensorFlow networks, imported as a user imports them, against DeepLabCut's maps.

Files, numbers and pictures are those of test_golden.py.
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from support import projects
from support.golden import golden_picture, tensorflow_checkpoint

from posecli.engine.outputs import Maps
from posecli.inference.predictor import PoseModel
from posecli.model.importing import import_model
from posecli.options import EngineName, EngineOptions

GOLDEN = Path(__file__).parent / "golden"
NETWORKS = ("mobilenet_v2_1.0", "mobilenet_v2_0.35", "efficientnet-b0")
FAST = (("mobilenet_v2_0.35", "openvino"), ("efficientnet-b0", "openvino"))
CASES = [
    pytest.param(*case, marks=() if case in FAST else pytest.mark.slow)
    for case in itertools.product(NETWORKS, ("openvino", "tensorflow"))
]
#: Of what the maps range over.
TOLERANCE = 1e-4


@pytest.mark.parametrize(("name", "engine"), CASES)
def test_maps_are_deeplabcuts(name: str, engine: EngineName, tmp_path: Path) -> None:
    golden = dict(np.load(GOLDEN / f"{name}.npz"))
    numbers = tensorflow_checkpoint(json.loads(golden["state"].tobytes()))
    trained = projects.write_checkpoint(tmp_path / "made", numbers | projects.training_leftovers(numbers))
    folder = projects.write_model_directory(
        tmp_path, checkpoint=trained, net_type=name, all_joints_names=["snout", "tailbase"]
    )
    model = PoseModel(import_model(folder, tmp_path / "model"), EngineOptions(engine, "fp32"))
    for height, width in ((64, 96), (65, 97)):
        # DeepLabCut saw one frame at a time: another one in the batch makes no difference.
        pictures = golden_picture(height, width), np.zeros((height, width, 3), np.uint8)
        maps = model.engine(height, width)(np.stack(pictures))
        assert isinstance(maps, Maps)
        assert maps.locref is not None
        assert_close(maps.scoremap[0], golden[f"heatmap {height}x{width}"])
        assert_close(maps.locref[0].reshape(*maps.scoremap.shape[1:3], -1), golden[f"locref {height}x{width}"])


def assert_close(found: npt.NDArray[Any], expected: npt.NDArray[Any]) -> None:
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE * np.ptp(expected))

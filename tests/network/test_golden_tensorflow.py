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
BOTH = itertools.product(("mobilenet_v2_1.0", "mobilenet_v2_0.35", "efficientnet-b0"), ("openvino", "tensorflow"))
OTHERS = ("mobilenet_v2_0.75", "mobilenet_v2_0.5", *(f"efficientnet-b{size}" for size in range(1, 7)))
FAST = (("mobilenet_v2_0.35", "openvino"), ("efficientnet-b0", "openvino"))
CASES = [
    pytest.param(*case, marks=() if case in FAST else pytest.mark.slow)
    for case in (*BOTH, *((name, "openvino") for name in OTHERS), ("efficientnet-b3", "tensorflow"))
]
#: Of what the maps range over.
TOLERANCE = 1e-4


@pytest.mark.slow
@pytest.mark.parametrize(("name", "engine"), CASES)
def test_maps_are_deeplabcuts(name: str, engine: EngineName, tmp_path: Path) -> None:
    golden = dict(np.load(GOLDEN / f"{name}.npz"))
    numbers = tensorflow_checkpoint(json.loads(golden["state"].tobytes()))
    trained = projects.write_checkpoint(tmp_path / "made", numbers | projects.training_leftovers(numbers))
    folder = projects.write_model_directory(
        tmp_path, checkpoint=trained, net_type=name, all_joints_names=["snout", "tailbase"]
    )
    model = PoseModel(import_model(folder, tmp_path / "model"), EngineOptions(engine, "fp32"))
    pictures = [key.removeprefix("heatmap ") for key in golden if key.startswith("heatmap ")]
    assert pictures
    for picture in pictures:
        height, width = map(int, picture.split("x"))
        # DeepLabCut saw one frame at a time: another one in the batch makes no difference.
        frames = golden_picture(height, width), np.zeros((height, width, 3), np.uint8)
        maps = model.engine(height, width)(np.stack(frames))
        assert isinstance(maps, Maps)
        assert maps.locref is not None
        assert_close(maps.scoremap[0], golden[f"heatmap {picture}"])
        assert_close(maps.locref[0].reshape(*maps.scoremap.shape[1:3], -1), golden[f"locref {picture}"])


def assert_close(found: npt.NDArray[Any], expected: npt.NDArray[Any]) -> None:
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE * np.ptp(expected))

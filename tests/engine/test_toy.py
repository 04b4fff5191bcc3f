"""An engine of one's own, added as CONTRIBUTING.md says, runs a network of one's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from support.networks import any_weights, pictures
from support.toy_network import toy

from posecli.engine import ENGINE_CLASSES, open_engine
from posecli.engine.outputs import Maps
from posecli.errors import EngineError
from posecli.model.description import ModelDescription
from posecli.model.folder import ModelFolder, write_folder
from posecli.network.architectures import POSE_NETWORKS
from posecli.options import ENGINES, EngineOptions

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def model(tmp_path: Path) -> Iterator[ModelFolder]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(POSE_NETWORKS, "toy", toy)
        patch.setattr("posecli.options.ENGINES", (*ENGINES, "numpy"))
        patch.setitem(ENGINE_CLASSES, "numpy", "support.toy_engine:NumPyEngine")  # type: ignore[misc]
        description = ModelDescription("toy", ("snout", "tail"), "DLC_toy_1", location_refinement=False)
        yield write_folder(tmp_path / "toy", description, any_weights(description.network))


def options(engine: str, precision: str = "fp32") -> EngineOptions:
    return EngineOptions(engine, precision)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [(40, 48), (41, 50)])
def test_numpy_finds_what_openvino_finds(model: ModelFolder, size: tuple[int, int]) -> None:
    images = pictures(3, *size)
    found, expected = (open_engine(model, (*size, 3), options(name))(images) for name in ("numpy", "openvino"))
    assert isinstance(found, Maps)
    assert found.locref is None
    assert expected.scoremap.std() > 0.1
    np.testing.assert_allclose(found.scoremap, expected.scoremap, atol=1e-5)


def test_what_it_cannot_do_is_an_error(model: ModelFolder) -> None:
    with pytest.raises(EngineError, match="the numpy engine does not compute in bf16"):
        open_engine(model, (40, 48, 3), options("numpy", "bf16"))


@pytest.mark.parametrize("name", ["toy_network", "toy_engine"])
def test_contributing_shows_this_code(name: str) -> None:
    code = (ROOT / "tests" / "support" / f"{name}.py").read_text(encoding="utf-8")
    _, marker, body = code.partition("from __future__ import annotations\n\n")
    assert marker
    assert body in (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")

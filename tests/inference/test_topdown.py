"""Top-down: crops as DeepLabCut makes them, and poses of crops in pixels of the frame."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from support.networks import pictures, tiny_resnet
from support.top_down import CROP, detector_parts, model_folder

from posecli.errors import ModelError
from posecli.inference import predictor
from posecli.inference.predictor import Detector, PoseModel
from posecli.inference.topdown import crops_of, windows_of
from posecli.model.description import TopDown
from posecli.model.detector import DetectorDescription
from posecli.model.folder import read_any_folder, read_model_folder
from posecli.options import Crop, EngineOptions
from posecli.video.batch import Batch
from posecli.video.geometry import Geometry

SIZE = (120, 160)
NOWHERE = (np.nan,) * 4


@pytest.fixture(scope="module")
def net_type() -> Iterator[str]:
    with tiny_resnet() as name:
        yield name


def naive_crop(image: npt.NDArray[np.uint8], box: tuple[float, ...], crop: TopDown) -> npt.NDArray[np.uint8]:
    """One crop, number by number."""
    x, y, width, height = box
    middle_x, middle_y = x + width / 2, y + height / 2
    width, height = width + 2 * crop.margin, height + 2 * crop.margin
    if width * crop.height > height * crop.width:
        height = width * crop.height / crop.width
    else:
        width = height * crop.width / crop.height
    columns = range(round(middle_x - width / 2), round(middle_x + width / 2))
    rows = range(round(middle_y - height / 2), round(middle_y + height / 2))
    part = np.zeros((len(rows), len(columns), 3), np.uint8)
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            if 0 <= row < image.shape[0] and 0 <= column < image.shape[1]:
                part[i, j] = image[row, column]
    resized: npt.NDArray[np.uint8] = cv2.resize(part, (crop.width, crop.height), interpolation=cv2.INTER_LINEAR)
    return resized


@pytest.mark.parametrize(
    "box",
    [
        (40, 30, 20, 20),
        (10.4, 20.7, 61.3, 12.2),
        (70, 20, 3.5, 90),
        (-10, -20, 50, 40),
        (130, 100, 60, 60),
        (0, 0, 160, 120),
        (30.5, 10.5, 40, 20),  # edges on halves
        (159.9, 50, 0, 30),
    ],
)
def test_crops_are_those_of_deeplabcut(box: tuple[float, ...]) -> None:
    images = pictures(1, *SIZE)
    crops = crops_of(Batch.of(images), np.array([box]), CROP)
    assert crops.valid.all()
    np.testing.assert_array_equal(crops.images[0], naive_crop(images[0], box, CROP))


def test_a_crop_knows_where_it_was() -> None:
    crops = crops_of(Batch.of(pictures(1, *SIZE)), np.array([(-10.0, 20, 42, 38)]), TopDown(96, 64))
    corners = crops.geometry.to_frame(np.array([[[0.0, 0], [96, 64]]]))[0]
    np.testing.assert_allclose(corners, [(-18, 20), (40, 58)])  # from -17.5 to 39.5, rounded to even numbers


@pytest.mark.parametrize(
    "box", [NOWHERE, (0, 0, 0, 0), (500, 500, 20, 20), (-90, 0, 20, 20), (5, 5, 1e5, 1e5), (5, 5, np.inf, 3)]
)
def test_without_an_area_in_the_frame_there_is_no_crop(box: tuple[float, ...]) -> None:
    crops = crops_of(Batch.of(pictures(2, *SIZE)), np.array([box, (10, 10, 20, 20)]), TopDown(96, 64))
    assert crops.valid.tolist() == [False, True]
    assert not crops.images[0].any()
    assert np.isfinite(crops.geometry.to_frame(np.ones((2, 1, 2)))).all()


def test_all_windows_of_a_batch_are_found_at_once() -> None:
    rng = np.random.default_rng(3)
    boxes = np.concatenate([rng.uniform(-40, 160, (200, 2)), rng.uniform(0, 90, (200, 2))], axis=1)
    windows, _ = windows_of(boxes, CROP, SIZE)
    for box, window in zip(boxes, windows, strict=True):
        np.testing.assert_array_equal(windows_of(box[None], CROP, SIZE)[0][0], window)


def test_poses_are_those_of_the_crops_in_pixels_of_the_frame(tmp_path: Path, net_type: str) -> None:
    frames = pictures(3, *SIZE)
    boxes = np.array([(20.0, 30, 50, 40), NOWHERE, (-10, 60, 60, 70)])
    found = PoseModel(model_folder(tmp_path / "crops", net_type)).predict(frames, boxes=boxes, batch_size=2)
    alone = PoseModel(model_folder(tmp_path / "whole", net_type, None))
    crops = crops_of(Batch.of(frames), boxes, CROP)
    expected = alone.predict(crops.images)
    expected[..., :2] = crops.geometry.to_frame(expected[..., :2])
    np.testing.assert_allclose(found[[0, 2]], expected[[0, 2]], atol=1e-6)
    assert np.isnan(found[1, :, :2]).all()
    assert (found[1, :, 2] == 0).all()


def test_boxes_are_in_pixels_of_the_displayed_frame(tmp_path: Path, net_type: str) -> None:
    model, images = PoseModel(model_folder(tmp_path / "model", net_type)), pictures(1, 60, 80)
    geometry = Geometry.plan(*SIZE[::-1], Crop(40, 120, 30, 90))
    shifted = Batch.of(images, geometry, boxes=np.array([(60.0, 50, 30, 20)]))
    plain = Batch.of(images, boxes=np.array([(20.0, 20, 30, 20)]))
    np.testing.assert_allclose(
        model.values_of([shifted])[..., :2], model.values_of([plain])[..., :2] + (40, 30), atol=1e-6
    )


@pytest.mark.slow
def test_the_detector_in_its_folder_finds_the_boxes(tmp_path: Path, net_type: str) -> None:
    folder = model_folder(tmp_path / "model", net_type, detector=detector_parts())
    assert folder.detector is not None
    frames = pictures(2, *SIZE)
    found = PoseModel(folder).predict(frames)
    boxes = Detector(folder.detector, EngineOptions())(frames)
    assert np.isfinite(boxes).all()
    np.testing.assert_allclose(found, PoseModel(folder).predict(frames, boxes=boxes.astype(np.float64)))


@pytest.fixture
def warmed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Net types of engines that are warmed up, with the size of the batch; nothing is compiled."""
    seen: list[tuple[str, int]] = []

    class Recorded:
        def __init__(self, folder: Any, *_: Any) -> None:
            self.net_type = folder.description.net_type

        def warm_up(self, batch_size: int) -> None:
            seen.append((self.net_type, batch_size))

    monkeypatch.setattr(predictor, "open_engine", Recorded)
    return seen


def test_the_detector_is_warm_before_the_first_frame(
    tmp_path: Path, net_type: str, warmed: list[tuple[str, int]]
) -> None:
    model = PoseModel(model_folder(tmp_path / "model", net_type, detector=detector_parts()))
    model.step((*SIZE, 3)).warm_up(3)
    assert warmed == [("ssdlite", 3), (net_type, 3)]
    warmed.clear()
    model.step((*SIZE, 3), has_boxes=True).warm_up(3)
    assert warmed == [(net_type, 3)]  # boxes come with the frames: nothing is left to be found


def test_a_detector_that_sees_one_frame_at_a_time_is_warmed_up_with_one(warmed: list[tuple[str, int]]) -> None:
    faster = DetectorDescription("fasterrcnn_mobilenet_v3_large_fpn", "DLC_x", layout={"least_score": 0.01})
    Detector(SimpleNamespace(description=faster), EngineOptions()).warm_up(8, (*SIZE, 3))  # type: ignore[arg-type]
    assert warmed == [(faster.net_type, 1)]


def test_identity_is_also_the_detectors(tmp_path: Path, net_type: str) -> None:
    description, weights = detector_parts()
    bare = model_folder(tmp_path / "bare", net_type)
    first = model_folder(tmp_path / "first", net_type, detector=(description, weights))
    other = {name: array * np.float32(2) for name, array in weights.items()}
    second = model_folder(tmp_path / "second", net_type, detector=(description, other))
    assert len({bare.identity, first.identity, second.identity}) == 3
    assert read_model_folder(first.path).identity == first.identity
    assert read_model_folder(first.path).description.top_down == CROP


def test_without_boxes_or_a_detector_nothing_can_be_found(tmp_path: Path, net_type: str) -> None:
    model = PoseModel(model_folder(tmp_path / "model", net_type))
    with pytest.raises(ModelError, match="no detector to find it: say where it is with --boxes"):
        model.predict(pictures(1, *SIZE))


def test_a_detector_is_no_pose_network(tmp_path: Path, net_type: str) -> None:
    folder = model_folder(tmp_path / "model", net_type, detector=detector_parts())
    with pytest.raises(ModelError, match="is a detector"):
        read_model_folder(folder.path / "detector")
    assert dataclasses.is_dataclass(read_any_folder(folder.path / "detector").description)


@pytest.mark.parametrize("field", [{"width": 31}, {"height": 2049}, {"margin": -1}, {"width": 96.0}])
def test_impossible_crops_are_refused(field: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="impossible"):
        TopDown(**field)

"""Views put body parts where they say; disturbances leave them there."""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posecli.training import augment
from posecli.training import augment as shared
from posecli.training.augment import Viewport, choose_view, disturb, h264_round_trip, motion_kernel, show, swap_sides
from posecli.training.config import AugmentOptions

Image = npt.NDArray[np.uint8]
Points = npt.NDArray[np.float64]


def with_dot(height: int, width: int, point: Points, deviation: float) -> Image:
    """A black image with a soft bright dot whose middle is at a point, in px with pixel ``i`` covering [i, i + 1)."""
    rows, columns = np.mgrid[:height, :width] + 0.5
    distance = (columns - point[0]) ** 2 + (rows - point[1]) ** 2
    bright = 255 * np.exp(-distance / (2 * deviation**2))
    return np.repeat(bright[..., None], 3, axis=2).round().astype(np.uint8)


def middle_of_dot(image: Image) -> Points:
    """Where the brightness above the surroundings has its middle."""
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]] + 0.5
    bright = image.astype(float).sum(axis=2)
    return np.array([(bright * columns).sum() / bright.sum(), (bright * rows).sum() / bright.sum()])


@given(
    point=st.tuples(st.floats(30, 130), st.floats(30, 90)),
    scale=st.floats(0.12, 1.8),
    angle=st.floats(-180, 180),
    mirrored=st.booleans(),
    offset=st.tuples(st.floats(-12, 12), st.floats(-12, 12)),
)
@settings(max_examples=150, deadline=None)
def test_a_dot_is_found_where_the_view_says(
    point: tuple[float, float], scale: float, angle: float, mirrored: bool, offset: tuple[float, float]
) -> None:
    image = with_dot(120, 160, np.array(point), deviation=max(1.5, 1.0 / scale))
    focus, place = np.array(point) + np.array(offset) / scale, np.array([52.0, 47.0])
    view = Viewport(96, 104, scale, angle, mirrored, focus, place)
    # What lies outside of the image must not count as bright here.
    shown, moved = show_on_black(image, np.array([point]), view)
    assert shown.shape == (96, 104, 3)
    assert np.linalg.norm(middle_of_dot(shown) - moved[0]) < 0.6
    assert np.isclose(np.linalg.norm(moved[0] - place), np.linalg.norm(offset), atol=1e-6)


def show_on_black(image: Image, points: Points, view: Viewport) -> tuple[Image, Points]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shared, "OUTSIDE", (0, 0, 0))
        return show(image, points, view)


def test_a_plain_view_is_the_image_itself() -> None:
    image = np.random.default_rng(0).integers(0, 255, (40, 50, 3), np.uint8)
    points = np.array([[3.25, 7.5], [np.nan, np.nan], [49.9, 39.9]])
    shown, moved = show(image, points, Viewport(40, 50, 1.0, 0.0, False, np.zeros(2), np.zeros(2)))
    assert np.array_equal(shown, image)
    assert np.array_equal(moved, points, equal_nan=True)


def test_a_mirror_is_a_mirror() -> None:
    image = np.random.default_rng(0).integers(0, 255, (40, 50, 3), np.uint8)
    shown, moved = show(
        image, np.array([[10.0, 7.5]]), Viewport(40, 50, 1.0, 0.0, True, np.array([25.0, 0.0]), np.array([25.0, 0.0]))
    )
    assert np.array_equal(shown, image[:, ::-1])
    assert moved.tolist() == [[40.0, 7.5]]


def test_half_size_is_what_inference_shows() -> None:
    image = np.random.default_rng(0).integers(0, 255, (40, 50, 3), np.uint8)
    shown, moved = show(image, np.array([[10.0, 8.0]]), Viewport(20, 25, 0.5, 0.0, False, np.zeros(2), np.zeros(2)))
    assert np.array_equal(shown, cv2.resize(image, (25, 20), interpolation=cv2.INTER_AREA))
    assert moved.tolist() == [[5.0, 4.0]]


def test_points_outside_of_the_view_are_not_to_be_seen() -> None:
    view = Viewport(32, 32, 1.0, 0.0, False, np.array([50.0, 50.0]), np.array([16.0, 16.0]))
    _, moved = show(np.zeros((100, 100, 3), np.uint8), np.array([[50.0, 50.0], [70.0, 50.0], [34.0, 34.0]]), view)
    assert np.isnan(moved[1]).all()
    assert moved[[0, 2]].tolist() == [[16.0, 16.0], [0.0, 0.0]]


def test_what_lies_outside_of_the_image_is_the_mean_pixel() -> None:
    view = Viewport(32, 32, 1.0, 0.0, False, np.zeros(2), np.array([16.0, 16.0]))
    shown, _ = show(np.zeros((100, 100, 3), np.uint8), np.zeros((1, 2)), view)
    assert shown[0, 0].tolist() == list(shared.OUTSIDE)
    assert not shown[20, 20].any()


class TestChoice:
    def test_crops_show_a_body_part_mostly(self) -> None:
        rng, points = np.random.default_rng(0), np.array([[400.0, 300.0], [np.nan, np.nan]])
        seen = []
        for _ in range(200):
            view = choose_view(rng, (480, 640), points, 1.0, (128, 128), AugmentOptions())
            _, moved = show(np.zeros((480, 640, 3), np.uint8), points, view)
            seen.append(np.isfinite(moved[0]).all())
        assert 0.75 < np.mean(seen) < 0.95

    def test_a_body_part_lies_anywhere_in_a_crop(self) -> None:
        """Its edges cut the animal as a frame's do, so that a head of which little is left is learnt too."""
        rng, points = np.random.default_rng(0), np.array([[400.0, 300.0]])
        options = AugmentOptions(background=0)
        places = [choose_view(rng, (480, 640), points, 1.0, (100, 200), options).place / (200, 100) for _ in range(300)]
        assert np.histogram(places, 5, (0, 1))[0].min() > 90
        assert np.min(places) < 0.02
        assert np.max(places) > 0.98

    def test_whole_frames_are_shown_whole(self) -> None:
        rng, corners = np.random.default_rng(0), np.array([[4.0, 4.0], [156.0, 116.0]])
        for _ in range(20):
            view = choose_view(rng, (120, 160), corners, 0.5, (64, 80), AugmentOptions(rotation=0, mirror=0))
            _, moved = show(np.zeros((120, 160, 3), np.uint8), corners, view)
            assert np.isfinite(moved).all()
            assert view.angle == 0

    @pytest.mark.parametrize(("background", "expected"), [(0.0, True), (1.0, False)])
    def test_how_many_show_the_background_is_an_option(self, background: float, expected: bool) -> None:
        rng, points = np.random.default_rng(0), np.array([[400.0, 300.0]])
        options = AugmentOptions(background=background)
        views = [choose_view(rng, (480, 640), points, 1.0, (64, 64), options) for _ in range(20)]
        assert {bool((view.focus == points[0]).all()) for view in views} == {expected}

    @pytest.mark.parametrize(("mirror", "expected"), [(0.0, False), (1.0, True)])
    def test_mirroring_is_an_option(self, mirror: float, expected: bool) -> None:
        rng = np.random.default_rng(0)
        options = AugmentOptions(mirror=mirror)
        views = [choose_view(rng, (480, 640), np.zeros((1, 2)), 1.0, (64, 64), options) for _ in range(20)]
        assert {view.mirrored for view in views} == {expected}


@given(st.permutations(range(6)), st.integers(0, 3))
@settings(deadline=None)
def test_swapping_sides_twice_changes_nothing(order: list[int], count: int) -> None:
    parts = tuple("abcdef")
    pairs = [(parts[order[2 * pair]], parts[order[2 * pair + 1]]) for pair in range(count)]
    points = np.arange(12.0).reshape(6, 2)
    swapped = swap_sides(points, parts, pairs)
    assert np.array_equal(swap_sides(swapped, parts, pairs), points)
    assert (swapped != points).any(axis=1).sum() == 2 * count


class TestDisturbances:
    @pytest.mark.parametrize(
        "change",
        [
            augment.occlude,
            augment.blur,
            shared.add_noise,
            augment.compress_jpeg,
            augment.compress_h264,
            augment.strew,
        ],
    )
    @pytest.mark.parametrize("size", [(64, 48), (37, 51), (33, 32)])
    def test_shape_and_type_stay(
        self, change: Callable[[np.random.Generator, Image], Image], size: tuple[int, int]
    ) -> None:
        image = np.random.default_rng(1).integers(0, 255, (*size, 3), np.uint8)
        before = image.copy()
        for seed in range(6):
            changed = change(np.random.default_rng(seed), image)
            assert (changed.shape, changed.dtype) == (image.shape, image.dtype)
            assert not np.array_equal(changed, image)
            assert np.array_equal(image, before), "it is lent from a cache"

    def test_all_at_once_are_a_function_of_the_seed(self) -> None:
        image = np.random.default_rng(1).integers(0, 255, (65, 47, 3), np.uint8)
        options = AugmentOptions(blur=1, noise=1, occlusion=1, jpeg=1, h264=1)
        first, again, other = (disturb(np.random.default_rng(seed), image, options) for seed in (3, 3, 4))
        assert np.array_equal(first, again)
        assert not np.array_equal(first, other)

    def test_without_any_the_image_stays(self) -> None:
        image = np.random.default_rng(1).integers(0, 255, (32, 32, 3), np.uint8)
        options = AugmentOptions(light=0, blur=0, noise=0, occlusion=0, jpeg=0, h264=0)
        # The table of levels may round one down.
        assert np.abs(disturb(np.random.default_rng(0), image, options).astype(int) - image).max() <= 1

    def test_clutter_is_dark_and_leaves_most_of_the_picture(self) -> None:
        image = np.random.default_rng(1).integers(20, 255, (240, 320, 3), np.uint8)
        shares = []
        for seed in range(20):
            strewn = augment.strew(np.random.default_rng(seed), image)
            assert (strewn <= image).all()
            shares.append((strewn < image).any(axis=2).mean())
        assert 0 < min(shares) < max(shares) < 0.5

    @pytest.mark.parametrize("reach", [1, 2, 3])
    def test_movement_does_not_move_the_animal(self, reach: int) -> None:
        places = np.arange(-reach, reach + 1)
        for angle in np.linspace(0, math.pi, 37):
            kernel = motion_kernel(reach, float(angle))
            assert np.isclose(kernel.sum(), 1)
            assert abs((kernel.sum(axis=0) * places).sum()) < 1e-6
            assert abs((kernel.sum(axis=1) * places).sum()) < 1e-6

    @given(seed=st.integers(0, 1000))
    @settings(max_examples=40, deadline=None)
    def test_no_disturbance_moves_a_dot(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        point = rng.uniform(20, 44, 2)
        image = with_dot(64, 64, point, 3.0)
        for change in (augment.blur, augment.compress_jpeg):
            changed = change(np.random.default_rng(seed), image)
            changed = np.where(changed < 20, 0, changed).astype(np.uint8)
            assert np.linalg.norm(middle_of_dot(changed) - point) < 0.3


class TestH264:
    @pytest.mark.parametrize("size", [(64, 48), (37, 51), (33, 64)])
    def test_round_trip_keeps_the_shape_and_most_of_the_picture(self, size: tuple[int, int]) -> None:
        rows, columns = np.mgrid[: size[0], : size[1]]
        image = np.stack([rows * 3, columns * 3, rows + columns], axis=2).astype(np.uint8)
        fine, coarse = (h264_round_trip([image], crf)[0] for crf in (10, 45))
        assert fine.shape == coarse.shape == image.shape
        errors = [np.abs(coded.astype(int) - image).mean() for coded in (fine, coarse)]
        assert errors[0] < 4 < errors[1]

    def test_several_frames_come_back_in_order(self) -> None:
        frames = [np.full((32, 32, 3), level, np.uint8) for level in (20, 120, 220)]
        levels = [frame.mean() for frame in h264_round_trip(frames, 20)]
        assert np.allclose(levels, [20, 120, 220], atol=4)

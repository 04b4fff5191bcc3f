"""Scenes: the same options give the same frames, and body parts are where the picture shows them."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from posecli.synthetic import SCENES, Scene, SceneFrame, SceneOptions, open_scene
from posecli.synthetic.scene import Hiding
from posecli.synthetic.trail import TrailTracking
from posecli.synthetic.treadmill import Treadmill

#: Seeds whose animals are looked at.
SEEDS = (0, 5, 8)


def opened(scene: str, **values: Any) -> Scene:
    return open_scene(SceneOptions(scene, **{"frames": 400, **values}))


def equal(left: SceneFrame, right: SceneFrame) -> bool:
    return (
        np.array_equal(left.image, right.image)
        and np.array_equal(left.points, right.points)
        and np.array_equal(left.visible, right.visible)
        and np.array_equal(left.hidden, right.hidden)
    )


def mean_around(image: npt.NDArray[np.uint8], point: npt.NDArray[np.float64], radius: int = 1) -> float:
    """Grey value about a point; the pixel (column, row) covers [column, column + 1)."""
    column, row = np.floor(point).astype(int)
    patch = image[max(0, row - radius) : row + radius + 1, max(0, column - radius) : column + radius + 1]
    return float(patch.mean())


@pytest.mark.parametrize("name", SCENES)
def test_frames_are_a_function_of_options_and_index(name: str) -> None:
    first, second = opened(name, seed=4), opened(name, seed=4)
    forward = {index: first.frame(index) for index in (0, 1, 57, 399)}
    assert all(equal(second.frame(index), forward[index]) for index in (399, 57, 1, 0, 57))
    assert not equal(opened(name, seed=5).frame(57), forward[57])
    assert not np.array_equal(forward[0].image, forward[1].image)


@pytest.mark.parametrize("name", SCENES)
def test_another_process_renders_the_same(name: str) -> None:
    program = (
        "import hashlib; from posecli.synthetic import SceneOptions, open_scene\n"
        f"frame = open_scene(SceneOptions({name!r}, frames=400, seed=2)).frame(33)\n"
        "print(hashlib.sha256(frame.image.tobytes() + frame.points.tobytes()).hexdigest())"
    )
    hashes = {
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    }
    assert len(hashes) == 1


@pytest.mark.parametrize("name", SCENES)
@pytest.mark.parametrize("size", [(96, 64), (33, 401), (640, 480)])
def test_any_size(name: str, size: tuple[int, int]) -> None:
    scene = opened(name, width=size[0], height=size[1], frames=3)
    frame = scene.frame(2)
    assert frame.image.shape == (size[1], size[0], 3)
    assert frame.image.dtype == np.uint8
    assert frame.points.shape == (len(scene.bodyparts), 2)
    assert frame.points.dtype == np.float64
    assert (len(scene), scene.width, scene.height) == (3, *size)


@pytest.mark.parametrize("name", SCENES)
@pytest.mark.parametrize("frames", [1, 2])
@pytest.mark.parametrize("occlusion", [0.0, 1.0])
def test_shortest_scenes(name: str, frames: int, occlusion: float) -> None:
    scene = opened(name, frames=frames, occlusion=occlusion)
    assert all(np.isfinite(scene.frame(index).points).all() for index in range(frames))


@pytest.mark.parametrize("index", [-1, 400])
def test_frames_that_do_not_exist(index: int) -> None:
    with pytest.raises(IndexError, match=f"frame {index} does not exist"):
        opened("trail-tracking").frame(index)


@pytest.mark.parametrize("name", SCENES)
def test_visible_and_hidden_points_are_those_on_the_frame(name: str) -> None:
    scene = opened(name, seed=1, width=300, height=200, occlusion=0.5)
    for index in range(0, 400, 25):
        frame = scene.frame(index)
        on_frame = ((frame.points >= 0) & (frame.points < [300, 200])).all(axis=1)
        assert np.array_equal(frame.visible ^ frame.hidden, on_frame)
        assert not (frame.visible & frame.hidden).any()


def test_some_cameras_see_no_colour() -> None:
    scenes = [opened("trail-tracking", seed=seed, width=96, height=72, frames=2) for seed in range(12)]
    spread = [np.ptp(scene.frame(1).image, axis=2).mean() for scene in scenes]
    assert 0 < sum(value == 0 for value in spread) < 12
    assert all(value == 0 or value > 1 for value in spread)


@pytest.mark.parametrize("name", SCENES)
def test_noise_is_as_strong_as_asked(name: str) -> None:
    clean, usual, strong = (opened(name, noise=noise).frame(9).image.astype(int) for noise in (0, 1, 3))
    around = (clean > 40) & (clean < 215)
    spreads = [(noisy - clean)[around].std() for noisy in (usual, strong)]
    assert 2 < spreads[0] < 6
    assert spreads[1] == pytest.approx(3 * spreads[0], rel=0.1)


@pytest.mark.parametrize("fps", [30.0, 150.0])
@pytest.mark.parametrize("share", [0.0, 0.15, 0.6, 1.0])
def test_occlusion_is_as_frequent_as_asked(fps: float, share: float) -> None:
    hiding = Hiding(np.random.default_rng(3), 400, fps, share)
    assert np.mean([hiding[index] for index in range(400)]) == pytest.approx(share, abs=0.005)


def test_hidden_points_are_under_something() -> None:
    free, hidden = (opened("trail-tracking", width=320, height=240, occlusion=share, noise=0) for share in (0.0, 1.0))
    count = 0
    for index in range(0, 400, 20):
        bare, covered = free.frame(index), hidden.frame(index)
        np.testing.assert_array_equal(bare.points, covered.points)
        for point in bare.points[bare.visible & ~covered.visible]:
            count += 1
            column, row = np.floor(point).astype(int)
            assert (bare.image[row, column] != covered.image[row, column]).any()
    assert count > 8


@pytest.mark.parametrize("seed", SEEDS)
def test_ears_are_brighter_than_the_coat_about_them(seed: int) -> None:
    scene = opened("trail-tracking", seed=seed, noise=0, occlusion=0)
    assert isinstance(scene, TrailTracking)
    for index in range(0, 400, 20):
        frame, mouse = scene.frame(index), scene.mouse(index)
        if not frame.visible.all():
            continue
        coat = mean_around(frame.image, mouse.at(0.33))
        assert min(mean_around(frame.image, ear) for ear in frame.points[1:3]) > coat + 10


@pytest.mark.parametrize("seed", SEEDS)
def test_left_and_right_are_the_animals_own(seed: int) -> None:
    """Seen from above, with y pointing down, the right ear is clockwise of the way from ears to snout."""
    scene = opened("trail-tracking", seed=seed)
    assert isinstance(scene, TrailTracking)
    for index in range(0, 400, 10):
        snout, left, right, tail = scene.mouse(index).bodyparts()
        ahead, across = snout - (left + right) / 2, right - left
        assert ahead[0] * across[1] - ahead[1] * across[0] > 0
        trunk = (left + right) / 2 - tail
        assert trunk[0] * across[1] - trunk[1] * across[0] > 0


@pytest.mark.parametrize("seed", SEEDS)
def test_snout_and_tail_are_the_ends_of_the_trunk(seed: int) -> None:
    scene = opened("trail-tracking", seed=seed, noise=0, occlusion=0)
    assert isinstance(scene, TrailTracking)
    for index in range(0, 400, 20):
        frame, mouse = scene.frame(index), scene.mouse(index)
        snout, *_, tail = frame.points
        beyond = mouse.at(0.0, forward=0.06)
        if not frame.visible.all() or not (12 < beyond[0] < 628 and 12 < beyond[1] < 468):
            continue
        inside = mouse.at(0.06)
        assert mean_around(frame.image, inside) < mean_around(frame.image, snout) + 25
        assert np.hypot(*(snout - mouse.spine[0])) < 0.03 * mouse.unit
        assert np.hypot(*(tail - mouse.spine[-1])) < 0.03 * mouse.unit


def test_the_mouse_walks_stops_and_leaves() -> None:
    scene = open_scene(SceneOptions(seed=1, occlusion=0))
    assert isinstance(scene, TrailTracking)
    places = scene._postures[:, :2]
    steps = np.hypot(*np.diff(places, axis=0).T)
    assert 0.05 < np.mean(steps == 0) < 0.6
    assert steps.max() < 15
    off = [(~((p >= 0) & (p < [640, 480])).all()) for p in places]
    assert 0 < np.mean(off) < 0.25


def test_speed_per_second_does_not_depend_on_the_frame_rate() -> None:
    ways = []
    for fps in (15.0, 60.0):
        scene = open_scene(SceneOptions(frames=round(60 * fps), fps=fps, seed=2))
        assert isinstance(scene, TrailTracking)
        ways.append(np.hypot(*np.diff(scene._postures[:, :2], axis=0).T).sum() / 60)
    assert ways[0] == pytest.approx(ways[1], rel=0.5)
    assert 30 < ways[0] < 400


def test_names_of_the_treadmill_are_distinct() -> None:
    assert len(set(Treadmill.bodyparts)) == 14


def test_both_views_of_the_treadmill_agree() -> None:
    scene = opened("treadmill", seed=3, occlusion=0)
    column = {name: index for index, name in enumerate(scene.bodyparts)}
    for index in range(0, 400, 20):
        points = scene.frame(index).points
        for part in ("snout", "leftforepaw", "rightforepaw", "lefthindpaw", "righthindpaw", "tailbase"):
            side, below = points[column[f"side_{part}"]], points[column[f"below_{part}"]]
            assert side[0] == pytest.approx(below[0])
            assert side[1] < 0.52 * scene.height < below[1]
        left, right = points[column["below_leftforepaw"]], points[column["below_rightforepaw"]]
        assert left[1] > right[1], "the mouse faces left: its left side is the lower one, as in a mirror"


def test_diagonal_limbs_go_together() -> None:
    scene = opened("treadmill", seed=3, frames=3000)
    assert isinstance(scene, Treadmill)
    paws = np.array([scene.runner(index).paws for index in range(3000)])
    correlation = np.corrcoef((paws - paws.mean(axis=0)).T)
    assert correlation[0, 3] > 0.7
    assert correlation[1, 2] > 0.7
    assert correlation[0, 1] < -0.5


def test_paws_on_the_belt_move_with_it() -> None:
    scene = opened("treadmill", seed=3, frames=3000)
    assert isinstance(scene, Treadmill)
    runners = [scene.runner(index) for index in range(3000)]
    paws = np.array([runner.paws for runner in runners]) * scene.looks.length
    down = np.array([runner.lifts for runner in runners]) == 0
    stance = down[1:] & down[:-1]
    belt = np.diff(scene._travelled)[:, None]
    difference = np.abs(np.diff(paws, axis=0) - belt)[stance]
    assert np.median(difference) < 0.1
    assert np.percentile(difference, 95) < 1.0


def test_far_paws_are_hidden_now_and_then_and_near_ones_never() -> None:
    scene = opened("treadmill", occlusion=0, width=160, height=160)
    visible = np.array([scene.frame(index).visible for index in range(0, 400, 8)])
    shares = dict(zip(scene.bodyparts, visible.mean(axis=0).tolist(), strict=True))
    assert all(0.3 < shares[f"side_right{paw}"] < 1 for paw in ("forepaw", "hindpaw"))
    assert all(share == 1 for part, share in shares.items() if "side_right" not in part and "tail" not in part)


def test_paws_are_brighter_than_the_belly_from_below() -> None:
    scene = opened("treadmill", noise=0, occlusion=0)
    assert isinstance(scene, Treadmill)
    for index in range(0, 400, 20):
        frame, runner = scene.frame(index), scene.runner(index)
        belly = mean_around(frame.image, runner.below(0.5, 0.0))
        for limb in np.flatnonzero(runner.lifts == 0):
            assert mean_around(frame.image, runner.paws_below[limb]) > belly + 20


def test_options_cost_nothing_to_import() -> None:
    program = (
        "import sys, posecli.synthetic.options; print([n for n in ('cv2', 'numpy', 'pandas') if n in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", program], text=True).strip() == "[]"

"""The home cage: nine behaviours that only movement tells apart."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posecli.synthetic import ALL_SCENES, BEHAVIOUR_SCENES, SCENES, SceneFrame, SceneOptions, open_scene
from posecli.synthetic.arrays import Floats
from posecli.synthetic.behaviours import (
    BEHAVIOURS,
    FIELDS,
    HABITS,
    HOP,
    MOVEMENTS,
    Room,
    frame_labels_of,
    plan_bouts,
    plan_postures,
)
from posecli.synthetic.homecage import BLOCK, HomeCage

ROOM = Room(150.0, 480.0, 515.0)
#: The movement that tells a behaviour, as a field of its posture.
TELLING = {
    "drink": "head_x",
    "eat": "head_angle",
    "groom": "fore_x",
    "hang": "hip_x",
    "sniff": "head_angle",
    "rear": "hip_x",
    "eathand": "fore_y",
    "walk": "fore_x",
}
RHYTHMS = {"drink": "lick", "eat": "nod", "groom": "stroke", "hang": "sway", "sniff": "nod", "rear": "sway"} | {
    "eathand": "munch",
    "walk": "gait",
}


def opened(**values: Any) -> HomeCage:
    scene = open_scene(SceneOptions("home-cage", **{"width": 160, "height": 120, "frames": 600, **values}))
    assert isinstance(scene, HomeCage)
    return scene


def equal(left: SceneFrame, right: SceneFrame) -> bool:
    return np.array_equal(left.image, right.image) and np.array_equal(left.points, right.points)


def postures(seed: int, n: int = 5400, fps: float = 30.0) -> tuple[Floats, list[Any]]:
    rng = np.random.default_rng(seed)
    bouts = plan_bouts(rng, n, fps)
    return plan_postures(rng, bouts, fps, ROOM), bouts


def column(values: Floats, field: str) -> Floats:
    return values[..., FIELDS.index(field)]


def test_it_is_no_scene_to_find_poses_in() -> None:
    assert BEHAVIOUR_SCENES == ("home-cage",)
    assert SCENES == ("trail-tracking", "treadmill")
    assert (*SCENES, *BEHAVIOUR_SCENES) == ALL_SCENES
    assert SceneOptions("home-cage").size == (640, 480)
    assert opened(frames=None).n_frames == 5400


def test_frames_are_a_function_of_options_and_index() -> None:
    first, second = opened(seed=4), opened(seed=4)
    forward = {index: first.frame(index) for index in (0, 1, BLOCK - 1, BLOCK, 599)}
    assert all(equal(second.frame(index), forward[index]) for index in (599, BLOCK, 1, BLOCK - 1, 0))
    assert not equal(opened(seed=5).frame(1), forward[1])
    assert not np.array_equal(forward[0].image, forward[1].image)


@pytest.mark.parametrize(
    ("size", "frames", "fps"),
    [  # every two of them together
        (size, (1, 2, BLOCK + 1)[length], (0.2, 30.0, 1000.0)[(place + length) % 3])
        for place, size in enumerate([(112, 112), (33, 401), (1000, 64)])
        for length in range(3)
    ],
)
def test_any_size_length_and_rate(size: tuple[int, int], frames: int, fps: float) -> None:
    scene = opened(width=size[0], height=size[1], frames=frames, fps=fps, occlusion=1.0)
    frame = scene.frame(frames - 1)
    assert frame.image.shape == (size[1], size[0], 3)
    assert np.isfinite(frame.points).all()
    assert scene.labels().shape == (frames,)


def test_a_small_frame_shows_what_a_large_one_does() -> None:
    small, large = (opened(seed=2, noise=0, occlusion=0, width=w, height=h) for w, h in ((112, 112), (640, 480)))
    for index in (0, 300):
        near, far = small.frame(index), large.frame(index)
        np.testing.assert_allclose(near.points * [640 / 112, 480 / 112], far.points, atol=1e-6)
        shrunk = far.image[:448].reshape(112, 4, 640, 3)[:, :, ::4].mean(axis=(1, 3))
        assert abs(shrunk.mean() - near.image.mean()) < 12


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.integers(1, 3000), st.floats(0.5, 200))
def test_bouts_cover_every_frame(seed: int, n: int, fps: float) -> None:
    bouts = plan_bouts(np.random.default_rng(seed), n, fps)
    assert bouts[0].start == 0
    assert bouts[-1].stop == n
    for before, after in pairwise(bouts):
        assert before.start < before.stop == after.start
        assert before.behaviour != after.behaviour
    counts = Counter(bout.behaviour for bout in bouts)
    assert max(counts.values()) - min(counts[name] for name in BEHAVIOURS) <= 1
    labels = frame_labels_of(bouts)
    assert labels.dtype == np.int8
    assert all(BEHAVIOURS[labels[bout.start]] == bout.behaviour for bout in bouts)


@pytest.mark.parametrize("seed", range(4))
def test_behaviours_share_the_time(seed: int) -> None:
    share = np.bincount(opened(seed=seed, frames=5400).labels(), minlength=9) / 5400
    assert share.min() > 0.06
    assert share.max() < 0.17


def test_a_bout_takes_as_long_as_told() -> None:
    for fps in (30.0, 60.0):
        bouts = plan_bouts(np.random.default_rng(1), 20_000, fps)[:-1]
        seconds = [(bout.stop - bout.start) / fps for bout in bouts]
        assert 1.4 < min(seconds) < 2.5
        assert 5 < max(seconds) < 6.1


@pytest.mark.parametrize("behaviour", TELLING)
def test_the_rhythm_is_in_the_movement(behaviour: str) -> None:
    """The strongest frequency of the telling movement, where every second frame is seen."""
    expected = HABITS[behaviour].rhythms[RHYTHMS[behaviour]]
    values, bouts = postures(3, 12_000)
    found = []
    for bout in bouts:
        track = column(values, TELLING[behaviour])[bout.start + 6 : bout.stop - 6 : 2]
        if bout.behaviour != behaviour or len(track) < 45:
            continue
        power = np.abs(np.fft.rfft((track - track.mean()) * np.hanning(len(track)), 1024))
        found.append(np.argmax(power) * 15 / 1024)
    assert len(found) > 3
    assert np.median(found) == pytest.approx(expected, rel=0.13)
    assert np.ptp(found) > 0.02 * expected, "bouts differ"


def test_every_second_frame_shows_every_rhythm() -> None:
    assert max(max(habit.rhythms.values(), default=0) for habit in HABITS.values()) * 1.12 < 5


def test_members_of_a_stance_move_in_the_same_ways_at_different_rhythms() -> None:
    assert set(HABITS) == set(BEHAVIOURS)
    for stance in MOVEMENTS:
        rhythms = [tuple(sorted(habit.rhythms.items())) for habit in HABITS.values() if habit.stance == stance]
        assert len(set(rhythms)) == len(rhythms) >= 2
    assert all(set(habit.rhythms) <= set(MOVEMENTS[habit.stance]) for habit in HABITS.values())


def test_a_still_head_is_where_moving_ones_pass_by() -> None:
    angles: dict[str, list[float]] = {"rest": [], "sniff": [], "eat": [], "walk": []}
    for seed in range(30):
        values, bouts = postures(seed, 1500)
        for bout in bouts:
            middle = (bout.start + bout.stop) // 2
            if bout.behaviour in angles:
                angles[bout.behaviour].append(float(column(values, "head_angle")[middle]))
    low, high = np.quantile(angles["sniff"] + angles["eat"], [0.1, 0.9])
    for still in ("rest", "walk"):
        assert 0.6 < np.mean([low < angle < high for angle in angles[still]]) < 0.97
        assert np.std(angles[still]) == pytest.approx(np.std(angles["eat"]), rel=0.5)


def test_rest_is_still_and_a_walk_gets_on() -> None:
    values, bouts = postures(5, 9000)
    ways: dict[str, list[float]] = {name: [] for name in BEHAVIOURS}
    for bout in bouts[:-1]:
        places = column(values, "center")[bout.start + 6 : bout.stop - 6]
        ways[bout.behaviour].append(float(np.abs(np.diff(places)).sum() / len(places) * 30))
    assert min(ways["walk"]) > 60
    assert max(max(way) for name, way in ways.items() if name != "walk") < 20


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_the_mouse_neither_jumps_nor_leaves_the_cage(seed: int) -> None:
    values, _ = postures(seed)
    center = column(values, "center")
    assert np.abs(np.diff(center)).max() < HOP / 3
    assert ROOM.low - 5 < center.min() < center.max() < ROOM.wall + 5
    points = np.array([opened(seed=seed, occlusion=0).frame(index).points for index in range(0, 600, 60)])
    assert (points > 0).all()
    assert (points < [160, 120]).all()


def test_label_changes_in_the_middle_of_the_change() -> None:
    """Half way between sitting and standing, the hip is half way."""
    values, bouts = postures(0)
    pitch = column(values, "pitch")
    changes = 0
    for before, after in pairwise(bouts):
        if {before.stance, after.stance} == {"sit", "stand"}:
            changes += 1
            old, new = pitch[before.stop - 8], pitch[after.start + 8]
            half = (pitch[before.stop - 1] + pitch[after.start]) / 2
            assert (half - old) / (new - old) == pytest.approx(0.5, abs=0.12)
    assert changes > 3


@pytest.mark.slow
def test_some_cages_are_mirrored() -> None:
    sides = []
    for seed in range(16):
        scene = opened(seed=seed, occlusion=0, frames=1500)
        index = int(np.flatnonzero(np.isin(scene.labels(), [0, 3, 5]))[40])
        sides.append(bool(scene.frame(index).points[0, 0] > 80))
    assert 3 < sum(sides) < 13


@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_points_lie_on_the_animal(seed: int) -> None:
    """The coat differs from the wall behind it by more than the ear's and the paw's colours do."""
    scene = opened(seed=seed, width=640, height=480, noise=0, occlusion=0)
    empty = scene._cage.astype(int)
    for index in range(10, 600, 60):
        frame = scene.frame(index)
        change = np.abs(frame.image.astype(int) - empty).max(axis=2)
        snout, ear, _, _ = np.floor(frame.points).astype(int)
        assert change[ear[1] - 3 : ear[1] + 4, ear[0] - 3 : ear[0] + 4].max() > 12
        assert change[snout[1] - 6 : snout[1] + 7, snout[0] - 6 : snout[0] + 7].max() > 12


def test_a_paw_hides_what_it_covers() -> None:
    scene = opened(seed=1, frames=5400, occlusion=0)
    grooming = np.flatnonzero(scene.labels() == BEHAVIOURS.index("groom"))
    resting = np.flatnonzero(scene.labels() == BEHAVIOURS.index("rest"))
    visible = [np.array([scene.frame(index).visible for index in part[::9]]) for part in (grooming, resting)]
    assert visible[0][:, 2:].all()
    assert not visible[0][:, :2].all()
    assert visible[1].mean() > visible[0].mean()


def test_pose_scenes_tell_no_behaviour() -> None:
    scene = open_scene(SceneOptions("treadmill", width=64, height=64, frames=5))
    assert scene.behaviours == ()
    assert scene.labels().tolist() == [-1] * 5

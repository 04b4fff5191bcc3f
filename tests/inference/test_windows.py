"""Windows: where they lie, what they leave to the whole frame, and that nobody sees them in the poses."""

from __future__ import annotations

from dataclasses import asdict, replace
from fractions import Fraction
from functools import partial

import numpy as np
import numpy.typing as npt
import pytest
from conftest import make_dots_model
from hypothesis import given
from hypothesis import strategies as st
from support.fake_engine import FakeEngine

from posecli.errors import UsageError
from posecli.inference.decode import DecodeOptions, decode
from posecli.inference.sources import Coarse, Still, Tracking, shrunk
from posecli.inference.step import POSES, NetworkStep, Values
from posecli.inference.windows import Windows, WindowStep, whole_groups
from posecli.options import Crop, EngineOptions
from posecli.video.batch import Batch
from posecli.video.geometry import Geometry

SIZE = HEIGHT, WIDTH = 240, 320
WINDOWS = Windows(96, 80, grid=16, cutoff=0.6, group=4, anchor=32, margin=16)
Path = npt.NDArray[np.float64]


def walk(count: int, step: float = 1.0) -> Path:
    """Where an animal is, ``(count, 2)`` px, that goes in a circle."""
    turns = np.arange(count) * step / 60
    return np.stack([160 + 60 * np.cos(turns), 120 + 60 * np.sin(turns)], axis=-1)


def jumps() -> Path:
    found = walk(40)
    found[13:20] = 40, 40
    found[20:] = 280, 200
    return found


def leaves_and_returns() -> Path:
    found = walk(40)
    found[10:24] = np.nan
    found[24:] += (30, -30)
    return found


def runs() -> Path:
    return walk(40, 30.0)


def scattered() -> Path:
    return np.random.default_rng(0).uniform(40, 200, (40, 2))


SCENES = {
    "calm": walk(72),
    "jumps": jumps(),
    "leaves and returns": leaves_and_returns(),
    "runs": runs(),
    "is elsewhere in each frame": scattered(),
    "never there": np.full((12, 2), np.nan),
    "at the frame's edges": np.stack([np.linspace(30, 300, 40), np.full(40, 9)], axis=-1),
}


def drawn(path: Path, reach: int = 16) -> Batch:
    """Frames of an animal of three squares in a row, `reach` px from one to the next."""
    frames = np.full((len(path), *SIZE, 3), 90, np.uint8)
    for frame, (x, y) in zip(frames, path, strict=True):
        for channel in range(3) if np.isfinite(x) else ():
            middle = round(x) + reach * (channel - 1)
            frame[max(0, round(y) - 8) : round(y) + 8, max(0, middle - 8) : middle + 8] = 0
            frame[max(0, round(y) - 8) : round(y) + 8, max(0, middle - 8) : middle + 8, channel] = 255
    return Batch.of(frames, Geometry.plan(WIDTH, HEIGHT))


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> partial[WindowStep]:
    """A step with windows, around the engine that finds squares."""
    model = make_dots_model(tmp_path_factory.mktemp("model") / "dots")

    def network(height: int, width: int) -> NetworkStep:
        engine = FakeEngine(model, (height, width, 3), EngineOptions())
        return NetworkStep(engine, partial(decode, options=DecodeOptions(8.0, 7.2801)), POSES)

    return partial(
        WindowStep, source=Tracking(WINDOWS.centers), full=network(*SIZE), near=network(WINDOWS.height, WINDOWS.width)
    )


def poses(step: WindowStep, batch: Batch, size: int = 64) -> Values:
    return np.concatenate([step(part) for part in batch.split(size)])


@pytest.mark.parametrize("scene", SCENES)
def test_poses_are_those_of_whole_frames(scene: str, make: partial[WindowStep]) -> None:
    batch = drawn(SCENES[scene])
    step = make(WINDOWS)
    np.testing.assert_array_equal(poses(step, batch), make.keywords["full"](batch))
    assert step.account()["frames"] == len(batch)


def test_only_frames_that_need_it_are_looked_at_as_a_whole(make: partial[WindowStep]) -> None:
    whole = {}
    for scene, path in SCENES.items():
        step = make(WINDOWS)
        poses(step, drawn(path))
        whole[scene] = step.account()["whole_frames"]
    assert whole["calm"] == 3, "the first of every 32"
    assert whole["never there"] == len(SCENES["never there"])
    assert 4 <= whole["jumps"] <= 10
    assert 14 <= whole["leaves and returns"] <= 20
    assert whole["runs"] > 20


def test_a_window_that_shows_half_an_animal_is_not_believed(make: partial[WindowStep]) -> None:
    """A network may see all of an animal in its rear half: here for some frames, surely, and away from any edge."""
    batch = drawn(walk(48))
    honest = make(WINDOWS).near

    class Misled(WindowStep):
        def _looked(self, batch: Batch, corners: npt.NDArray[np.int64]) -> tuple[Values, npt.NDArray[np.bool_]]:
            values, doubtful = super()._looked(batch, corners)
            values[(batch.indices > 9) & (batch.indices < 15), :, :, 0] += 30
            return values, doubtful

    full = make.keywords["full"]
    step = Misled(WINDOWS, Tracking(WINDOWS.centers), full, honest)
    np.testing.assert_array_equal(poses(step, batch), full(batch))
    assert 5 < step.account()["whole_frames"] < 15


def test_a_body_part_beyond_the_window_is_found(make: partial[WindowStep]) -> None:
    """The windows are too small for this animal, and each frame shows it."""
    batch = drawn(walk(24), reach=60)
    step = make(WINDOWS)
    np.testing.assert_array_equal(poses(step, batch), make.keywords["full"](batch))
    assert step.account()["whole_frames"] == 24


def poses_at(*parts: tuple[float, float, float]) -> Values:
    """One frame's poses."""
    return np.array(parts)[None, :, None]


@pytest.mark.parametrize(
    ("hidden", "reach", "corner", "doubtful"),
    [
        ((0, 0, 0.9), 0, 64, True),  # seen, beyond the window
        ((48, 44, 0.9), 0, 64, False),
        ((0, 0, 0.1), 0, 64, True),  # nothing is known of where it may be
        ((0, 0, 0.1), 30, 64, False),  # wherever it is, it would be seen
        ((0, 0, 0.4), 30, 64, True),  # neither seen nor absent
        ((0, 0, 0.1), 70, 64, True),  # it may lie beyond the window
        ((0, 0, 0.1), 70, 0, False),  # behind this edge there is nothing
    ],
)
def test_a_body_part_is_hidden_where_the_window_shows_all_places_that_it_may_be_at(
    hidden: tuple[float, float, float], reach: int, corner: int, doubtful: bool
) -> None:
    windows = replace(WINDOWS, width=WIDTH - corner, height=HEIGHT, reach=reach)
    values = poses_at((50, 40, 0.9), (60, 50, 0.9), hidden)
    values[..., :2] += corner, 0
    geometry = Geometry.plan(WIDTH, HEIGHT).of_batch(1).window(np.array([[corner, 0.0]]))
    found = windows.doubtful(values, geometry, np.array([[corner, 0]]), SIZE)
    assert found.tolist() == [doubtful]


def test_a_frame_in_which_nothing_is_seen_is_looked_at_as_a_whole() -> None:
    windows = replace(WINDOWS, reach=10)
    geometry = Geometry.plan(WIDTH, HEIGHT).of_batch(1)
    assert windows.doubtful(poses_at((50, 40, 0.1), (60, 50, 0.1)), geometry, np.array([[0, 0]]), SIZE).all()


def test_a_body_part_that_is_always_hidden_costs_no_whole_frames(make: partial[WindowStep]) -> None:
    batch = drawn(walk(64))
    batch.images[..., 2] = batch.images.min(axis=-1)
    step = make(replace(WINDOWS, reach=20))
    found, expected = step(batch), make.keywords["full"](batch)
    assert (expected[..., 2, 0, 2] < 0.3).all()
    np.testing.assert_array_equal(found[:, :2], expected[:, :2])
    assert step.account()["whole_frames"] == 2


@pytest.mark.slow
@pytest.mark.parametrize("scene", ["is elsewhere in each frame", "leaves and returns"])
@pytest.mark.parametrize("kind", ["coarse", "still"])
def test_sources_that_look_at_each_frame_find_an_animal_wherever_it_is(
    kind: str, scene: str, make: partial[WindowStep]
) -> None:
    batch, full = drawn(SCENES[scene]), make.keywords["full"]
    background = Still.of_pictures(shrunk(batch.images, 8), 8)
    step = make(WINDOWS, source=background if kind == "still" else Coarse(WINDOWS.centers, Fraction(1), full))
    np.testing.assert_array_equal(poses(step, batch), full(batch))
    present = np.isfinite(SCENES[scene][:, 0])
    assert step.account()["whole_frames"] <= (~present).sum() + 3
    for frame in range(len(batch)):
        step.resume_within(frame, full(batch))
        np.testing.assert_array_equal(step(batch[frame : frame + 1]), full(batch[frame : frame + 1]))


def test_of_two_animals_the_surer_one_is_taken_up_again(make: partial[WindowStep]) -> None:
    """A fainter one is followed until the next frame that is looked at as a whole shows the other."""
    batch = drawn(np.tile([80.0, 60.0], (64, 1)))
    faint = batch.images[:, 40:80, 30:140] // 4 * 3
    batch.images[:, 160:200, 180:290] = faint
    batch.images[:10, 40:80, 30:140] = 90  # the clear one comes late
    found, expected = (step(batch) for step in (make(WINDOWS), make.keywords["full"]))
    np.testing.assert_array_equal(found[32:], expected[32:])
    assert (found[10:32] != expected[10:32]).any(), "this is what windows cannot see"


@pytest.mark.slow
@given(size=st.sampled_from([4, 8, 12, 20, 40]), group=st.integers(0, 17))
def test_batches_and_interruptions_leave_no_trace(
    make: partial[WindowStep], unbroken: tuple[Batch, Values], size: int, group: int
) -> None:
    batch, expected = unbroken
    first = group * WINDOWS.group
    step = make(WINDOWS)
    step.resume(first, expected[:first])
    np.testing.assert_array_equal(poses(step, batch[first:], size), expected[first:])


@pytest.fixture(scope="module")
def unbroken(make: partial[WindowStep]) -> tuple[Batch, Values]:
    """Frames, and their poses by one step."""
    batch = drawn(np.concatenate([SCENES["leaves and returns"], SCENES["runs"][:32]]))
    return batch, poses(make(WINDOWS), batch)


def test_any_frame_comes_out_again_by_the_poses_of_all(
    make: partial[WindowStep], unbroken: tuple[Batch, Values]
) -> None:
    batch, expected = unbroken
    step = make(WINDOWS)
    for frame in range(len(batch)):
        step.resume_within(frame, expected)
        np.testing.assert_array_equal(step(batch[frame : frame + 1]), expected[frame : frame + 1])
    assert step.account()["whole_frames"] < len(batch)


def test_a_frame_behind_which_there_is_a_leap_comes_out_again(make: partial[WindowStep]) -> None:
    """A fainter animal is followed and leaps within the window; the whole frame shows the clearer one."""
    batch = drawn(np.tile([80.0, 60.0], (24, 1)))
    faint = batch.images[:, 40:80, 30:140] // 4 * 3
    batch.images[:14, 160:200, 180:290] = faint[:14]
    batch.images[14:, 160:200, 210:320] = faint[14:]
    batch.images[:10, 40:80, 30:140] = 90  # the clear one comes late
    step = make(WINDOWS)
    expected = poses(step, batch)
    assert np.ptp(expected[12:, 0, 0, 1]) > 100, "both are seen"
    for frame in range(len(batch)):
        step.resume_within(frame, expected)
        np.testing.assert_array_equal(step(batch[frame : frame + 1]), expected[frame : frame + 1])


@pytest.mark.parametrize(
    "found",
    [
        3,
        {"width": 96},
        *(asdict(WINDOWS) | {name: value} for name, value in (("width", "a"), ("width", 1000), ("anchor", 0))),
        *(asdict(WINDOWS) | {name: value} for name, value in (("cutoff", "a"), ("margin", None), ("group", -8))),
    ],
)
def test_windows_of_a_strange_manifest_are_refused(found: object) -> None:
    with pytest.raises(UsageError, match=r"^windows .* are none that posecli makes: analyse again$"):
        Windows.of({"windows": found, "network_width": WIDTH, "network_height": HEIGHT})


def test_windows_come_back_from_a_manifest() -> None:
    size = {"network_width": WIDTH, "network_height": HEIGHT}
    assert Windows.of({"windows": asdict(WINDOWS), **size}) == WINDOWS
    assert Windows.of({}) is None


def test_frames_that_could_not_be_decoded_are_missing_and_cost_nothing(make: partial[WindowStep]) -> None:
    batch = drawn(walk(16))
    valid = np.ones(16, bool)
    valid[[6, 7, 12]] = False
    batch = Batch(batch.images, batch.geometry, batch.indices, batch.seconds, valid, batch.fresh)
    step = make(WINDOWS)
    np.testing.assert_array_equal(step(batch), make.keywords["full"](batch))
    assert np.isnan(step(batch)[6, ..., :2]).all()
    assert step.account()["whole_frames"] == 2, "the first frame, twice"


def test_a_scaled_and_cropped_frame_has_its_windows_in_the_networks_picture(make: partial[WindowStep]) -> None:
    batch = drawn(walk(16))
    geometry = Geometry(800, 700, Crop(100, 740, 50, 530), WIDTH, HEIGHT)
    moved = Batch.of(batch.images, geometry)
    np.testing.assert_array_equal(make(WINDOWS)(moved), make.keywords["full"](moved))


@given(
    centers=st.lists(st.tuples(st.floats(-500, 900), st.floats(-500, 900)), min_size=1, max_size=5),
    cells=st.tuples(st.integers(0, 12), st.integers(0, 8)),
)
def test_windows_lie_on_the_grid_inside_the_frame(centers: list[tuple[float, float]], cells: tuple[int, int]) -> None:
    windows = Windows(WIDTH - 16 * cells[0], HEIGHT - 16 * cells[1], grid=16, cutoff=0.6)
    corners = windows.corners(np.array(centers), SIZE)
    assert (corners % 16 == 0).all()
    assert (corners >= 0).all()
    assert (corners + (windows.width, windows.height) <= (WIDTH, HEIGHT)).all()


def test_a_batch_is_whole_groups() -> None:
    assert [whole_groups(size, WINDOWS) for size in (1, 4, 5, 64)] == [4, 4, 8, 64]

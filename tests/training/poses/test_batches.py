"""Batches: the same from the same number, weights where a source knows nothing, held-out images never."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pytest
from support import labels, trainings

from posecli.errors import UsageError
from posecli.inference.decode import DecodeOptions, decode_numpy
from posecli.labels.data import read_image
from posecli.network.architectures import pose_network
from posecli.network.network import PoseSpec
from posecli.synthetic import SceneOptions, open_scene
from posecli.training.config import AugmentOptions, PoseConfig, PosePhase, PoseSource
from posecli.training.objective import AHEAD, TrainingBatch, batches
from posecli.training.poses.examples import Example, PoseBatchMaker, PoseTrainingData, open_sources, scene_example

NETWORK = pose_network(PoseSpec("resnet_50", 1))
PLAIN = AugmentOptions(
    scales=(1.0,), scale_jitter=1, rotation=0, mirror=0, light=0, blur=0, noise=0, occlusion=0, jpeg=0, h264=0
)


def data_of(example: Example, bodyparts: tuple[str, ...], augment: AugmentOptions) -> PoseTrainingData:
    """A source of one example."""
    return PoseTrainingData(bodyparts, (lambda rng: example,), np.ones(1), (augment,), (), ())


def crops(batch_size: int, side: int) -> PosePhase:
    return PosePhase(8, batch_size, crop=side, warm_up=0)


def made(
    example: Example, bodyparts: tuple[str, ...], phase: PosePhase, augment: AugmentOptions = PLAIN, **settings: object
) -> TrainingBatch:
    """The first batch of one example."""
    return PoseBatchMaker(data_of(example, bodyparts, augment), config(augment, **settings), phase, NETWORK)(rng(0))


def config(augment: AugmentOptions = PLAIN, **settings: object) -> PoseConfig:
    values = {"name": "t", "data": (PoseSource(scene="trail-tracking"),), "phases": (PosePhase(steps=8, warm_up=0),)}
    return PoseConfig(**(values | {"augment": augment} | settings))  # type: ignore[arg-type]


def example(
    height: int, width: int, points: list[list[float]], known: list[bool], hidden: list[bool] | None = None
) -> Example:
    image = np.random.default_rng(height).integers(0, 255, (height, width, 3), np.uint8)
    return Example(image, np.array(points), np.array(known), np.array(hidden or [False] * len(points)))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return labels.write_project(tmp_path / "project", 8)


def rng(number: int, seed: int = 0) -> np.random.Generator:
    return np.random.default_rng((seed, number))


def same(first: TrainingBatch, second: TrainingBatch) -> bool:
    targets = all(np.array_equal(first.targets[name], second.targets[name]) for name in first.targets)
    return targets and np.array_equal(first.inputs, second.inputs)


def poses_of(batch: TrainingBatch) -> npt.NDArray[np.float64]:
    """``(B, K, 3)``: what decoding reads out of the targets."""
    scoremap, locref = batch.targets["scoremap"], batch.targets["locref"]
    return decode_numpy(scoremap[..., 0], locref[..., :2], DecodeOptions(8.0, 7.2801))[:, :, 0]


class TestMaking:
    SIDES = ("left", "right")
    MIRRORED = replace(PLAIN, mirror=1)
    PAIRS = (("left", "right"),)

    @pytest.mark.parametrize("framing", ["crops", "frames"])
    def test_a_batch_is_a_function_of_seed_and_number(self, project: Path, framing: Literal["crops", "frames"]) -> None:
        phase = PosePhase(8, 3, crop=64, framing=framing, warm_up=0)
        settings = config(AugmentOptions(), data=(PoseSource(labels=project),), phases=(phase,))
        first, again = (PoseBatchMaker(open_sources(settings), settings, phase, NETWORK) for _ in range(2))
        batches = [first(rng(number)) for number in range(4)]
        assert all(same(again(rng(number)), batches[number]) for number in (3, 0, 2, 1)), "in whatever order"
        assert not same(batches[0], batches[1])
        assert not same(again(rng(0, seed=1)), batches[0])

    def test_shapes_and_types(self) -> None:
        batch = made(example(100, 120, [[50, 50], [60, 40]], [True, True]), ("a", "b"), crops(3, 72))
        arrays = (batch.inputs, batch.targets["scoremap"], batch.targets["locref"])
        assert [array.shape for array in arrays] == [(3, 72, 72, 3), (3, 10, 10, 2, 2), (3, 10, 10, 2, 3)]
        assert [array.dtype for array in arrays] == [np.uint8, np.float32, np.float32]

    def test_whole_frames_keep_their_shape_and_small_ones_come_in_larger_batches(self) -> None:
        one, phase = example(120, 160, [[50, 50]], [True]), PosePhase(8, 2, crop=96, framing="frames", warm_up=0)
        shapes = [made(one, ("a",), phase, replace(PLAIN, scales=(scale,))).inputs.shape for scale in (1.0, 0.5, 0.25)]
        assert shapes == [(2, 96, 96, 3), (4, 64, 80, 3), (8, 32, 32, 3)]

    def test_targets_are_where_the_picture_is(self, project: Path) -> None:
        settings = config(data=(PoseSource(labels=project),))
        batch = PoseBatchMaker(open_sources(settings), settings, crops(4, 96), NETWORK)(rng(0))
        found = [
            batch.inputs[item, int(y), int(x), part]
            for item, pose in enumerate(poses_of(batch))
            for part, (x, y, likelihood) in enumerate(pose)
            if likelihood
        ]
        assert len(found) >= 4
        assert set(found) == {255}, "a dot of the body part's own colour"

    def test_clutter_lies_on_the_image_before_it_is_viewed(self) -> None:
        clean, cluttered = (
            made(example(120, 160, [[50, 50]], [True]), ("a",), crops(3, 64), replace(PLAIN, clutter=share))
            for share in (1e-9, 1.0)
        )
        assert np.array_equal(clean.targets["scoremap"][:1], cluttered.targets["scoremap"][:1]), "the same view"
        assert (cluttered.inputs[0] <= clean.inputs[0]).all()
        assert (cluttered.inputs[0] < clean.inputs[0]).any()

    def test_mirrored_sides_change_places(self) -> None:
        one = example(64, 64, [[20, 30], [44, 30]], [True, True])
        batch = made(one, self.SIDES, crops(1, 64), self.MIRRORED, mirror_pairs=self.PAIRS)
        left, right = poses_of(batch)[0]
        assert left[0] < right[0], "left is still left of right"

    def test_unlabelled_is_not_unknown(self) -> None:
        one = example(64, 64, [[32, 32], [np.nan, np.nan], [np.nan, np.nan]], [True, True, False])
        targets = made(one, ("a", "b", "c"), crops(2, 64)).targets
        target, weight = targets["scoremap"][..., 0], targets["scoremap"][..., 1]
        assert weight.min(axis=(0, 1, 2)).tolist() == weight.max(axis=(0, 1, 2)).tolist() == [1, 1, 0]
        assert target.max(axis=(0, 1, 2)).tolist() == [1, 0, 0]
        assert targets["locref"][..., 2].max(axis=(0, 1, 2)).tolist() == [1, 0, 0]

    def test_nothing_is_asked_where_a_body_part_is_hidden(self) -> None:
        one = example(64, 64, [[20, 30], [44, 30]], [True, True], [True, False])
        targets = made(one, self.SIDES, crops(1, 64), self.MIRRORED, mirror_pairs=self.PAIRS).targets
        target, weight = targets["scoremap"][0, ..., 0], targets["scoremap"][0, ..., 1]
        assert target.max(axis=(0, 1)).tolist() == [1, 0], "mirrored: the right one is the hidden one now"
        assert weight.min(axis=(0, 1)).tolist() == [1, 0]
        assert weight[..., 1].max() == 1, "far away it must say that nothing is there"
        assert targets["locref"][..., 2].max(axis=(0, 1, 2)).tolist() == [1, 0]

    def test_what_is_known_is_mirrored_too(self) -> None:
        one = example(64, 64, [[20, 30], [np.nan, np.nan]], [True, False])
        targets = made(one, self.SIDES, crops(1, 64), self.MIRRORED, mirror_pairs=self.PAIRS).targets
        assert targets["scoremap"].max(axis=(0, 1, 2)).tolist() == [[0, 0], [1, 1]]


class TestIterating:
    def numbered(self, made: list[int]) -> Callable[[np.random.Generator], TrainingBatch]:
        def make(source: np.random.Generator) -> TrainingBatch:
            made.append(int(source.integers(1 << 40)))
            return TrainingBatch(np.zeros(1, np.uint8), made[-1])

        return make

    @pytest.mark.parametrize("count", [0, 1, AHEAD, 3 * AHEAD])
    def test_in_order_and_not_too_far_ahead(self, count: int) -> None:
        made: list[int] = []
        taken = 0
        for batch in batches(self.numbered(made), 7, range(5, 5 + count)):
            assert batch.targets == int(rng(5 + taken, seed=7).integers(1 << 40))
            taken += 1
            assert len(made) <= taken + AHEAD + 1
        assert taken == len(made) == count

    def test_an_error_reaches_the_loop(self) -> None:
        def fail(source: np.random.Generator) -> TrainingBatch:
            raise OSError("image gone")

        with pytest.raises(OSError, match="image gone"):
            list(batches(fail, 0, range(3)))

    def test_threads_end_with_the_loop(self) -> None:
        making = batches(self.numbered([]), 0, range(100))
        next(making)
        assert [thread for thread in threading.enumerate() if thread.name.startswith("posecli-batches")]
        del making
        assert not [thread for thread in threading.enumerate() if thread.name.startswith("posecli-batches")]


class TestSources:
    def test_held_out_images_are_never_drawn(self, project: Path) -> None:
        settings = config(data=(PoseSource(labels=project),), held_out=0.25)
        data = open_sources(settings)
        test = [read_image(frame.image).tobytes() for frame in data.test[0].frames]
        source = rng(0)
        drawn = [data.draw(source)[0].image.tobytes() for _ in range(200)]
        assert len(test) == 2
        assert not set(test) & set(drawn)
        assert len(set(drawn)) == 6, "and all others are"

    def test_named_images_are_held_out(self, project: Path) -> None:
        name = "labeled-data/m1/img0003.png"
        data = open_sources(config(data=(PoseSource(labels=project),), held_out=(name,)))
        assert data.test[0].names == (name,)
        assert len(data.train[0]) == 7

    @pytest.mark.parametrize("nothing", [0.0, ()])
    def test_nothing_may_be_held_out(self, project: Path, nothing: float | tuple[str, ...]) -> None:
        data = open_sources(config(data=(PoseSource(labels=project),), held_out=nothing))
        assert data.test == ()
        assert len(data.train[0]) == 8

    def test_a_source_s_own_augmentation_is_what_is_done_to_its_examples(self, tmp_path: Path) -> None:
        first, second = (labels.write_project(tmp_path / name, 4) for name in "ab")
        own = replace(PLAIN, occlusion=1)
        sources = (PoseSource(labels=first, augment=own), PoseSource(labels=second))
        data = open_sources(config(data=sources))
        draws = rng(0)
        assert {data.draw(draws)[1] for _ in range(50)} == {own, PLAIN}

        def images(augment: AugmentOptions | None) -> npt.NDArray[np.uint8]:
            settings = config(data=(PoseSource(labels=first, augment=augment),))
            return PoseBatchMaker(open_sources(settings), settings, settings.phases[0], NETWORK)(rng(0)).inputs

        assert not np.array_equal(images(own), images(None))
        assert np.array_equal(images(PLAIN), images(None))

    def test_how_often_a_scene_hides_a_part_of_the_animal(self) -> None:
        def hidden(occlusion: float) -> int:
            source = PoseSource(scene="trail-tracking", seeds=1, occlusion=occlusion)
            data = open_sources(config(data=(source,)))
            draws = rng(0)
            return sum(int(data.draw(draws)[0].hidden.sum()) for _ in range(12))

        assert hidden(1) > hidden(0)

    def test_a_hidden_body_part_has_a_place_and_one_off_the_frame_has_none(self) -> None:
        scene = open_scene(SceneOptions("trail-tracking", frames=40, occlusion=1, seed=0))
        order = ("tailbase", "tail", "snout")
        kinds = set()
        for index in range(0, 40, 4):
            drawn, frame = scene_example(scene, index, order), scene.frame(index)
            for place, part in ((0, 3), (2, 0)):
                inside = bool((frame.points[part] >= 0).all() and (frame.points[part] < (640, 480)).all())
                assert np.array_equal(
                    drawn.points[place], frame.points[part] if inside else [np.nan] * 2, equal_nan=True
                )
                assert drawn.hidden[place] == (inside and not frame.visible[part])
                assert (
                    np.isfinite(np.where(drawn.hidden[:, None], np.nan, drawn.points)[place]).all()
                    == frame.visible[part]
                )
                kinds.add((inside, bool(drawn.hidden[place])))
            assert drawn.known.tolist() == [True, False, True]
            assert not drawn.hidden[1]
        assert kinds == {(True, True), (True, False), (False, False)}

    def test_two_sources_with_other_body_parts(self, tmp_path: Path) -> None:
        labels.write_project(tmp_path / "a", 4)
        trainings.write_other_project(tmp_path / "b")
        sources = (PoseSource(labels=tmp_path / "a", weight=3), PoseSource(labels=tmp_path / "b"))
        data = open_sources(config(data=sources, bodyparts=("nose", "red", "blue")))
        draws = rng(0)
        known = [data.draw(draws)[0].known.tolist() for _ in range(400)]
        assert {tuple(item) for item in known} == {(False, True, True), (True, False, False)}
        assert 0.68 < np.mean([item[1] for item in known]) < 0.82

    def test_scenes_draw_from_seeds_that_people_do_not_choose(self) -> None:
        settings = config(data=(PoseSource(scene="trail-tracking", seeds=2),))
        data = open_sources(settings)
        drawn, _ = data.draw(rng(0))
        assert drawn.image.shape == (480, 640, 3)
        assert data.bodyparts == ("snout", "leftear", "rightear", "tailbase")
        assert drawn.known.all()

    def test_what_one_source_holds_out_no_other_trains_on(self, project: Path) -> None:
        """A folder of a project beside the whole of it: each alone would hold out frames of its own."""
        folder = project / "labeled-data" / "m2"
        names = labels.write_images(folder, 8)
        labels.save_labels(labels.label_frame(labels.dots(8), names, "m2"), folder)
        alone = [
            open_sources(config(data=(PoseSource(labels=path),), held_out=0.5)).test[0] for path in (project, folder)
        ]
        assert set(alone[1].names) - set(alone[0].names), "two draws"
        for sources in ((project, folder), (folder, project), (project, project)):
            data = open_sources(config(data=tuple(PoseSource(labels=path) for path in sources), held_out=0.5))
            trained = {frame.image.resolve() for item in data.train for frame in item.frames}
            tested = [frame.image.resolve() for item in data.test for frame in item.frames]
            assert trained.isdisjoint(tested)
            assert len(trained | set(tested)) == 16
            assert len(set(tested)) == len(tested), "and none is measured twice"

    def test_a_source_of_which_another_leaves_nothing(self, project: Path) -> None:
        folder = project / "labeled-data" / "m2"
        labels.save_labels(labels.label_frame(labels.dots(5), labels.write_images(folder, 5), "m2"), folder)
        settings = config(data=(PoseSource(labels=project), PoseSource(labels=folder)), held_out=0.7, seed=2)
        with pytest.raises(UsageError, match="holds out every frame that another would train on"):
            open_sources(settings)

    def test_labels_have_a_fingerprint(self, project: Path) -> None:
        settings = config(data=(PoseSource(labels=project),))
        before = open_sources(settings).fingerprint
        assert open_sources(settings).fingerprint == before
        names = [f"img{number:04d}.png" for number in range(8)]
        labels.save_labels(labels.label_frame(labels.dots(8) + 0.5, names), project / "labeled-data" / "m1")
        assert open_sources(settings).fingerprint != before

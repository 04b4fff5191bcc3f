"""Batches: the same from the same number, weights where a source knows nothing, held-out images never."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support import labels, trainings

from posecli.errors import UsageError
from posecli.inference.decode import DecodeOptions, decode_numpy
from posecli.labels import LabeledData
from posecli.synthetic import SceneOptions, open_scene
from posecli.training import batches as batches_module
from posecli.training.batches import AHEAD, Batch, BatchMaker, batches
from posecli.training.pose_config import AugmentOptions, DataSource, PoseConfig, PosePhase
from posecli.training.sources import Example, ExampleSource, TrainingData, open_sources, scene_example

PLAIN = AugmentOptions(
    scales=(1.0,), scale_jitter=1, rotation=0, mirror=0, light=0, blur=0, noise=0, occlusion=0, jpeg=0, h264=0
)


class Fixed:
    """A source of one example."""

    def __init__(self, example: Example, bodyparts: tuple[str, ...]) -> None:
        self.bodyparts = bodyparts
        self._example = example

    def draw(self, rng: np.random.Generator) -> Example:
        return self._example


def data_of(*sources: ExampleSource) -> TrainingData:
    weights = np.full(len(sources), 1 / len(sources))
    return TrainingData(sources[0].bodyparts, sources, weights, (None,) * len(sources), (), ())


def config(augment: AugmentOptions = PLAIN, **settings: object) -> PoseConfig:
    values = {"name": "t", "data": (DataSource(scene="trail-tracking"),), "phases": (PosePhase(steps=8, warm_up=0),)}
    return PoseConfig(**(values | {"augment": augment} | settings))  # type: ignore[arg-type]


def example(
    height: int, width: int, points: list[list[float]], known: list[bool], hidden: list[bool] | None = None
) -> Example:
    image = np.random.default_rng(height).integers(0, 255, (height, width, 3), np.uint8)
    return Example(image, np.array(points), np.array(known), np.array(hidden or [False] * len(points)))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return labels.write_project(tmp_path / "project", 8)


def same(first: Batch, second: Batch) -> bool:
    return all(np.array_equal(getattr(first, name), getattr(second, name)) for name in vars(first))


class TestMaking:
    @pytest.mark.parametrize("framing", ["crops", "frames"])
    def test_a_batch_is_a_function_of_seed_and_number(self, project: Path, framing: str) -> None:
        settings = config(
            AugmentOptions(),
            data=(DataSource(labels=project),),
            phases=(PosePhase(8, 3, crop=64, framing=framing, warm_up=0),),  # type: ignore[arg-type]
        )
        makers = [BatchMaker(open_sources(item), item, item.phases[0]) for item in (settings, settings)]
        made = [makers[0].make(number) for number in range(4)]
        assert all(same(makers[1].make(number), made[number]) for number in (3, 0, 2, 1)), "in whatever order"
        assert not same(made[0], made[1])
        other = replace(settings, seed=1)
        assert not same(BatchMaker(open_sources(other), other, other.phases[0]).make(0), made[0])

    def test_shapes_and_types(self) -> None:
        source = Fixed(example(100, 120, [[50, 50], [60, 40]], [True, True]), ("a", "b"))
        batch = BatchMaker(data_of(source), config(), PosePhase(8, 3, crop=72, warm_up=0)).make(0)
        assert (batch.images.shape, batch.images.dtype) == ((3, 72, 72, 3), np.dtype(np.uint8))
        assert (batch.scoremap.shape, batch.scoremap.dtype) == ((3, 10, 10, 2, 2), np.dtype(np.float32))
        assert (batch.locref.shape, batch.locref.dtype) == ((3, 10, 10, 2, 3), np.dtype(np.float32))

    def test_whole_frames_keep_their_shape_and_small_ones_come_in_larger_batches(self) -> None:
        source = Fixed(example(120, 160, [[50, 50]], [True]), ("a",))
        phase = PosePhase(8, 2, crop=96, framing="frames", warm_up=0)
        shapes = [
            BatchMaker(data_of(source), config(replace(PLAIN, scales=(scale,))), phase).make(0).images.shape
            for scale in (1.0, 0.5, 0.25)
        ]
        assert shapes == [(2, 96, 96, 3), (4, 64, 80, 3), (8, 32, 32, 3)]

    def test_targets_are_where_the_picture_is(self, project: Path) -> None:
        settings = config(data=(DataSource(labels=project),))
        batch = BatchMaker(open_sources(settings), settings, PosePhase(8, 4, crop=96, warm_up=0)).make(0)
        pose = decode_numpy(batch.scoremap[..., 0], batch.locref[..., :2], DecodeOptions(8.0, 7.2801))[:, :, 0]
        found = [
            batch.images[item, int(y), int(x), part]
            for item in range(4)
            for part, (x, y, likelihood) in enumerate(pose[item])
            if likelihood
        ]
        assert len(found) >= 4
        assert set(found) == {255}, "a dot of the body part's own colour"

    def test_clutter_lies_on_the_image_before_it_is_viewed(self) -> None:
        source = Fixed(example(120, 160, [[50, 50]], [True]), ("a",))
        phase = PosePhase(8, 3, crop=64, warm_up=0)
        clean, cluttered = (
            BatchMaker(data_of(source), config(replace(PLAIN, clutter=share)), phase) for share in (1e-9, 1.0)
        )
        first, second = clean.make(0), cluttered.make(0)
        assert np.array_equal(first.scoremap[:1], second.scoremap[:1]), "the same view"
        assert (second.images[0] <= first.images[0]).all()
        assert (second.images[0] < first.images[0]).any()

    def test_mirrored_sides_change_places(self) -> None:
        source = Fixed(example(64, 64, [[20, 30], [44, 30]], [True, True]), ("left", "right"))
        settings = config(replace(PLAIN, mirror=1), mirror_pairs=(("left", "right"),))
        batch = BatchMaker(data_of(source), settings, PosePhase(8, 1, crop=64, warm_up=0)).make(0)
        pose = decode_numpy(batch.scoremap[..., 0], batch.locref[..., :2], DecodeOptions(8.0, 7.2801))[0, :, 0]
        assert pose[0, 0] < pose[1, 0], "left is still left of right"

    def test_unlabelled_is_not_unknown(self) -> None:
        source = Fixed(
            example(64, 64, [[32, 32], [np.nan, np.nan], [np.nan, np.nan]], [True, True, False]), ("a", "b", "c")
        )
        batch = BatchMaker(data_of(source), config(), PosePhase(8, 2, crop=64, warm_up=0)).make(0)
        target, weight = batch.scoremap[..., 0], batch.scoremap[..., 1]
        assert weight.min(axis=(0, 1, 2)).tolist() == weight.max(axis=(0, 1, 2)).tolist() == [1, 1, 0]
        assert target.max(axis=(0, 1, 2)).tolist() == [1, 0, 0]
        assert batch.locref[..., 2].max(axis=(0, 1, 2)).tolist() == [1, 0, 0]

    def test_nothing_is_asked_where_a_body_part_is_hidden(self) -> None:
        source = Fixed(example(64, 64, [[20, 30], [44, 30]], [True, True], [True, False]), ("left", "right"))
        settings = config(replace(PLAIN, mirror=1), mirror_pairs=(("left", "right"),))
        batch = BatchMaker(data_of(source), settings, PosePhase(8, 1, crop=64, warm_up=0)).make(0)
        target, weight = batch.scoremap[0, ..., 0], batch.scoremap[0, ..., 1]
        assert target.max(axis=(0, 1)).tolist() == [1, 0], "mirrored: the right one is the hidden one now"
        assert weight.min(axis=(0, 1)).tolist() == [1, 0]
        assert weight[..., 1].max() == 1, "far away it must say that nothing is there"
        assert batch.locref[..., 2].max(axis=(0, 1, 2)).tolist() == [1, 0]

    def test_what_is_known_is_mirrored_too(self) -> None:
        source = Fixed(example(64, 64, [[20, 30], [np.nan, np.nan]], [True, False]), ("left", "right"))
        settings = config(replace(PLAIN, mirror=1), mirror_pairs=(("left", "right"),))
        batch = BatchMaker(data_of(source), settings, PosePhase(8, 1, crop=64, warm_up=0)).make(0)
        assert batch.scoremap.max(axis=(0, 1, 2))[:, 1].tolist() == [0, 1]
        assert batch.scoremap.max(axis=(0, 1, 2))[:, 0].tolist() == [0, 1]


class TestIterating:
    def numbers(self, monkeypatch: pytest.MonkeyPatch) -> tuple[BatchMaker, list[int]]:
        made: list[int] = []
        source = Fixed(example(64, 64, [[20, 30]], [True]), ("a",))
        maker = BatchMaker(data_of(source), config(), PosePhase(8, 1, crop=64, warm_up=0))
        make = maker.make

        def noted(number: int) -> Batch:
            made.append(number)
            return make(number)

        monkeypatch.setattr(maker, "make", noted)
        return maker, made

    @pytest.mark.parametrize("count", [0, 1, AHEAD, 3 * AHEAD])
    def test_in_order_and_not_too_far_ahead(self, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
        maker, made = self.numbers(monkeypatch)
        taken = 0
        for batch in batches(maker, 5, count):
            assert same(batch, BatchMaker.make(maker, 5 + taken))
            taken += 1
            assert len(made) <= taken + AHEAD + 1
        assert taken == count
        assert made == list(range(5, 5 + count))

    def test_an_error_reaches_the_loop(self, monkeypatch: pytest.MonkeyPatch) -> None:
        maker, _ = self.numbers(monkeypatch)

        def fail(number: int) -> Batch:
            raise OSError("image gone")

        monkeypatch.setattr(maker, "make", fail)
        with pytest.raises(OSError, match="image gone"):
            list(batches(maker, 0, 3))

    def test_threads_end_with_the_loop(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import threading

        maker, _ = self.numbers(monkeypatch)
        making = batches(maker, 0, 100)
        next(making)
        del making
        assert not [thread for thread in threading.enumerate() if thread.name.startswith("posecli-batches")]
        assert batches_module.WORKERS >= 1


class TestSources:
    def test_held_out_images_are_never_drawn(self, project: Path) -> None:
        settings = config(data=(DataSource(labels=project),), held_out=0.25)
        data = open_sources(settings)
        test = [labels_image(data.test[0], place) for place in range(len(data.test[0]))]
        rng = np.random.default_rng(0)
        drawn = [data.draw(rng).image.tobytes() for _ in range(200)]
        assert len(test) == 2
        assert not set(test) & set(drawn)
        assert len(set(drawn)) == 6, "and all others are"

    def test_named_images_are_held_out(self, project: Path) -> None:
        name = "labeled-data/m1/img0003.png"
        data = open_sources(config(data=(DataSource(labels=project),), held_out=(name,)))
        assert data.test[0].names == (name,)
        assert len(data.train[0]) == 7

    @pytest.mark.parametrize("nothing", [0.0, ()])
    def test_nothing_may_be_held_out(self, project: Path, nothing: float | tuple[str, ...]) -> None:
        data = open_sources(config(data=(DataSource(labels=project),), held_out=nothing))
        assert data.test == ()
        assert len(data.train[0]) == 8

    def test_a_source_s_own_augmentation_is_what_is_done_to_its_examples(self, tmp_path: Path) -> None:
        first, second = (labels.write_project(tmp_path / name, 4) for name in "ab")
        own = replace(PLAIN, occlusion=1)
        sources = (DataSource(labels=first, augment=own), DataSource(labels=second))
        data = open_sources(config(data=sources))
        rng = np.random.default_rng(0)
        assert {data.draw(rng).augment for _ in range(50)} == {own, None}

        def disturbed(augment: AugmentOptions | None) -> bool:
            settings = config(data=(DataSource(labels=first, augment=augment),))
            plain = config(data=(DataSource(labels=first),))
            made = [BatchMaker(open_sources(item), item, item.phases[0]).make(0) for item in (settings, plain)]
            return not np.array_equal(made[0].images, made[1].images)

        assert disturbed(own)
        assert not disturbed(PLAIN)

    def test_how_often_a_scene_hides_a_part_of_the_animal(self) -> None:
        def hidden(occlusion: float) -> int:
            source = DataSource(scene="trail-tracking", seeds=1, occlusion=occlusion)
            data = open_sources(config(data=(source,)))
            rng = np.random.default_rng(0)
            return sum(int(data.draw(rng).hidden.sum()) for _ in range(12))

        assert hidden(1) > hidden(0)

    def test_a_hidden_body_part_has_a_place_and_one_off_the_frame_has_none(self) -> None:
        scene = open_scene(SceneOptions("trail-tracking", frames=40, occlusion=1, seed=4))
        order = ("tailbase", "tail", "snout")
        kinds = set()
        for index in range(40):
            drawn, frame = scene_example(scene, index, order), scene.frame(index)
            for place, part in ((0, 3), (2, 0)):
                inside = bool((frame.points[part] >= 0).all() and (frame.points[part] < (640, 480)).all())
                assert np.array_equal(
                    drawn.points[place], frame.points[part] if inside else [np.nan] * 2, equal_nan=True
                )
                assert drawn.hidden[place] == (inside and not frame.visible[part])
                assert np.isfinite(drawn.seen()[place]).all() == frame.visible[part]
                kinds.add((inside, bool(drawn.hidden[place])))
            assert drawn.known.tolist() == [True, False, True]
            assert not drawn.hidden[1]
        assert {(True, True), (True, False)} <= kinds

    def test_two_sources_with_other_body_parts(self, tmp_path: Path) -> None:
        labels.write_project(tmp_path / "a", 4)
        trainings.write_other_project(tmp_path / "b")
        sources = (DataSource(labels=tmp_path / "a", weight=3), DataSource(labels=tmp_path / "b"))
        data = open_sources(config(data=sources, bodyparts=("nose", "red", "blue")))
        rng = np.random.default_rng(0)
        known = [data.draw(rng).known.tolist() for _ in range(400)]
        assert {tuple(item) for item in known} == {(False, True, True), (True, False, False)}
        assert 0.68 < np.mean([item[1] for item in known]) < 0.82

    def test_scenes_draw_from_seeds_that_people_do_not_choose(self) -> None:
        settings = config(data=(DataSource(scene="trail-tracking", seeds=2),))
        data = open_sources(settings)
        drawn = data.draw(np.random.default_rng(0))
        assert drawn.image.shape == (480, 640, 3)
        assert data.bodyparts == ("snout", "leftear", "rightear", "tailbase")
        assert drawn.known.all()

    def test_what_one_source_holds_out_no_other_trains_on(self, project: Path) -> None:
        """A folder of a project beside the whole of it: each alone would hold out frames of its own."""
        folder = project / "labeled-data" / "m2"
        names = labels.write_images(folder, 8)
        labels.save_labels(labels.label_frame(labels.dots(8), names, "m2"), folder)
        alone = [
            open_sources(config(data=(DataSource(labels=path),), held_out=0.5)).test[0] for path in (project, folder)
        ]
        assert set(alone[1].names) - set(alone[0].names), "two draws"
        for sources in ((project, folder), (folder, project), (project, project)):
            data = open_sources(config(data=tuple(DataSource(labels=path) for path in sources), held_out=0.5))
            trained = {frame.image.resolve() for item in data.train for frame in item.frames}
            tested = [frame.image.resolve() for item in data.test for frame in item.frames]
            assert trained.isdisjoint(tested)
            assert len(trained | set(tested)) == 16
            assert len(set(tested)) == len(tested), "and none is measured twice"

    def test_a_source_of_which_another_leaves_nothing(self, project: Path) -> None:
        folder = project / "labeled-data" / "m2"
        labels.save_labels(labels.label_frame(labels.dots(5), labels.write_images(folder, 5), "m2"), folder)
        settings = config(data=(DataSource(labels=project), DataSource(labels=folder)), held_out=0.7, seed=2)
        with pytest.raises(UsageError, match="holds out every frame that another would train on"):
            open_sources(settings)

    def test_labels_have_a_fingerprint(self, project: Path) -> None:
        settings = config(data=(DataSource(labels=project),))
        before = open_sources(settings).fingerprint
        assert open_sources(settings).fingerprint == before
        names = [f"img{number:04d}.png" for number in range(8)]
        labels.save_labels(labels.label_frame(labels.dots(8) + 0.5, names), project / "labeled-data" / "m1")
        assert open_sources(settings).fingerprint != before


def labels_image(data: LabeledData, place: int) -> bytes:
    from posecli.labels import read_image

    return read_image(data.frames[place].image).tobytes()

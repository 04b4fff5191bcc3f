"""Errors against the truth: the definitions, body parts and sizes that differ, and videos."""

from __future__ import annotations

import math
import statistics
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import clips, labels
from support.fake_engine import FakeEngine
from support.poses import pose_frame, save_frame
from support.top_down import dots_folder, write_boxes

from posecli.engine.outputs import Maps
from posecli.errors import LabelError, UsageError
from posecli.evaluation import (
    ALL,
    ErrorSummary,
    EvaluateOptions,
    Evaluation,
    evaluate_frames,
    evaluate_table,
    evaluate_video,
    point_errors,
)
from posecli.evaluation.measure import _boxes_of_frames
from posecli.inference.predictor import PoseModel
from posecli.labels import read_labeled_data, split_frames
from posecli.labels.data import LabeledFrame
from posecli.model.folder import ModelFolder
from posecli.options import TableChoice
from posecli.plots.evaluation import draw_evaluation
from posecli.support.files import move_into_place
from posecli.synthetic.sample import find_truth
from posecli.tables.pose_table import KEY, PoseTableWriter, pose_columns, read_pose_table
from posecli.video.batch import prepare
from posecli.video.geometry import Geometry

#: The fake engine knows the cell that a dot is in, so half a cell's diagonal is the most by which it can be wrong.
WORST_AT_FULL_SIZE = 8 / math.sqrt(2)
#: An eighth of the frames in these tests is too small to be seen.
THREE_SCALES = EvaluateOptions(scales=(1.0, 0.5, 0.25))


@pytest.fixture
def model(dots_model: ModelFolder, fake_engine: type[FakeEngine]) -> PoseModel:
    return PoseModel(dots_model)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return labels.write_project(tmp_path / "project", 5)


def write_truth(path: Path, points: labels.Points, scorer: str = "DLC_synthetic_dotsseed0") -> Path:
    """A table of true points, NaN where hidden, as `posecli sample` writes it."""
    writer = PoseTableWriter(path, pose_columns(scorer, labels.BODYPARTS))
    seen = np.isfinite(points[..., :1]).astype(float)
    writer.append(np.concatenate([points, seen], axis=2)[:, :, None])
    writer.close(np.arange(len(points)) / 30)
    move_into_place(writer.partial_path, path)
    return path


def made(poses: labels.Points, truth: labels.Points, **fields: object) -> Evaluation:
    """An evaluation of given poses ``(S, N, K, 3)``."""
    values = {
        "bodyparts": tuple("abcdef"[: truth.shape[1]]),
        "frames": tuple(map(str, range(len(truth)))),
        "scales": (1.0, 0.5)[: len(poses)],
        "cutoff": 0.6,
        "radii": (5.0,),
        "splits": {ALL: np.ones(len(truth), np.bool_)},
    }
    return Evaluation(poses=poses, truth=truth, **(values | fields))  # type: ignore[arg-type]


class TestDefinitions:
    @given(
        st.lists(st.floats(0, 1e3) | st.just(np.nan), max_size=30),
        st.floats(0, 1) | st.none(),
        st.floats(0.1, 1e3),
        st.integers(0, 2**32),
    )
    @settings(deadline=None)
    def test_summary(self, values: list[float], cutoff: float | None, radius: float, seed: int) -> None:
        errors = np.array(values, float)
        likelihood = np.random.default_rng(seed).random(len(values))
        summary = ErrorSummary.of(errors, likelihood, cutoff, (radius,))
        counted = [e for e, p in zip(values, likelihood, strict=True) if not math.isnan(e) and p >= (cutoff or 0)]
        assert summary.points == sum(not math.isnan(value) for value in values)
        assert summary.counted == len(counted)
        if not counted:
            assert all(map(math.isnan, (summary.mean, summary.median, summary.p90, summary.p99, *summary.pck)))
            return
        assert summary.mean == pytest.approx(sum(counted) / len(counted))
        assert summary.median == pytest.approx(statistics.median(counted))
        ladder = [min(counted), summary.median, summary.p90, summary.p99, max(counted)]
        assert ladder == pytest.approx(sorted(ladder))
        assert summary.pck[0] == sum(value <= radius for value in counted) / len(counted)

    @given(st.floats(-50, 50), st.floats(-50, 50), st.floats(0, 2 * math.pi))
    @settings(deadline=None)
    def test_error_is_a_distance(self, dx: float, dy: float, angle: float) -> None:
        truth = np.array([[[100.0, 200.0]]])
        turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        shift = np.array([dx, dy])
        errors = [point_errors(truth + moved, truth)[0, 0] for moved in (shift, -shift, turn @ shift)]
        assert errors == pytest.approx([math.hypot(dx, dy)] * 3, abs=1e-9)

    def test_deeplabcuts_train_and_test_error(self) -> None:
        """Mean over all points of a split that are labelled, not over frames or body parts, and no root of squares."""
        truth = np.zeros((4, 2, 2))
        truth[3, 1] = np.nan
        poses = np.zeros((2, 4, 2, 3))
        poses[0, :, :, 0] = [[1, 2], [3, 4], [10, 20], [30, 99]]
        poses[0, :, :, 2] = [[0.9, 0.1], [0.6, 0.7], [0.2, 0.9], [0.3, 0.9]]
        poses[1] = 1000
        splits = {"train": np.array([1, 1, 0, 0], bool), "test": np.array([0, 0, 1, 1], bool)}
        evaluation = made(poses, truth, splits=splits)
        assert evaluation.deeplabcut() == {"train": (2.5, 2.67), "test": (20.0, 20.0)}
        assert made(poses[1:], truth, scales=(0.5,)).deeplabcut() == {}

    def test_rows_are_tidy(self) -> None:
        truth = np.zeros((3, 2, 2))
        truth[:, 1] = np.nan
        poses = np.full((2, 3, 2, 3), 0.5)
        rows = list(made(poses, truth).rows())
        keys = [(row["split"], row["scale"], row["bodypart"], row["pcutoff"]) for row in rows]
        assert len(set(keys)) == len(rows) == 2 * 3 * 2
        assert {key[2] for key in keys} == {"a", "b", ALL}
        hidden = next(row for row in rows if row["bodypart"] == "b")
        assert (hidden["points"], hidden["mean_px"], hidden["share_counted"], hidden["pck_5px"]) == (
            0,
            None,
            None,
            None,
        )
        below = next(row for row in rows if row["bodypart"] == "a" and row["pcutoff"] == 0.6)
        assert (below["points"], below["counted"], below["share_counted"], below["mean_px"]) == (3, 0, 0.0, None)

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"scales": ()}, "empty or repeat"),
            ({"scales": (1.0, 1.0)}, "empty or repeat"),
            ({"scales": (0.0,)}, "scale 0 is out of range"),
            ({"scales": (float("nan"),)}, "out of range"),
            ({"pcutoff": 1.5}, "pcutoff 1.5 is out of range"),
            ({"pck": (-1.0,)}, "not all above 0"),
            ({"batch_size": 0}, "batch size 0 is too small"),
            ({"every": 0}, "every 0 is too small"),
        ],
    )
    def test_wrong_options(self, options: dict[str, object], words: str) -> None:
        with pytest.raises(UsageError, match=words):
            EvaluateOptions(**options)  # type: ignore[arg-type]


class TestFrames:
    def test_errors_are_in_px_of_the_full_frame_at_every_scale(self, model: PoseModel, project: Path) -> None:
        data = read_labeled_data(project)
        evaluation = evaluate_frames(model, data, EvaluateOptions(scales=(1, 2, 0.5)))
        assert evaluation.poses.shape == (3, 5, 3, 3)
        worst = [evaluation.errors[place].max() for place in range(3)]
        assert worst[0] <= WORST_AT_FULL_SIZE
        assert worst[1] <= WORST_AT_FULL_SIZE / 2 + 0.5
        assert worst[2] <= WORST_AT_FULL_SIZE * 2
        assert evaluation.summary(ALL, 2).mean < evaluation.summary(ALL, 1).mean < evaluation.summary(ALL, 0.5).mean

    def test_the_network_sees_what_analyze_shows_it(
        self, model: PoseModel, project: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shown: list[clips.Images] = []
        call = FakeEngine.__call__

        def spy(engine: FakeEngine, images: clips.Images) -> Maps:
            shown.extend(images.copy())
            return call(engine, images)

        monkeypatch.setattr(FakeEngine, "__call__", spy)
        evaluate_frames(model, read_labeled_data(project), EvaluateOptions(scales=(0.5,)))
        expected = np.empty((60, 80, 3), np.uint8)
        geometry = Geometry.plan(160, 120, None, Fraction(1, 2))
        prepare(np.ascontiguousarray(clips.numbered_frames(3)[2][..., ::-1]), geometry, expected)
        assert np.array_equal(shown[2], expected)

    def test_images_of_different_sizes(self, model: PoseModel, project: Path, fake_engine: type[FakeEngine]) -> None:
        labels.write_labels(project, labels.dots(3, 96, 128), "a0", size=(96, 128))
        evaluation = evaluate_frames(model, read_labeled_data(project), EvaluateOptions(scales=(1.0,), batch_size=2))
        assert evaluation.frames[0] == "labeled-data/a0/img0000.png"
        assert evaluation.errors.max() <= WORST_AT_FULL_SIZE
        assert [shape[:3] for shape in fake_engine.calls] == [
            (2, 96, 128),
            (1, 96, 128),
            (2, 120, 160),
            (2, 120, 160),
            (1, 120, 160),
        ]

    def test_batch_size_changes_nothing(self, model: PoseModel, project: Path) -> None:
        data = read_labeled_data(project)
        poses = [evaluate_frames(model, data, replace(THREE_SCALES, batch_size=size)).poses for size in (1, 2, 5, 64)]
        assert all(np.array_equal(other, poses[0]) for other in poses[1:])

    def test_body_parts_are_matched_by_name(self, model: PoseModel, project: Path) -> None:
        whole = evaluate_frames(model, read_labeled_data(project), THREE_SCALES)
        part = evaluate_frames(model, read_labeled_data(project, ["blue", "red"]), THREE_SCALES)
        assert part.bodyparts == ("red", "blue")
        assert np.array_equal(part.errors, whole.errors[..., [0, 2]])
        assert part.notes == ("body parts that only one of model and labels has are left out: green",)
        assert whole.notes == ()

    def test_no_body_part_in_common(self, model: PoseModel, tmp_path: Path) -> None:
        labels.write_labels(tmp_path, labels.dots(2)[:, :1], bodyparts=["snout"])
        with pytest.raises(LabelError, match=r"the model finds red, green, blue, labelled are snout"):
            evaluate_frames(model, read_labeled_data(tmp_path / "labeled-data"))

    def test_what_is_not_labelled_does_not_count(self, model: PoseModel, tmp_path: Path) -> None:
        points = labels.dots(4)
        points[1] = np.nan
        points[2, 0] = np.nan
        labels.write_labels(tmp_path, points)
        evaluation = evaluate_frames(model, read_labeled_data(tmp_path / "labeled-data"), THREE_SCALES)
        assert evaluation.summary(ALL, 1).points == 8
        assert evaluation.summary(ALL, 1, "red").points == 2

    def test_cutoff_is_the_models_unless_it_is_given(self, model: PoseModel, project: Path) -> None:
        data = read_labeled_data(project)
        assert evaluate_frames(model, data, THREE_SCALES).cutoff == 0.6
        evaluation = evaluate_frames(model, data, replace(THREE_SCALES, pcutoff=0.99))
        assert evaluation.cutoff == 0.99
        shares = [evaluation.summary(ALL, 1, cutoff=cutoff).share for cutoff in (0.0, 0.5, 0.99, 1.0)]
        assert shares == sorted(shares, reverse=True)
        assert shares[0] == 1.0
        assert shares[-1] < 1.0

    def test_splits_are_measured_apart(self, model: PoseModel, project: Path) -> None:
        data = read_labeled_data(project)
        train, test = split_frames(data, ["img0001.png", "img0004.png"])
        told: list[int] = []
        options = EvaluateOptions(scales=(1.0, 0.5))
        both = evaluate_frames(model, data, options, {"train": train, "test": test}, told.append)
        assert (sum(told), both.frames) == (10, data.names)
        alone = evaluate_frames(model, test, options)
        assert both.summary("test", 0.5) == alone.summary(ALL, 0.5)
        only = evaluate_frames(model, data, options, {"test": test})
        assert only.frames == test.names

    def test_too_small_to_see(self, model: PoseModel, project: Path) -> None:
        with pytest.raises(UsageError, match="the network would see only 16x12 px"):
            evaluate_frames(model, read_labeled_data(project), EvaluateOptions(scales=(0.1,)))


class TestVideos:
    @pytest.fixture
    def video(self, dots_clip: Path, tmp_path: Path) -> Path:
        copy = tmp_path / "dots.mp4"
        copy.write_bytes(dots_clip.read_bytes())
        return copy

    def test_truth_beside_the_video(self, model: PoseModel, video: Path) -> None:
        points = labels.dots(50)
        points[7, 1] = np.nan
        write_truth(video.with_name("dotsDLC_synthetic_treadmillseed0.h5"), points)
        write_truth(video.with_name("dotsDLC_resnet50_100.h5"), points + 50, "DLC_resnet50_100")
        evaluation = evaluate_video(model, video, None, THREE_SCALES)
        assert evaluation.summary(ALL, 1).points == 149
        assert evaluation.errors[0][np.isfinite(evaluation.errors[0])].max() <= WORST_AT_FULL_SIZE
        assert evaluation.notes == ()

    @pytest.mark.parametrize("every", [1, 7, 50, 99])
    def test_every_so_many_frames(self, model: PoseModel, video: Path, tmp_path: Path, every: int) -> None:
        truth = write_truth(tmp_path / "truth.h5", labels.dots(50))
        told: list[int] = []
        options = EvaluateOptions(scales=(1.0, 0.5), every=every, batch_size=3)
        evaluation = evaluate_video(model, video, truth, options, told.append)
        places = list(range(0, 50, every))
        assert evaluation.frames == tuple(map(str, places))
        assert np.array_equal(evaluation.truth, labels.dots(50)[places])
        assert evaluation.errors[0].max() <= WORST_AT_FULL_SIZE
        assert sum(told) == 2 * len(places)

    def test_truth_of_some_frames(self, model: PoseModel, video: Path, tmp_path: Path) -> None:
        frames = [30, 7, 8, 48]
        poses = np.concatenate([labels.dots(50), np.ones((50, 3, 1))], axis=2)[frames]
        truth = save_frame(pose_frame(poses, frames), tmp_path / "truth.h5")
        told: list[int] = []
        evaluation = evaluate_video(model, video, truth, EvaluateOptions((1.0,), every=2), told.append)
        assert evaluation.frames == ("8", "30", "48")
        assert evaluation.errors[0].max() <= WORST_AT_FULL_SIZE
        assert evaluation.notes == (f"46 frames have no row in the truth '{truth}' and are left out",)
        assert sum(told) == 3

    def test_frames_that_cannot_be_decoded_are_left_out(self, model: PoseModel, tmp_path: Path) -> None:
        whole = clips.encode(tmp_path / "whole.avi", clips.numbered_frames(20), "-c:v", "mjpeg")
        video = clips.spoil(whole, tmp_path / "spoilt.avi", 5)
        evaluation = evaluate_video(model, video, write_truth(tmp_path / "truth.h5", labels.dots(20)), THREE_SCALES)
        assert evaluation.notes == ("1 frames could not be decoded and are left out",)
        assert evaluation.summary(ALL, 1).points == 57
        assert np.isfinite(evaluation.summary(ALL, 1).mean)

    def test_faults(self, model: PoseModel, video: Path, tmp_path: Path) -> None:
        with pytest.raises(LabelError, match=r"no truth table is beside .* name one with --truth"):
            find_truth(video)
        with pytest.raises(LabelError, match="does not exist"):
            find_truth(tmp_path / "none.mp4")
        truth = write_truth(tmp_path / "truth.h5", labels.dots(51))
        with pytest.raises(LabelError, match=r"has 50 frames, and .* a row for frame 50"):
            evaluate_video(model, video, truth)
        names = [f"img{number}.png" for number in range(50)]
        other = labels.save_labels(labels.label_frame(labels.dots(50), names).iloc[:, :-1], tmp_path)
        with pytest.raises(LabelError, match="is not a pose table: its columns should be x, y by scorer"):
            evaluate_video(model, video, other)


class TestTables:
    def test_two_tables(self, tmp_path: Path) -> None:
        truth = labels.dots(12)
        table = write_truth(tmp_path / "poses.h5", truth + (3, 4), "DLC_resnet50_100")
        evaluation = evaluate_table(table, write_truth(tmp_path / "truth.h5", truth), EvaluateOptions(every=5))
        assert evaluation.errors == pytest.approx(np.full((1, 3, 3), 5.0))
        assert evaluation.deeplabcut() == {ALL: (5.0, 5.0)}

    def test_tables_that_do_not_belong_together(self, tmp_path: Path) -> None:
        truth = write_truth(tmp_path / "truth.h5", labels.dots(12))
        later = read_pose_table(truth).set_axis(range(20, 32))
        later.to_hdf(tmp_path / "later.h5", key=KEY, format="table")
        with pytest.raises(LabelError, match=r"frames 20 to 31, and the truth .* \(it has 0 to 11\)"):
            evaluate_table(tmp_path / "later.h5", truth)

    @given(
        st.sets(st.integers(0, 11), min_size=1),
        st.sets(st.integers(0, 11), min_size=1),
        st.integers(1, 3),
    )
    @settings(deadline=None, max_examples=12)
    def test_rows_are_matched_by_the_numbers_of_their_frames(
        self, tmp_path_factory: pytest.TempPathFactory, found: set[int], known: set[int], every: int
    ) -> None:
        folder, truth = tmp_path_factory.mktemp("t"), labels.dots(12)
        poses = np.concatenate([truth + (3, 4), np.ones((12, 3, 1))], axis=2)
        table = save_frame(pose_frame(poses[sorted(found)], sorted(found)), folder / "poses.h5")
        truths = save_frame(
            pose_frame(np.concatenate([truth, poses[..., 2:]], axis=2)[sorted(known)], sorted(known)), folder / "t.h5"
        )
        common = [frame for frame in sorted(found & known) if frame % every == 0]
        if not common:
            with pytest.raises(LabelError, match="give"):
                evaluate_table(table, truths, EvaluateOptions(every=every))
            return
        evaluation = evaluate_table(table, truths, EvaluateOptions(every=every))
        assert evaluation.frames == tuple(map(str, common))
        np.testing.assert_array_equal(evaluation.truth, truth[common])
        assert evaluation.errors == pytest.approx(np.full((1, len(common), 3), 5.0))
        assert len(evaluation.notes) == bool(found - known) + bool(known - found)

    def test_tables_that_leave_a_choice(self, tmp_path: Path) -> None:
        poses = np.concatenate([labels.dots(12), np.ones((12, 3, 1))], axis=2)
        frames = [pose_frame(poses + (shift, 0, 0), scorer=f"DLC_{shift}") for shift in (0, 5)]
        table = save_frame(pd.concat(frames, axis=1), tmp_path / "t.h5")
        with pytest.raises(LabelError, match="choose one with --scorer"):
            evaluate_table(table, table)
        first, second = TableChoice(scorer="DLC_0"), TableChoice(scorer="DLC_5", option="truth-")
        with pytest.raises(LabelError, match="choose one with --truth-scorer"):
            evaluate_table(table, table, choices=(first, TableChoice(option="truth-")))
        assert evaluate_table(table, table, choices=(first, second)).errors == pytest.approx(np.full((1, 12, 3), 5.0))

    def test_one_named_animal_is_compared_and_several_are_named(self, tmp_path: Path) -> None:
        poses = np.concatenate([labels.dots(12), np.ones((12, 3, 1))], axis=2)
        frames = [pose_frame(poses, individual=name) for name in ("m1", "m2")]
        one = save_frame(frames[0].sort_index(axis=1), tmp_path / "one.h5")
        assert evaluate_table(one, one).summary(ALL, 1).mean == 0
        both = save_frame(pd.concat(frames, axis=1), tmp_path / "both.h5")
        for pair in ((one, both), (both, one)):
            with pytest.raises(LabelError, match=r"holds 2 animals \(m1, m2\)"):
                evaluate_table(*pair)

    def test_deeplabcuts_own_table(self, shared_data: Path) -> None:
        path = next((shared_data / "dlc-openfield" / "golden").glob("m3v1w320*.h5"))
        evaluation = evaluate_table(path, path)
        assert (evaluation.summary(ALL, 1).points, evaluation.summary(ALL, 1).mean) == (2400, 0.0)


class TestFiles:
    def test_there_is_a_row_for_each_scale_and_body_part(self, model: PoseModel, project: Path) -> None:
        evaluation = evaluate_frames(model, read_labeled_data(project), THREE_SCALES)
        rows = list(evaluation.rows())
        assert len(rows) == 3 * 4 * 2
        first = evaluation.summary(ALL, 1, "red")
        assert (rows[0]["bodypart"], rows[0]["pcutoff"]) == ("red", None)
        assert rows[0]["mean_px"] == first.mean
        assert rows[0]["pck_10px"] == first.pck[1]

    def test_figure_shows_every_body_part_and_scale(self, model: PoseModel, project: Path) -> None:
        data = read_labeled_data(project)
        train, test = split_frames(data, 0.4)
        figure = draw_evaluation(evaluate_frames(model, data, THREE_SCALES, {"train": train, "test": test}))
        left, right, *lower = figure.axes
        assert len(lower) == 2
        assert [line.get_label() for line in left.get_lines()] == [*labels.BODYPARTS, "all points"]
        assert [line.get_label() for line in right.get_lines()] == ["1", "0.5", "0.25"]
        assert left.get_title(loc="left") == "Error by body part (train, 3 frames)"
        assert left.get_ylim() == lower[0].get_ylim()

    @pytest.mark.parametrize("scales", [(1.0,), (0.5, 1.0)])
    def test_figure_of_nothing_and_of_no_error(self, scales: tuple[float, ...]) -> None:
        truth = np.full((2, 2, 2), np.nan)
        nothing = made(np.zeros((len(scales), 2, 2, 3)), truth, scales=scales)
        exact = made(np.zeros((len(scales), 2, 2, 3)), np.zeros((2, 2, 2)), scales=scales)
        for evaluation in (nothing, exact):
            draw_evaluation(evaluation).canvas.draw()


class TestTopDown:
    """A network that sees crops of the animal, whose boxes a table has."""

    UNSEEN = (2,)
    SCALES = (1.0, 0.5)

    @pytest.fixture
    def model(self, tmp_path: Path, fake_engine: type[FakeEngine]) -> PoseModel:
        return PoseModel(dots_folder(tmp_path / "model"))

    @pytest.fixture
    def options(self, tmp_path: Path) -> EvaluateOptions:
        return EvaluateOptions(self.SCALES, boxes=write_boxes(tmp_path / "m1.csv", 50, self.UNSEEN))

    def check(self, found: Evaluation) -> None:
        left_out = "frames in which no animal was found, or that could not be decoded, are left out"
        assert found.notes == (f"{left_out}: 1 at scale 1, 1 at scale 0.5",)
        assert np.isnan(found.errors[:, 2]).all()
        seen = np.delete(found.errors, 2, axis=1)
        assert seen[0].max() < WORST_AT_FULL_SIZE
        assert seen[1].max() < 2 * WORST_AT_FULL_SIZE

    def test_labelled_frames(self, model: PoseModel, project: Path, options: EvaluateOptions) -> None:
        data = read_labeled_data(project)
        self.check(evaluate_frames(model, data, options))
        assert options.boxes is not None
        self.check(evaluate_frames(model, data, replace(options, boxes=options.boxes.parent, batch_size=2)))

    def test_video(self, model: PoseModel, options: EvaluateOptions, dots_clip: Path, tmp_path: Path) -> None:
        truth = write_truth(tmp_path / "truth.h5", labels.dots(50))
        self.check(evaluate_video(model, dots_clip, truth, options))
        found = evaluate_video(model, dots_clip, truth, replace(options, every=7))
        assert found.notes == ()
        assert found.errors[0].max() < WORST_AT_FULL_SIZE

    def test_an_image_may_be_numbered_by_a_time(self, tmp_path: Path) -> None:
        names = ("labeled-data/m1/img0001.png", "labeled-data/m1/20261128183300123456789.png")
        frames = [LabeledFrame(tmp_path / name, name, np.zeros((1, 2))) for name in names]
        boxes = _boxes_of_frames(write_boxes(tmp_path / "m1.csv", 3), frames)
        assert boxes is not None
        assert np.isfinite(boxes).all(axis=1).tolist() == [True, False]

    def test_faults(self, model: PoseModel, dots_model: ModelFolder, tmp_path: Path, options: EvaluateOptions) -> None:
        root = labels.write_project(tmp_path / "two", 3)
        labels.write_labels(root, labels.dots(3), video="m2")
        data = read_labeled_data(root)
        with pytest.raises(UsageError, match="has the boxes of one video, and there are 2: give a folder"):
            evaluate_frames(model, data, options)
        with pytest.raises(UsageError, match="has no detector to find it: say where it is with --boxes"):
            evaluate_frames(model, data)
        with pytest.raises(UsageError, match="looks at whole frames: leave out --boxes"):
            evaluate_frames(PoseModel(dots_model), data, options)

"""A network's behaviours beside labelled ones: what counts, what does not, and that nothing is lost on the way."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posecli.behaviour.agreement import (
    ALL,
    AgreementOptions,
    BehaviourEvaluation,
    ComparedVideo,
    Pairs,
    compare_video,
)
from posecli.behaviour.intervals import Interval, intervals_csv, true_labels
from posecli.behaviour.table import Behaviours, write_behaviours
from posecli.errors import LabelError, UsageError
from posecli.plots.evaluation import draw_agreement
from posecli.support.files import move_into_place, partial_path

NAMES = ("drink", "rest", "walk")
Labels = npt.NDArray[np.int64]


@st.composite
def pairs(draw: st.DrawFn, least: int = -1) -> Pairs:
    """True and predicted labels, some of neither where `least` is -1."""
    count = draw(st.integers(1, 40))
    numbers = st.lists(st.integers(least, len(NAMES) - 1), min_size=count, max_size=count)
    return Pairs(np.array(draw(numbers), np.int64), np.array(draw(numbers), np.int64))


def evaluated(*videos: Pairs, options: AgreementOptions = AgreementOptions()) -> BehaviourEvaluation:
    """Videos whose chunks are as their frames."""
    compared = [ComparedVideo(Path(f"v{number}.mp4"), each, each) for number, each in enumerate(videos)]
    return BehaviourEvaluation(NAMES, tuple(compared), options)


def made(*labels: int) -> Labels:
    return np.array(labels, np.int64)


class TestCounting:
    @given(pairs())
    def test_every_frame_is_scored_unlabelled_or_without_probabilities(self, video: Pairs) -> None:
        found = evaluated(video).frames()
        unlabelled = int((video.truth < 0).sum())
        assert found.scored + found.without + unlabelled == found.total == len(video.truth)
        assert found.without == int(((video.truth >= 0) & (video.predicted < 0)).sum())

    @given(st.lists(pairs(), min_size=1, max_size=3))
    def test_all_videos_are_the_sum_of_each(self, videos: list[Pairs]) -> None:
        evaluation = evaluated(*videos)
        whole, each = evaluation.frames(), [evaluation.frames(video) for video in evaluation.videos]
        assert np.array_equal(whole.confusion, sum(own.confusion for own in each))
        assert np.array_equal(whole.labelled, sum(own.labelled for own in each))
        right = sum(own.slack_accuracy * own.scored for own in each if own.scored)
        assert whole.scored == 0 or whole.slack_accuracy == pytest.approx(right / whole.scored)

    @given(pairs(), st.integers(0, 12))
    def test_slack_only_helps(self, video: Pairs, slack: int) -> None:
        strict = evaluated(video, options=AgreementOptions(slack=0)).frames()
        loose = evaluated(video, options=AgreementOptions(slack=slack)).frames()
        if not strict.scored:
            assert math.isnan(loose.slack_accuracy)
            return
        assert strict.slack_accuracy == pytest.approx(strict.accuracy)
        assert strict.accuracy - 1e-12 <= loose.slack_accuracy <= 1 + 1e-12

    @given(pairs(least=0))
    def test_a_network_that_is_right_has_full_marks(self, video: Pairs) -> None:
        found = evaluated(Pairs(video.truth, video.truth)).frames()
        assert (found.accuracy, found.balanced_accuracy, found.slack_accuracy) == pytest.approx((1, 1, 1))
        assert found.without == 0

    def test_a_frame_without_probabilities_is_not_wrong_and_its_label_excuses_its_neighbour(self) -> None:
        video = Pairs(made(0, 0, 0, 1), made(0, 0, 1, -1))
        found = evaluated(video, options=AgreementOptions(slack=1)).frames()
        assert (found.scored, found.without) == (3, 1)
        assert found.accuracy == pytest.approx(2 / 3)
        assert found.slack_accuracy == 1.0

    def test_neighbours_in_different_videos_excuse_nothing(self) -> None:
        found = evaluated(Pairs(made(0, 0), made(0, 1)), Pairs(made(1, 1), made(1, 1))).frames()
        assert found.slack_accuracy == 0.75

    def test_absent_behaviours(self) -> None:
        video = Pairs(made(0, 0, 1, 1), made(0, 0, 1, 2))
        assert evaluated(video).frames().balanced_accuracy == 0.75
        as_zero = evaluated(video, options=AgreementOptions(absent="zero")).frames()
        assert as_zero.balanced_accuracy == pytest.approx(0.5)

    def test_negative_slack(self) -> None:
        with pytest.raises(UsageError, match="slack -1 is below 0: give a number of frames of 0 or more"):
            AgreementOptions(slack=-1)


class TestNotes:
    def test_what_counts_nowhere_is_told(self) -> None:
        notes = evaluated(Pairs(made(0, -1, 1, -1), made(0, 0, -1, -1))).notes
        assert notes[0] == "2 of 4 frames are not labelled and are left out"
        assert notes[1].startswith("1 labelled frames have no probabilities")
        assert notes[2] == "1 chunks of one behaviour have no probabilities and are not scored"

    def test_nothing_to_tell(self) -> None:
        assert evaluated(Pairs(made(0, 1), made(0, 2))).notes == ()


class TestTables:
    def table(self, path: Path, probabilities: npt.NDArray[np.float64], n_frames: int) -> Path:
        """Chunks of four frames, one after the other."""
        starts = np.arange(len(probabilities)) * 4
        found = Behaviours(NAMES, starts, 4, probabilities, np.arange(n_frames) / 25)
        write_behaviours(path, found)
        move_into_place(partial_path(path), path)
        return path

    def test_frames_and_chunks(self, tmp_path: Path) -> None:
        probabilities = np.eye(3)[[0, 1, 2]]
        probabilities[1] = np.nan
        table = self.table(tmp_path / "found.h5", probabilities, 12)
        truth = made(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 1)
        found = compare_video(Path("cage.mp4"), truth, table, NAMES)
        assert found.frames.predicted.tolist() == [0] * 4 + [-1] * 4 + [2] * 4
        assert found.chunks.truth.tolist() == [0, 1, -1]
        assert found.chunks.predicted.tolist() == [0, -1, 2]

    @pytest.mark.parametrize("n_frames", [6, 8, 9])
    def test_videos_that_end_before_or_after_what_was_promised(self, tmp_path: Path, n_frames: int) -> None:
        table = self.table(tmp_path / "found.h5", np.eye(3)[[0, 1]], n_frames)
        found = compare_video(Path("cage.mp4"), made(0, 0, 0, 0, 1, 1, 1, 1), table, NAMES)
        assert len(found.frames.predicted) == 8
        assert (found.frames.predicted == -1).tolist() == [index >= n_frames for index in range(8)]

    def test_a_table_of_another_network(self, tmp_path: Path) -> None:
        table = self.table(tmp_path / "found.h5", np.eye(3)[[2]], 4)
        with pytest.raises(UsageError, match="has label 'walk', which is none of drink, rest: use its own model"):
            compare_video(Path("cage.mp4"), made(0, 0, 0, 0), table, NAMES[:2])


class TestLabels:
    def test_videos_of_a_table(self, dots_clip: Path, tmp_path: Path) -> None:
        table = tmp_path / "labels.csv"
        table.write_bytes(intervals_csv(table, [Interval(dots_clip, 3, 5, "walk"), Interval(dots_clip, 0, 1, "drink")]))
        (found,) = true_labels(table, NAMES).items()
        assert found[0] == dots_clip
        assert found[1].tolist() == [0, -1, -1, 2, 2] + [-1] * 45

    def test_only_one_video(self, dots_clip: Path, tmp_path: Path) -> None:
        table, other = tmp_path / "labels.csv", tmp_path / "other.mp4"
        table.write_bytes(intervals_csv(table, [Interval(dots_clip, 0, 1, "walk"), Interval(other, 0, 1, "walk")]))
        assert list(true_labels(table, NAMES, dots_clip)) == [dots_clip]
        with pytest.raises(LabelError, match=r"labels no frame of '.*third.mp4', but '.*dots.mp4'"):
            true_labels(table, NAMES, tmp_path / "third.mp4")

    @pytest.mark.parametrize(
        ("end", "label", "words"), [(51, "walk", "ends after"), (50, "sleep", "label 'sleep' of .* is not known")]
    )
    def test_labels_that_do_not_fit(self, dots_clip: Path, tmp_path: Path, end: int, label: str, words: str) -> None:
        (tmp_path / "labels.csv").write_bytes(
            intervals_csv(tmp_path / "labels.csv", [Interval(dots_clip, 0, end, label)])
        )
        with pytest.raises(LabelError, match=words):
            true_labels(tmp_path / "labels.csv", NAMES)


class TestFiles:
    EVALUATION = evaluated(Pairs(made(0, 0, 1, -1, 1), made(0, 1, 1, 0, -1)), Pairs(made(1, 1), made(1, 0)))

    def test_rows_are_tidy(self) -> None:
        rows = list(self.EVALUATION.rows())
        keys = {(row["video"], row["unit"], row["behaviour"]) for row in rows}
        assert len(keys) == len(rows) == 3 * 2 * 4
        rest = next(row for row in rows if row["behaviour"] == "rest")
        counts = ("labelled", "without_probabilities", "predicted", "taken_for_drink", "taken_for_rest")
        assert [rest[name] for name in counts] == [4, 1, 3, 1, 2]
        assert rest["recall"] == pytest.approx(2 / 3)
        walk = next(row for row in rows if row["behaviour"] == "walk")
        assert (walk["recall"], walk["precision"], walk["accuracy"]) == (None, None, None)
        whole = next(row for row in rows if row["behaviour"] == ALL)
        assert whole["accuracy"] == pytest.approx(3 / 5)
        assert next(row for row in rows if row["unit"] == "chunk" and row["behaviour"] == ALL)["slack_accuracy"] is None
        assert all(list(row) == list(rows[0]) for row in rows)

    def test_json_holds_numbers_only(self) -> None:
        text = json.dumps(self.EVALUATION.as_dict(), allow_nan=False)
        frames = json.loads(text)["frames"]
        assert frames["confusion"] == [[1, 1, 0], [1, 2, 0], [0, 0, 0]]
        assert (frames["total"], frames["labelled"], frames["without_probabilities"], frames["scored"]) == (7, 6, 1, 5)
        assert frames["behaviours"][2]["recall"] is None


class TestFigure:
    def test_rows_are_percentages_of_the_truth(self) -> None:
        figure = draw_agreement(TestFiles.EVALUATION)
        left, right, *_ = figure.axes
        texts = np.array([text.get_text() for text in left.texts]).reshape(3, 3)
        assert texts.tolist() == [["50", "50", "0"], ["33", "67", "0"], ["-", "-", "-"]]
        assert [label.get_text() for label in left.get_yticklabels()] == ["drink (2)", "rest (3)", "walk (0)"]
        assert [text.get_text() for text in right.texts] == ["50", "67", "not labelled"]
        assert left.get_xlabel() == "predicted behaviour"
        assert right.get_xlabel() == "recall (%); dashed: balanced accuracy, 58.3 %"

    def test_of_nothing(self) -> None:
        figure = draw_agreement(evaluated(Pairs(made(-1, 0), made(0, -1))))
        figure.canvas.draw()
        assert {text.get_text() for text in figure.axes[0].texts} == {"-"}

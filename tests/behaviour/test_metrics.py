"""Agreement of labels: confusion, recall by class, balanced and slack accuracy."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posecli.behaviour.agreement import balanced_accuracy, class_scores, confusion_matrix, slack_accuracy

N_CLASSES = 4
Labels = npt.NDArray[np.int64]


@st.composite
def labels(draw: st.DrawFn, least: int = -1) -> tuple[Labels, Labels]:
    """Truth, with gaps if `least` is -1, and prediction of the same frames."""
    count = draw(st.integers(1, 60))
    truth = draw(st.lists(st.integers(least, N_CLASSES - 1), min_size=count, max_size=count))
    predicted = draw(st.lists(st.integers(0, N_CLASSES - 1), min_size=count, max_size=count))
    return np.array(truth, np.int64), np.array(predicted, np.int64)


class TestConfusion:
    @given(labels())
    def test_rows_are_the_truth_and_columns_the_prediction(self, pair: tuple[Labels, Labels]) -> None:
        truth, predicted = pair
        confusion = confusion_matrix(truth, predicted, N_CLASSES)
        for row in range(N_CLASSES):
            for column in range(N_CLASSES):
                assert confusion[row, column] == ((truth == row) & (predicted == column)).sum()

    @given(labels())
    def test_scores_change_places_with_truth_and_prediction(self, pair: tuple[Labels, Labels]) -> None:
        confusion = confusion_matrix(*pair, N_CLASSES)
        ours, theirs = class_scores(confusion), class_scores(confusion.T)
        np.testing.assert_array_equal(ours.recall, theirs.precision)
        np.testing.assert_array_equal(ours.f1, theirs.f1)

    @given(labels())
    def test_f1_is_the_harmonic_mean(self, pair: tuple[Labels, Labels]) -> None:
        scores = class_scores(confusion_matrix(*pair, N_CLASSES))
        found = scores.recall > 0
        mean = 2 / (1 / scores.recall[found] + 1 / scores.precision[found])
        np.testing.assert_allclose(scores.f1[found], mean)

    def test_a_class_that_never_occurs_has_no_score(self) -> None:
        scores = class_scores(confusion_matrix(np.array([0, 0, 1]), np.array([0, 2, 1]), 4))
        assert np.isnan(scores.recall).tolist() == [False, False, True, True]
        assert np.isnan(scores.precision).tolist() == [False, False, False, True]
        assert np.isnan(scores.f1).tolist() == [False, False, False, True]
        assert scores.f1[2] == 0

    @pytest.mark.parametrize(("truth", "predicted"), [([4], [0]), ([0], [4]), ([0], [-1]), ([-2], [0])])
    def test_numbers_that_are_no_class(self, truth: list[int], predicted: list[int]) -> None:
        with pytest.raises(ValueError, match=r"labels must be 0 to 3, or -1 where the truth has none"):
            confusion_matrix(np.array(truth), np.array(predicted), 4)

    def test_other_frames(self) -> None:
        with pytest.raises(ValueError, match="not labels of the same frames"):
            confusion_matrix(np.zeros(3, np.int64), np.zeros(4, np.int64), 2)


class TestBalancedAccuracy:
    @given(labels(least=0))
    def test_right_labels_get_all(self, pair: tuple[Labels, Labels]) -> None:
        truth = pair[0]
        assert balanced_accuracy(truth, truth, N_CLASSES) == 1
        assert balanced_accuracy(truth, truth, N_CLASSES, "zero") == len(np.unique(truth)) / N_CLASSES

    @given(labels(least=0), st.integers(1, 5))
    def test_repeating_one_class_changes_nothing(self, pair: tuple[Labels, Labels], times: int) -> None:
        truth, predicted = pair
        more = np.concatenate([np.arange(len(truth)), np.tile(np.flatnonzero(truth == truth[0]), times)])
        assert balanced_accuracy(truth[more], predicted[more], N_CLASSES) == pytest.approx(
            balanced_accuracy(truth, predicted, N_CLASSES)
        )

    @given(labels(), st.permutations(range(N_CLASSES)))
    def test_names_do_not_matter(self, pair: tuple[Labels, Labels], order: list[int]) -> None:
        truth, predicted = pair
        renamed = np.append(order, -1)
        ours = balanced_accuracy(truth, predicted, N_CLASSES)
        theirs = balanced_accuracy(renamed[truth], renamed[predicted], N_CLASSES)
        assert ours == pytest.approx(theirs, nan_ok=True)

    def test_one_class_for_all_is_chance(self) -> None:
        truth = np.repeat(np.arange(9), [900, 3, 1, 7, 50, 2, 8, 4, 25])
        assert balanced_accuracy(truth, np.zeros_like(truth), 9) == pytest.approx(1 / 9)

    def test_nothing_labelled(self) -> None:
        assert np.isnan(balanced_accuracy(np.array([-1, -1]), np.array([0, 1]), 2))

    def test_a_rule_that_is_not_known(self) -> None:
        with pytest.raises(ValueError, match="'left out' or counted as 'zero', not 'one'"):
            balanced_accuracy(np.array([0]), np.array([0]), 2, "one")  # type: ignore[arg-type]


class TestSlack:
    @given(labels(), st.integers(0, 12))
    def test_it_is_what_it_says(self, pair: tuple[Labels, Labels], slack: int) -> None:
        truth, predicted = pair
        right = [
            predicted[frame] in truth[max(frame - slack, 0) : frame + slack + 1]
            for frame in range(len(truth))
            if truth[frame] >= 0
        ]
        expected = np.mean(right) if right else np.nan
        assert slack_accuracy(truth, predicted, slack) == pytest.approx(expected, nan_ok=True)

    @given(labels(least=0), st.integers(0, 12))
    def test_more_slack_never_hurts(self, pair: tuple[Labels, Labels], slack: int) -> None:
        assert slack_accuracy(*pair, slack) <= slack_accuracy(*pair, slack + 1)

    def test_a_shift_within_the_slack_is_forgiven(self) -> None:
        truth = np.repeat([0, 1, 2], 40)
        late = np.concatenate([np.zeros(10, np.int64), truth[:-10]])
        assert slack_accuracy(truth, late) == 1
        assert slack_accuracy(truth, late, 9) < 1

    def test_below_zero(self) -> None:
        with pytest.raises(ValueError, match="slack of -1 frames is below 0"):
            slack_accuracy(np.array([0]), np.array([0]), -1)

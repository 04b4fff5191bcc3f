"""The three decoders: one formula, one tie rule, equal bits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from posecli.engine.outputs import Axes, Maps
from posecli.errors import EngineError
from posecli.inference.decode import (
    DECODER_FUNCTIONS,
    DecodeOptions,
    blurred,
    decode,
    decode_axes,
    decode_double_loop,
    decode_numpy,
    decode_standard,
)
from posecli.network.network import AxesHead, Blur

OPTIONS = DecodeOptions(stride=8.0, locref_stdev=7.2801)

shapes = st.tuples(*(st.integers(1, limit) for limit in (3, 5, 6, 4)))


@st.composite
def maps(draw: st.DrawFn) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32] | None]:
    """Scoremaps that are random, constant, or full of ties (few distinct values), with or without offsets."""
    shape = draw(shapes)
    values = draw(
        st.sampled_from([st.floats(0, 1, width=32), st.just(1.0), st.sampled_from([0.0, 0.5, 1.0])]),
    )
    scoremap = draw(arrays(np.float32, shape, elements=values))
    with_locref = draw(st.booleans())
    locref = draw(arrays(np.float32, (*shape, 2), elements=st.floats(-3, 3, width=32))) if with_locref else None
    return scoremap, locref


@given(maps(), st.integers(1, 6))
def test_methods_give_equal_bits(
    pair: tuple[npt.NDArray[np.float32], npt.NDArray[np.float32] | None], peaks: int
) -> None:
    scoremap, locref = pair
    options = DecodeOptions(8.0, 7.2801, peaks)
    expected = decode_numpy(scoremap, locref, options)
    assert expected.tobytes() == decode_double_loop(scoremap, locref, options).tobytes()
    one_by_one = [
        decode_standard(scoremap[i : i + 1], None if locref is None else locref[i : i + 1], options)
        for i in range(len(scoremap))
    ]
    assert expected.tobytes() == np.concatenate(one_by_one).tobytes()


@pytest.mark.parametrize("method", DECODER_FUNCTIONS)
def test_formula(method: str) -> None:
    scoremap = np.full((1, 5, 7, 2), 0.1, np.float32)
    scoremap[0, 3, 6, 0] = 0.9
    scoremap[0, 0, 2, 1] = 0.8
    locref = np.zeros((1, 5, 7, 2, 2), np.float32)
    locref[0, 3, 6, 0] = (0.5, -0.25)
    pose = DECODER_FUNCTIONS[method](scoremap, locref, OPTIONS)  # type: ignore[index]
    assert pose.shape == (1, 2, 1, 3)
    assert pose.dtype == np.float64
    np.testing.assert_allclose(pose[0, 0, 0], [6 * 8 + 4 + 7.2801 * 0.5, 3 * 8 + 4 - 7.2801 * 0.25, 0.9], rtol=1e-7)
    np.testing.assert_allclose(pose[0, 1, 0], [2 * 8 + 4, 4, 0.8], rtol=1e-7)


@pytest.mark.parametrize("method", DECODER_FUNCTIONS)
def test_first_of_equal_maxima_wins_in_row_major_order(method: str) -> None:
    scoremap = np.zeros((1, 6, 6, 1), np.float32)
    scoremap[0, 0, 5] = scoremap[0, 5, 0] = 1.0  # taking x and y apart would find (0, 0), where nothing is
    pose = DECODER_FUNCTIONS[method](scoremap, None, OPTIONS)  # type: ignore[index]
    assert pose[0, 0, 0].tolist() == [5 * 8 + 4, 4, 1.0]


@pytest.mark.parametrize("method", DECODER_FUNCTIONS)
def test_constant_map_gives_its_first_cell(method: str) -> None:
    pose = DECODER_FUNCTIONS[method](np.full((1, 3, 4, 1), 0.25, np.float32), None, OPTIONS)  # type: ignore[index]
    assert pose[0, 0, 0].tolist() == [4, 4, 0.25]


def test_further_peaks_are_the_next_best_cells() -> None:
    scoremap = np.zeros((1, 2, 3, 1), np.float32)
    scoremap[0, :, :, 0] = [[0.1, 0.9, 0.3], [0.9, 0.2, 0.5]]
    pose = decode_numpy(scoremap, None, DecodeOptions(8.0, 7.2801, 4))
    assert pose[0, 0, :, 2].tolist() == pytest.approx([0.9, 0.9, 0.5, 0.3])
    assert pose[0, 0, :2, :2].tolist() == [[12, 4], [4, 12]]


def test_more_peaks_than_cells_are_not_known() -> None:
    pose = decode_numpy(np.ones((1, 1, 2, 1), np.float32), None, DecodeOptions(8.0, 7.2801, 3))
    assert np.isnan(pose[0, 0, 2, :2]).all()
    assert pose[0, 0, 2, 2] == 0


@given(maps())
def test_likelihood_is_the_maps_maximum(pair: tuple[npt.NDArray[np.float32], object]) -> None:
    scoremap = pair[0]
    pose = decode_numpy(scoremap, None, OPTIONS)
    np.testing.assert_array_equal(pose[:, :, 0, 2], scoremap.max(axis=(1, 2)))


def test_input_is_left_alone() -> None:
    scoremap = np.random.default_rng(0).random((2, 4, 4, 3), np.float32)
    before = scoremap.copy()
    decode_numpy(scoremap, None, DecodeOptions(8.0, 7.2801, 3))
    decode_double_loop(scoremap, None, DecodeOptions(8.0, 7.2801, 3))
    np.testing.assert_array_equal(scoremap, before)


def test_standard_takes_one_frame() -> None:
    with pytest.raises(ValueError, match="one frame at a time, not 2"):
        decode_standard(np.zeros((2, 2, 2, 1), np.float32), None, OPTIONS)


def test_scores_are_cut_off_after_the_best_cell_is_chosen() -> None:
    scoremap = np.array([[1.25, -2.0], [1.5, -1.0]], np.float32).reshape(1, 1, 2, 2)  # two cells of two body parts
    pose = decode(Maps(scoremap, None), replace(OPTIONS, clip_scores=True))
    np.testing.assert_array_equal(pose[0, :, 0], [[12.0, 4.0, 1.0], [12.0, 4.0, 0.0]])
    assert decode(Maps(scoremap, None), OPTIONS)[0, :, 0, 2].tolist() == [1.5, -1.0]


def test_best_cell_of_a_blurred_map_is_sought() -> None:
    scoremap = np.zeros((1, 9, 9, 2), np.float32)
    scoremap[0, 1, 1, 0] = 0.9  # alone
    scoremap[0, 4:7, 4:7, 0] = 0.6  # the best one where neighbours count
    scoremap[0, 2, 2, 1] = 0.06
    options = replace(OPTIONS, blur=Blur(sigma=1.0, radius=5, least_score=0.01))
    pose = decode(Maps(scoremap, None), options)[0, :, 0]
    taps = np.exp(-(np.arange(-5, 6) ** 2) / 2)
    share = float(taps[4:7].sum() / taps.sum())
    np.testing.assert_allclose(
        pose[0], [44.0, 44.0, 0.6 * share**2 + 0.9 * float(taps[1] / taps.sum()) ** 2], rtol=1e-6
    )
    np.testing.assert_array_equal(pose[1], [np.nan, np.nan, 0.0])  # 0.0095 after the blur
    assert decode(Maps(scoremap, None), OPTIONS)[0, :, 0, 2].tolist() == pytest.approx([0.9, 0.06])


@given(arrays(np.float32, st.tuples(*(st.integers(1, n) for n in (2, 9, 9, 3))), elements=st.floats(0, 1, width=32)))
def test_blur_is_a_convolution_with_zeros_around(scoremap: npt.NDArray[np.float32]) -> None:
    taps = np.exp(-(np.arange(-2, 3) ** 2) / (2 * 0.8**2))
    kernel = np.outer(taps, taps) / taps.sum() ** 2
    padded = np.pad(scoremap, ((0, 0), (2, 2), (2, 2), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (5, 5), (1, 2))
    found = blurred(scoremap, Blur(0.8, 2))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.einsum("bhwkij,ij->bhwk", windows, kernel), atol=1e-6)


def along_axes(x: list[float], y: list[float], **head: Any) -> Axes:
    """Scores of one body part in one frame."""
    of_x, of_y = (np.array([[each]], np.float32) for each in (x, y))
    return Axes(of_x, of_y, AxesHead("x", "y", (2, 2), 2.0, **head))


def test_likelihood_along_axes_is_the_lesser_of_two_probabilities() -> None:
    logs = np.log([0.1, 0.2, 0.1, 0.6]), np.log([0.7, 0.1, 0.1, 0.1])
    pose = decode(along_axes(*(list(each / (5.0, 2.0)[i]) for i, each in enumerate(logs)), factors=(5.0, 2.0)), OPTIONS)
    assert pose.shape == (1, 1, 1, 3)
    np.testing.assert_allclose(pose[0, 0, 0], [1.5, 0.0, 0.6], rtol=1e-6)


def test_first_of_equal_scores_along_an_axis_wins() -> None:
    pose = decode_axes(along_axes([0.1, 0.5, 0.5, 0.2], [0.7, 0.2, 0.7, 0.1], softmax=False))
    np.testing.assert_allclose(pose[0, 0, 0], [0.5, 0.0, 0.5])


def test_scores_along_an_axis_are_normalised_where_they_are_above_one() -> None:
    pose = decode_axes(along_axes([-9.0, 0.5, 4.0, 1.0], [0.25, 0.5, -1.0, 0.0], softmax=False, normalized=True))
    np.testing.assert_allclose(pose[0, 0, 0], [1.0, 0.5, 0.5])


@pytest.mark.parametrize("head", [{}, {"softmax": False}, {"softmax": False, "normalized": True}])
def test_no_place_is_known_where_all_scores_along_an_axis_are_equal(head: dict[str, bool]) -> None:
    pose = decode_axes(along_axes([0.0] * 4, [0.0, 0.0, 0.9, 0.0], **head))
    np.testing.assert_array_equal(pose[0, 0, 0], [np.nan, np.nan, 0.0])


def test_axes_have_one_peak() -> None:
    with pytest.raises(EngineError, match="finds one place for each body part: leave --num-outputs at 1"):
        decode(along_axes([1.0, 0.0], [1.0, 0.0]), replace(OPTIONS, num_outputs=2))

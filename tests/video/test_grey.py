"""Pictures without colour: looked up in a table, they are what FFmpeg's converter makes of them, bit for bit."""

from __future__ import annotations

import sys
from fractions import Fraction

import av
import numpy as np
import pytest
from av.video.reformatter import VideoReformatter
from hypothesis import given, settings
from hypothesis import strategies as st
from support import clips

from posecli.options import Crop
from posecli.video.batch import prepare
from posecli.video.geometry import Geometry
from posecli.video.opencv import GREY, LUMA_FIRST, PixelConverter, in_channels
from posecli.video.orientation import Orientation

#: FFmpeg's numbers of BT.709, unknown, BT.601 and BT.2020, and of no range, the limited and the full one.
MATRICES, RANGES = (1, 2, 5, 9), (0, 1, 2)


def picture(
    name: str, width: int, height: int, *, seed: int = 0, matrix: int = 2, color_range: int = 0
) -> av.VideoFrame:
    """A picture of noise without colour."""
    frame = av.VideoFrame(width, height, name)
    frame.colorspace, frame.color_range = matrix, color_range
    for plane in frame.planes:
        plane.update(bytes([128]) * plane.buffer_size)
    luma = frame.planes[0]
    luma.update(np.random.default_rng(seed).bytes(luma.buffer_size))
    return frame


def converted(frame: av.VideoFrame) -> clips.Images:
    """BGR by FFmpeg's converter alone."""
    made = VideoReformatter().reformat(frame, format="bgr24", interpolation="BICUBIC", threads=1)
    return made.to_ndarray().astype(np.uint8, copy=False)


def test_one_channel_is_told_in_three() -> None:
    assert in_channels(np.array([[1, 2]], np.uint8)).tolist() == [[[1, 1, 1], [2, 2, 2]]]


@pytest.mark.parametrize("name", LUMA_FIRST)
@pytest.mark.parametrize("size", [(160, 120), (161, 121), (278, 278)], ids=str)
def test_a_look_up_is_the_conversion(name: str, size: tuple[int, int]) -> None:
    converter = PixelConverter()
    for matrix in MATRICES:
        for color_range in RANGES:
            # The second looks up what the first has shown.
            for seed in (1, 2):
                frame = picture(name, *size, seed=seed, matrix=matrix, color_range=color_range)
                pixels = converter.pixels(frame)
                assert pixels.ndim == GREY
                np.testing.assert_array_equal(in_channels(pixels), converted(frame))
                np.testing.assert_array_equal(converter.bgr(frame), converted(frame))


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_single_coloured_pixel_is_seen(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(LUMA_FIRST[1:]))
    frame = picture(name, data.draw(st.integers(16, 70)), data.draw(st.integers(16, 70)))
    plane = frame.planes[data.draw(st.integers(1, 2))]
    content = bytearray(memoryview(plane))
    place = data.draw(st.integers(0, plane.height - 1)) * plane.line_size + data.draw(st.integers(0, plane.width - 1))
    content[place] += data.draw(st.sampled_from((-1, 1)))
    plane.update(bytes(content))
    pixels = PixelConverter().pixels(frame)
    assert pixels.ndim == GREY + 1
    np.testing.assert_array_equal(pixels, converted(frame))


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_one_channel_is_prepared_as_three(data: st.DataObject) -> None:
    width, height = data.draw(st.integers(40, 200)), data.draw(st.integers(40, 200))
    x1, y1 = data.draw(st.integers(0, width - 40)), data.draw(st.integers(0, height - 40))
    crop = data.draw(st.sampled_from((None, Crop(x1, data.draw(st.integers(x1 + 40, width)), y1, height))))
    scale = data.draw(st.sampled_from([Fraction(1), Fraction(1, 2), Fraction(2)]) | st.fractions("2/5", 2))
    geometry = Geometry.plan(width, height, crop, scale)
    grey = np.random.default_rng(data.draw(st.integers(0, 99))).integers(0, 256, (height, width), np.uint8)
    one, three = np.zeros((2, geometry.height, geometry.width, 3), np.uint8)
    prepare(grey, geometry, one)
    prepare(in_channels(grey), geometry, three)
    np.testing.assert_array_equal(one, three)


def test_a_converter_that_looks_at_neighbours_is_not_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    def smoothed(_converter: PixelConverter, frame: av.VideoFrame) -> clips.Images:
        image = converted(frame)
        image[:, 1:] = image[:, 1:] // 2 + image[:, :-1] // 2
        return image

    monkeypatch.setattr(PixelConverter, "_converted", smoothed)
    frame = picture("yuv420p", 160, 120)
    np.testing.assert_array_equal(PixelConverter().pixels(frame), smoothed(PixelConverter(), frame))


def test_a_converter_that_treats_frames_otherwise_than_noise_is_not_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = picture("yuv420p", 160, 120)

    def tinted(_converter: PixelConverter, shown: av.VideoFrame) -> clips.Images:
        return converted(shown) ^ (shown is frame)

    monkeypatch.setattr(PixelConverter, "_converted", tinted)
    np.testing.assert_array_equal(PixelConverter().pixels(frame), converted(frame) ^ 1)


def test_a_frame_is_let_go_when_nobody_has_it_any_more() -> None:
    """Its memory is the decoder's, who would need more for each frame that waits for the garbage collector."""
    frame = picture("gray", 16, 16)
    before = sys.getrefcount(frame)
    assert Orientation.of(frame) is None
    assert sys.getrefcount(frame) == before

"""What is made of each video."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posecli.errors import UsageError
from posecli.studies.sweep.versions import encoded_versions, parse_crf, parse_presets, scaled_versions

PAPER = "100,50,45,40,35,30,27,25,20,15,10,1,0.1"


def test_paper_list_has_thirteen_versions_with_its_two_odd_ends_told() -> None:
    versions = encoded_versions(parse_crf(PAPER, ["libx264"]), {})
    assert len(versions) == 14
    assert versions[0].encode is None
    notes = {version.name: version.note for version in versions if version.note}
    assert set(notes) == {"libx264-crf0", "libx264-crf51"}
    assert "100 is 51" in notes["libx264-crf51"]
    assert "0.1 is lossless" in notes["libx264-crf0"]


def test_what_comes_to_the_same_is_made_once() -> None:
    names = [version.name for version in encoded_versions({"libx264": (0.1, 0, 0.5, 100, 51, 20)}, {})]
    assert names == ["original", "libx264-crf0", "libx264-crf20", "libx264-crf51"]


@pytest.mark.parametrize(
    ("codec", "crf"),
    [("libx265", 52), ("libvpx-vp9", 64), ("libsvtav1", 64), ("libx264", -1), ("libx265", -0.5)],
)
def test_a_crf_off_the_scale_of_its_codec_is_refused_by_name(codec: str, crf: float) -> None:
    with pytest.raises(UsageError, match=f"CRF {crf:g} is not on the scale of {codec}: give 0 to"):
        encoded_versions({codec: (20, crf)}, {})


def test_ends_of_each_scale_are_taken() -> None:
    crf = {"libx264": (0, 51), "libx265": (0, 51), "libvpx-vp9": (0, 63), "libsvtav1": (0, 63)}
    assert len(encoded_versions(crf, {})) == 9


def test_unknown_codec_is_refused() -> None:
    with pytest.raises(UsageError, match="codec 'mpeg7' is not known"):
        encoded_versions({"mpeg7": (20,)}, {})


@pytest.mark.parametrize("text", ["", "a", "10,,20", "10;x", "nan", "1,inf"])
def test_crf_that_is_no_list_of_numbers_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not a list of numbers"):
        parse_crf(text, ["libx264"])


def test_crf_by_codec() -> None:
    assert parse_crf("10,20;libsvtav1:35", ["libx264", "libx265"]) == {
        "libx264": (10, 20),
        "libx265": (10, 20),
        "libsvtav1": (35,),
    }


def test_preset_of_several_codecs_must_say_whose() -> None:
    assert parse_presets("libx264:veryfast;libsvtav1:8", ["libx264", "libsvtav1"]) == {
        "libx264": "veryfast",
        "libsvtav1": "8",
    }
    with pytest.raises(UsageError, match="does not say for which codec"):
        parse_presets("veryfast", ["libx264", "libsvtav1"])


def test_preset_format_and_gop_reach_the_encoder() -> None:
    version = encoded_versions({"libx264": (20,)}, {"libx264": "slow"}, "yuv444p", 10)[1]
    assert version.encode is not None
    arguments = version.encode.arguments()
    assert arguments == ["-c:v", "libx264", "-crf", "20", "-preset", "slow", "-g", "10", "-pix_fmt", "yuv444p"]


@given(st.lists(st.floats(0.01, 4), min_size=1, max_size=8))
def test_scales_fall_from_the_reference(scales: list[float]) -> None:
    if set(scales) == {1.0}:
        return
    versions = scaled_versions(scales)
    assert versions[0].scale == 1.0
    rest = [version.scale for version in versions[1:]]
    assert rest == sorted(set(scales) - {1.0}, reverse=True)


@pytest.mark.parametrize("scales", [[0.0], [5.0], [float("nan")], [-1.0]])
def test_scale_out_of_range_is_refused(scales: list[float]) -> None:
    with pytest.raises(UsageError, match="out of range"):
        scaled_versions(scales)


def test_scale_one_alone_compares_nothing() -> None:
    with pytest.raises(UsageError, match="no scale but 1"):
        scaled_versions([1.0])

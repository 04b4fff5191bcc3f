"""What pays before a run, by arithmetic."""

from __future__ import annotations

from dataclasses import replace

import pytest

from posecli.network.network import PoseSpec
from posecli.network.resnet import resnet
from posecli.precision.quantize import QuantizeOptions, expected_work
from posecli.precision.reckoning import Asked, Pace, Trials, WorkAhead, pace, reckon_int8, trials

NETWORK = resnet(PoseSpec("resnet_50", 4))
OPEN = Asked("int8", is_named=False, windows="auto")


def ahead(frames: int, width: int = 640, height: int = 480, windows: float = 0.2) -> WorkAhead:
    each = float(sum(NETWORK.multiplications((height, width)).values()))
    sampled = min(frames, max(32, min(256, 32 * 640 * 480 // (width * height))))
    return WorkAhead(frames * each, each, sampled, (height, width), windows)


def worth(work: WorkAhead, asked: Asked = OPEN) -> tuple[bool, bool]:
    found = trials(NETWORK, work, asked)
    return found.precisions, found.windows


def test_int8_version() -> None:
    kind = pace(frozenset({"avx2", "avx512_vnni", "avx512_bf16"}))
    assert kind == Pace(0.52, 0.3)
    options = QuantizeOptions((1.0,), most_attempts=8)
    assert expected_work(NETWORK, (480, 640), options, kind.int8) / ahead(1).each == pytest.approx(310, abs=15)
    least = {
        windows: next(
            frames
            for frames in range(0, 100_000, 500)
            if reckon_int8(NETWORK, ahead(frames, windows=windows), kind, options).pays
        )
        for windows in (1.0, 0.2)
    }
    assert 2_000 <= least[1.0] <= 3_000
    assert least[0.2] == pytest.approx(5 * least[1.0], abs=2_500)


@pytest.mark.parametrize(
    ("work", "precisions", "windows"),
    [
        (ahead(640), True, True),
        (ahead(50), False, False),  # the gate alone looks at 32
        (ahead(80), True, False),
        (ahead(640, 278, 278), True, False),  # the gate looks at 127 small frames
        (ahead(2330, 278, 278), True, True),
        (ahead(640, windows=1.0), True, False),  # the frames are no larger than a window
    ],
    ids=["much", "little", "some", "small frames", "many small frames", "no room"],
)
def test_what_is_left_to_measurement_is_tried_where_it_pays(work: WorkAhead, precisions: bool, windows: bool) -> None:
    assert worth(work) == (precisions, windows)


def test_what_is_named_is_measured_whatever_it_costs() -> None:
    few = ahead(40)
    assert worth(few, replace(OPEN, is_named=True, windows="off")) == (True, False)
    assert worth(few, replace(OPEN, is_named=True, windows=208)) == (True, True)
    assert worth(few, replace(OPEN, searches=True, names_scale=True)) == (True, False)
    assert worth(few, replace(OPEN, faster=None, windows=208)) == (False, True)
    assert worth(few, replace(OPEN, searches=True)) == (False, False)
    assert worth(ahead(2330), replace(OPEN, searches=True)) == (True, True)


def test_windows_without_a_faster_precision_pay_for_all_that_is_looked_at() -> None:
    exact = replace(OPEN, faster=None)
    assert worth(ahead(640), exact) == (False, True)
    assert worth(ahead(200), exact) == (False, False)


def test_what_is_left_out_is_said() -> None:
    everything = trials(NETWORK, ahead(640), OPEN)
    assert everything == Trials(True, True, (), everything.cost, 0.2)
    assert everything.cost / ahead(1).each == pytest.approx(66, abs=2), "32 frames, most of it in fp32"
    (sentence,) = trials(NETWORK, ahead(50), OPEN).left_out
    assert sentence == (
        "no faster precision is tried: that takes as long as 42 passes of the network in fp32, and could save 36 of "
        "the 50 that are ahead"
    )
    (sentence,) = trials(NETWORK, ahead(640, 278, 278), OPEN).left_out
    assert sentence.startswith("no windows are tried: that takes as long as ")
    assert trials(NETWORK, ahead(640, windows=1.0), OPEN).left_out == (), "there are none to try"
    (sentence,) = trials(NETWORK, ahead(40), replace(OPEN, searches=True)).left_out
    assert sentence.startswith("no other setting is tried: ")

"""What a benchmark accepts."""

from __future__ import annotations

from typing import Any

import pytest

from posecli.errors import UsageError
from posecli.options import InputSize
from posecli.studies.benchmark.options import BenchmarkOptions, ClipBenchmarkOptions, engine_of_pipeline


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"sizes": (81,)}, "size 81 is no frame width"),
        ({"sizes": (16,)}, "give even numbers of 32 or more"),
        ({"sizes": ()}, r"sizes \(nothing\) is empty"),
        ({"sizes": (80, 80)}, "names something twice"),
        ({"batch_sizes": (0,)}, "batch size 0 is too small"),
        ({"cores": (-1,)}, "cores -1 is too small"),
        ({"repeats": 0}, "repeats 0 is too small"),
        ({"frames": 0}, "frames 0 is too small"),
        ({"per_process": 0}, "per-process 0 is too small"),
        ({"seconds": 0.0}, "seconds 0 is out of range"),
        ({"longest": float("nan")}, "longest nan is out of range"),
        ({"engines": ("abacus",)}, "engines 'abacus' is not known: choose among openvino, tensorflow"),
        ({"decoders": ("psychic",)}, "decoders 'psychic' is not known"),
        ({"precisions": ("fp8",)}, "precisions 'fp8' is not known"),
        ({"pipelines": ("chaos",)}, "pipelines 'chaos' is not known"),
        ({"design": "latin"}, "design 'latin' is not known"),
        ({"pipelines": ("tf-sync",)}, "'tf-sync' is for the tensorflow engine: add tensorflow to --engines"),
    ],
)
def test_wrong_options_are_refused_with_the_value(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        BenchmarkOptions(**wrong)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"lengths": (8,)}, "chunk length 8 is too small: give 9 frames or more"),
        ({"strides": (0,)}, "stride 0 is too small"),
        ({"strides": ()}, r"strides \(nothing\) is empty"),
        ({"sizes": (InputSize(64, 64), InputSize(64, 64))}, "sizes 64x64,64x64 is empty or names something twice"),
        ({"pipelines": ("tf-sync",)}, "pipelines 'tf-sync' is not known: choose among async, parallel, sync"),
        ({"batch_sizes": (0,)}, "batch size 0 is too small"),
    ],
)
def test_wrong_options_of_chunks_are_refused_with_the_value(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        ClipBenchmarkOptions(**wrong)


def test_pipelines_of_one_engine() -> None:
    assert engine_of_pipeline("async") is None
    assert engine_of_pipeline("tf-prefetch") == "tensorflow"
    assert BenchmarkOptions(pipelines=("tf-sync",), engines=("openvino", "tensorflow")).pipelines == ("tf-sync",)


def test_options_as_plain_values() -> None:
    plain = BenchmarkOptions().as_dict()
    assert plain["sizes"] == [80, 160, 320, 640]
    assert plain["model"] is None
    assert plain["videos"] == []
    assert plain["network"] == "pose"
    chunks = ClipBenchmarkOptions().as_dict()
    assert (chunks["network"], chunks["sizes"], chunks["lengths"]) == ("i3d", ["224x224"], [64])

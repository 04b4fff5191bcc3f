"""What a benchmark accepts."""

from __future__ import annotations

from typing import Any

import pytest

from posecli.errors import UsageError
from posecli.options import InputSize
from posecli.studies.benchmark.options import BenchmarkOptions, ClipBenchmarkOptions, SharedOptions, engine_of_pipeline


@pytest.mark.parametrize(
    ("kind", "wrong", "words"),
    [
        (BenchmarkOptions, {"sizes": (81,)}, "size 81 is not a valid frame width"),
        (BenchmarkOptions, {"sizes": (16,)}, "give even numbers of 32 or more"),
        (BenchmarkOptions, {"sizes": ()}, r"sizes \(nothing\) is empty"),
        (BenchmarkOptions, {"sizes": (80, 80)}, "lists a value twice"),
        (BenchmarkOptions, {"batch_sizes": (0,)}, "batch size 0 is too small"),
        (BenchmarkOptions, {"cores": (-1,)}, "cores -1 is too small"),
        (BenchmarkOptions, {"repeats": 0}, "repeats 0 is too small"),
        (BenchmarkOptions, {"frames": 0}, "frames 0 is too small"),
        (BenchmarkOptions, {"per_process": 0}, "per-process 0 is too small"),
        (BenchmarkOptions, {"seconds": 0.0}, "seconds 0 is out of range"),
        (BenchmarkOptions, {"longest": float("nan")}, "longest nan is out of range"),
        (
            BenchmarkOptions,
            {"engines": ("abacus",)},
            "engines 'abacus' is not known: choose one of openvino, tensorflow",
        ),
        (BenchmarkOptions, {"decoders": ("psychic",)}, "decoders 'psychic' is not known"),
        (BenchmarkOptions, {"precisions": ("fp8",)}, "precisions 'fp8' is not known"),
        (BenchmarkOptions, {"pipelines": ("chaos",)}, "pipelines 'chaos' is not known"),
        (BenchmarkOptions, {"design": "latin"}, "design 'latin' is not known"),
        (
            BenchmarkOptions,
            {"pipelines": ("tf-sync",)},
            "for the tensorflow engine: add tensorflow to --engines",
        ),
        (ClipBenchmarkOptions, {"lengths": (8,)}, "chunk length 8 is too small: give 9 frames or more"),
        (ClipBenchmarkOptions, {"strides": (0,)}, "stride 0 is too small"),
        (ClipBenchmarkOptions, {"strides": ()}, r"strides \(nothing\) is empty"),
        (
            ClipBenchmarkOptions,
            {"sizes": (InputSize(64, 64), InputSize(64, 64))},
            "sizes 64x64,64x64 is empty or lists",
        ),
        (
            ClipBenchmarkOptions,
            {"pipelines": ("tf-sync",)},
            "'tf-sync' is not known: choose one of async, parallel, sync",
        ),
        (ClipBenchmarkOptions, {"batch_sizes": (0,)}, "batch size 0 is too small"),
    ],
)
def test_wrong_options_are_refused_with_the_value(kind: type[SharedOptions], wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        kind(**wrong)


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

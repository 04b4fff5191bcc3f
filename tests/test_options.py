"""Options refuse contradictions when they are made."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from posecli.errors import UsageError
from posecli.options import AnalyzeOptions, Crop, EngineOptions, Shard


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"batch_size": 0}, "batch size 0 is too small"),
        ({"batch_size": "many"}, "batch size 'many' is not known: choose one of auto, a whole number of 1 or more"),
        ({"num_outputs": 0}, "num-outputs 0"),
        ({"decoder": "magic"}, "decoder 'magic' is not known: choose one of numpy, double-loop, standard"),
        ({"video_backend": "vlc"}, "video backend 'vlc'"),
        ({"scale": 0.0}, "scale 0.0 is out of range"),
        ({"scale": 5.0}, "scale 5.0"),
        ({"scale": float("nan")}, "scale nan"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_wrong_values_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        AnalyzeOptions(**values)


@pytest.mark.parametrize("values", [{"engine": "cuda"}, {"precision": "fp8"}, {"threads": 0}], ids=str)
def test_wrong_engine_values_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=str(next(iter(values.values())))):
        EngineOptions(**values)


@pytest.mark.parametrize("text", ["1,2,3", "a,b,c,d", "", "1.5,2,3,4", "1,2,3,4,5"])
def test_crop_that_is_not_four_numbers(text: str) -> None:
    with pytest.raises(UsageError, match="not four whole numbers"):
        Crop.parse(text)


@pytest.mark.parametrize("text", ["10,10,0,5", "10,5,0,5", "-1,5,0,5", "0,5,6,5"])
def test_crop_that_is_empty(text: str) -> None:
    with pytest.raises(UsageError, match="empty or negative"):
        Crop.parse(text)


def test_crop_is_in_deeplabcuts_order() -> None:
    assert Crop.parse(" 1,2,3,4") == Crop(x1=1, x2=2, y1=3, y2=4)
    assert str(Crop(1, 2, 3, 4)) == "1,2,3,4"


def test_scale_is_exact() -> None:
    assert AnalyzeOptions(scale=1 / 3).exact_scale == Fraction(1, 3)


def test_standard_decoder_means_one_frame_at_a_time() -> None:
    assert AnalyzeOptions(decoder="standard", batch_size=64).network_batch == 1
    assert AnalyzeOptions(decoder="standard", batch_size="auto").network_batch == 1
    assert AnalyzeOptions(batch_size=64).network_batch == 64


@pytest.mark.parametrize("text", ["", "1", "0/3", "4/3", "-1/3", "1/0", "a/b", "1/2/3", "slurm"])
def test_shard_that_is_none(text: str) -> None:
    with pytest.raises(UsageError, match="shard"):
        Shard.parse(text, {})


@pytest.mark.parametrize("count", [1, 2, 3, 7, 20])
def test_shards_hold_every_item_once(count: int) -> None:
    items = list(range(10))
    parts = [Shard(number, count).of(items) for number in range(1, count + 1)]
    assert sorted(item for part in parts for item in part) == items
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def array(task: int, first: int, last: int, step: int, count: int) -> dict[str, str]:
    values = {"ID": task, "MIN": first, "MAX": last, "STEP": step, "COUNT": count}
    return {f"SLURM_ARRAY_TASK_{name}": str(value) for name, value in values.items()}


@pytest.mark.parametrize(
    ("environment", "shard"),
    [(array(0, 0, 7, 1, 8), "1/8"), (array(8, 1, 8, 1, 8), "8/8"), (array(7, 3, 9, 2, 4), "3/4")],
)
def test_shard_of_a_job_array(environment: dict[str, str], shard: str) -> None:
    assert str(Shard.parse("slurm", environment)) == shard


def test_job_array_with_gaps_is_refused() -> None:
    with pytest.raises(UsageError, match=r"needs an array without gaps.*\$SLURM_ARRAY_TASK_ID/7"):
        Shard.parse("slurm", array(3, 3, 7, 1, 2))

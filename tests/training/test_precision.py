"""Which arithmetic is taken."""

from __future__ import annotations

from typing import Any

import pytest

from posecli.engine.openvino_core import openvino_core
from posecli.errors import PrecisionError
from posecli.support.tensorflow import import_tensorflow

import_tensorflow()

from posecli.training import loop as precision  # noqa: E402
from posecli.training.loop import FLOAT32, MIXED, fastest_policy  # noqa: E402


def no_trial(policy: str) -> Any:
    pytest.fail("tried")


@pytest.mark.parametrize(("asked", "policy"), [("fp32", FLOAT32), ("bf16", MIXED)])
def test_what_is_asked_for_is_not_measured(monkeypatch: pytest.MonkeyPatch, asked: str, policy: str) -> None:
    monkeypatch.setattr(precision, "computes_bf16", lambda: True)
    monkeypatch.setattr(precision, "_seconds", lambda policy, trial: pytest.fail("measured"))
    assert fastest_policy(asked, no_trial) == policy  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("computes", "seconds", "policy"),
    [
        (False, {}, FLOAT32),
        (True, {MIXED: 1.0, FLOAT32: 2.0}, MIXED),
        (True, {MIXED: 2.0, FLOAT32: 1.0}, FLOAT32),
        (True, {MIXED: 1.0, FLOAT32: 1.0}, FLOAT32),
    ],
)
def test_auto_takes_what_measures_faster(
    monkeypatch: pytest.MonkeyPatch, computes: bool, seconds: dict[str, float], policy: str
) -> None:
    monkeypatch.setattr(precision, "computes_bf16", lambda: computes)
    monkeypatch.setattr(precision, "_seconds", lambda policy, trial: seconds[policy])
    assert fastest_policy("auto", no_trial) == policy


def test_bf16_is_refused_where_nothing_computes_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "computes_bf16", lambda: False)
    with pytest.raises(PrecisionError, match="does not compute in bfloat16: set precision to fp32 or auto"):
        fastest_policy("bf16", no_trial)


def test_whether_the_machine_computes_in_bf16_is_asked_of_it() -> None:
    if import_tensorflow().config.list_physical_devices("GPU"):
        pytest.skip("a GPU computes in bf16 whatever the processor does")
    assert precision.computes_bf16() == ("BF16" in openvino_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"))


def test_the_trial_makes_what_is_measured() -> None:
    calls: list[str] = []

    class Network:
        def train_on_batch(self, inputs: Any, targets: Any) -> None:
            calls.append(f"{inputs} {targets}")

    def trial(policy: str) -> Any:
        calls.append(policy)
        return Network(), "inputs", "targets"

    assert precision._seconds(MIXED, trial) >= 0
    assert calls == [MIXED] + ["inputs targets"] * (1 + precision.TRIAL_CALLS)

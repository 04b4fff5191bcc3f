"""Networks in int8: what a plan makes of the operations, and of OpenVINO's arithmetic."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from support import i3d_reference, networks, projects
from support.networks import any_weights, by_openvino, compiled, layers, pictures

from posecli.engine import openvino_graph
from posecli.network.architectures import pose_network
from posecli.network.folding import fold_batch_norm, merge_heads
from posecli.network.i3d import LOGITS, I3DSpec, i3d
from posecli.network.int8 import Int8Plan, beside_int8, calibration, in_int8
from posecli.network.network import FRAMES, ClassHead, Network, PoseSpec, Scaling, Weights
from posecli.network.operations import (
    Activation,
    Concatenate,
    Convolution,
    DepthwiseConvolution,
    GlobalAverage,
    Pooling,
    Round,
)

X = (FRAMES,)


def convolution(name: str, tensor: str) -> Convolution:
    return Convolution(name, (tensor,), (1, 1), name, 4)


def small(*, rounds_early: bool) -> Network:
    """Two maps, joined and pooled, and then taken by two convolutions."""
    operations = (
        convolution("a", FRAMES),
        convolution("b", FRAMES),
        Concatenate("joined", ("a", "b")),
        Pooling("pooled", ("joined",), "max", (2, 2), (2, 2)),
        convolution("c", "pooled"),
        convolution("d", "pooled"),
        Concatenate("both", ("c", "d")),
        GlobalAverage("y", ("both",)),
    )
    return Network("small", operations, ClassHead("y"), Scaling(1 / 64), rounds_early=rounds_early)


class TestThePass:
    def test_what_enters_a_convolution_is_rounded_once(self) -> None:
        found = in_int8(small(rounds_early=False), Int8Plan({"c": (-1.0, 2.0), "d": (-1.0, 2.0)}))
        (rounded,) = [each for each in found.operations if isinstance(each, Round)]
        assert (rounded.inputs, rounded.low, rounded.high) == (("pooled",), -1.0, 2.0)
        chosen = {each.name: each for each in found.operations if isinstance(each, Convolution) and each.int8}
        assert {name: each.inputs for name, each in chosen.items()} == dict.fromkeys("cd", (rounded.name,))

    def test_other_limits_are_another_rounding(self) -> None:
        found = in_int8(small(rounds_early=False), Int8Plan({"c": (-1.0, 2.0), "d": (-1.0, 3.0)}))
        assert sorted(each.high for each in found.operations if isinstance(each, Round)) == [2.0, 3.0]

    def test_maps_are_rounded_before_they_are_joined_and_pooled(self) -> None:
        found = in_int8(small(rounds_early=True), Int8Plan({"c": (-1.0, 2.0), "d": (-1.0, 2.0)}))
        assert sorted(each.inputs for each in found.operations if isinstance(each, Round)) == [("a",), ("b",)]
        assert not {"joined", "pooled"} & {each.name for each in found.operations}

    def test_early_and_late_rounding_give_the_same_values(self) -> None:
        plan = Int8Plan(dict.fromkeys("cd", (-2.0, 4.0)))
        weights, images = any_weights(small(rounds_early=True)), pictures(2, 6, 8)
        early, late = (
            by_openvino(in_int8(small(rounds_early=each), plan), weights, images)["y"] for each in (True, False)
        )
        np.testing.assert_allclose(early, late, rtol=1e-5)

    def test_sensitive_convolutions_are_never_in_int8(self) -> None:
        network = i3d(I3DSpec(9, 0.25))
        assert LOGITS not in network.int8_candidates()
        assert in_int8(network, Int8Plan({LOGITS: (0.0, 4.0)})) == network

    def test_plan_without_some(self) -> None:
        assert Int8Plan({"a": (0, 1), "b": (0, 2)}).without(frozenset("a")) == Int8Plan({"b": (0, 2)})

    def test_calibration_gives_each_tensor_once_and_computes_nothing_behind(self) -> None:
        found = calibration(small(rounds_early=True))
        assert found.outputs == (FRAMES, "pooled")
        assert [each.name for each in found.operations] == ["a", "b", "joined", "pooled"]

    def test_int8_is_computed_beside_of_the_same_exact_input(self) -> None:
        found = beside_int8(small(rounds_early=True), Int8Plan({"b": (-1.0, 2.0), "c": (-1.0, 3.0)}))
        assert found.outputs == ("b", "b/int8", "c", "c/int8")
        makers = {each.name: each for each in found.operations}
        assert makers[makers["c/int8"].inputs[0]] == Round("c/rounded", makers["c"].inputs, -1.0, 3.0)
        assert makers["joined"].inputs == ("a", "b")  # nothing behind is moved
        assert "d" not in makers


@dataclass(frozen=True)
class Subject:
    """A whole network, folded, pictures for it, and ranges that these gave."""

    network: Network
    weights: Weights
    images: npt.NDArray[np.uint8]
    ranges: dict[str, tuple[float, float]]

    def compiled(self, plan: Int8Plan | None) -> Any:
        network = self.network if plan is None else in_int8(self.network, plan)
        return compiled(network, self.weights, self.images.shape[1:-1])

    def int8_convolutions(self, plan: Int8Plan | None) -> int:
        return sum(kind in ("u8", "i8") for kind in layers(self.compiled(plan), "Convolution"))


@pytest.fixture(scope="module")
def whole_i3d() -> Subject:
    spec = I3DSpec(9, width=0.25)
    network, weights = fold_batch_norm(i3d(spec), i3d_reference.random_weights(spec))
    return measured(network, weights, pictures(2, 16, 64, 64))


@pytest.fixture(scope="module", params=["resnet", "i3d"])
def subject(request: pytest.FixtureRequest, whole_i3d: Subject) -> Iterator[Subject]:
    if request.param == "i3d":
        yield whole_i3d
    else:
        with networks.tiny_resnet() as name:
            pose = pose_network(PoseSpec(name, 4))
            network, weights = merge_heads(*fold_batch_norm(pose, projects.random_weights(name)))
            yield measured(network, weights, pictures(2, 64, 96))


def measured(network: Network, weights: Weights, images: npt.NDArray[np.uint8]) -> Subject:
    entering = by_openvino(calibration(network), weights, images)
    limits = {tensor: (float(min(values.min(), 0)), float(values.max())) for tensor, values in entering.items()}
    return Subject(network, weights, images, {name: limits[x] for name, x in network.int8_candidates().items()})


def test_calibration_sees_what_enters_every_convolution(subject: Subject) -> None:
    first, *others = subject.ranges.values()
    assert first[0] < -0.99  # the picture, scaled
    assert all(low == 0 and high > 0 for low, high in others)  # these come behind a rectifier


def test_convolutions_of_the_plan_compute_in_int8(subject: Subject) -> None:
    scopes, plan = list(subject.ranges), Int8Plan(subject.ranges)
    assert subject.int8_convolutions(None) == 0
    assert len(scopes) - 1 <= subject.int8_convolutions(plan) <= len(scopes)
    assert 1 <= subject.int8_convolutions(plan.without(frozenset(scopes[10:]))) <= 10


@pytest.mark.parametrize("kept", [slice(0, 0), slice(1, 4), slice(5, None, 3)], ids=["none", "early", "here and there"])
def test_int8_is_near(subject: Subject, kept: slice) -> None:
    plan = Int8Plan(subject.ranges).without(frozenset([*subject.ranges][kept]))
    exact, rounded = (
        subject.compiled(version)(subject.images)[len(subject.network.outputs) - 1] for version in (None, plan)
    )
    difference = np.sqrt(np.mean((rounded - exact) ** 2)) / exact.std()
    assert 1e-4 < difference < 0.2


def test_depthwise_convolutions_compute_in_int8_too() -> None:
    operations = (
        Convolution("a", X, (3, 3), "a", 16),
        Activation("entering", ("a",), "relu"),
        DepthwiseConvolution("b", ("entering",), (3, 3), "b"),
        Activation("leaving", ("b",), "relu"),
        Convolution("c", ("leaving",), (1, 1), "c", 16),
        GlobalAverage("y", ("c",)),
    )
    network = Network("separable", operations, ClassHead("y"), Scaling(1 / 64))
    subject = measured(network, any_weights(network), pictures(2, 24, 32))
    plan = Int8Plan(subject.ranges)
    assert set(plan.ranges) == {"a", "b", "c"}
    without = plan.without(frozenset("b"))
    assert subject.int8_convolutions(plan) == subject.int8_convolutions(without) + 1
    exact, narrow = (subject.compiled(version)(subject.images)[0] for version in (None, plan))
    assert 1e-5 < np.abs(narrow - exact).max() / exact.std() < 0.1


class TestI3D:
    def test_maps_between_convolutions_are_joined_and_pooled_in_int8(self, whole_i3d: Subject) -> None:
        whole = whole_i3d.compiled(Int8Plan(whole_i3d.ranges))
        assert layers(whole, "FakeQuantize") == []
        assert layers(whole, "Concatenation").count("u8") == 8  # the last leads to the logits
        assert layers(whole, "Pooling").count("u8") == 13  # without the average

    def test_large_maps_are_pooled_in_parts(self, whole_i3d: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
        plan = Int8Plan(whole_i3d.ranges)
        whole = whole_i3d.compiled(plan)
        monkeypatch.setattr(openvino_graph, "LARGEST_POOLED", 20_000)
        parted = whole_i3d.compiled(plan)
        assert len(layers(parted, "Pooling")) > len(layers(whole, "Pooling"))
        np.testing.assert_array_equal(parted(whole_i3d.images)[0], whole(whole_i3d.images)[0])

    @pytest.mark.slow
    def test_no_pooling_of_the_papers_chunks_takes_openvinos_plain_loop(self) -> None:
        spec = I3DSpec(9)
        network, weights = fold_batch_norm(i3d(spec), i3d_reference.random_weights(spec))
        plan = Int8Plan(dict.fromkeys(network.int8_candidates(), (-1.0, 4.0)))
        whole = compiled(in_int8(network, plan), weights, (64, 480, 640))
        assert not [kind for kind in layers(whole, "Pooling", "primitiveType") if kind.startswith("ref")]

"""Networks for tests: a ResNet that is small, weights, and what each engine makes of pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from posecli.engine.openvino_core import openvino_core
from posecli.engine.openvino_graph import build_openvino
from posecli.model import deeplabcut_tensorflow
from posecli.network.architectures import POSE_NETWORKS
from posecli.network.folding import fold_batch_norm, merge_heads
from posecli.network.network import Network, Weights
from posecli.network.resnet import SIZES, ResNetSize, resnet

Arrays = dict[str, npt.NDArray[Any]]
Engine = Callable[[Network, Weights, npt.NDArray[np.uint8]], Arrays]

#: A ResNet in form, with a unit of every sort.
TINY = "resnet_tiny"
TINY_SIZE = ResNetSize(units=(2, 2, 2, 3), depths=(16, 32, 48, 64), stem=8)


@contextmanager
def tiny_resnet(size: ResNetSize = TINY_SIZE) -> Iterator[str]:
    """Within, posecli knows the small ResNet by the name that this gives."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SIZES, TINY, size)
        patch.setitem(POSE_NETWORKS, TINY, resnet)
        patch.setattr(deeplabcut_tensorflow, "TENSORFLOW_NETWORKS", (TINY,))
        yield TINY


def pictures(*shape: int) -> npt.NDArray[np.uint8]:
    """Noise of a shape, three channels to be added."""
    return np.random.default_rng(sum(shape)).integers(0, 256, (*shape, 3), dtype=np.uint8)


def any_weights(network: Network, seed: int = 0) -> dict[str, npt.NDArray[np.float32]]:
    """Random weights with which values neither vanish nor overflow, for a network of any operations."""
    rng = np.random.default_rng(seed)
    weights = {}
    for name, shape in network.variable_shapes().items():
        sign = 1 if "var" in name else rng.choice([1, -1], shape)
        weights[name] = (sign * rng.uniform(0.5, 1.5, shape) / np.sqrt(np.prod(shape[:-1]))).astype(np.float32)
    return weights


def compiled(network: Network, weights: Weights, extents: tuple[int, ...], precision: str = "f32") -> Any:
    """A network as OpenVINO runs it."""
    model = build_openvino(network, weights, extents)
    return openvino_core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": precision})


def by_openvino(network: Network, weights: Weights, images: npt.NDArray[np.uint8]) -> Arrays:
    """A network's outputs by name."""
    found = compiled(network, weights, images.shape[1:-1])(images)
    return {name: found[place] for place, name in enumerate(network.outputs)}


def by_keras(network: Network, weights: Weights, images: npt.NDArray[np.uint8]) -> Arrays:
    """A network's outputs by name."""
    from posecli.engine.keras_layers import build_with_weights

    found = build_with_weights(network, weights, images.shape[1:-1])(images, training=False)
    return {name: np.asarray(array) for name, array in found.items()}


def assert_engines_agree(network: Network, images: npt.NDArray[np.uint8]) -> None:
    """OpenVINO makes of the folded network what Keras makes of the network as it is trained."""
    weights = any_weights(network)
    expected = by_keras(network, weights, images)
    found = by_openvino(*merge_heads(*fold_batch_norm(network, weights)), images)
    for name in network.outputs:
        assert np.ptp(expected[name]) > 1e-3, f"{name} says nothing"
        np.testing.assert_allclose(found[name], expected[name], atol=2e-5 * np.abs(expected[name]).max())


def layers(network: Any, kind: str, about: str = "runtimePrecision") -> list[str]:
    """What OpenVINO says about every layer of one kind of a compiled network, as it runs it."""
    infos = [node.get_rt_info() for node in network.get_runtime_model().get_ordered_ops()]
    return [info[about].astype(str) for info in infos if info["layerType"].astype(str) == kind]

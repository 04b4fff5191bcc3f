"""Networks for tests: a ResNet that is small, weights, and what each engine makes of pictures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from posecli.engine.openvino import openvino_core
from posecli.engine.openvino_graph import build_openvino
from posecli.network.architectures import POSE_NETWORKS
from posecli.network.network import Network, Weights
from posecli.network.resnet import SIZES, ResNetSize, resnet

Arrays = dict[str, npt.NDArray[Any]]

#: A ResNet in form, with a unit of every sort.
TINY = "resnet_tiny"
TINY_SIZE = ResNetSize(units=(2, 2, 2, 3), depths=(16, 32, 48, 64), stem=8)


@contextmanager
def tiny_resnet() -> Iterator[str]:
    """Within, posecli knows the small ResNet by the name that this gives."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SIZES, TINY, TINY_SIZE)
        patch.setitem(POSE_NETWORKS, TINY, resnet)
        yield TINY


def pictures(*shape: int) -> npt.NDArray[np.uint8]:
    """Noise of a shape, three channels to be added."""
    return np.random.default_rng(sum(shape)).integers(0, 256, (*shape, 3), dtype=np.uint8)


def any_weights(network: Network, seed: int = 0) -> dict[str, npt.NDArray[np.float32]]:
    """Weights near one for a network of any operations; variances are above 0."""
    rng = np.random.default_rng(seed)
    return {
        name: np.asarray(
            rng.uniform(0.5, 1.5, shape) * rng.choice([1, 1 if "variance" in name else -1], shape), np.float32
        )
        for name, shape in network.variable_shapes().items()
    }


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


def layers(network: Any, kind: str, about: str = "runtimePrecision") -> list[str]:
    """What OpenVINO says about every layer of one kind of a compiled network, as it runs it."""
    infos = [node.get_rt_info() for node in network.get_runtime_model().get_ordered_ops()]
    return [info[about].astype(str) for info in infos if info["layerType"].astype(str) == kind]

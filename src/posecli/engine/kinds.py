"""What engines need to know of each kind of network: how it is built, and what its outputs mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from posecli.engine.outputs import Logits, Maps
from posecli.model.clip import ClipDescription
from posecli.model.folder import AnyFolder
from posecli.network.i3d.variables import I3DSpec
from posecli.network.spec import PoseNetworkSpec

if TYPE_CHECKING:
    from posecli.network.int8 import Int8Plan

Weights: TypeAlias = Mapping[str, npt.NDArray[np.float32]]
#: What one item of a batch is: ``(H, W, 3)``, a frame, or ``(T, H, W, 3)``, a chunk of frames.
Shape: TypeAlias = tuple[int, ...]
OutputT_co = TypeVar("OutputT_co", covariant=True)


class NetworkKind(Protocol[OutputT_co]):
    """A kind of network, from its weights to its output; frameworks are imported when they are needed."""

    #: Names of the Keras network's outputs, in the order of the OpenVINO graph's.
    outputs: ClassVar[tuple[str, ...]]

    def openvino_graph(self, weights: Weights, shape: Shape, int8: Int8Plan | None = None) -> Any:
        """The network as an OpenVINO model that takes uint8 ``(B, *shape)``."""

    def calibration_graph(self, weights: Weights, shape: Shape) -> tuple[Any, list[str]]:
        """The same with all that enters a convolution as outputs, and those convolutions' scopes in order."""

    def keras_network(self, weights: Weights, shape: Shape) -> Any:
        """The network in Keras, with its weights."""

    def output(self, arrays: Sequence[npt.NDArray[np.float32]]) -> OutputT_co:
        """Arrays in the order of `outputs`, as they are to be understood."""


@dataclass(frozen=True)
class PoseKind:
    """Pose networks: frames to scoremaps and location refinement."""

    spec: PoseNetworkSpec
    outputs: ClassVar[tuple[str, ...]] = ("scoremap", "locref")

    def openvino_graph(self, weights: Weights, shape: Shape, int8: Int8Plan | None = None) -> Any:
        """As `NetworkKind` has it."""
        from posecli.network.openvino_graph import build_openvino_graph

        height, width, _ = shape
        return build_openvino_graph(self.spec, weights, height, width, int8)

    def calibration_graph(self, weights: Weights, shape: Shape) -> tuple[Any, list[str]]:
        """As `NetworkKind` has it."""
        from posecli.network.openvino_graph import build_calibration_graph

        return build_calibration_graph(self.spec, weights, *shape[:2])

    def keras_network(self, weights: Weights, shape: Shape) -> Any:
        """As `NetworkKind` has it."""
        from posecli.network.pose import assign_weights, build_pose_network

        network = build_pose_network(self.spec, *shape[:2])
        assign_weights(network, weights)
        return network

    def output(self, arrays: Sequence[npt.NDArray[np.float32]]) -> Maps:
        """Scoremap, and location refinement where there is any; its x and y may lie in one axis with the parts."""
        scoremap, *rest = arrays
        return Maps(scoremap, rest[0].reshape(*scoremap.shape, 2) if rest else None)


@dataclass(frozen=True)
class ClipKind:
    """I3D networks: chunks of frames to logits."""

    spec: I3DSpec
    outputs: ClassVar[tuple[str, ...]] = ("logits",)

    def openvino_graph(self, weights: Weights, shape: Shape, int8: Int8Plan | None = None) -> Any:
        """As `NetworkKind` has it."""
        from posecli.network.i3d.graph import build_i3d_graph

        frames, height, width, _ = shape
        return build_i3d_graph(self.spec, weights, frames, height, width, int8)

    def calibration_graph(self, weights: Weights, shape: Shape) -> tuple[Any, list[str]]:
        """As `NetworkKind` has it."""
        from posecli.network.i3d.graph import build_i3d_calibration_graph

        return build_i3d_calibration_graph(self.spec, weights, *shape[:3])

    def keras_network(self, weights: Weights, shape: Shape) -> Any:
        """As `NetworkKind` has it."""
        import keras

        from posecli.network.i3d.layers import assign_weights, build_i3d

        network = build_i3d(self.spec, *shape[:3])
        assign_weights(network, weights)
        return keras.Model(network.input, {"logits": network.output})

    def output(self, arrays: Sequence[npt.NDArray[np.float32]]) -> Logits:
        """Logits."""
        return Logits(arrays[0])


def kind_of(folder: AnyFolder) -> NetworkKind[Any]:
    """The kind of network that a model folder holds."""
    description = folder.description
    if isinstance(description, ClipDescription):
        return ClipKind(description.network)
    return PoseKind(description.network)

"""The engine for CPUs: the network as an OpenVINO graph."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from posecli.engine import EngineInfo, NetworkOutput
from posecli.hardware import usable_cores
from posecli.model.folder import ModelFolder
from posecli.network.folding import fold_batch_norm
from posecli.network.openvino_graph import build_openvino_graph
from posecli.network.spec import PoseNetworkSpec
from posecli.options import EngineOptions, FixedPrecision

#: OpenVINO's word for each precision's arithmetic. It is always said: left alone, OpenVINO takes bf16 where it can.
ARITHMETIC: dict[FixedPrecision, str] = {"fp32": "f32", "bf16": "bf16", "fp16": "f16"}
#: Among a device's capabilities, what tells that it computes so by itself, and need not imitate it.
CAPABILITY: dict[FixedPrecision, str] = {"fp32": "FP32", "bf16": "BF16", "fp16": "FP16"}


class OpenVINOEngine:
    """A pose network on OpenVINO's CPU device.

    Each core runs a stream of its own over its share of a batch: small networks' layers are too short to be worth
    sharing between cores, and large ones lose nothing.

    Parameters
    ----------
    folder
        The model.
    height, width
        Frame size, px.
    options
        Precision and threads.
    """

    def __init__(self, folder: ModelFolder, height: int, width: int, options: EngineOptions) -> None:
        import openvino as ov

        precision = options.fixed_precision
        threads = options.threads or usable_cores()
        self._compiled = ov.Core().compile_model(
            _graph(folder, height, width),
            "CPU",
            {
                "INFERENCE_PRECISION_HINT": ARITHMETIC[precision],
                "INFERENCE_NUM_THREADS": threads,
                "NUM_STREAMS": threads,
                # Pinned threads of two processes would share the same cores while others idle.
                "ENABLE_CPU_PINNING": False,
            },
        )
        self._requests = [self._compiled.create_infer_request() for _ in range(threads)]
        self._frame_shape = (height, width, 3)
        self.info = EngineInfo("openvino", ov.__version__.partition("-")[0], "CPU", precision, threads)

    @staticmethod
    def obstacle(folder: ModelFolder, precision: FixedPrecision) -> str | None:
        """Whether the processor computes in the precision by itself: OpenVINO would imitate it in silence."""
        import openvino as ov

        if precision == "int8":
            return f"model '{folder.path}' has no int8 version yet: choose --precision auto, bf16 or fp32"

        core = ov.Core()
        capabilities = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        if CAPABILITY[precision] in capabilities:
            return None
        native = ", ".join(name for name, capability in CAPABILITY.items() if capability in capabilities)
        processor = core.get_property("CPU", "FULL_DEVICE_NAME")
        return (
            f"this processor ({processor}) does not compute in {precision}: choose --precision auto, or one of {native}"
        )

    def warm_up(self, batch_size: int) -> None:
        """Run once on black frames: kernels are made for a batch's size when it first comes."""
        self(np.zeros((batch_size, *self._frame_shape), np.uint8))

    def __call__(self, images: npt.NDArray[np.uint8]) -> NetworkOutput:
        """Run the network on ``(B, H, W, 3)`` uint8 RGB."""
        shares = [share for share in np.array_split(images, len(self._requests)) if len(share)]
        busy = list(zip(self._requests, shares, strict=False))
        for request, share in busy:
            request.start_async({0: share}, share_inputs=True)
        for request, _ in busy:
            request.wait()
        return NetworkOutput(*_gathered([request for request, _ in busy]))


def _graph(folder: ModelFolder, height: int, width: int) -> Any:
    description = folder.description
    parts, locref = len(description.bodyparts), description.location_refinement
    weights = fold_batch_norm(folder.weights(), description.net_type, parts, locref=locref)
    spec = PoseNetworkSpec(description.net_type, parts, description.mean_pixel, locref)
    return build_openvino_graph(spec, weights, height, width)


def _gathered(requests: list[Any]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32] | None]:
    """The shares' outputs put together; copies, since a request's own memory is used again."""
    scoremap, *rest = (
        np.concatenate([request.get_output_tensor(number).data for request in requests])
        for number in range(len(requests[0].model_outputs))
    )
    if not rest:
        return scoremap, None
    locref = rest[0]
    return scoremap, locref.reshape(*locref.shape[:3], -1, 2)

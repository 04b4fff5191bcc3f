"""The engine for CPUs: a network as an OpenVINO graph."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from posecli.engine import EngineInfo, Shape
from posecli.engine.openvino_core import openvino_core
from posecli.engine.openvino_graph import build_openvino
from posecli.engine.outputs import typed_output
from posecli.model.folder import AnyFolder, has_int8, read_int8_plan
from posecli.network.folding import fold_batch_norm, merge_heads
from posecli.network.int8 import Int8Plan, beside_int8, calibration, in_int8
from posecli.network.network import Network
from posecli.options import EngineOptions, FixedPrecision
from posecli.support.hardware import usable_cores

Images = npt.NDArray[np.uint8]

#: OpenVINO's word for each precision's arithmetic. It is always said: left alone, OpenVINO takes bf16 where it can.
ARITHMETIC: dict[FixedPrecision, str] = {"fp32": "f32", "bf16": "bf16", "fp16": "f16"}
#: Among a device's capabilities, what tells that it computes so by itself, and need not imitate it.
CAPABILITY: dict[FixedPrecision, str] = {"fp32": "FP32", "bf16": "BF16", "fp16": "FP16", "int8": "INT8"}
#: Frames per call where speed does not matter and memory does.
SMALL_BATCH = 4


class OpenVINOEngine:
    """A network on OpenVINO's CPU device.

    Each core runs a stream of its own over its share of a batch: small networks' layers are too short to be worth
    sharing between cores, and large ones lose nothing. A batch of fewer items than cores gives each item several.
    The graph is compiled for the batch it is warmed up with, and anew only when a larger one has more shares to give.
    """

    def __init__(self, folder: AnyFolder, shape: Shape, options: EngineOptions) -> None:
        import openvino as ov

        precision = options.fixed_precision
        plan = read_int8_plan(folder) if precision == "int8" else None
        graph = FoldedGraph(folder)
        self._head = graph.network.head
        self._model = graph.built(shape, plan)
        self._precision: FixedPrecision = precision
        self._network: CompiledNetwork | None = None
        self._shape = shape
        threads = options.threads or usable_cores()
        self.info = EngineInfo("openvino", ov.__version__.partition("-")[0], "CPU", precision, threads)

    @staticmethod
    def obstacle(folder: AnyFolder, precision: FixedPrecision) -> str | None:
        """Whether the processor computes in the precision by itself: OpenVINO would imitate it in silence."""
        if precision == "int8" and not has_int8(folder):
            return (
                f"model '{folder.path}' has no int8 version: make one with 'posecli model quantize', or choose "
                "--precision auto, bf16 or fp32"
            )
        core = openvino_core()
        capabilities = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        if CAPABILITY[precision] in capabilities:
            return None
        native = ", ".join(name for name in ARITHMETIC if CAPABILITY[name] in capabilities)
        processor = core.get_property("CPU", "FULL_DEVICE_NAME")
        return f"this processor ({processor}) does not compute in {precision}: choose --precision auto or {native}"

    def warm_up(self, batch_size: int) -> None:
        """Lay streams out for a batch's size, and run once on black frames: kernels are made when it first comes."""
        if self._network is not None and self._network.streams != self._streams(batch_size):
            self._network = None
        self(np.zeros((batch_size, *self._shape), np.uint8))

    def __call__(self, images: Images) -> Any:
        streams = self._streams(len(images))
        if self._network is None or self._network.streams < streams:
            self._network = CompiledNetwork(self._model, self._precision, self.info.threads, streams)
        return typed_output(self._head, self._network(images))

    def _streams(self, batch_size: int) -> int:
        return min(self.info.threads, batch_size)


class FoldedGraph:
    """A model's folded weights, from which graphs of any size and precision are built."""

    def __init__(self, folder: AnyFolder, threads: int | None = None) -> None:
        self._threads = threads or usable_cores()
        folded = fold_batch_norm(folder.description.network, folder.weights())
        self.network, self._weights = merge_heads(*folded)

    def built(self, shape: Shape, plan: Int8Plan | None) -> Any:
        """The network for items of one shape, not yet compiled."""
        return self._built(self.network if plan is None else in_int8(self.network, plan), shape)

    def run(self, images: Images, plan: Int8Plan | None, precision: FixedPrecision) -> Any:
        """What the network says of any number of items, in one precision; built for this call alone."""
        streams = min(self._threads, SMALL_BATCH)
        network = CompiledNetwork(self.built(images.shape[1:], plan), precision, self._threads, streams)
        parts = [network(images[start : start + SMALL_BATCH]) for start in range(0, len(images), SMALL_BATCH)]
        return typed_output(self.network.head, [np.concatenate(arrays) for arrays in zip(*parts, strict=True)])

    def entering_ranges(self, images: Images) -> dict[str, tuple[float, float]]:
        """Lowest and highest value that enters each convolution in fp32, by its name."""
        network = calibration(self.network)
        lows, highs = [], []
        for values in self._outputs(network, images):
            lows.append([value.min() for value in values])
            highs.append([value.max() for value in values])
        low, high = (dict(zip(network.outputs, each, strict=True)) for each in (np.min(lows, 0), np.max(highs, 0)))
        return {
            name: (float(low[tensor]), float(high[tensor])) for name, tensor in self.network.int8_candidates().items()
        }

    def int8_noise(self, images: Images, plan: Int8Plan) -> dict[str, float]:
        """How far int8 moves what each convolution of a plan makes of exact inputs, as a share of its spread."""
        noises, powers = [], []
        for values in self._outputs(beside_int8(self.network, plan), images):
            exact, narrow = values[::2], values[1::2]
            noises.append([np.square(each - other).mean() for each, other in zip(exact, narrow, strict=True)])
            powers.append([each.var() for each in exact])
        noise, power = np.sum(noises, 0), np.maximum(np.sum(powers, 0), np.finfo(np.float32).tiny)
        return dict(zip(plan.ranges, np.sqrt(noise / power).tolist(), strict=True))

    def _outputs(self, network: Network, images: Images) -> Iterator[list[npt.NDArray[np.float32]]]:
        """A network's outputs in fp32, image by image; each is overwritten by the next."""
        compiled = _compile(self._built(network, images.shape[1:]), "fp32", self._threads, streams=1)
        request = compiled.create_infer_request()
        for image in images:
            request.infer({0: image[None]})
            yield [request.get_output_tensor(place).data for place in range(len(network.outputs))]

    def _built(self, network: Network, shape: Shape) -> Any:
        return build_openvino(network, self._weights, shape[:-1])


class CompiledNetwork:
    """A graph compiled for the CPU, called with any number of items; each stream takes its share of them."""

    def __init__(self, model: Any, precision: FixedPrecision, threads: int, streams: int) -> None:
        self._compiled = _compile(model, precision, threads, streams)
        self._requests = [self._compiled.create_infer_request() for _ in range(streams)]
        self.streams = streams

    def __call__(self, images: Images) -> list[npt.NDArray[np.float32]]:
        """Run on ``(B, *shape)`` uint8 RGB; the graph's outputs in order."""
        shares = [share for share in np.array_split(images, self.streams) if len(share)]
        busy = list(zip(self._requests, shares, strict=False))
        for request, share in busy:
            request.start_async({0: share}, share_inputs=True)
        for request, _ in busy:
            request.wait()
        # Copies, since a request's own memory is used again.
        return [
            np.concatenate([request.get_output_tensor(number).data for request, _ in busy])
            for number in range(len(self._compiled.outputs))
        ]


def wider_precision() -> FixedPrecision:
    """What computes beside int8: the fastest precision here that moves nothing much."""
    return "bf16" if "BF16" in openvino_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES") else "fp32"


def _compile(model: Any, precision: FixedPrecision, threads: int, streams: int) -> Any:
    settings = {
        "INFERENCE_PRECISION_HINT": ARITHMETIC[wider_precision() if precision == "int8" else precision],
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": streams,
        # Pinned threads of two processes would share the same cores while others idle.
        "ENABLE_CPU_PINNING": False,
    }
    return openvino_core().compile_model(model, "CPU", settings)
